//! `overlap` edges: safe sets from stakes alone.
//!
//! With shares σ_a(i) = s_a(i) / T_a, a quorum of `a` leaves out less than 1 − m_a/T_a in shares of `a`, so two quorums
//! have at least x = Σ_i min(σ_a(i), σ_b(i)) − (1 − m_a/T_a) − (1 − m_b/T_b) in common, counted in the smaller share. A
//! set is safe iff what it leaves out is less than x: then it meets every such intersection. Sufficient, not tight: the
//! `largest` edge has at least these safe sets.

use crate::acceptor_set::AcceptorId;
use crate::condition::{Threshold, Weight};
use crate::expression::total;
use std::collections::BTreeMap;
use std::fmt;

/// A quorum rule over stakes: total T, and the least weight m that is a quorum, 1 ≤ m ≤ T < 2¹²⁸.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    stake: BTreeMap<AcceptorId, u128>,
    total: Weight,
    least: Weight,
}

impl Shares {
    /// The rule that acceptors with a joint stake of `least` are a quorum.
    pub fn new(stake: Vec<(AcceptorId, u128)>, least: u128) -> Self {
        let total = Weight::from(total(&stake));
        Shares { stake: stake.into_iter().collect(), total, least: Weight::from(least) }
    }

    /// What a quorum may leave out, at the most.
    fn slack(&self) -> Weight {
        self.total - self.least
    }

    /// Whether a quorum may leave out no larger a share than one of `other`.
    pub fn leaves_out_no_more_than(&self, other: &Shares) -> bool {
        self.slack() * other.total <= other.slack() * self.total
    }
}

/// Why two learners have no `overlap` edge: x ≤ 0. All three numbers are parts of `whole`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoOverlap {
    /// Σ_i min(s_a(i)/T_a, s_b(i)/T_b).
    pub common: Weight,
    /// 1 − m_a/T_a and 1 − m_b/T_b.
    pub slack: (Weight, Weight),
    /// The common denominator, T_a·T_b over their greatest common divisor.
    pub whole: Weight,
}

/// The `overlap` edge of two quorum rules, in integers over the common denominator.
///
/// # Errors
/// [`NoOverlap`] if x ≤ 0: two quorums may have nothing in common.
pub fn overlap(a: &Shares, b: &Shares) -> Result<Threshold, NoOverlap> {
    // Over the least common denominator every term is below 2^256, since it is at most the denominator itself.
    let divisor = a.total.gcd(b.total);
    let (factor_a, factor_b) = (b.total / divisor, a.total / divisor);
    let weights: Vec<(AcceptorId, Weight)> = a
        .stake
        .iter()
        .filter_map(|(acceptor, stake_a)| {
            let stake_b = b.stake.get(acceptor)?;
            Some((
                *acceptor,
                (Weight::from(*stake_a) * factor_a).min(Weight::from(*stake_b) * factor_b),
            ))
        })
        .collect();
    let common = weights.iter().fold(Weight::ZERO, |sum, (_, weight)| sum + weight);
    let slack = (a.slack() * factor_a, b.slack() * factor_b);
    let x = common
        .checked_sub(slack.0)
        .and_then(|rest| rest.checked_sub(slack.1))
        .filter(|x| !x.is_zero());
    match x {
        // Outside weighs less than x  ⟺  inside weighs at least common − x + 1.
        Some(x) => Ok(Threshold::new(common - x + Weight::from(1u64), weights)),
        None => Err(NoOverlap { common, slack, whole: a.total * factor_a }),
    }
}

impl fmt::Display for NoOverlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: Weight| {
            // Per mille, rounded; the numbers are for reading, the decision was exact.
            let tenths = (f64::from(part) / f64::from(self.whole) * 1000.0).round();
            format!("{} %", tenths / 10.0)
        };
        write!(
            f,
            "what they have in common is {} of the stake (of each validator the smaller share counts), and a quorum of \
             the one may leave out {}, of the other {}: {} - {} - {} is not above 0",
            percent(self.common),
            percent(self.slack.0),
            percent(self.slack.1),
            percent(self.common),
            percent(self.slack.0),
            percent(self.slack.1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptor_set::AcceptorSet;

    fn shares(stake: &[u128], least: u128) -> Shares {
        Shares::new(
            stake.iter().enumerate().map(|(i, stake)| (AcceptorId::new(i), *stake)).collect(),
            least,
        )
    }

    #[test]
    fn of_a_rule_with_itself_is_less_than_a_third_byzantine() {
        let edge = overlap(&shares(&[30, 25, 25, 20], 67), &shares(&[30, 25, 25, 20], 67)).unwrap();
        let outside = |indices: &[usize]| {
            AcceptorSet::first(4)
                .difference(&indices.iter().copied().map(AcceptorId::new).collect())
        };
        assert!(edge.holds(&outside(&[0])), "30 < 34");
        assert!(!edge.holds(&outside(&[1, 3])), "45 >= 34");
    }

    #[test]
    fn does_not_exist_where_quorums_may_be_disjoint() {
        let why = overlap(&shares(&[1, 1, 1, 1], 2), &shares(&[1, 1, 1, 1], 2)).unwrap_err();
        assert_eq!(
            (why.common, why.slack.0, why.whole),
            (Weight::from(4u64), Weight::from(2u64), Weight::from(4u64))
        );
        assert!(why.to_string().contains("100 % - 50 % - 50 %"), "{why}");
    }

    #[test]
    fn is_exact_at_the_largest_stakes() {
        let big = u128::MAX / 2;
        // Coprime totals near 2^128: the common denominator has 256 bits.
        let edge =
            overlap(&shares(&[big, big, 1], big + big), &shares(&[big, big, 0], big + 1)).unwrap();
        assert!(edge.holds(&AcceptorSet::first(2)));
        assert!(!edge.holds(&AcceptorSet::EMPTY));
    }
}
