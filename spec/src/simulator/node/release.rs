//! What leaves a node once its disk has it, and what its engine asks for.

use super::{Input, Missing, Node, VALUE_PATIENCE};
use crate::properties::Property;
use crate::simulator::disk::Entry;
use crate::simulator::network::happens;
use crate::simulator::queue::Awaited;
use crate::simulator::surroundings::Surroundings;
use crate::simulator::wire::{Attestation, Wire};
use hpaxos_consensus::message::{Body, Kind as MessageKind, Message, Packet, Verified};
use hpaxos_consensus::{Effects, Event, Fault, Peer, Request, Target, Timer};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;

impl Node {
    /// Writes what is to be stored and syncs it; without anything to store, releases the rest at once.
    pub(super) fn commit(&mut self, mut effects: Effects, world: &mut Surroundings) {
        self.turns += 1;
        self.batch.extend(effects.store.drain(..).map(Entry::Record));
        if self.batch.is_empty() {
            self.release(effects, world);
            return;
        }
        self.writes += 1;
        if self.crashes_now(world) && world.rng.random_bool(0.3) {
            return self.crash(world);
        }
        self.disk.write(std::mem::take(&mut self.batch));
        self.held = Some(effects);
        let sync = world.scenario.sync.clone();
        let takes = world.rng.random_range(sync);
        world.plan(self.me, self.run, takes, Awaited::Synced);
    }

    /// Whether the current write is one at which this node is to crash.
    pub(super) fn crashes_now(&self, world: &Surroundings) -> bool {
        let at = world.scenario.crash_at.get(&self.me);
        !world.quiet && at.is_some_and(|at| at.contains(&self.writes))
    }

    /// The sync is over, one way or the other.
    pub(super) fn synced(&mut self, world: &mut Surroundings) {
        let Some(effects) = self.held.take() else { return };
        let crashes = self.crashes_now(world);
        let fails = !world.quiet && happens(world.scenario.sync_error, &mut world.rng);
        if fails || crashes && world.rng.random_bool(0.5) {
            return self.crash(world);
        }
        self.justified.add(self.disk.sync());
        if crashes && world.rng.random_bool(0.5) {
            return self.crash(world);
        }
        if crashes {
            let mut half = effects;
            let count = world.rng.random_range(0..=half.send.len());
            // Decisions are shown after everything was sent.
            if count < half.send.len() {
                half.decided.clear();
            }
            half.send.truncate(count);
            self.release(half, world);
            return self.crash(world);
        }
        self.release(effects, world);
        self.turn(world);
    }

    /// Lets go of everything that was to wait for the disk.
    pub(super) fn release(&mut self, mut effects: Effects, world: &mut Surroundings) {
        for (target, packet) in effects.send.drain(..) {
            self.release_packet(target, packet, world);
        }
        for (timer, range) in effects.timers.drain(..) {
            let drawn = world.rng.random_range(range.start..=range.end);
            let rate = world.scenario.clocks.get(&self.me).copied().unwrap_or(1.0);
            self.arm(timer, drawn.mul_f64(rate), world);
        }
        let mut attested = Vec::new();
        for decision in effects.decided.drain(..) {
            let (slot, learner) = (decision.slot, decision.learner);
            let stored = self.justified.decision(slot, learner);
            world.properties.check(Property::Durability, stored, || {
                format!(
                    "{:?} shows a decision of {learner:?} in {slot:?} before it is stored",
                    self.me
                )
            });
            world.recorder.decide(self.me, &decision);
            let value = decision.ballot.value;
            self.learn(slot, learner, value, world);
            if world.setting.trust.log().members(learner).contains(self.me) {
                attested.push(Attestation { slot, learner, value });
            }
        }
        if !attested.is_empty() {
            for what in &attested {
                self.certificates.attest(*what);
            }
            world.broadcast(self.me, &Arc::new(Wire::Attest(attested.clone())));
            self.inbox.push_back(Input::Wire(self.me, Arc::new(Wire::Attest(attested))));
        }
        for fault in effects.faults.drain(..) {
            self.blame(fault, world);
        }
        for request in effects.requests.drain(..) {
            self.serve(request, world);
        }
        self.spare = effects;
        if self.turns.is_multiple_of(64) {
            self.check_memory(world);
        }
    }

    pub(super) fn release_packet(
        &mut self,
        target: Target,
        packet: Packet,
        world: &mut Surroundings,
    ) {
        if let Packet::Message(message, _) = &packet
            && message.signer() == self.me
        {
            self.check_own(message, world);
            if let (Target::All, Body::Proposal { value, .. }) = (target, &message.body)
                && self.values.contains_key(value)
            {
                let (slot, value) = (message.place.slot, *value);
                world.broadcast(self.me, &Arc::new(Wire::Value { slot, value }));
            }
        }
        let wire = Arc::new(Wire::Packet(packet));
        match target {
            Target::All => world.broadcast(self.me, &wire),
            Target::One(Peer::Acceptor(to)) => world.send(self.me, to, &wire),
            Target::One(Peer::Follower(_)) => {}
        }
    }

    /// What must be true of an own message that leaves.
    pub(super) fn check_own(&self, message: &Arc<Verified<Message>>, world: &mut Surroundings) {
        let id = message.id();
        // Whoever lost its store passes on what others give back of its own.
        let stored = self.justified.message(&id) || self.lost && world.was_sent(&id);
        world.properties.check(Property::Durability, stored, || {
            format!("{:?} sends {id:?} before it and what lies below is stored", self.me)
        });
        if world.was_sent(&id) {
            return;
        }
        let slot = message.place.slot;
        let found = self.replica.as_ref().and_then(|replica| replica.instance(slot));
        let found = found.and_then(|instance| Some((instance.dag(), instance.dag().find(&id)?)));
        let Some((dag, ix)) = found else {
            world.first_sent(self.me, message, None);
            return;
        };
        // A crash may have come between the disk and the network for what it rests on: whoever gets this one will ask for it.
        for below in
            dag.closure(&[ix], |below| below != ix && world.was_sent(&dag.node(below).message.id()))
        {
            let below = &dag.node(below).message;
            if below.signer() == self.me {
                world.first_sent(self.me, below, None);
            }
        }
        let node = dag.node(ix);
        let ballot = node.facts.ballot;
        if node.kind() != MessageKind::OneA {
            world.properties.replies(self.me, slot, ballot);
        }
        if matches!(node.kind(), MessageKind::OneA | MessageKind::OneB) {
            let stored = self.justified.value(&ballot.value);
            world.properties.check(Property::Durability, stored, || {
                format!("{:?} sends {id:?} before its value is stored", self.me)
            });
        }
    }

    pub(super) fn blame(&mut self, fault: Fault, world: &mut Surroundings) {
        match fault {
            Fault::Proven(evidence) => {
                world.recorder.caught(self.me, &evidence);
                world.properties.proven(self.me, &evidence);
            }
            Fault::IllFormed { from: Peer::Acceptor(from), signer, id, .. } => {
                world.properties.refused(self.me, from, signer, id);
                world.refusals.push(id);
            }
            Fault::OwnMessageUnknown { id } => {
                let lost = self.lost;
                world.properties.check(Property::Durability, lost, || {
                    format!("{:?} does not know {id:?}, which it signed", self.me)
                });
            }
            Fault::Divergence { slot, learner, second, .. } => {
                world.properties.decided(self.me, slot, learner, second);
            }
            _ => {}
        }
    }

    pub(super) fn serve(&mut self, request: Request, world: &mut Surroundings) {
        match request {
            Request::Block { slot, round } => {
                let takes = Duration::from_micros(world.rng.random_range(500..20_000));
                world.plan(self.me, self.run, takes, Awaited::Block(slot, round));
            }
            Request::Value { slot, value, proposer } => {
                if let Some(judgement) = self.values.get(&value).copied() {
                    let event = Event::Value { slot, value, judgement };
                    self.inbox.push_back(Input::Event(event));
                } else {
                    self.missing.insert(value, Missing { slot, attempts: 0 });
                    world.send(self.me, proposer, &Arc::new(Wire::AskValue { slot, value }));
                    world.plan(self.me, self.run, VALUE_PATIENCE, Awaited::Value(value));
                }
            }
            Request::Certificates { slot, to: Peer::Acceptor(to) } => {
                let held: Vec<_> = self.certificates.of(slot).collect();
                if !held.is_empty() {
                    world.send(self.me, to, &Arc::new(Wire::Certificates(held)));
                }
            }
            Request::Certificates { .. } => {}
            Request::Load { slot } => {
                let takes = Duration::from_micros(world.rng.random_range(100..5_000));
                world.plan(self.me, self.run, takes, Awaited::Loaded(slot));
            }
        }
    }

    pub(super) fn arm(&mut self, timer: Timer, after: Duration, world: &mut Surroundings) {
        self.armed += 1;
        self.timers.insert(timer, self.armed);
        world.plan(self.me, self.run, after, Awaited::Timer(timer, self.armed));
    }
}
