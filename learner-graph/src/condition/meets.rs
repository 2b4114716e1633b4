//! The condition "meets each of these sets".

use crate::acceptor_set::AcceptorSet;

/// A list of sets; the condition holds where each of them has a member. For a `largest` edge the sets are the minimal
/// intersections of a quorum of the one learner with a quorum of the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meets(Vec<AcceptorSet>);

impl Meets {
    /// The condition of meeting each of `sets`; smaller sets come first, since they fail first.
    ///
    /// # Panics
    /// If there is no set, or an empty one.
    pub fn new(mut sets: Vec<AcceptorSet>) -> Self {
        assert!(!sets.is_empty(), "there are quorums, so there is an intersection of two");
        assert!(sets.iter().all(|set| !set.is_empty()), "nothing meets an empty set");
        sets.sort_by_key(|set| (set.len(), *set));
        Meets(sets)
    }

    pub(super) fn holds(&self, set: &AcceptorSet) -> bool {
        self.0.iter().all(|one| one.count_common(set) > 0)
    }

    /// The sets.
    pub fn intersections(&self) -> impl Iterator<Item = AcceptorSet> {
        self.0.iter().copied()
    }
}

impl borsh::BorshSerialize for Meets {
    fn serialize<W: std::io::Write>(&self, out: &mut W) -> std::io::Result<()> {
        let sets: Vec<Vec<u16>> = self
            .0
            .iter()
            .map(|set| set.iter().map(|acceptor| acceptor.index() as u16).collect())
            .collect();
        sets.serialize(out)
    }
}
