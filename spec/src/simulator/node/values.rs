//! Values and certificates, which travel beside the engine's packets.

use super::{Node, VALUE_PATIENCE};
use crate::simulator::disk::Entry;
use crate::simulator::queue::Awaited;
use crate::simulator::surroundings::Surroundings;
use crate::simulator::wire::{Attestation, Wire};
use hpaxos_consensus::{Effects, Event, Judgement, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use std::sync::Arc;

impl Node {
    pub(super) fn ask_for_value(&mut self, value: ValueHash, world: &mut Surroundings) {
        let Some(missing) = self.missing.get_mut(&value) else { return };
        missing.attempts += 1;
        let acceptors = &world.setting.acceptors;
        let to = acceptors[(missing.attempts + self.me.index()) % acceptors.len()];
        let slot = missing.slot;
        let patience = VALUE_PATIENCE * (missing.attempts as u32).min(8);
        if to != self.me {
            world.send(self.me, to, &Arc::new(Wire::AskValue { slot, value }));
        }
        world.plan(self.me, self.run, patience, Awaited::Value(value));
    }

    pub(super) fn receive_value(
        &mut self,
        slot: Slot,
        value: ValueHash,
        effects: &mut Effects,
        world: &mut Surroundings,
    ) {
        self.missing.remove(&value);
        if self.values.contains_key(&value) {
            return;
        }
        let judgement = world.judge(&value);
        self.store_value(value, judgement);
        self.tell(Event::Value { slot, value, judgement }, effects, world);
    }

    pub(super) fn store_value(&mut self, value: ValueHash, judgement: Judgement) {
        self.values.insert(value, judgement);
        self.batch.push(Entry::Value(value, judgement));
    }

    pub(super) fn hear_attestation(
        &mut self,
        from: AcceptorId,
        what: Attestation,
        effects: &mut Effects,
        world: &mut Surroundings,
    ) {
        let log = world.setting.trust.log();
        if !log.members(what.learner).contains(from) {
            return;
        }
        let signers = self.certificates.hear(from, what);
        if log.is_quorum(what.learner, &signers) {
            self.certify(what, signers, effects, world);
        }
    }

    pub(super) fn certify(
        &mut self,
        what: Attestation,
        signers: hpaxos_learner_graph::AcceptorSet,
        effects: &mut Effects,
        world: &mut Surroundings,
    ) {
        if !self.certificates.keep(what, signers) {
            return;
        }
        self.batch.push(Entry::Certificate(what, signers));
        let Attestation { slot, learner, value } = what;
        self.learn(slot, learner, value, world);
        self.tell(Event::Certified { slot, learner, value }, effects, world);
    }

    pub(super) fn learn(
        &mut self,
        slot: Slot,
        learner: LearnerId,
        value: ValueHash,
        world: &mut Surroundings,
    ) {
        world.properties.decided(self.me, slot, learner, value);
        self.decided.entry((slot, learner)).or_insert(value);
        world.progress(self.me, slot, learner);
    }
}
