//! Whom to wait for: proposers that let slots wait are waited for only briefly, for so many of their turns.
//!
//! Each node judges for itself, and nothing rests on it but time: doubted proposers lose at most the first rounds of a slot.

use crate::instance::Outcome;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::BTreeMap;

/// The penalty of a first failure, in turns.
const FIRST: u32 = 16;

/// The longest penalty.
const MAX: u32 = 256;

/// What each proposer made of its turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Reputation {
    penalties: BTreeMap<AcceptorId, Penalty>,
}

#[derive(Clone, Copy, Debug)]
struct Penalty {
    /// Of the last failure. A turn that goes well takes off one: who fails often has to be good for long.
    size: u32,
    /// Turns in which it is still doubted.
    left: u32,
}

impl Reputation {
    /// Who is doubted.
    pub fn doubted(&self) -> AcceptorSet {
        let doubted = self.penalties.iter().filter(|(_, penalty)| penalty.left > 0);
        doubted.map(|(acceptor, _)| *acceptor).collect()
    }

    /// A proposer had its turn.
    pub fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Decided(proposer) => self.succeeded(proposer),
            Outcome::Ended(proposer) => self.failed(proposer),
        }
    }

    // ANCHOR: reputation
    fn failed(&mut self, proposer: AcceptorId) {
        let penalty = self.penalties.entry(proposer).or_insert(Penalty { size: 0, left: 0 });
        match penalty.left {
            0 => {
                penalty.size = (2 * penalty.size + FIRST).min(MAX);
                penalty.left = penalty.size;
            }
            // It was hardly waited for: that proves nothing.
            _ => penalty.left -= 1,
        }
    }

    fn succeeded(&mut self, proposer: AcceptorId) {
        let Some(penalty) = self.penalties.get_mut(&proposer) else { return };
        penalty.left = penalty.left.saturating_sub(1);
        penalty.size -= 1;
        if penalty.size == 0 {
            self.penalties.remove(&proposer);
        }
    }
    // ANCHOR_END: reputation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> AcceptorId {
        AcceptorId::new(0)
    }

    /// In how many of so many turns a proposer is waited for in vain, if it fails whenever it is waited for and was good for
    /// `good` turns before.
    fn waited_in_vain(turns: u32, good: u32) -> u32 {
        let mut reputation = Reputation::default();
        let (mut vain, mut well) = (0, 0);
        for _ in 0..turns {
            let is_doubted = reputation.doubted().contains(one());
            if is_doubted || well >= good {
                vain += u32::from(!is_doubted);
                well = 0;
                reputation.failed(one());
            } else {
                well += 1;
                reputation.succeeded(one());
            }
        }
        vain
    }

    #[test]
    fn who_always_fails_is_hardly_ever_waited_for() {
        // 1 + 16 + 1 + 48 + 1 + 112 + 1 + 240 + 1 + 256 + ...
        assert_eq!((waited_in_vain(421, 0), waited_in_vain(10_000, 0)), (5, 42));
    }

    /// Whoever is good for as long as the first penalty lasts gets off best.
    #[test]
    fn who_fails_now_and_then_gains_little_by_being_good_between() {
        for good in 1..100 {
            let vain = waited_in_vain(33_000, good);
            assert!(vain <= 1_000, "{good}: {vain}");
        }
        assert_eq!(waited_in_vain(33_000, FIRST), 1_000);
    }

    #[test]
    fn a_good_name_comes_back() {
        let mut reputation = Reputation::default();
        reputation.failed(one());
        for _ in 0..FIRST {
            assert!(reputation.doubted().contains(one()));
            reputation.succeeded(one());
        }
        assert!(reputation.doubted().is_empty() && reputation.penalties.is_empty());
    }
}
