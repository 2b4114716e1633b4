//! Learners: they look at the DAG and decide.

use super::{Action, Instance, Outcome, SlotEvent};
use crate::dag::Ix;
use crate::engine::{Decision, Effects, Fault};
use crate::ids::{Ballot, Round, ValueHash};
use crate::message::Kind;
use crate::record::Record;
use crate::rules::Mutant;
use crate::trust::{ClassSet, Sends, Trust};
use hpaxos_learner_graph::{AcceptorSet, LearnerId, LearnerSet};
use std::collections::BTreeMap;

// ANCHOR: state
/// What the learners of a log know of one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Learners {
    /// For each ballot and class the signers of 2a's (three sends) or 2b's (four) that name it.
    tally: BTreeMap<Ballot, Box<[AcceptorSet]>>,
    decided: BTreeMap<LearnerId, ValueHash>,
    certified: LearnerSet,
    /// Learners that would have decided a second value.
    diverged: LearnerSet,
}
// ANCHOR_END: state

impl Learners {
    /// What `learner` decided, by itself or because a quorum of its attests it.
    pub fn decided(&self, learner: LearnerId) -> Option<ValueHash> {
        self.decided.get(&learner).copied()
    }

    /// The learners for which a certificate is there.
    pub fn certified(&self) -> LearnerSet {
        self.certified
    }

    /// Remembers a decision from before a restart.
    pub fn restore(&mut self, learner: LearnerId, value: ValueHash) {
        self.decided.insert(learner, value);
    }

    /// Remembers a certificate from before a restart.
    pub fn restore_certificate(&mut self, learner: LearnerId) {
        self.certified.insert(learner);
    }

    // ANCHOR: deciding
    /// The classes of which a quorum stands behind `ballot`.
    fn deciding(&self, trust: &Trust, ballot: &Ballot) -> ClassSet {
        let mut deciding = ClassSet::EMPTY;
        for (class, signers) in self.tally.get(ballot).into_iter().flatten().enumerate() {
            if trust.is_quorum(class, signers) {
                deciding.insert(class);
            }
        }
        deciding
    }
    // ANCHOR_END: deciding

    /// Counts all ballots of a round as one: [`Mutant::DecideByRound`].
    fn throw_together(&mut self, round: Round) {
        let of_round = self.tally.iter_mut().filter(|(ballot, _)| ballot.round == round);
        let mut tallies: Vec<&mut Box<[AcceptorSet]>> = of_round.map(|(_, tally)| tally).collect();
        for class in 0..tallies.first().map_or(0, |tally| tally.len()) {
            let sets = tallies.iter().map(|tally| tally[class]);
            let all = sets.fold(AcceptorSet::EMPTY, |all, set| all.union(&set));
            tallies.iter_mut().for_each(|tally| tally[class] = all);
        }
    }
}

/// The kind of message whose quorum decides.
fn deciding_kind(trust: &Trust) -> Kind {
    match trust.sends() {
        Sends::Three => Kind::TwoA,
        Sends::Four => Kind::TwoB,
    }
}

// ANCHOR: may_count
/// A message that decisions count.
pub(super) fn may_count(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    let counts = instance.dag.node(*ix).kind() == deciding_kind(&instance.config.trust);
    counts.then_some(Action::Count(*ix))
}
// ANCHOR_END: may_count

// ANCHOR: may_decide
/// Whether some learner has a quorum for the ballot of what arrived, and has not decided it.
pub(super) fn may_decide(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    let node = instance.dag.node(*ix);
    let trust = &instance.config.trust;
    if node.kind() != deciding_kind(trust) {
        return None;
    }
    let ballot = node.facts.ballot;
    let mut deciding = instance.learners.deciding(trust, &ballot);
    if instance.config.rules.breaks(Mutant::DecideMinusOne) {
        deciding = instance.deciding_with_one_more(ballot);
    }
    let news = trust.members_of(deciding).iter().filter(|learner| {
        instance.learners.decided(*learner) != Some(ballot.value)
            && !instance.learners.diverged.contains(*learner)
    });
    let news: LearnerSet = news.collect();
    (!news.is_empty()).then_some(Action::Decide { ballot, learners: news })
}
// ANCHOR_END: may_decide

// ANCHOR: may_certify
/// The driver holds a certificate.
pub(super) fn may_certify(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Certified { learner, value } = event else { return None };
    let news = !instance.learners.certified.contains(*learner);
    news.then_some(Action::Certify { learner: *learner, value: *value })
}
// ANCHOR_END: may_certify

impl Instance {
    // ANCHOR: count
    pub(super) fn count(&mut self, ix: Ix) {
        let trust = self.config.trust.clone();
        let rules = self.config.rules;
        let node = self.dag.node(ix);
        let ballot = node.facts.ballot;
        let (named, signer) = (node.facts.named, node.signer());
        let empty = || vec![AcceptorSet::EMPTY; trust.class_count()].into();
        let tally = self.learners.tally.entry(ballot).or_insert_with(empty);
        for class in trust.classes() {
            if named.contains(class) || rules.breaks(Mutant::DecideWhoeverIsNamed) {
                tally[class].insert(signer);
            }
        }
        if rules.breaks(Mutant::DecideByRound) {
            self.learners.throw_together(ballot.round);
        }
    }
    // ANCHOR_END: count

    // ANCHOR: decide
    pub(super) fn decide(&mut self, ballot: Ballot, learners: LearnerSet, out: &mut Effects) {
        let slot = self.place.slot;
        if !self.has_decided() {
            let proposer = self.config.trust.schedule().proposer(slot, ballot.round);
            self.outcome = Some(Outcome::Decided(proposer));
        }
        for learner in learners.iter() {
            match self.learners.decided(learner) {
                Some(first) => {
                    let second = ballot.value;
                    self.learners.diverged.insert(learner);
                    out.faults.push(Fault::Divergence { slot, learner, first, second });
                }
                None => {
                    self.learners.decided.insert(learner, ballot.value);
                    out.store.push(Record::Decided { slot, learner, ballot });
                    out.decided.push(Decision { slot, learner, ballot });
                }
            }
        }
        self.help_on(ballot.round, out);
    }
    // ANCHOR_END: decide

    // ANCHOR: certify
    pub(super) fn certify(&mut self, learner: LearnerId, value: ValueHash, out: &mut Effects) {
        let slot = self.place.slot;
        self.learners.certified.insert(learner);
        match self.learners.decided(learner) {
            Some(first) if first != value => {
                out.faults.push(Fault::Divergence { slot, learner, first, second: value });
            }
            _ => self.learners.restore(learner, value),
        }
    }
    // ANCHOR_END: certify

    /// A mutant's idea of a quorum.
    fn deciding_with_one_more(&self, ballot: Ballot) -> ClassSet {
        let trust = &self.config.trust;
        let mut deciding = ClassSet::EMPTY;
        for (class, signers) in self.learners.tally.get(&ballot).into_iter().flatten().enumerate() {
            let mut signers = *signers;
            let missing = trust.log().members(trust.first(class)).difference(&signers);
            missing.iter().take(1).for_each(|one| signers.insert(one));
            if trust.is_quorum(class, &signers) {
                deciding.insert(class);
            }
        }
        deciding
    }
}
