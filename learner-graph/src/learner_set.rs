//! Learners and sets of them.

use crate::acceptor_set::Bits;
use std::fmt;

/// The most learners that a graph may name.
pub const LEARNERS_MAX: usize = 64;

/// A learner: its index in the graph's list of learners, which is sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LearnerId(u8);

impl LearnerId {
    /// The learner at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`LEARNERS_MAX`].
    pub fn new(index: usize) -> Self {
        assert!(index < LEARNERS_MAX, "a learner's index is below {LEARNERS_MAX}");
        LearnerId(index as u8)
    }

    /// Its index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of learners.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LearnerSet(u64);

impl LearnerSet {
    /// The empty set.
    pub const EMPTY: LearnerSet = LearnerSet(0);

    /// Whether `learner` is a member.
    pub fn contains(self, learner: LearnerId) -> bool {
        self.0 & (1 << learner.0) != 0
    }

    /// Adds `learner`.
    pub fn insert(&mut self, learner: LearnerId) {
        self.0 |= 1 << learner.0;
    }

    /// Members of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        LearnerSet(self.0 | other.0)
    }

    /// Members of this one that are not in `other`.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        LearnerSet(self.0 & !other.0)
    }

    /// Whether no learner is in both.
    pub fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }

    /// Whether every member is one of `other`.
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it has no member.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members it has.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = LearnerId> {
        Bits(self.0).map(|bit| LearnerId(bit as u8))
    }
}

impl FromIterator<LearnerId> for LearnerSet {
    fn from_iter<I: IntoIterator<Item = LearnerId>>(learners: I) -> Self {
        let mut set = LearnerSet::EMPTY;
        learners.into_iter().for_each(|learner| set.insert(learner));
        set
    }
}

impl fmt::Debug for LearnerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(LearnerId::index)).finish()
    }
}
