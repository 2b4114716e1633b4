//! A safe node: the driver of a replica, with its disk, its clock and its store of values.
//!
//! It feeds the events that wait, commits what is to be stored with one sync, and only then releases everything else.
//! Arrivals queue up meanwhile.

mod inspect;
mod life;
mod release;
mod values;

use crate::properties::Justified;
use crate::simulator::certificates::Certificates;
use crate::simulator::disk::{Batch, Disk, Entry};
use crate::simulator::queue::Awaited;
use crate::simulator::surroundings::Surroundings;
use crate::simulator::wire::{Attestation, Wire};
use hpaxos_consensus::message::{Packet, Refs};
use hpaxos_consensus::{
    Effects, Event, Judgement, MessageId, Peer, Record, Replica, Slot, Timer, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
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
                world.recorder.receive(self.me, &message, hint);
                world.properties.held(self.me, message.id());
            }
        }
        // A hint counts when its proposal is admitted with it, or never.
        self.hints.clear();
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
            Event::Loaded { slot, .. } => recorder.loaded(me, *slot),
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
}

/// A record as its bytes give it back.
fn reread(record: &Record, world: &Surroundings) -> Record {
    let schedule = world.setting.trust.schedule();
    Record::decode(&record.encode(), &world.setting.network, schedule)
        .expect("a record that was encoded can be decoded")
}
