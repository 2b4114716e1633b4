//! An honest replica in the hands of a Byzantine acceptor, who decides what it hears and to whom it speaks.

use super::{Den, Surroundings, Wire};
use crate::simulator::queue::Awaited;
use crate::simulator::wire::Attestation;
use hpaxos_consensus::message::{NoSigner, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, Peer, Replica, Request, Slot, Target, Timer, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// An honest replica.
pub struct Puppet {
    number: u32,
    me: AcceptorId,
    replica: Replica,
    effects: Effects,
    timers: BTreeMap<Timer, u64>,
    armed: u64,
    missing: BTreeMap<ValueHash, Slot>,
    opened: Slot,
}

/// What a puppet wants to say.
pub struct Words {
    /// To whom.
    pub to: AcceptorSet,
    /// What.
    pub wire: Arc<Wire>,
}

impl Puppet {
    /// One with an empty memory.
    pub fn new(number: u32, den: &Den, world: &Surroundings) -> Self {
        let setting = den.setting();
        let mut config =
            Config::new(setting.network, setting.trust.clone(), Some(den.me()), Arc::new(NoSigner));
        config.rules = world.rules;
        Puppet {
            number,
            me: den.me(),
            replica: Replica::new(config),
            effects: Effects::default(),
            timers: BTreeMap::new(),
            armed: 0,
            missing: BTreeMap::new(),
            opened: Slot(0),
        }
    }

    /// A link came up.
    pub fn connected(&mut self, peer: AcceptorId, world: &mut Surroundings) -> Vec<Words> {
        self.happen(Event::Connected { peer: Peer::Acceptor(peer) }, world)
    }

    /// Something came. What it signed itself it must not hear: it might have been another's doing.
    pub fn hear(&mut self, from: AcceptorId, wire: &Wire, world: &mut Surroundings) -> Vec<Words> {
        match wire {
            Wire::Packet(Packet::Message(message, _)) if message.signer() == self.me => Vec::new(),
            Wire::Packet(packet) => {
                let (from, packet) = (Peer::Acceptor(from), packet.clone());
                self.happen(Event::Packet { from, packet }, world)
            }
            Wire::Value { slot, value } => {
                self.missing.remove(value);
                let judgement = world.judge(value);
                self.happen(Event::Value { slot: *slot, value: *value, judgement }, world)
            }
            Wire::AskValue { slot, value } if world.judge(value) == Judgement::Valid => {
                let wire = Arc::new(Wire::Value { slot: *slot, value: *value });
                vec![Words { to: AcceptorSet::from_iter([from]), wire }]
            }
            _ => Vec::new(),
        }
    }

    /// A timer ended.
    pub fn timer(&mut self, (timer, armed): (Timer, u64), world: &mut Surroundings) -> Vec<Words> {
        if self.timers.get(&timer) != Some(&armed) {
            return Vec::new();
        }
        self.timers.remove(&timer);
        self.happen(Event::Timer(timer), world)
    }

    /// Something waits to be proposed.
    pub fn open(&mut self, world: &mut Surroundings) -> Vec<Words> {
        let highest = self.replica.open_slots().last().map_or(Slot(0), Slot::next);
        let learners = world.setting.trust.learners();
        let decided = learners.iter().map(|learner| self.replica.next_undecided(learner)).max();
        self.opened = self.opened.max(highest).max(decided.unwrap_or_default());
        if self.opened.0 >= world.scenario.slots {
            return Vec::new();
        }
        self.happen(Event::Open, world)
    }

    /// Lets one thing happen, and everything that follows at once.
    fn happen(&mut self, event: Event, world: &mut Surroundings) -> Vec<Words> {
        let mut words = Vec::new();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.effects.clear();
            self.replica.handle(event, &mut self.effects);
            self.replica.settle(&mut self.effects);
            for (target, packet) in std::mem::take(&mut self.effects.send) {
                let to = match target {
                    Target::All => *world.setting.trust.acceptors(),
                    Target::One(Peer::Acceptor(to)) => AcceptorSet::from_iter([to]),
                    Target::One(Peer::Follower(_)) => AcceptorSet::EMPTY,
                };
                words.push(Words { to, wire: Arc::new(Wire::Packet(packet)) });
            }
            for (timer, range) in std::mem::take(&mut self.effects.timers) {
                self.armed += 1;
                self.timers.insert(timer, self.armed);
                let after = world.rng.random_range(range.start..=range.end);
                world.plan(self.me, self.number, after, Awaited::Timer(timer, self.armed));
            }
            let decided = self.effects.decided.iter().map(|one| Attestation {
                slot: one.slot,
                learner: one.learner,
                value: one.ballot.value,
            });
            let decided: Vec<Attestation> = decided.collect();
            if !decided.is_empty() {
                let to = *world.setting.trust.acceptors();
                words.push(Words { to, wire: Arc::new(Wire::Attest(decided)) });
            }
            for request in std::mem::take(&mut self.effects.requests) {
                match request {
                    Request::Block { slot, round } => {
                        let value = world.new_value(Judgement::Valid);
                        let to = *world.setting.trust.acceptors();
                        words.push(Words { to, wire: Arc::new(Wire::Value { slot, value }) });
                        events.push_back(Event::Block { slot, round, value });
                    }
                    Request::Value { slot, value, proposer } => {
                        self.missing.insert(value, slot);
                        let to = AcceptorSet::from_iter([proposer]);
                        words.push(Words { to, wire: Arc::new(Wire::AskValue { slot, value }) });
                    }
                    Request::Certificates { .. } | Request::Load { .. } => {}
                }
            }
        }
        words
    }
}

/// Lets a puppet's words out, to those of their addressees that `to` allows.
pub fn say(words: Vec<Words>, to: AcceptorSet, den: &mut Den, world: &mut Surroundings) {
    for Words { to: wanted, wire } in words {
        if !den.may_speak() {
            return;
        }
        let to = wanted.intersection(&to);
        if let Wire::Packet(Packet::Message(message, _)) = &*wire
            && message.signer() == den.me()
        {
            world.first_sent(den.me(), message, Some(&to));
            den.absorb(den.me(), &wire, world);
        }
        den.send(to, &wire, world);
    }
}
