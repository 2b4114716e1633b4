//! Naive twins: definitions transcribed literally, on sets.

pub mod dag;
pub mod learner_graph;
pub mod protocol;
pub mod random_dag;
pub mod random_graph;
pub mod random_trust;
pub mod trust;
pub mod well_formed;
