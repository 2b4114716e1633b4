//! The engine.
#![warn(missing_docs)]
pub mod dag;
mod ids;
pub mod message;
pub mod rules;
mod trust;
pub use ids::*;
pub use rules::MUTANTS;
pub use trust::*;
