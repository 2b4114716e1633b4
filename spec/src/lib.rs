//! What must be true of hpaxos, executable.
//!
//! [`naive`] holds the slow and obvious twin of every definition that the product computes cleverly; tests make the two
//! fight on random inputs.

#![warn(missing_docs)]

pub mod naive;
