//! A validator node: the only crate with IO.
//!
//! ```text
//!  clients ─▶ api ─▶ mempool ─┐                                          ┌─▶ executor ─▶ views ─▶ api
//!                      ▲      ▼                                          │
//!  peers ─▶ network ─▶ intake ─▶ driver: engine, one sync, then ─▶ network, timers, decisions
//!                      judge                  store
//! ```
//!
//! [`node`] puts it together. Each arrow is one bounded channel or one call, rightward; a retry is a timer, a full mempool an
//! error at the API, never a wait inside. What an operator touches: [`home`] is the folder that a node lives in, [`config`]
//! its settings, [`keys`] its key, [`logging`] and [`metrics`] what it tells, [`control`] what may be switched while it runs.

#![warn(missing_docs)]

pub mod api;
pub mod audit;
mod certifier;
pub mod client;
pub mod config;
pub mod control;
pub mod driver;
pub mod events;
pub mod executor;
pub mod files;
pub mod guard;
pub mod home;
pub mod inspection;
pub mod intake;
pub mod judge;
pub mod keys;
pub mod logging;
pub mod mempool;
pub mod metrics;
mod nearest;
pub mod network;
pub mod node;
pub mod replies;
mod snapshots;
pub mod store;
pub mod sync;
pub mod views;
pub mod waiting;
pub mod wire;
