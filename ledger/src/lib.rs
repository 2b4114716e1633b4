//! The replicated state machines.
//!
//! What exists so far is where they start: [`Genesis`], read from a file, and the id of the network that a learner graph
//! and a genesis make together. Pure: no clock, no IO, no hash order.

#![warn(missing_docs)]

mod genesis;
mod network;

pub use genesis::{Balance, GENESIS_BYTES_MAX, Genesis, Object, State};
pub use network::network_id;
