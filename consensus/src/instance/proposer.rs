//! The proposer: one proposal in each round that is its turn.

use super::{Action, Instance, Judgement, SlotEvent};
use crate::engine::{Effects, Request, Target, TimerKind};
use crate::ids::{Round, ValueHash};
use crate::message::{Body, Kind, Message, Packet, Refs};
use crate::rules::{Choice, choose};
use hpaxos_learner_graph::AcceptorSet;
use std::sync::Arc;

// ANCHOR: state
#[derive(Clone, Debug, Default)]
pub(super) struct Proposer {
    /// The round of the last proposal.
    proposed: Option<Round>,
    /// The round for which a block was asked for.
    asked: Option<Round>,
    /// The own new block, kept for a later round if it was not needed.
    block: Option<ValueHash>,
    /// The round in which announcements are waited for no longer.
    impatient: Option<Round>,
}
// ANCHOR_END: state

impl Proposer {
    /// Remembers a proposal from before a restart: the round gets no other.
    pub fn restore(&mut self, round: Round) {
        self.proposed = self.proposed.max(Some(round));
    }
}

// ANCHOR: may_propose
/// Whether it is this node's turn, and it knows enough.
pub(super) fn may_propose(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    if !matches!(event, SlotEvent::Settle) || instance.is_silent() {
        return None;
    }
    let round = instance.rounds.round();
    let schedule = instance.config.trust.schedule();
    let slot = instance.place.slot;
    if instance.config.me != Some(schedule.proposer(slot, round))
        || instance.proposer.proposed.is_some_and(|proposed| proposed >= round)
        || !instance.knows_enough(round)
    {
        return None;
    }
    let target = schedule.target(slot, round);
    let available = |value| instance.values.get(&value) == Some(&Judgement::Valid);
    match (choose(&instance.dag, target, available), instance.proposer.block) {
        (Choice::Value(value), _) | (Choice::Own, Some(value)) => {
            Some(Action::Propose { round, value })
        }
        (Choice::Own, None) if instance.proposer.asked != Some(round) => {
            Some(Action::AskForBlock(round))
        }
        (Choice::Own, None) => None,
    }
}
// ANCHOR_END: may_propose

// ANCHOR: may_hurry
/// A quarter of the round is over: announcements are waited for no longer, and others may be followed again.
pub(super) fn may_hurry(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Timer(TimerKind::Propose(round)) = event else { return None };
    (*round == instance.rounds.round()).then_some(Action::Hurry(*round))
}
// ANCHOR_END: may_hurry

// ANCHOR: may_keep_block
/// The block that was asked for.
pub(super) fn may_keep_block(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Block { value } = event else { return None };
    instance.proposer.block.is_none().then_some(Action::KeepBlock(*value))
}
// ANCHOR_END: may_keep_block

impl Instance {
    // ANCHOR: knows_enough
    /// Round 0: at once. Later: when a quorum of the target, or in a strict round all of its members, have announced the round
    /// and what they announced is here, or when the proposer has waited long enough.
    fn knows_enough(&self, round: Round) -> bool {
        if round == Round(0) || self.proposer.impatient == Some(round) {
            return true;
        }
        let trust = &self.config.trust;
        let known = self.rounds.announced(round).filter(|(_, announcement)| {
            announcement.maximal.iter().all(|id| self.dag.find(id).is_some())
        });
        let known: AcceptorSet = known.map(|(acceptor, _)| acceptor).collect();
        let target = trust.schedule().target(self.place.slot, round);
        if self.rounds.is_strict(round) {
            trust.log().members(target).is_subset(&known)
        } else {
            trust.is_quorum(trust.class_of(target), &known)
        }
    }
    // ANCHOR_END: knows_enough

    // ANCHOR: propose
    pub(super) fn propose(&mut self, round: Round, value: ValueHash, out: &mut Effects) {
        let Some(me) = self.config.me else { return };
        assert!(
            self.proposer.proposed.is_none_or(|proposed| proposed < round),
            "a proposer proposes once in a round"
        );
        self.proposer.proposed = Some(round);
        let body = Body::Proposal { round, value };
        let message = Message { place: self.place.clone(), body };
        let message = Arc::new(self.config.sign(message, me));
        let ix = self.dag.insert(message, Arc::default()).expect("a 1a is always well-formed");
        self.publish(ix, out);
    }
    // ANCHOR_END: propose

    pub(super) fn ask_for_block(&mut self, round: Round, out: &mut Effects) {
        self.proposer.asked = Some(round);
        out.requests.push(Request::Block { slot: self.place.slot, round });
    }

    // ANCHOR: hurry
    pub(super) fn hurry(&mut self, round: Round) {
        self.proposer.impatient = Some(round);
        self.rounds.catch_breath();
    }
    // ANCHOR_END: hurry

    // ANCHOR: keep_block
    pub(super) fn keep_block(&mut self, value: ValueHash) {
        self.proposer.block = Some(value);
        self.values.insert(value, Judgement::Valid);
    }
    // ANCHOR_END: keep_block

    // ANCHOR: say_again
    /// Sends the last own reply and the own proposal of this round again, after a restart.
    pub(crate) fn say_again(&self, out: &mut Effects) {
        let round = self.rounds.round();
        let own = self.dag.nodes().filter(|(_, node)| Some(node.signer()) == self.config.me);
        let mut last = None;
        for (_, node) in own {
            if node.kind() != Kind::OneA {
                last = Some(node);
            } else if node.facts.ballot.round == round {
                let packet = Packet::Message(node.message.clone(), Refs::default());
                out.send.push((Target::All, packet));
            }
        }
        if let Some(node) = last {
            let packet = Packet::Message(node.message.clone(), Refs::default());
            out.send.push((Target::All, packet));
        }
    }
    // ANCHOR_END: say_again
}
