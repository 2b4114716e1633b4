//! The sans-IO engine of Heterogeneous Paxos: messages, rules and guarded actions.
//!
//! Nothing is here yet. It will stand on [`hpaxos_learner_graph`] alone: no clock, no IO, no randomness, no hash order.

#![warn(missing_docs)]
