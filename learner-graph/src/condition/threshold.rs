//! Weighted thresholds in exact arithmetic.

use crate::acceptor_set::{AcceptorId, AcceptorSet};

/// A weight. Stakes are `u128`; the weights of an `overlap` edge are products of two stakes.
pub type Weight = ruint::aliases::U256;

/// The members' weights in a set sum to at least a threshold. Kept in lowest terms, so that equal values are equal
/// conditions (not the reverse: `2 of {3, 2, 2}` is `2 of {1, 1, 1}` as a function, and only a search can tell).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold {
    threshold: Weight,
    members: AcceptorSet,
    weights: Weights,
}

/// Weights by acceptor index, in the narrowest form, for the sake of the hot path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weights {
    Unit,
    Narrow(Vec<u128>),
    Wide(Vec<Weight>),
}

impl Threshold {
    /// The condition that the weights of a set's members sum to at least `threshold`. Zero weights name nobody.
    ///
    /// # Panics
    /// If `threshold` is 0 or above the sum of the weights, or the sum is above 2²⁵⁶ − 1.
    pub fn new(threshold: Weight, weights: impl IntoIterator<Item = (AcceptorId, Weight)>) -> Self {
        let mut weights: Vec<(AcceptorId, Weight)> =
            weights.into_iter().filter(|(_, weight)| !weight.is_zero()).collect();
        weights.sort();
        let total = sum(weights.iter().map(|(_, weight)| *weight));
        assert!(
            !threshold.is_zero() && threshold <= total,
            "a condition fails at no acceptors and holds at all"
        );

        // A weight above the threshold says no more than the threshold itself.
        for (_, weight) in &mut weights {
            *weight = (*weight).min(threshold);
        }
        let divisor =
            weights.iter().fold(Weight::ZERO, |divisor, (_, weight)| divisor.gcd(*weight));
        let threshold = threshold.div_ceil(divisor);
        for (_, weight) in &mut weights {
            *weight /= divisor;
        }
        Threshold {
            threshold,
            members: weights.iter().map(|(acceptor, _)| *acceptor).collect(),
            weights: Weights::new(&weights),
        }
    }

    /// The condition that at least `at_least` of `members` are in a set.
    ///
    /// # Panics
    /// If `at_least` is 0 or above the number of members.
    pub fn count(at_least: usize, members: AcceptorSet) -> Self {
        assert!(
            (1..=members.len()).contains(&at_least),
            "a condition fails at no acceptors and holds at all"
        );
        Threshold { threshold: Weight::from(at_least), members, weights: Weights::Unit }
    }

    /// Whether the weights of `set`'s members sum to at least the threshold. O(n), no allocation.
    pub fn holds(&self, set: &AcceptorSet) -> bool {
        match &self.weights {
            Weights::Unit => Weight::from(self.members.count_common(set)) >= self.threshold,
            Weights::Narrow(weights) => {
                let threshold = self.threshold.to::<u128>();
                let mut total = 0u128;
                for acceptor in self.members.intersection(set).iter() {
                    total += weights[acceptor.index()];
                }
                total >= threshold
            }
            Weights::Wide(weights) => {
                let mut total = Weight::ZERO;
                for acceptor in self.members.intersection(set).iter() {
                    total += weights[acceptor.index()];
                }
                total >= self.threshold
            }
        }
    }

    /// The threshold, in lowest terms.
    pub fn threshold(&self) -> Weight {
        self.threshold
    }

    /// The acceptors with weight.
    pub fn members(&self) -> AcceptorSet {
        self.members
    }

    /// The weight of `acceptor`, in lowest terms and no more than the threshold; 0 if it is no member.
    pub fn weight(&self, acceptor: AcceptorId) -> Weight {
        match &self.weights {
            _ if !self.members.contains(acceptor) => Weight::ZERO,
            Weights::Unit => Weight::from(1u64),
            Weights::Narrow(weights) => Weight::from(weights[acceptor.index()]),
            Weights::Wide(weights) => weights[acceptor.index()],
        }
    }

    /// Whether every member weighs the same.
    pub fn is_count(&self) -> bool {
        self.weights == Weights::Unit
    }

    /// It holds at a set iff this one fails at the set's complement.
    pub(super) fn dual(&self) -> Threshold {
        let total = sum(self.members.iter().map(|acceptor| self.weight(acceptor)));
        let weights = self.members.iter().map(|acceptor| (acceptor, self.weight(acceptor)));
        Threshold::new(total - self.threshold + Weight::from(1u64), weights)
    }
}

impl Weights {
    fn new(weights: &[(AcceptorId, Weight)]) -> Self {
        if weights.iter().all(|(_, weight)| *weight == Weight::from(1u64)) {
            return Weights::Unit;
        }
        let length = weights.last().map_or(0, |(acceptor, _)| acceptor.index() + 1);
        let total = sum(weights.iter().map(|(_, weight)| *weight));
        if total <= Weight::from(u128::MAX) {
            let mut narrow = vec![0; length];
            weights.iter().for_each(|(acceptor, weight)| narrow[acceptor.index()] = weight.to());
            Weights::Narrow(narrow)
        } else {
            let mut wide = vec![Weight::ZERO; length];
            weights.iter().for_each(|(acceptor, weight)| wide[acceptor.index()] = *weight);
            Weights::Wide(wide)
        }
    }
}

fn sum(weights: impl Iterator<Item = Weight>) -> Weight {
    weights.fold(Weight::ZERO, |total, weight| {
        total.checked_add(weight).expect("weights sum to below 2^256")
    })
}

impl borsh::BorshSerialize for Threshold {
    fn serialize<W: std::io::Write>(&self, out: &mut W) -> std::io::Result<()> {
        self.threshold.to_le_bytes::<32>().serialize(out)?;
        let weights: Vec<(u16, [u8; 32])> = self
            .members
            .iter()
            .map(|acceptor| (acceptor.index() as u16, self.weight(acceptor).to_le_bytes()))
            .collect();
        weights.serialize(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(at_least: u128, weights: &[u128]) -> Threshold {
        let weights = weights.iter().enumerate();
        let weights =
            weights.map(|(index, weight)| (AcceptorId::new(index), Weight::from(*weight)));
        Threshold::new(Weight::from(at_least), weights)
    }

    #[test]
    fn is_kept_in_lowest_terms() {
        assert_eq!(threshold(15, &[10, 10, 0, 10]), threshold(2, &[1, 1, 0, 1]));
        assert!(threshold(15, &[10, 10, 0, 10]).is_count());
        assert!(!threshold(15, &[10, 10, 0, 10]).members().contains(AcceptorId::new(2)));
        // Above the threshold, more weight says nothing more.
        assert_eq!(threshold(3, &[9, 3, 1]), threshold(3, &[3, 3, 1]));
    }

    #[test]
    fn narrow_and_wide_weights_agree() {
        let big = u128::MAX / 3;
        let narrow = threshold(big + 5, &[big, 7, 4]);
        let wide = threshold(u128::MAX, &[u128::MAX - 1, u128::MAX - 3, 1, 2]);
        for bits in 0..16u64 {
            let set: AcceptorSet =
                (0..4).filter(|index| bits >> index & 1 == 1).map(AcceptorId::new).collect();
            let sum = |weights: [u128; 4]| {
                let mut chosen = (0..4).filter(|index| bits >> index & 1 == 1);
                chosen.try_fold(0u128, |sum, index| sum.checked_add(weights[index]))
            };
            assert_eq!(narrow.holds(&set), sum([big, 7, 4, 0]).is_none_or(|sum| sum >= big + 5));
            let wide_sum = sum([u128::MAX - 1, u128::MAX - 3, 1, 2]);
            assert_eq!(wide.holds(&set), wide_sum.is_none_or(|sum| sum == u128::MAX));
        }
    }

    #[test]
    #[should_panic(expected = "fails at no acceptors and holds at all")]
    fn a_threshold_above_the_total_is_refused() {
        threshold(7, &[3, 3]);
    }
}
