//! A local network of several chains: real validator processes on loopback, load, faults and a verdict.
//!
//! ```text
//!  topology ─▶ folder: keys, graph, genesis ─▶ fleet: processes, and links between them ◀─ control: kill, partition, …
//!                                                │
//!                    story, load ─▶ clients ─────┤
//!                                                └─▶ traces ─▶ verdict;  figures ─▶ show
//! ```

#![warn(missing_docs)]

pub mod control;
pub mod figures;
pub mod fleet;
pub mod folder;
pub mod links;
pub mod load;
pub mod process;
pub mod show;
pub mod story;
pub mod topology;
pub mod traitor;
pub mod verdict;
