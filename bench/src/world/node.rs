//! A node of the virtual network: the driver of one replica, and a mempool of numbers.
//!
//! Blocks travel ahead of their proposals, bundles go from the node that took them to all others, and whoever executed a
//! slot attests it. Each is what the product does; what a bundle or a block weighs is left out.

use super::ears::{Ears, Heard, PATIENCE, Short};
use super::{Around, BundleNumber, Happening, SLOT_EVERY, SYNC, Time};
use hpaxos_consensus::message::{Body, KnownReplies, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Instance, Judgement, Peer, Record, Replica, Request, Slot, Target,
    Timer, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use hpaxos_ledger::{Attestation, EPOCH, History, ResultsRoot, StateRoot};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Inputs that are handled before the next sync, as in the product's driver.
const BATCH_MAX: usize = 64;

/// What travels.
#[derive(Clone)]
pub enum Letter {
    /// Something for the engine.
    Packet(Packet),
    /// A reply in its short form.
    Short(Arc<Short>),
    /// A block, ahead of its proposal.
    Block(Slot, ValueHash),
    /// A bundle.
    Bundle(BundleNumber),
    /// The sender executed a slot.
    Attestation(Slot, ValueHash),
}

/// Something that waits to be handled.
enum Input {
    Event(Event),
    Letter(Option<usize>, Letter),
}

/// A node.
pub struct Node {
    me: usize,
    ears: Ears,
    replica: Replica,
    inbox: VecDeque<Input>,
    /// What waits for the sync.
    held: Option<Effects>,
    spare: Effects,
    timers: BTreeMap<Timer, u64>,
    armed: u64,
    waiting: BTreeSet<BundleNumber>,
    done: BTreeSet<BundleNumber>,
    /// Blocks that are here.
    blocks: BTreeSet<ValueHash>,
    /// Those of each slot that was not executed.
    seen: BTreeMap<Slot, BTreeSet<ValueHash>>,
    /// What was decided for all learners.
    decided: BTreeMap<Slot, ValueHash>,
    executed: Slot,
    /// When the next slot may be opened here, and whether that time is planned.
    opens_from: Time,
    looks: bool,
    attested: BTreeMap<Slot, AcceptorSet>,
    certified: BTreeSet<Slot>,
    /// What is on disk of slots that are not retired.
    records: BTreeMap<Slot, Vec<Record>>,
    batches: Vec<Vec<Event>>,
}

impl Node {
    /// One of so many, with an empty store.
    pub fn new(me: usize, nodes: usize, config: Config) -> Self {
        Node {
            me,
            ears: Ears::new(nodes),
            replica: Replica::new(config),
            inbox: VecDeque::new(),
            held: None,
            spare: Effects::default(),
            timers: BTreeMap::new(),
            armed: 0,
            waiting: BTreeSet::new(),
            done: BTreeSet::new(),
            blocks: BTreeSet::new(),
            seen: BTreeMap::new(),
            decided: BTreeMap::new(),
            executed: Slot(0),
            opens_from: Time::ZERO,
            looks: false,
            attested: BTreeMap::new(),
            certified: BTreeSet::new(),
            records: BTreeMap::new(),
            batches: Vec::new(),
        }
    }

    /// What happened to the replica, batch by batch.
    pub fn batches(&self) -> &[Vec<Event>] {
        &self.batches
    }

    /// A client brings a bundle.
    pub fn submit(&mut self, bundle: BundleNumber, around: &mut Around) {
        around.broadcast(self.me, &Letter::Bundle(bundle));
        self.inbox.push_back(Input::Letter(None, Letter::Bundle(bundle)));
        self.turn(around);
    }

    /// Something arrives.
    pub fn receive(&mut self, from: usize, letter: Letter, around: &mut Around) {
        let heard = self.ears.hear(from, letter);
        self.take(heard, around);
    }

    /// It has waited long enough for what a peer's short reply references.
    pub fn give_up(&mut self, from: usize, wait: u64, around: &mut Around) {
        let heard = self.ears.give_up(from, wait);
        self.take(heard, around);
    }

    fn take(&mut self, heard: Heard, around: &mut Around) {
        for (from, wait) in heard.waits {
            let over = around.agenda.now() + PATIENCE;
            around.agenda.at(over, Happening::WaitIsOver { node: self.me, from, wait });
        }
        let letters = heard.letters.into_iter();
        self.inbox.extend(letters.map(|(from, letter)| Input::Letter(Some(from), letter)));
        self.turn(around);
    }

    /// The replies that it knows.
    pub fn known(&self) -> &KnownReplies {
        self.ears.known()
    }

    /// A timer ends.
    pub fn time_is_up(&mut self, timer: Timer, armed: u64, around: &mut Around) {
        if self.timers.get(&timer) == Some(&armed) {
            self.timers.remove(&timer);
            self.inbox.push_back(Input::Event(Event::Timer(timer)));
            self.turn(around);
        }
    }

    /// The records of a parked slot are read.
    pub fn loaded(&mut self, slot: Slot, around: &mut Around) {
        let records = self.records.get(&slot).cloned().unwrap_or_default();
        self.inbox.push_back(Input::Event(Event::Loaded { slot, records }));
        self.turn(around);
    }

    /// The sync is over.
    pub fn synced(&mut self, around: &mut Around) {
        if let Some(effects) = self.held.take() {
            self.release(effects, around);
        }
        self.turn(around);
    }

    /// Handles what waits, unless a sync runs.
    fn turn(&mut self, around: &mut Around) {
        while self.held.is_none() {
            self.open(around);
            if self.inbox.is_empty() {
                return;
            }
            let mut batch = Vec::new();
            for _ in 0..self.inbox.len().min(BATCH_MAX) {
                match self.inbox.pop_front() {
                    Some(Input::Event(event)) => batch.push(event),
                    Some(Input::Letter(from, letter)) => {
                        self.read(from, letter, &mut batch, around)
                    }
                    None => {}
                }
            }
            if batch.is_empty() {
                continue;
            }
            let mut effects = std::mem::take(&mut self.spare);
            effects.clear();
            batch.iter().for_each(|event| self.replica.handle(event.clone(), &mut effects));
            self.replica.settle(&mut effects);
            self.batches.push(batch);
            if effects.store.is_empty() {
                self.release(effects, around);
            } else {
                around.counts.syncs += 1;
                effects.store.drain(..).for_each(|record| self.write(record));
                self.held = Some(effects);
                let over = around.agenda.now() + SYNC;
                around.agenda.at(over, Happening::Synced(self.me));
            }
        }
    }

    /// The node may open a slot now, if it could not before.
    pub fn look(&mut self, around: &mut Around) {
        self.looks = false;
        self.turn(around);
    }

    /// Opens a slot if bundles wait, and no open slot can take them; not too often, as the product.
    fn open(&mut self, around: &mut Around) {
        let open = |event: &Input| matches!(event, Input::Event(Event::Open | Event::Block { .. }));
        let unclaimed = |one: &Instance| !one.is_decided() && one.dag().proposals().is_empty();
        let mut slots = self.replica.open_slots().filter_map(|slot| self.replica.instance(slot));
        if self.waiting.is_empty() || slots.any(unclaimed) || self.inbox.iter().any(open) {
            return;
        }
        if around.agenda.now() >= self.opens_from {
            self.opens_from = around.agenda.now() + SLOT_EVERY;
            self.inbox.push_back(Input::Event(Event::Open));
        } else if !self.looks {
            self.looks = true;
            around.agenda.at(self.opens_from, Happening::Look(self.me));
        }
    }

    fn read(
        &mut self,
        from: Option<usize>,
        letter: Letter,
        batch: &mut Vec<Event>,
        around: &mut Around,
    ) {
        let peer = from.map(AcceptorId::new);
        match letter {
            Letter::Packet(packet) => {
                let is_signed = matches!(packet, Packet::Message(..) | Packet::Announcement(_));
                around.counts.checked += u64::from(is_signed);
                batch.extend(peer.map(|from| Event::Packet { from: Peer::Acceptor(from), packet }));
            }
            Letter::Short(_) => unreachable!("its ears make a packet of it"),
            Letter::Block(slot, value) => {
                self.see(slot, value, around);
                batch.push(judged(slot, value));
            }
            Letter::Bundle(bundle) => {
                let known = self.done.contains(&bundle)
                    || self.seen.values().flatten().any(|it| around.blocks[it].contains(&bundle));
                if !known {
                    self.waiting.insert(bundle);
                }
            }
            Letter::Attestation(slot, value) => {
                let by = peer.unwrap_or(AcceptorId::new(self.me));
                self.hear(slot, value, by, batch, around);
            }
        }
    }

    /// A block is there: what is in it need not be proposed once more.
    fn see(&mut self, slot: Slot, value: ValueHash, around: &Around) {
        self.blocks.insert(value);
        // It lost, or what is in it is done with.
        if slot < self.executed {
            return;
        }
        self.seen.entry(slot).or_default().insert(value);
        self.waiting.retain(|bundle| !around.blocks[&value].contains(bundle));
    }

    /// Who attests the slot; a quorum of each learner retires it.
    fn hear(
        &mut self,
        slot: Slot,
        value: ValueHash,
        by: AcceptorId,
        batch: &mut Vec<Event>,
        around: &mut Around,
    ) {
        if self.certified.contains(&slot) {
            return;
        }
        around.counts.checked += u64::from(by.index() != self.me);
        let signers = self.attested.entry(slot).or_insert(AcceptorSet::EMPTY);
        signers.insert(by);
        let log = around.trust.log();
        if log.learners().iter().all(|learner| log.is_quorum(learner, signers)) {
            self.attested.remove(&slot);
            self.certified.insert(slot);
            let learners = log.learners();
            batch.extend(learners.iter().map(|learner| Event::Certified { slot, learner, value }));
            // Who has not decided it by then learns it so.
            self.learn(slot, value, around);
        }
    }

    fn write(&mut self, record: Record) {
        match (&record, record.slot()) {
            (Record::Retired { slot }, _) => drop(self.records.remove(slot)),
            (_, Some(slot)) => self.records.entry(slot).or_default().push(record),
            (_, None) => {}
        }
    }

    /// Lets go of everything that was to wait for the disk.
    fn release(&mut self, mut effects: Effects, around: &mut Around) {
        for (target, packet) in effects.send.drain(..) {
            self.send(target, packet, around);
        }
        for (timer, range) in effects.timers.drain(..) {
            let after = around.rng.random_range(range.start..=range.end);
            self.armed += 1;
            self.timers.insert(timer, self.armed);
            let (node, armed) = (self.me, self.armed);
            let over = around.agenda.now() + after;
            around.agenda.at(over, Happening::Timer { node, timer, armed });
        }
        for decision in effects.decided.drain(..) {
            self.note(decision.slot, decision.ballot.value, around);
        }
        assert!(effects.faults.is_empty(), "nobody does anything wrong: {:?}", effects.faults);
        for request in effects.requests.drain(..) {
            match request {
                Request::Block { slot, round } => {
                    let value = self.make_block(slot, around);
                    self.inbox.push_front(Input::Event(Event::Block { slot, round, value }));
                }
                Request::Load { slot } => {
                    let read = around.agenda.now() + SYNC;
                    around.agenda.at(read, Happening::Loaded { node: self.me, slot });
                }
                Request::Value { slot, value, .. } if self.blocks.contains(&value) => {
                    self.inbox.push_front(Input::Event(judged(slot, value)));
                }
                // Blocks come ahead of their proposals, and attestations come to everybody.
                Request::Value { .. } | Request::Certificates { .. } => {}
            }
        }
        self.spare = effects;
    }

    fn send(&mut self, target: Target, packet: Packet, around: &mut Around) {
        let to = match target {
            Target::All => None,
            Target::One(Peer::Acceptor(to)) => Some(to.index()),
            Target::One(Peer::Follower(_)) => return,
        };
        let mut short = None;
        if let (Packet::Message(message, _), None) = (&packet, to)
            && message.signer().index() == self.me
        {
            if let Body::Proposal { value, .. } = message.body {
                around.proposed.entry(value).or_insert(around.agenda.now());
                around.broadcast(self.me, &Letter::Block(message.place.slot, value));
            }
            short = self.ears.shorten(message);
        }
        around.post(self.me, to, packet, short);
    }

    fn make_block(&mut self, slot: Slot, around: &mut Around) -> ValueHash {
        let number = around.blocks.len() as u64;
        let mut value = ValueHash([0; 32]);
        value.0[..8].copy_from_slice(&number.to_be_bytes());
        around.blocks.insert(value, self.waiting.iter().copied().collect());
        self.see(slot, value, around);
        value
    }

    /// A learner decided: once all have, the slot may be executed, after those before.
    fn note(&mut self, slot: Slot, value: ValueHash, around: &mut Around) {
        let learners = around.trust.learners();
        let instance = self.replica.instance_or_leaving(slot);
        let all = |instance: &Instance| {
            learners.iter().all(|learner| instance.decided(learner).is_some())
        };
        if instance.is_some_and(all) {
            self.learn(slot, value, around);
        }
    }

    /// A slot is decided for all learners.
    fn learn(&mut self, slot: Slot, value: ValueHash, around: &mut Around) {
        if self.decided.insert(slot, value).is_some() {
            return;
        }
        around.decided.insert(slot);
        let now = around.agenda.now();
        around.decisions.extend(around.proposed.get(&value).map(|since| now - *since));
        while let Some(value) = self.decided.get(&self.executed).copied() {
            self.execute(self.executed, value, around);
            self.executed = self.executed.next();
        }
    }

    fn execute(&mut self, slot: Slot, value: ValueHash, around: &mut Around) {
        for bundle in &around.blocks[&value] {
            self.waiting.remove(bundle);
            self.done.insert(*bundle);
            let way = &mut around.bundles[*bundle];
            if way.node == self.me && way.committed.is_none() {
                way.committed = Some(around.agenda.now());
            }
        }
        // What stood in blocks that were not decided waits again.
        for other in self.seen.remove(&slot).unwrap_or_default() {
            let left = around.blocks[&other].iter().filter(|bundle| !self.done.contains(bundle));
            self.waiting.extend(left);
        }
        let bytes = attestation_bytes(slot, around) * (around.trust.acceptors().len() - 1);
        around.counts.attestation_bytes += bytes as u64;
        around.counts.signed += 1;
        let letter = Letter::Attestation(slot, value);
        around.broadcast(self.me, &letter);
        self.inbox.push_back(Input::Letter(None, letter));
    }
}

fn judged(slot: Slot, value: ValueHash) -> Event {
    Event::Value { slot, value, judgement: Judgement::Valid }
}

/// How long an attestation of all learners is on the wire: a byte that says what it is, it, and its signature.
fn attestation_bytes(slot: Slot, around: &Around) -> usize {
    let log = around.trust.log();
    // Names of eight letters; what they are is not known here.
    let learners = log.learners().iter().map(|learner| format!("chain-{:02}", learner.index()));
    let attestation = Attestation {
        epoch: EPOCH,
        log: log.name().to_owned(),
        slot: slot.0,
        learners: learners.collect(),
        history: History([0; 32]),
        results_root: ResultsRoot([0; 32]),
        state_root: StateRoot([0; 32]),
    };
    1 + borsh::to_vec(&attestation).expect("writing to memory does not fail").len() + 64
}
