//! What is derived of a message, once, from the facts of its references.

use super::locks::{Lock, Overtakers};
use crate::ids::Ballot;
use crate::trust::ClassSet;
use hpaxos_learner_graph::AcceptorSet;

// ANCHOR: facts
/// What follows from everything that lies below a message x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// ballot(x), and with it value(x).
    pub ballot: Ballot,
    /// caught(x).
    pub caught: AcceptorSet,
    /// learners(x) of a 2a or 2b; of a 1b the learners for which it is fresh. As classes.
    pub named: ClassSet,
    /// The learners of the signer's own 2a's of this ballot, at or below x.
    pub accepted: ClassSet,
    /// The learners of the signer's own 2b's of this ballot, at or below x.
    pub committed: ClassSet,
    /// For each class of learners; none for a 1a.
    pub classes: Box<[ClassFacts]>,
}
// ANCHOR_END: facts

// ANCHOR: class_facts
/// What follows for one class of learners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassFacts {
    /// Signers of 1b's of this ballot, at or below x, that are fresh for the class.
    pub votes: AcceptorSet,
    /// Signers of 2a's of this ballot, at or below x, that name the class.
    pub accepts: AcceptorSet,
    /// The highest 2a's at or below x that name the class.
    pub overtakers: Overtakers,
    /// The signer's highest soft lock that names the class.
    pub soft: Option<Lock>,
    /// The signer's highest hard lock that names the class.
    pub hard: Option<Lock>,
}
// ANCHOR_END: class_facts

impl Facts {
    /// Those of a 1a.
    pub(crate) fn proposal(ballot: Ballot) -> Self {
        Facts {
            ballot,
            caught: AcceptorSet::EMPTY,
            named: ClassSet::EMPTY,
            accepted: ClassSet::EMPTY,
            committed: ClassSet::EMPTY,
            classes: Box::default(),
        }
    }
}
