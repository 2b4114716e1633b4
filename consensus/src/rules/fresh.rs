//! fresh(l, x): whether a vote lets l decide its value (TLA+ `Fresh`).

use super::connected::Connected;
use super::locks::{Lock, Overtakers, lets_go_hard, lets_go_soft};
use super::{ClassFacts, Mutant, Rules};
use crate::ids::ValueHash;
use crate::trust::{ClassSet, Trust};
use hpaxos_learner_graph::{AcceptorSet, LearnerId};

// ANCHOR: vote
/// What freshness looks at: a 1b x, or what would be one.
pub struct Vote<'a> {
    /// value(x); none for a value that nobody has locked.
    pub value: Option<ValueHash>,
    /// The locks of its signer.
    pub locks: &'a [ClassFacts],
    /// caught(x).
    pub caught: &'a AcceptorSet,
}
// ANCHOR_END: vote

impl Vote<'_> {
    /// The lock, if it is of another value.
    fn binds(&self, lock: Option<Lock>) -> Option<Lock> {
        lock.filter(|lock| Some(lock.value) != self.value)
    }

    /// Whether there is any lock of another value.
    fn is_bound(&self) -> bool {
        self.locks
            .iter()
            .any(|facts| self.binds(facts.soft).is_some() || self.binds(facts.hard).is_some())
    }
}

// ANCHOR: fresh
/// Whether `vote` is fresh for each of `classes`: every lock of another value lets go (for them) for each learner that it
/// names and that they are connected to. `overtakers` are the 2a's below it that name each class.
pub fn fresh(
    trust: &Trust,
    rules: Rules,
    vote: &Vote<'_>,
    overtakers: &impl Fn(usize) -> Overtakers,
    classes: impl Iterator<Item = usize>,
) -> ClassSet {
    let mut found = ClassSet::EMPTY;
    if !vote.is_bound() || rules.breaks(Mutant::AlwaysFresh) {
        classes.for_each(|class| found.insert(class));
        return found;
    }
    let connected = Connected::new(trust, rules, vote.caught);
    for class in classes {
        let mut partners = connected.to(trust.first(class)).iter();
        if partners.all(|k| lets_go(trust, rules, vote, overtakers, &connected, class, k)) {
            found.insert(class);
        }
    }
    found
}
// ANCHOR_END: fresh

// ANCHOR: lets_go
/// Whether the vote's locks let go of `k`, for the learners of `class`.
fn lets_go(
    trust: &Trust,
    rules: Rules,
    vote: &Vote<'_>,
    overtakers: &impl Fn(usize) -> Overtakers,
    connected: &Connected<'_>,
    class: usize,
    k: LearnerId,
) -> bool {
    let Some(facts) = vote.locks.get(trust.class_of(k)) else { return true };
    let softly = |lock| lets_go_soft(trust, rules, lock, overtakers, connected.to(k));
    let hard = vote.binds(facts.hard).is_none_or(|lock| {
        if rules.breaks(Mutant::HardLetsGoSoftly) {
            softly(lock)
        } else {
            lets_go_hard(trust, rules, lock, overtakers, class, k)
        }
    });
    hard && vote.binds(facts.soft).is_none_or(softly)
}
// ANCHOR_END: lets_go
