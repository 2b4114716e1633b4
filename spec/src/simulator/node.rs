//! A safe node: the driver of a replica, with its disk, its clock and its store of values.
//!
//! It feeds the events that wait, commits what is to be stored with one sync, and only then releases everything else.
//! Arrivals queue up meanwhile.

use super::certificates::Certificates;
use super::disk::{Batch, Disk, Entry, Opened};
use super::faults::Fault as Kind;
use super::network::happens;
use super::queue::{Awaited, Strike};
use super::surroundings::Surroundings;
use super::wire::{Attestation, Wire};
use crate::properties::{Justified, Property};
use hpaxos_consensus::message::{
    Body, Kind as MessageKind, Message, NoSigner, Packet, Refs, Verified,
};
use hpaxos_consensus::{
    Config, Effects, Event, Fault, Judgement, Memory, MessageId, Peer, Record, Replica, Request,
    Round, Slot, Target, Timer, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events that are handled before the next sync: a driver with more at hand would make the others wait.
const BATCH_MAX: usize = 64;
/// How long a value is waited for before somebody else is asked.
const VALUE_PATIENCE: Duration = Duration::from_millis(250);

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Paused,
    Down,
}

/// Something that waits to be handled.
enum Input {
    Event(Event),
    Wire(AcceptorId, Arc<Wire>),
    Awaited(Awaited),
}

/// A value that is missing.
struct Missing {
    slot: Slot,
    attempts: usize,
}

/// A safe node.
pub struct Node {
    me: AcceptorId,
    state: State,
    /// Counts starts; what was planned in an earlier run is stale.
    run: u32,
    replica: Option<Replica>,
    inbox: VecDeque<Input>,
    disk: Disk,
    justified: Justified,
    /// What waits for the sync.
    held: Option<Effects>,
    spare: Effects,
    batch: Batch,
    timers: BTreeMap<Timer, u64>,
    armed: u64,
    values: BTreeMap<ValueHash, Judgement>,
    missing: BTreeMap<ValueHash, Missing>,
    certificates: Certificates,
    /// What proposers had taken in, for the trace.
    hints: BTreeMap<MessageId, Refs>,
    decided: BTreeMap<(Slot, LearnerId), ValueHash>,
    /// Whether its store was lost at some time.
    lost: bool,
    writes: u64,
    turns: u64,
}

impl Node {
    /// A node that has not started.
    pub fn new(me: AcceptorId) -> Self {
        Node {
            me,
            state: State::Down,
            run: 0,
            replica: None,
            inbox: VecDeque::new(),
            disk: Disk::default(),
            justified: Justified::default(),
            held: None,
            spare: Effects::default(),
            batch: Vec::new(),
            timers: BTreeMap::new(),
            armed: 0,
            values: BTreeMap::new(),
            missing: BTreeMap::new(),
            certificates: Certificates::default(),
            hints: BTreeMap::new(),
            decided: BTreeMap::new(),
            lost: false,
            writes: 0,
            turns: 0,
        }
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.state != State::Down
    }

    /// Whether its store was lost at some time: then it may have to be silent.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// What a learner decided in a slot, as this node knows.
    pub fn decided(&self, slot: Slot, learner: LearnerId) -> Option<ValueHash> {
        self.decided.get(&(slot, learner)).copied()
    }

    /// The replica, if it runs.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// Starts it, from its disk.
    pub fn start(&mut self, world: &mut Surroundings) {
        if self.state != State::Down {
            return;
        }
        let mut first = self.disk.entries().next().is_none();
        if !world.quiet && !first {
            let (flip, copy) = (world.scenario.bit_flip, world.scenario.old_copy);
            if happens(flip, &mut world.rng) {
                self.disk.flip_bit();
            } else if happens(copy, &mut world.rng) {
                self.disk.restore_copy();
            }
        }
        let opened = self.disk.open();
        first &= opened == Opened::Sound;
        self.state = State::Up;
        self.run += 1;
        self.lost |= opened == Opened::Lost;
        let mut config = Config::new(
            world.setting.network,
            world.setting.trust.clone(),
            Some(self.me),
            Arc::new(NoSigner),
        );
        config.rules = world.rules;
        config.memory = if opened == Opened::Lost { Memory::Lost } else { Memory::Kept };
        let mut effects = std::mem::take(&mut self.spare);
        effects.clear();
        if first {
            self.replica = Some(Replica::new(config));
        } else {
            world.recorder.restart(self.me);
            let records = self.reload(world);
            self.replica = Some(Replica::recover(config, records, &mut effects));
        }
        if world.scenario.old_copy > 0.0 && happens(0.5, &mut world.rng) {
            self.disk.copy();
        }
        world.plan(self.me, self.run, Duration::ZERO, Awaited::Open);
        self.commit(effects, world);
        self.turn(world);
    }

    /// Reads the disk: the engine's records, as their bytes say; the rest goes where it belongs.
    fn reload(&mut self, world: &Surroundings) -> Vec<Record> {
        self.values.clear();
        self.decided.clear();
        self.justified = Justified::default();
        self.certificates = Certificates::default();
        let mut retired = BTreeSet::new();
        for entry in self.disk.entries() {
            self.justified.entry(entry);
            match entry {
                Entry::Value(value, judgement) => {
                    self.values.insert(*value, *judgement);
                }
                Entry::Certificate(what, signers) => {
                    self.decided.insert((what.slot, what.learner), what.value);
                    self.certificates.keep(*what, *signers);
                }
                Entry::Record(Record::Decided { slot, learner, ballot }) => {
                    self.decided.insert((*slot, *learner), ballot.value);
                    let log = world.setting.trust.log();
                    if log.members(*learner).contains(self.me) {
                        let (slot, learner, value) = (*slot, *learner, ballot.value);
                        self.certificates.attest(Attestation { slot, learner, value });
                    }
                }
                Entry::Record(Record::Retired { slot }) => {
                    retired.insert(*slot);
                }
                Entry::Record(_) => {}
            }
        }
        // What a retired slot needed no longer is on the disk.
        let gone = |record: &Record| {
            matches!(record, Record::Messages { .. } | Record::Round { .. })
                && record.slot().is_some_and(|slot| retired.contains(&slot))
        };
        let records = self.disk.entries().filter_map(|entry| match entry {
            Entry::Record(record) if !gone(record) => Some(reread(record, world)),
            _ => None,
        });
        records.collect()
    }

    /// Stops without warning.
    pub fn crash(&mut self, world: &mut Surroundings) {
        if self.state == State::Down {
            return;
        }
        self.state = State::Down;
        self.run += 1;
        self.replica = None;
        self.inbox.clear();
        self.timers.clear();
        self.missing.clear();
        self.batch.clear();
        self.values.clear();
        self.held = None;
        let faults = world.scenario.faults;
        let loses = faults.has(Kind::LostWrite) || faults.has(Kind::TornWrite);
        let rng = &mut world.rng;
        self.disk.crash(|| !loses || rng.random_bool(0.5));
        world.recorder.crash(self.me);
        world.isolate(self.me);
        let down = Duration::from_millis(world.rng.random_range(5..3_000));
        world.strike_after(down, Strike::Restart(self.me));
    }

    /// Stops doing anything.
    pub fn pause(&mut self) {
        if self.state == State::Up {
            self.state = State::Paused;
        }
    }

    /// Goes on.
    pub fn resume(&mut self, world: &mut Surroundings) {
        if self.state == State::Paused {
            self.state = State::Up;
            self.turn(world);
        }
    }

    /// The clock jumps: forward, and all timers end; or back, and all take longer.
    pub fn jump(&mut self, world: &mut Surroundings) {
        let forward = world.rng.random_bool(0.5);
        let timers: Vec<Timer> = self.timers.keys().copied().collect();
        for timer in timers {
            let later = Duration::from_millis(world.rng.random_range(100..2_000));
            self.arm(timer, if forward { Duration::ZERO } else { later }, world);
        }
    }

    /// A link came up.
    pub fn connected(&mut self, peer: AcceptorId, world: &mut Surroundings) {
        let attested: Vec<Attestation> = self.certificates.attested().collect();
        if !attested.is_empty() {
            world.send(self.me, peer, &Arc::new(Wire::Attest(attested)));
        }
        self.take(Input::Event(Event::Connected { peer: Peer::Acceptor(peer) }), world);
    }

    /// A link has been down for a while.
    pub fn unreachable(&mut self, acceptor: AcceptorId, world: &mut Surroundings) {
        self.take(Input::Event(Event::Unreachable { acceptor }), world);
    }

    /// Something arrives.
    pub fn arrival(&mut self, from: AcceptorId, wire: Arc<Wire>, world: &mut Surroundings) {
        self.take(Input::Wire(from, wire), world);
    }

    /// Something that was waited for is there.
    pub fn awaited(&mut self, run: u32, what: Awaited, world: &mut Surroundings) {
        if run != self.run || self.state == State::Down {
            return;
        }
        match what {
            Awaited::Synced => self.synced(world),
            Awaited::Timer(timer, armed) if self.timers.get(&timer) != Some(&armed) => {}
            _ => self.take(Input::Awaited(what), world),
        }
    }

    fn take(&mut self, input: Input, world: &mut Surroundings) {
        if self.state != State::Down {
            self.inbox.push_back(input);
            self.turn(world);
        }
    }

    /// Handles what waits, unless a sync runs.
    fn turn(&mut self, world: &mut Surroundings) {
        while self.state == State::Up && self.held.is_none() && !self.inbox.is_empty() {
            let mut effects = std::mem::take(&mut self.spare);
            effects.clear();
            let count = self.inbox.len().min(BATCH_MAX);
            for _ in 0..count {
                if let Some(input) = self.inbox.pop_front() {
                    self.handle(input, &mut effects, world);
                    self.record_received(&mut effects, world);
                }
            }
            if let Some(replica) = &mut self.replica {
                replica.settle(&mut effects);
                world.recorder.settle(self.me);
            }
            self.record_received(&mut effects, world);
            self.commit(effects, world);
        }
    }

    /// Remembers what a proposer had taken in: a trace tells it with the proposal.
    fn remember_hint(&mut self, from: AcceptorId, packet: &Packet) {
        let Packet::Message(message, hint) = packet else { return };
        let instance =
            self.replica.as_ref().and_then(|replica| replica.instance(message.place.slot));
        let new = instance.is_none_or(|instance| instance.dag().find(&message.id()).is_none());
        if message.signer() == from && !hint.is_empty() && new {
            self.hints.entry(message.id()).or_insert_with(|| hint.clone());
        }
    }

    /// Tells of what entered the DAG, before anything else happens: a trace keeps the order.
    fn record_received(&mut self, effects: &mut Effects, world: &mut Surroundings) {
        for message in effects.received.drain(..) {
            if message.signer() != self.me {
                let hint = self.hints.remove(&message.id()).unwrap_or_default().to_vec();
                world.recorder.receive(self.me, message.place.slot, message.id(), hint);
                world.properties.held(self.me, message.id());
            }
        }
    }

    fn handle(&mut self, input: Input, effects: &mut Effects, world: &mut Surroundings) {
        match input {
            Input::Event(event) => self.tell(event, effects, world),
            Input::Wire(from, wire) => match &*wire {
                Wire::Packet(packet) => {
                    self.remember_hint(from, packet);
                    let (from, packet) = (Peer::Acceptor(from), packet.clone());
                    self.tell(Event::Packet { from, packet }, effects, world);
                }
                Wire::Value { slot, value } => self.receive_value(*slot, *value, effects, world),
                Wire::AskValue { slot, value } => {
                    if self.values.contains_key(value) {
                        let (slot, value) = (*slot, *value);
                        world.send(self.me, from, &Arc::new(Wire::Value { slot, value }));
                    }
                }
                Wire::Attest(attestations) => {
                    for what in attestations {
                        self.hear_attestation(from, *what, effects, world);
                    }
                }
                Wire::Certificates(certificates) => {
                    for (what, signers) in certificates {
                        let log = world.setting.trust.log();
                        if log.is_quorum(what.learner, signers) {
                            self.certify(*what, *signers, effects, world);
                        }
                    }
                }
            },
            Input::Awaited(what) => self.handle_awaited(what, effects, world),
        }
    }

    fn handle_awaited(&mut self, what: Awaited, effects: &mut Effects, world: &mut Surroundings) {
        match what {
            Awaited::Timer(timer, armed) => {
                if self.timers.get(&timer) == Some(&armed) {
                    self.timers.remove(&timer);
                    self.tell(Event::Timer(timer), effects, world);
                }
            }
            Awaited::Block(slot, round) => {
                let value = world.new_value(Judgement::Valid);
                self.store_value(value, Judgement::Valid);
                self.tell(Event::Block { slot, round, value }, effects, world);
            }
            Awaited::Value(value) => self.ask_for_value(value, world),
            Awaited::Loaded(slot) => {
                let records = self.disk.entries().filter_map(|entry| match entry {
                    Entry::Record(record) if record.slot() == Some(slot) => {
                        Some(reread(record, world))
                    }
                    _ => None,
                });
                let records = records.collect();
                self.tell(Event::Loaded { slot, records }, effects, world);
            }
            Awaited::Open => {
                if self.may_open(world) {
                    self.tell(Event::Open, effects, world);
                }
                let every = world.scenario.open_every;
                let pause = every + every * world.rng.random_range(0..100) / 100;
                world.plan(self.me, self.run, pause, Awaited::Open);
            }
            Awaited::Synced | Awaited::Turn | Awaited::Whim => {}
        }
    }

    /// Whether a slot that the run is about is not open yet, and no learner has decided all slots up to it.
    fn may_open(&self, world: &Surroundings) -> bool {
        let Some(replica) = &self.replica else { return false };
        let learners = || world.setting.trust.learners().iter();
        let first = learners().map(|learner| replica.next_undecided(learner)).max();
        let first = first.unwrap_or_default();
        let over = |slot: Slot| learners().all(|learner| self.decided(slot, learner).is_some());
        let mut slots = (first.0..world.scenario.slots).map(Slot);
        slots.any(|slot| replica.instance(slot).is_none() && !over(slot))
    }

    fn tell(&mut self, event: Event, effects: &mut Effects, world: &mut Surroundings) {
        let Some(replica) = &mut self.replica else { return };
        let is_open = |replica: &Replica, slot| replica.instance(slot).is_some();
        let (me, recorder) = (self.me, &mut world.recorder);
        // What comes for a slot that is not open changes nothing, and has no place in a trace.
        match &event {
            Event::Timer(timer) if is_open(replica, timer.slot) => {
                recorder.timer(me, *timer, world.queue.now());
            }
            Event::Value { slot, value, judgement } if is_open(replica, *slot) => {
                recorder.value(me, *slot, *value, *judgement);
            }
            Event::Block { slot, round, value } if is_open(replica, *slot) => {
                recorder.propose(me, *slot, *round, *value);
            }
            Event::Certified { slot, learner, value } if is_open(replica, *slot) => {
                recorder.certified(me, *slot, *learner, *value);
            }
            _ => {}
        }
        let announcement = match &event {
            Event::Packet { packet: Packet::Announcement(announcement), .. } => {
                Some(announcement.clone())
            }
            _ => None,
        };
        replica.handle(event, effects);
        // An announcement may open its slot.
        if let Some(announcement) = announcement
            && is_open(replica, announcement.place.slot)
        {
            recorder.round(me, &announcement);
        }
    }

    /// Writes what is to be stored and syncs it; without anything to store, releases the rest at once.
    fn commit(&mut self, mut effects: Effects, world: &mut Surroundings) {
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
    fn crashes_now(&self, world: &Surroundings) -> bool {
        let at = world.scenario.crash_at.get(&self.me);
        !world.quiet && at.is_some_and(|at| at.contains(&self.writes))
    }

    /// The sync is over, one way or the other.
    fn synced(&mut self, world: &mut Surroundings) {
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
            half.send.truncate(count);
            self.release(half, world);
            return self.crash(world);
        }
        self.release(effects, world);
        self.turn(world);
    }

    /// Lets go of everything that was to wait for the disk.
    fn release(&mut self, mut effects: Effects, world: &mut Surroundings) {
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
        if self.turns % 64 == 0 {
            self.check_memory(world);
        }
    }

    fn release_packet(&mut self, target: Target, packet: Packet, world: &mut Surroundings) {
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
    fn check_own(&self, message: &Arc<Verified<Message>>, world: &mut Surroundings) {
        let id = message.id();
        // Whoever lost its store passes on what others give back of its own.
        let stored = self.justified.message(&id) || self.lost && world.was_sent(&id);
        world.properties.check(Property::Durability, stored, || {
            format!("{:?} sends {id:?} before it and what lies below is stored", self.me)
        });
        if !world.first_sent(self.me, message, None) {
            return;
        }
        let slot = message.place.slot;
        let found = self.replica.as_ref().and_then(|replica| replica.instance(slot));
        let node = found.and_then(|instance| {
            let dag = instance.dag();
            dag.find(&id).map(|ix| dag.node(ix))
        });
        let Some(node) = node else { return };
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

    fn blame(&mut self, fault: Fault, world: &mut Surroundings) {
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
            _ => {}
        }
    }

    fn serve(&mut self, request: Request, world: &mut Surroundings) {
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

    fn arm(&mut self, timer: Timer, after: Duration, world: &mut Surroundings) {
        self.armed += 1;
        self.timers.insert(timer, self.armed);
        world.plan(self.me, self.run, after, Awaited::Timer(timer, self.armed));
    }

    fn ask_for_value(&mut self, value: ValueHash, world: &mut Surroundings) {
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

    fn receive_value(
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

    fn store_value(&mut self, value: ValueHash, judgement: Judgement) {
        self.values.insert(value, judgement);
        self.batch.push(Entry::Value(value, judgement));
    }

    fn hear_attestation(
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

    fn certify(
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

    fn learn(
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

    /// Messages that nobody needs, of one signer, in one slot: what admission allows, and some that are under way.
    fn check_memory(&self, world: &mut Surroundings) {
        let Some(replica) = &self.replica else { return };
        let learners = world.setting.trust.learners().len();
        let unneeded_max = 64.max(4 * (1 + 2 * learners)) + 2;
        let waiting_max = world.setting.acceptors.len() * hpaxos_consensus::WAITING_BYTES_MAX / 256;
        for slot in replica.open_slots() {
            let Some(instance) = replica.instance(slot) else { continue };
            for acceptor in world.setting.acceptors.iter().filter(|one| **one != self.me) {
                let unneeded = instance.dag().unneeded(*acceptor);
                let bounded = unneeded <= unneeded_max && instance.waiting() <= waiting_max;
                world.properties.check(Property::BoundedMemory, bounded, || {
                    format!(
                        "{:?} holds {unneeded} messages of {acceptor:?} that nobody needs",
                        self.me
                    )
                });
            }
        }
    }

    /// Whether each fork in its open slots was proven.
    pub fn check_evidence(&self, world: &mut Surroundings) {
        let Some(replica) = &self.replica else { return };
        for slot in replica.open_slots() {
            let forked = replica.instance(slot).map(|instance| *instance.dag().forked());
            let byzantine = world.scenario.traitors();
            let right = forked.is_none_or(|forked| forked.is_subset(&byzantine));
            world.properties.check(Property::OneChain, right, || {
                format!("at {:?} in {slot:?}, {forked:?} forked", self.me)
            });
        }
    }

    /// What a slot looks like here, for people.
    pub fn describe(&self, slot: Slot) -> String {
        let Some(replica) = &self.replica else { return "down".into() };
        match replica.instance(slot) {
            None => format!(
                "{:?}: not open, parked {:?}, next {:?}, silent {}, lost {}",
                self.me,
                replica.parked_slots().collect::<Vec<_>>(),
                replica.next_undecided(LearnerId::new(0)),
                replica.is_silent(),
                self.lost
            ),
            Some(instance) => format!(
                "{:?}: round {}, {} messages, {} waiting, silent {}",
                self.me,
                instance.round(),
                instance.dag().len(),
                instance.waiting(),
                replica.is_silent_in(slot)
            ),
        }
    }

    /// The round of a slot, if it is open.
    pub fn round(&self, slot: Slot) -> Option<Round> {
        Some(self.replica.as_ref()?.instance(slot)?.round())
    }
}

/// A record as its bytes give it back.
fn reread(record: &Record, world: &Surroundings) -> Record {
    let schedule = world.setting.trust.schedule();
    Record::decode(&record.encode(), &world.setting.network, schedule)
        .expect("a record that was encoded can be decoded")
}
