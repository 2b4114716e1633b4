//! A replica of the engine in a traitor's hands, who decides what it hears and to whom it speaks.

use super::Traitor;
use super::ears::{Blocks, Heard};
use hpaxos_consensus::message::Packet;
use hpaxos_consensus::{
    Config as ReplicaConfig, Effects, Event, Judgement, Peer, Place, Record, Replica, Request,
    Slot, Target, Timer, Trust, ValueHash,
};
use hpaxos_learner_graph::{AcceptorSet, LearnerId};
use hpaxos_ledger::{Block, Bundle, value};
use hpaxos_node::config::Config;
use hpaxos_node::driver::recover;
use hpaxos_node::network::Network;
use hpaxos_node::store::{LogIndex, Store, StoreError};
use hpaxos_node::wire::Frame;
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bundles that wait, and of these in one block.
const WAITING_MAX: usize = 1_000;
const IN_A_BLOCK_MAX: usize = 20;

/// A replica of one log.
pub(super) struct Puppet {
    log: LogIndex,
    network: Network,
    blocks: Blocks,
    replica: Replica,
    effects: Effects,
    friends: AcceptorSet,
    /// When each timer ends.
    timers: BTreeMap<Timer, Instant>,
    /// What the honest node had stored.
    store: Arc<Store>,
    /// What came after it, of slots that are not over: other nodes have it in their store.
    records: BTreeMap<Slot, Vec<Record>>,
    /// Whether its blocks are empty, so that it does not propose what another puppet does.
    is_idle: bool,
    /// Bundles to propose.
    waiting: VecDeque<Bundle>,
    last_opened: Instant,
    slot_min: Duration,
    idle_slot: Duration,
}

impl Puppet {
    /// One that goes on where the store ends, for a face of the traitor.
    pub(super) fn recover(
        traitor: &Traitor,
        face: usize,
        (log, trust): (LogIndex, Arc<Trust>),
        store: &Arc<Store>,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let signer = Arc::new(traitor.key.clone());
        let mut of_log = ReplicaConfig::new(traitor.id, trust.clone(), Some(traitor.me), signer);
        of_log.depth = config.consensus.depth;
        of_log.first_timer = config.consensus.first_timer();
        let mut effects = Effects::default();
        let replica = recover(of_log, log, store, &mut effects)?;
        Ok(Puppet {
            log,
            network: traitor.network.clone(),
            blocks: traitor.blocks.clone(),
            replica,
            effects,
            friends: traitor.friends(face, trust.acceptors()),
            timers: BTreeMap::new(),
            store: store.clone(),
            records: BTreeMap::new(),
            is_idle: face > 0,
            waiting: VecDeque::new(),
            last_opened: Instant::now(),
            slot_min: Duration::from_millis(config.consensus.slot_ms_min),
            idle_slot: Duration::from_millis(config.consensus.idle_slot_ms),
        })
    }

    pub(super) fn set_friends(&mut self, friends: AcceptorSet) {
        self.friends = friends;
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.replica.config().trust
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    pub(super) fn place(&self, slot: Slot) -> Place {
        let config = self.replica.config();
        Place { epoch: config.epoch, log: config.log.clone(), slot }
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.values().min().copied()
    }

    /// Hears what is for its log.
    pub(super) fn hear(&mut self, heard: &Heard) {
        let events = match heard {
            Heard::Up(peer) => vec![Event::Connected { peer: *peer }],
            Heard::Packet(log, from, packet) if *log == self.log => {
                vec![Event::Packet { from: *from, packet: packet.clone() }]
            }
            Heard::Value(log, slot, value) if *log == self.log => {
                // What it has to propose itself is in there, as a rule.
                self.waiting.clear();
                let judgement = Judgement::Valid;
                vec![Event::Value { slot: *slot, value: *value, judgement }]
            }
            Heard::Certified(log, learner, through) if *log == self.log => {
                self.certified(*learner, *through).collect()
            }
            Heard::Bundle(log, bundle) if *log == self.log => {
                if self.waiting.len() < WAITING_MAX {
                    self.waiting.push_back(bundle.clone());
                }
                return;
            }
            _ => return,
        };
        self.happen(events);
    }

    /// Slots that are over. Which values they have does not matter to somebody who executes nothing.
    fn certified(&self, learner: LearnerId, through: Slot) -> impl Iterator<Item = Event> + use<> {
        let first = self.replica.next_uncertified(learner).0;
        let value = ValueHash([0; 32]);
        (first..=through.0).map(move |slot| Event::Certified { slot: Slot(slot), learner, value })
    }

    pub(super) fn let_timers_end(&mut self) {
        let now = Instant::now();
        let ended = self.timers.iter().filter(|(_, at)| **at <= now);
        let ended: Vec<Timer> = ended.map(|(timer, _)| *timer).collect();
        for timer in &ended {
            self.timers.remove(timer);
        }
        self.happen(ended.into_iter().map(Event::Timer));
    }

    /// Opens a slot when an honest node would.
    pub(super) fn open_if_it_may(&mut self) {
        let patience = if self.waiting.is_empty() { self.idle_slot } else { self.slot_min };
        if self.last_opened.elapsed() >= patience {
            self.last_opened = Instant::now();
            self.happen([Event::Open]);
        }
    }

    /// Lets things happen, and everything that follows at once.
    fn happen(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut events: VecDeque<Event> = events.into_iter().collect();
        while let Some(event) = events.pop_front() {
            self.replica.handle(event, &mut self.effects);
            if events.is_empty() {
                self.replica.settle(&mut self.effects);
                events.extend(self.release());
            }
        }
    }

    fn release(&mut self) -> Vec<Event> {
        let mut effects = std::mem::take(&mut self.effects);
        for record in effects.store.drain(..) {
            match (&record, record.slot()) {
                (Record::Retired { slot }, _) => {
                    self.records.remove(slot);
                }
                (_, Some(slot)) => self.records.entry(slot).or_default().push(record),
                (_, None) => {}
            }
        }
        for (target, packet) in effects.send.drain(..) {
            self.send(target, &packet);
        }
        let now = Instant::now();
        for (timer, range) in effects.timers.drain(..) {
            let after = rand::rng().random_range(range.start..=range.end);
            self.timers.insert(timer, now + after);
        }
        let mut events = Vec::new();
        for request in effects.requests.drain(..) {
            match request {
                Request::Block { slot, round } => {
                    let value = self.make_block(slot);
                    events.push(Event::Block { slot, round, value });
                }
                Request::Value { slot, value, .. } => {
                    events.push(Event::Value { slot, value, judgement: Judgement::Valid });
                }
                Request::Load { slot } => {
                    events.push(Event::Loaded { slot, records: self.records_of(slot) });
                }
                // Others have them, too.
                Request::Certificates { .. } => {}
            }
        }
        effects.clear();
        self.effects = effects;
        events
    }

    /// As far as the honest node's disk can be read: who betrays need not know everything.
    fn records_of(&self, slot: Slot) -> Vec<Record> {
        let stored = self.store.records_of(self.log, slot, self.trust().schedule());
        let new = self.records.get(&slot).into_iter().flatten().cloned();
        stored.unwrap_or_default().into_iter().chain(new).collect()
    }

    fn send(&self, target: Target, packet: &Packet) {
        let frame = Frame::packet(packet);
        match target {
            Target::All => self.friends.iter().for_each(|friend| {
                self.network.send(Peer::Acceptor(friend), frame.clone());
            }),
            Target::One(Peer::Acceptor(to)) if !self.friends.contains(to) => {}
            Target::One(peer) => self.network.send(peer, frame),
        }
    }

    /// Makes a block and sends it to friends.
    fn make_block(&mut self, slot: Slot) -> ValueHash {
        let count = self.waiting.len().min(IN_A_BLOCK_MAX);
        let waiting = self.waiting.drain(..count).filter(|_| !self.is_idle);
        let bytes = Block { bundles: waiting.collect() }.to_bytes();
        let value = value(self.replica.config().network, &bytes);
        let frame = Frame::block(&self.replica.config().log.0, slot, &bytes);
        for friend in self.friends.iter() {
            self.network.send(Peer::Acceptor(friend), frame.clone());
        }
        self.blocks.add(slot, value, bytes.into());
        value
    }
}
