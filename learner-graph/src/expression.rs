//! What a person writes: quorums, safe sets and nested expressions, as the file has them.
//!
//! Expressions keep the user's form, so that a graph can be written back as it was read. [`Expression::condition`]
//! turns one into the [`Condition`] that is asked at run time.

use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Threshold, Weight};
use crate::edge::Shares;
use crate::learner_set::LearnerId;

/// A monotone expression over acceptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `"alice"`
    Acceptor(AcceptorId),
    /// `{ at-least = 2, of = [ … ] }`
    AtLeast {
        /// How many of the parts must hold, from 1 to their number.
        at_least: usize,
        /// The parts; no acceptor stands directly among them twice.
        of: Vec<Expression>,
    },
    /// `{ all-of = [ … ] }`, or just `[ … ]`
    AllOf(Vec<Expression>),
    /// `{ any-of = [ … ] }`
    AnyOf(Vec<Expression>),
    /// `{ at-least = 51, stake = { alice = 30, … } }`
    Stake {
        /// The least stake that suffices, from 1 to the total.
        at_least: u128,
        /// Who holds how much.
        stake: Vec<(AcceptorId, u128)>,
    },
}

impl Expression {
    /// The condition that it stands for.
    pub fn condition(&self) -> Condition {
        let parts = |of: &[Expression]| of.iter().map(Expression::condition).collect::<Vec<_>>();
        match self {
            Expression::Acceptor(acceptor) => Condition::acceptor(*acceptor),
            Expression::AtLeast { at_least, of } => Condition::at_least(*at_least, parts(of)),
            Expression::AllOf(of) => Condition::at_least(of.len(), parts(of)),
            Expression::AnyOf(of) => Condition::at_least(1, parts(of)),
            Expression::Stake { at_least, stake } => weighted(*at_least, stake),
        }
    }

    /// Its members and threshold, if it is one threshold over acceptors or stake: what `overlap` is defined for.
    fn shares(&self) -> Option<Shares> {
        let singles = |of: &[Expression]| {
            of.iter()
                .map(|part| match part {
                    Expression::Acceptor(acceptor) => Some((*acceptor, 1)),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
        };
        match self {
            Expression::Acceptor(acceptor) => Some(Shares::new(vec![(*acceptor, 1)], 1)),
            Expression::AtLeast { at_least, of } => {
                Some(Shares::new(singles(of)?, *at_least as u128))
            }
            Expression::AllOf(of) => Some(Shares::new(singles(of)?, of.len() as u128)),
            Expression::AnyOf(_) => None,
            Expression::Stake { at_least, stake } => Some(Shares::new(stake.clone(), *at_least)),
        }
    }
}

/// How a learner's quorums are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// `stake = { … }` and `quorum = "> 2/3"`
    Stake {
        /// Who holds how much; the sum is between 1 and 2¹²⁸ − 1.
        stake: Vec<(AcceptorId, u128)>,
        /// Which part of the total is a quorum.
        rule: Fraction,
    },
    /// `quorum = { … }`
    Expression(Expression),
}

impl Quorum {
    /// The condition that holds at the quorums.
    ///
    /// # Panics
    /// If nothing is a quorum; [`Fraction::least`] says so beforehand.
    pub fn condition(&self) -> Condition {
        match self {
            Quorum::Stake { stake, rule } => weighted(least(stake, *rule), stake),
            Quorum::Expression(expression) => expression.condition(),
        }
    }

    /// Stake, total and least quorum, if it is one threshold or stake rule: what `overlap` is defined for.
    pub fn shares(&self) -> Option<Shares> {
        match self {
            Quorum::Stake { stake, rule } => Some(Shares::new(stake.clone(), least(stake, *rule))),
            Quorum::Expression(expression) => expression.shares(),
        }
    }

    /// The acceptors that occur in a quorum: named, with weight.
    pub fn members(&self) -> AcceptorSet {
        self.condition().support()
    }
}

/// A part of the total stake, as in `"> 2/3"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// `>` rather than `>=`.
    pub above: bool,
    /// Upper number.
    pub numerator: u64,
    /// Lower number; not 0.
    pub denominator: u64,
}

impl Fraction {
    /// The least integer weight that satisfies it, of `total`: ⌊p·T/q⌋ + 1 for `> p/q`, ⌈p·T/q⌉ for `>= p/q`. None if that
    /// is above the total; 0 if the empty set satisfies it.
    pub fn least(self, total: u128) -> Option<u128> {
        let total = Weight::from(total);
        let product = total * Weight::from(self.numerator);
        let denominator = Weight::from(self.denominator);
        let least = if self.above {
            product / denominator + Weight::from(1u64)
        } else {
            product.div_ceil(denominator)
        };
        (least <= total).then(|| least.to())
    }
}

/// The least stake that is a quorum.
fn least(stake: &[(AcceptorId, u128)], rule: Fraction) -> u128 {
    rule.least(total(stake)).expect("some stake is a quorum: whoever makes a rule checks")
}

/// The safe sets of an edge, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safe {
    /// `"overlap"`: from the stakes, sufficient.
    Overlap,
    /// `"largest"`: meets every intersection of two quorums, exact.
    Largest,
    /// A condition of the designer's own.
    Expression(Expression),
}

/// An edge, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The two learners, ascending; equal for a self-edge.
    pub between: (LearnerId, LearnerId),
    /// Its safe sets.
    pub safe: Safe,
}

/// The sum of `stake`.
///
/// # Panics
/// If it is above 2¹²⁸ − 1; whoever makes a stake checks.
pub(crate) fn total(stake: &[(AcceptorId, u128)]) -> u128 {
    stake.iter().fold(0u128, |total, (_, stake)| {
        total.checked_add(*stake).expect("a total stake is a u128")
    })
}

fn weighted(at_least: u128, stake: &[(AcceptorId, u128)]) -> Condition {
    let weights = stake.iter().map(|(acceptor, stake)| (*acceptor, Weight::from(*stake)));
    Condition::Threshold(Threshold::new(Weight::from(at_least), weights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_round_as_the_definition_says() {
        let above = |numerator, denominator| Fraction { above: true, numerator, denominator };
        let at_least = |numerator, denominator| Fraction { above: false, numerator, denominator };
        assert_eq!(above(2, 3).least(100), Some(67));
        assert_eq!(above(2, 3).least(99), Some(67));
        assert_eq!(at_least(2, 3).least(99), Some(66));
        assert_eq!(at_least(2, 3).least(100), Some(67));
        assert_eq!(above(1, 1).least(5), None);
        assert_eq!(above(2, 3).least(u128::MAX), Some(u128::MAX / 3 * 2 + 1));
        assert_eq!(above(1, 1).least(u128::MAX), None);
    }
}
