//! Naive twins: definitions transcribed literally, on sets.

pub mod learner_graph;
pub mod random_graph;
