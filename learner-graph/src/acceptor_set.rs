//! Acceptors and sets of them.
//!
//! An acceptor is named by its index in the graph's list of names. A set is a fixed bitset, `Copy` and 64 bytes, so
//! that the questions which the engine asks of every message cost no allocation.

use std::fmt;

/// The most acceptors that a graph may name.
pub const ACCEPTORS_MAX: usize = 512;

const WORDS: usize = ACCEPTORS_MAX / 64;

/// An acceptor: its index in the graph's list of acceptors, which is sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcceptorId(u16);

impl AcceptorId {
    /// The acceptor at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`ACCEPTORS_MAX`].
    pub fn new(index: usize) -> Self {
        assert!(index < ACCEPTORS_MAX, "an acceptor's index is below {ACCEPTORS_MAX}");
        AcceptorId(index as u16)
    }

    /// Its index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of acceptors.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcceptorSet([u64; WORDS]);

impl AcceptorSet {
    /// The empty set.
    pub const EMPTY: AcceptorSet = AcceptorSet([0; WORDS]);

    /// The first `count` acceptors.
    ///
    /// # Panics
    /// If `count` is above [`ACCEPTORS_MAX`].
    pub fn first(count: usize) -> Self {
        (0..count).map(AcceptorId::new).collect()
    }

    /// Whether `acceptor` is a member.
    pub fn contains(&self, acceptor: AcceptorId) -> bool {
        self.0[acceptor.index() / 64] & bit(acceptor) != 0
    }

    /// Adds `acceptor`.
    pub fn insert(&mut self, acceptor: AcceptorId) {
        self.0[acceptor.index() / 64] |= bit(acceptor);
    }

    /// Takes `acceptor` out.
    pub fn remove(&mut self, acceptor: AcceptorId) {
        self.0[acceptor.index() / 64] &= !bit(acceptor);
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// Members of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Members of this one that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// Whether every member is one of `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    /// How many acceptors are in both.
    pub fn count_common(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = AcceptorId> + use<> {
        let words = self.0;
        (0..WORDS).flat_map(move |index| {
            Bits(words[index]).map(move |bit| AcceptorId((index * 64 + bit) as u16))
        })
    }

    fn zip(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        AcceptorSet(std::array::from_fn(|index| combine(self.0[index], other.0[index])))
    }
}

fn bit(acceptor: AcceptorId) -> u64 {
    1 << (acceptor.index() % 64)
}

/// The positions of a word's set bits, ascending.
pub(crate) struct Bits(pub u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(lowest)
    }
}

impl FromIterator<AcceptorId> for AcceptorSet {
    fn from_iter<I: IntoIterator<Item = AcceptorId>>(acceptors: I) -> Self {
        let mut set = AcceptorSet::EMPTY;
        acceptors.into_iter().for_each(|acceptor| set.insert(acceptor));
        set
    }
}

impl fmt::Debug for AcceptorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(AcceptorId::index)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn set(indices: &[usize]) -> AcceptorSet {
        indices.iter().copied().map(AcceptorId::new).collect()
    }

    #[test]
    fn behaves_as_a_set_across_words() {
        let (a, b) = (set(&[0, 63, 64, 200, 511]), set(&[63, 65, 200]));
        let indices = |set: AcceptorSet| set.iter().map(AcceptorId::index).collect::<Vec<_>>();
        assert_eq!(indices(a.union(&b)), [0, 63, 64, 65, 200, 511]);
        assert_eq!(indices(a.intersection(&b)), [63, 200]);
        assert_eq!(indices(a.difference(&b)), [0, 64, 511]);
        assert_eq!((a.len(), a.count_common(&b)), (5, 2));
        assert!(set(&[63, 200]).is_subset(&a) && !b.is_subset(&a));
        assert!(a.contains(AcceptorId::new(511)) && !a.contains(AcceptorId::new(510)));
        assert_eq!(AcceptorSet::first(512).len(), 512);
    }

    #[test]
    fn inserting_and_removing_matches_a_tree_set() {
        let mut state = 1u64;
        let (mut bits, mut tree) = (AcceptorSet::EMPTY, BTreeSet::new());
        for _ in 0..10_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = (state >> 33) as usize % ACCEPTORS_MAX;
            if state >> 63 == 0 {
                bits.insert(AcceptorId::new(index));
                tree.insert(index);
            } else {
                bits.remove(AcceptorId::new(index));
                tree.remove(&index);
            }
        }
        assert!(bits.iter().map(AcceptorId::index).eq(tree.iter().copied()));
    }
}
