//! Locks and what lets go of them (TLA+ `Buried`, generalised).
//!
// ANCHOR: theory
//! A lock of acceptor p at its 1b x is an own 2a or 2b below x, with each learner k it names. Only the highest lock for
//! each k matters: a lower one of the same value lets go whenever the highest does; a lower one of another value is let
//! go of by the highest itself, or by a 2a of its ballot below it, which names k. So do only two overtakers for each
//! learner: the highest, and the highest of a value other than that one's.
// ANCHOR_END: theory

use super::{Mutant, Rules};
use crate::ids::Ballot;
use crate::trust::{ClassSet, Trust};
use hpaxos_learner_graph::{LearnerId, LearnerSet};

/// A lock: the ballot of an own 2a or 2b.
pub type Lock = Ballot;

// ANCHOR: overtakers
/// The 2a's that name some learner and are the hardest to outbid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overtakers {
    highest: Option<Ballot>,
    /// The highest of a value other than the highest's.
    other: Option<Ballot>,
}
// ANCHOR_END: overtakers

impl Overtakers {
    // ANCHOR: add
    /// Adds a 2a of `ballot`.
    pub(crate) fn add(&mut self, ballot: Ballot) {
        match self.highest {
            Some(highest) if highest.value == ballot.value => {
                self.highest = Some(highest.max(ballot));
            }
            Some(highest) if highest < ballot => {
                self.other = Some(highest);
                self.highest = Some(ballot);
            }
            Some(_) => self.other = self.other.max(Some(ballot)),
            None => self.highest = Some(ballot),
        }
    }
    // ANCHOR_END: add

    /// Adds those of another.
    pub(crate) fn merge(&mut self, others: &Overtakers) {
        if self != others {
            [others.highest, others.other]
                .into_iter()
                .flatten()
                .for_each(|ballot| self.add(ballot));
        }
    }

    /// The highest.
    pub fn highest(&self) -> Option<Ballot> {
        self.highest
    }

    /// The two: the highest, and the highest of another value.
    pub fn ballots(&self) -> impl Iterator<Item = Ballot> {
        [self.highest, self.other].into_iter().flatten()
    }

    // ANCHOR: overtakes
    /// Whether one overtakes `lock`: a higher ballot, another value.
    fn overtakes(&self, lock: Lock, rules: Rules) -> bool {
        self.ballots().any(|ballot| {
            let higher = ballot > lock || rules.breaks(Mutant::AnyBallotOvertakes);
            let other = ballot.value != lock.value || rules.breaks(Mutant::SameValueOvertakes);
            higher && other && (ballot != lock)
        })
    }
    // ANCHOR_END: overtakes
}

// ANCHOR: lets_go_soft
/// Whether a soft lock lets go: some overtaker names a learner of `connected` = connected(k, x).
pub fn lets_go_soft(
    trust: &Trust,
    rules: Rules,
    lock: Lock,
    overtakers: &impl Fn(usize) -> Overtakers,
    connected: LearnerSet,
) -> bool {
    lets_go(rules, lock, overtakers, trust.classes_of(connected))
}
// ANCHOR_END: lets_go_soft

// ANCHOR: lets_go_hard
/// Whether a hard lock for `k` lets go, for the learners of `class`: some overtaker names a learner of covers(l, k).
pub fn lets_go_hard(
    trust: &Trust,
    rules: Rules,
    lock: Lock,
    overtakers: &impl Fn(usize) -> Overtakers,
    class: usize,
    k: LearnerId,
) -> bool {
    lets_go(rules, lock, overtakers, trust.covers(class, k))
}
// ANCHOR_END: lets_go_hard

fn lets_go(
    rules: Rules,
    lock: Lock,
    overtakers: &impl Fn(usize) -> Overtakers,
    named: ClassSet,
) -> bool {
    if rules.breaks(Mutant::NothingLetsGo) {
        return false;
    }
    named.iter().any(|class| overtakers(class).overtakes(lock, rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Round, ValueHash};

    fn ballot(round: u64, value: u8) -> Ballot {
        Ballot { round: Round(round), value: ValueHash([value; 32]) }
    }

    /// Against all 2a's kept, for every order in which up to four of them may come.
    #[test]
    fn two_overtakers_stand_for_all() {
        let all: Vec<Ballot> = (1..5).flat_map(|r| (1..4).map(move |v| ballot(r, v))).collect();
        for a in &all {
            for b in &all {
                for c in &all {
                    let mut kept = Overtakers::default();
                    [a, b, c].into_iter().for_each(|one| kept.add(*one));
                    for lock in &all {
                        let naive =
                            [a, b, c].into_iter().any(|one| one > lock && one.value != lock.value);
                        assert_eq!(kept.overtakes(*lock, Rules::default()), naive);
                    }
                }
            }
        }
    }
}
