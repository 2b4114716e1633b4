//! What a learner graph promises and what breaks it, exactly.
//!
//! [`check`] asks whether each log's condensed graph is valid, [`analyze`] for the smallest sets of acceptors that break
//! each promise, [`entangled`] what is left of the promises in one situation, and [`sends`] and [`covers`] what the
//! protocol needs to know beforehand. The questions are NP-hard; every function takes an [`crate::search::Effort`] and
//! says what it did not settle.

mod analyze;
mod check;
mod covers;
mod entangled;
mod tie;

pub use analyze::{
    AnalyzeAnswer, Breaking, By, LearnerAnswer, LogAnswer, PairAnswer, analyze, analyze_log,
};
pub use check::{
    CheckAnswer, CheckedLog, Counterexample, EdgeAnswer, NamedQuorum, check, check_log,
};
pub use covers::{covers, sends, uncovered};
pub use entangled::{EntangledAnswer, EntangledLog, Situation, entangled};

use crate::learner_set::LearnerId;
use crate::log::Log;

/// The pairs of learners of `log`, each once, with a learner itself too.
fn pairs(log: &Log) -> impl Iterator<Item = (LearnerId, LearnerId)> {
    let learners = log.learners();
    learners.iter().flat_map(move |a| learners.iter().filter(move |b| a <= *b).map(move |b| (a, b)))
}
