//! A local network of several chains: real validator processes on loopback, load, faults and a verdict.
//!
//! ```text
//!  topology ─▶ folder: keys, graph, genesis ─▶ fleet: processes, and links between them ◀─ control: kill, partition, …
//!                                                │
//!         story, load, registers ─▶ clients ─────┤ ◀─ attack: nemesis, watchdog
//!                                                └─▶ traces ─▶ verdict;  figures ─▶ show
//! ```

#![warn(missing_docs)]

pub mod attack;
pub mod clocks;
pub mod control;
pub mod counters;
pub mod figures;
pub mod fleet;
pub mod folder;
pub mod links;
pub mod load;
pub mod nemesis;
pub mod process;
pub mod registers;
pub mod show;
pub mod story;
pub mod swap;
pub mod topology;
pub mod traitor;
pub mod verdict;
pub mod watchdog;
