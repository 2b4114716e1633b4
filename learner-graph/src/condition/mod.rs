//! Monotone conditions on sets of acceptors: the one representation of quorum systems and of edges.
//!
//! Listing the quorums of a hundred validators is impossible; a condition is as long as the sentence that describes
//! them. The engine asks it one question, [`Condition::holds`]. Every condition holds at the set of all acceptors and
//! fails at the empty set (its constructors see to that), and stays true when the set grows.

mod meets;
mod threshold;

pub use meets::Meets;
pub use threshold::{Threshold, Weight};

use crate::acceptor_set::{AcceptorId, AcceptorSet};

/// A monotone condition on a set of acceptors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The weights of the members sum to at least a threshold. A single acceptor is one of these too.
    Threshold(Threshold),
    /// At least so many of the conditions hold: `all-of` and `any-of` are the two ends.
    AtLeast {
        /// How many must hold, from 1 to the number of conditions.
        at_least: usize,
        /// The conditions, sorted.
        of: Vec<Condition>,
    },
    /// The set meets every (quorum of `a`) ∩ (quorum of `b`): the largest valid edge of two learners.
    Meets(Meets),
}

impl Condition {
    /// The condition that holds at the sets that contain `acceptor`.
    pub fn acceptor(acceptor: AcceptorId) -> Self {
        Condition::count(1, AcceptorSet::from_iter([acceptor]))
    }

    /// The condition that holds at the sets with at least `at_least` of `members`.
    ///
    /// # Panics
    /// If `at_least` is 0 or above the number of members.
    pub fn count(at_least: usize, members: AcceptorSet) -> Self {
        Condition::Threshold(Threshold::count(at_least, members))
    }

    /// The condition that holds where at least `at_least` of `of` hold. Nesting that says nothing is flattened.
    ///
    /// # Panics
    /// If `at_least` is 0 or above the number of conditions.
    pub fn at_least(at_least: usize, mut of: Vec<Condition>) -> Self {
        assert!(
            (1..=of.len()).contains(&at_least),
            "a condition fails at no acceptors and holds at all"
        );
        if of.len() == 1 {
            return of.remove(0);
        }
        let singles: Option<Vec<AcceptorId>> = of.iter().map(Condition::as_acceptor).collect();
        if let Some(singles) = singles {
            let members = AcceptorSet::from_iter(singles);
            if members.len() == of.len() {
                return Condition::count(at_least, members);
            }
        }
        of.sort();
        // Of conditions that all must hold, or any, a repetition says nothing.
        if at_least == 1 || at_least == of.len() {
            let all = at_least == of.len();
            of.dedup();
            let at_least = if all { of.len() } else { 1 };
            return if of.len() == 1 { of.remove(0) } else { Condition::AtLeast { at_least, of } };
        }
        Condition::AtLeast { at_least, of }
    }

    /// Whether the condition holds at `set`.
    pub fn holds(&self, set: &AcceptorSet) -> bool {
        match self {
            Condition::Threshold(threshold) => threshold.holds(set),
            Condition::AtLeast { at_least, of } => {
                let mut missing = *at_least;
                for (index, part) in of.iter().enumerate() {
                    if missing > of.len() - index {
                        return false;
                    }
                    missing -= usize::from(part.holds(set));
                    if missing == 0 {
                        return true;
                    }
                }
                false
            }
            Condition::Meets(meets) => meets.holds(set),
        }
    }

    /// The dual: it holds at a set iff this one *fails* at the set's complement.
    pub fn dual(&self) -> Condition {
        match self {
            Condition::Threshold(threshold) => Condition::Threshold(threshold.dual()),
            Condition::AtLeast { at_least, of } => Condition::at_least(
                of.len() - at_least + 1,
                of.iter().map(Condition::dual).collect(),
            ),
            Condition::Meets(meets) => {
                let contained =
                    meets.intersections().map(|set| Condition::count(set.len(), set)).collect();
                Condition::at_least(1, contained)
            }
        }
    }

    /// The acceptors that it names with weight.
    pub fn support(&self) -> AcceptorSet {
        match self {
            Condition::Threshold(threshold) => threshold.members(),
            Condition::AtLeast { of, .. } => {
                of.iter().fold(AcceptorSet::EMPTY, |all, part| all.union(&part.support()))
            }
            Condition::Meets(meets) => {
                meets.intersections().fold(AcceptorSet::EMPTY, |all, set| all.union(&set))
            }
        }
    }

    /// The conditions that it is the conjunction of: itself, unless it is an `all-of`.
    pub(crate) fn conjuncts(&self) -> Vec<&Condition> {
        match self {
            Condition::AtLeast { at_least, of } if *at_least == of.len() => {
                of.iter().flat_map(Condition::conjuncts).collect()
            }
            _ => vec![self],
        }
    }

    fn as_acceptor(&self) -> Option<AcceptorId> {
        match self {
            Condition::Threshold(threshold) if threshold.members().len() == 1 => {
                threshold.members().iter().next()
            }
            _ => None,
        }
    }
}

/// The canonical bytes of a condition, which the network id covers: a tag, then its parts. Acceptors are their
/// indices, sets of them their indices in ascending order, weights 32 bytes little-endian.
impl borsh::BorshSerialize for Condition {
    fn serialize<W: std::io::Write>(&self, out: &mut W) -> std::io::Result<()> {
        match self {
            Condition::Threshold(threshold) => {
                0u8.serialize(out)?;
                threshold.serialize(out)
            }
            Condition::AtLeast { at_least, of } => {
                1u8.serialize(out)?;
                (*at_least as u64).serialize(out)?;
                of.serialize(out)
            }
            Condition::Meets(meets) => {
                2u8.serialize(out)?;
                meets.serialize(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: u64) -> AcceptorSet {
        (0..8).filter(|index| bits >> index & 1 == 1).map(AcceptorId::new).collect()
    }

    fn nested() -> Condition {
        let pair = Condition::count(2, set(0b0000_1110));
        let weighted = Condition::Threshold(Threshold::new(
            Weight::from(5u64),
            [(4, 4u64), (5, 3), (6, 2)]
                .map(|(index, weight)| (AcceptorId::new(index), Weight::from(weight))),
        ));
        Condition::at_least(2, vec![Condition::acceptor(AcceptorId::new(0)), pair, weighted])
    }

    #[test]
    fn at_least_counts_the_parts_that_hold() {
        let condition = nested();
        assert!(condition.holds(&set(0b0000_0111)));
        assert!(condition.holds(&set(0b0011_1100)));
        assert!(!condition.holds(&set(0b0101_0011)) || condition.holds(&set(0b0101_0001)));
        assert!(!condition.holds(&set(0b1000_1111)) || condition.holds(&set(0b0000_1111)));
        assert!(!condition.holds(&set(0b0111_0000)));
    }

    #[test]
    fn the_dual_fails_at_the_complement() {
        let meets = Condition::Meets(Meets::new(vec![set(0b0011), set(0b0110), set(0b1001)]));
        for condition in [nested(), meets, Condition::count(3, set(0b1_1111))] {
            let dual = condition.dual();
            for bits in 0..256 {
                assert_eq!(
                    dual.holds(&set(bits)),
                    !condition.holds(&set(!bits & 0xff)),
                    "{bits:b}"
                );
            }
        }
    }

    #[test]
    fn repetitions_say_nothing() {
        let (a, b) = (nested(), Condition::count(2, set(0b111)));
        let twice = || vec![a.clone(), b.clone(), a.clone()];
        let once = || vec![a.clone(), b.clone()];
        assert_eq!(Condition::at_least(1, twice()), Condition::at_least(1, once()));
        assert_eq!(Condition::at_least(3, twice()), Condition::at_least(2, once()));
        assert_eq!(Condition::at_least(1, vec![a.clone(), a.clone()]), a);
        // In between it does: two of (a, a, b) is a, or both.
        assert_ne!(Condition::at_least(2, twice()), Condition::at_least(2, once()));
    }

    #[test]
    fn all_of_is_its_parts() {
        let all = Condition::at_least(2, vec![nested(), Condition::count(2, set(0b111))]);
        assert_eq!(all.conjuncts().len(), 2);
        assert_eq!(nested().conjuncts().len(), 1);
    }
}
