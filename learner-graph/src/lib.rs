//! Learner graphs.
mod acceptor_set;
pub mod analysis;
mod condition;
mod edge;
mod expression;
pub mod file;
mod graph;
mod learner_set;
mod log;
pub mod search;
pub use acceptor_set::*; pub use condition::*; pub use edge::*; pub use expression::*; pub use graph::*; pub use learner_set::*; pub use log::*;
