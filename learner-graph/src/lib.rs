//! Who trusts whom.
//!
//! A *learner graph* is the trust model of Heterogeneous Paxos, and the only thing that consensus knows about trust: each
//! learner (here: each chain) has its quorums, and each two learners an edge that says which sets of acceptors (here:
//! validators) must be safe for the two to agree.
//!
//! ```text
//!   file::read ──▶ LearnerGraph ──▶ Log: the restriction to the learners that commit together
//!   (TOML)             │              │
//!                      │              ├─▶ is_quorum, connections     asked by the engine, for every message
//!                      │              └─▶ analysis::covers, sends    asked by the engine, once
//!                      └─▶ analysis::{check, analyze, entangled}     asked by people, exact, NP-hard
//!                               └─▶ search: weighted (branch and bound) or nested (SAT)
//! ```
//!
//! | word | meaning | here |
//! |---|---|---|
//! | acceptor | a validator; it votes | [`AcceptorId`], [`AcceptorSet`] |
//! | learner | a trust model that decides; one per chain | [`LearnerId`], [`LearnerSet`] |
//! | quorum | acceptors whose votes make a learner decide | [`Log::is_quorum`] |
//! | edge | the *safe sets* of two learners: if one holds only safe acceptors, they must agree | [`Link`] |
//! | condensed | closed under composition: a safe set of a–b and of b–c is one of a–c | [`Log::connections`] |
//! | entangled | all acceptors of some safe set are safe | [`analysis::entangled()`] |
//! | accurate | entangled with itself: its chain does not fork | [`Connections::connected`] |
//! | valid | X ∩ A ∩ B is inhabited for every safe set X and quorums A, B of a condensed edge | [`analysis::check()`] |
//! | level | all edges are the same condition; then three sends decide | [`analysis::sends`] |
//!
//! Sources: Sheff, Wang, van Renesse, Myers, "Heterogeneous Paxos" (OPODIS 2020, arXiv 2011.08253), and the TLA+ module
//! `HLearnerGraph` of Anoma's Typhon.
//!
//! The crate is pure: no clock, no IO, no randomness, no hash order. What may take long takes an
//! [`Effort`](search::Effort), counted in steps.

#![warn(missing_docs)]

mod acceptor_set;
pub mod analysis;
mod condition;
mod edge;
mod expression;
pub mod file;
mod graph;
mod learner_set;
mod log;
pub mod picture;
pub mod search;

pub use acceptor_set::{ACCEPTORS_MAX, AcceptorId, AcceptorSet};
pub use condition::{Condition, Meets, Threshold, Weight};
pub use edge::{INTERSECTIONS_MAX, NoLargest, NoOverlap, Shares, largest, overlap};
pub use expression::{Edge, Expression, Fraction, Quorum, Safe};
pub use graph::{ALL, Acceptor, Declarations, GraphError, Learner, LearnerGraph, LogDeclaration};
pub use learner_set::{LEARNERS_MAX, LearnerId, LearnerSet};
pub use log::{Connections, ConnectionsCache, Link, Log};
