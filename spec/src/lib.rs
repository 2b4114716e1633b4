//! What must be true of hpaxos, executable.
//!
//! [`naive`] holds the slow and obvious twin of every definition that the product computes cleverly; tests make the two
//! fight on random inputs. [`properties`] says what must be true of every run, and [`simulator`] makes runs: the product's
//! engine under a virtual clock, network and disk, with everything that can go wrong. [`replay`] runs a recorded one again, and
//! [`verdict`] judges what the nodes of a real network wrote, [`registers`] what its clients saw.

#![warn(missing_docs)]

pub mod model;
pub mod naive;
pub mod properties;
pub mod registers;
pub mod replay;
pub mod simulator;
pub mod verdict;
