//! One slot in a network without losses, and what happened to each node in it.

use hpaxos_consensus::message::{Body, Kind, NoSigner, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, NetworkId, Peer, Record, Replica, Request, Slot, Target,
    Trust, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const NETWORK: NetworkId = NetworkId([7; 32]);
pub const SLOT: Slot = Slot(0);
pub const VALUE: ValueHash = ValueHash([9; 32]);

/// Whether a node answers what arrives in a period as one batch, or each message by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    Batched,
    OneByOne,
}

/// A network that runs one slot, and what came of it.
pub struct Run {
    arrival: Arrival,
    /// How many nodes take part, the first ones.
    up: usize,
    /// Whether somebody may do something wrong.
    pub forgive: bool,
    pub replicas: Vec<Replica>,
    arriving: Vec<Vec<Event>>,
    /// For each node the batches of events that happened to it.
    pub events: Vec<Vec<Vec<Event>>>,
    /// Messages that were sent to everybody, by kind.
    pub sent: BTreeMap<Kind, usize>,
    /// Packets of other sorts.
    pub others: usize,
    /// Decisions, of all learners at all nodes.
    pub decided: usize,
    /// For each node its records of messages.
    pub message_records: Vec<usize>,
    /// For each node the batches after which something had to be stored.
    pub syncs: Vec<usize>,
    /// Periods until nothing was under way any more.
    pub periods: usize,
}

/// A fresh node that signs nothing.
pub fn replica(trust: &Arc<Trust>, acceptor: usize) -> Replica {
    let me = Some(AcceptorId::new(acceptor));
    Replica::new(Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner)))
}

/// What the driver of another node would make of something that it is told: the value comes with the 1a.
pub fn events_of(from: usize, packet: &Packet) -> Vec<Event> {
    let mut events = Vec::new();
    if let Packet::Message(message, _) = packet
        && let Body::Proposal { value, .. } = message.body
    {
        let judgement = Judgement::Valid;
        events.push(Event::Value { slot: message.place.slot, value, judgement });
    }
    let from = Peer::Acceptor(AcceptorId::new(from));
    events.push(Event::Packet { from, packet: packet.clone() });
    events
}

/// Runs one slot, in which nothing fails, until nothing is under way.
pub fn one_slot(trust: &Arc<Trust>, arrival: Arrival) -> Run {
    let mut run = Run::new(trust, arrival, trust.acceptors().len());
    while run.period() {}
    run
}

impl Run {
    /// A network in which the first `up` nodes are about to open the slot, and the others say nothing.
    pub fn new(trust: &Arc<Trust>, arrival: Arrival, up: usize) -> Self {
        Run {
            arrival,
            up,
            forgive: false,
            replicas: (0..up).map(|index| replica(trust, index)).collect(),
            arriving: vec![vec![Event::Open]; up],
            events: vec![Vec::new(); up],
            sent: BTreeMap::new(),
            others: 0,
            decided: 0,
            message_records: vec![0; up],
            syncs: vec![0; up],
            periods: 0,
        }
    }

    /// Lets everything arrive that is under way. Whether there was anything.
    pub fn period(&mut self) -> bool {
        if self.arriving.iter().all(Vec::is_empty) {
            return false;
        }
        self.periods += 1;
        let mut out = Effects::default();
        let arrived = std::mem::replace(&mut self.arriving, vec![Vec::new(); self.up]);
        for (index, events) in arrived.into_iter().enumerate() {
            let batches: Vec<Vec<Event>> = match self.arrival {
                Arrival::Batched => vec![events],
                Arrival::OneByOne => events.into_iter().map(|event| vec![event]).collect(),
            };
            for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
                self.events[index].push(batch.clone());
                out.clear();
                batch.into_iter().for_each(|event| self.replicas[index].handle(event, &mut out));
                self.replicas[index].settle(&mut out);
                assert!(self.forgive || out.faults.is_empty(), "{:?}", out.faults);
                self.count(index, &out);
                self.tell(index, &out);
            }
        }
        true
    }

    fn count(&mut self, index: usize, out: &Effects) {
        let is_message = |record: &&Record| matches!(record, Record::Messages { .. });
        self.message_records[index] += out.store.iter().filter(is_message).count();
        self.syncs[index] += usize::from(!out.store.is_empty());
        self.decided += out.decided.len();
        for (_, packet) in &out.send {
            match packet {
                Packet::Message(message, _) => *self.sent.entry(message.kind()).or_default() += 1,
                _ => self.others += 1,
            }
        }
    }

    /// Does what a node wants done.
    pub fn tell(&mut self, index: usize, out: &Effects) {
        for request in &out.requests {
            if let Request::Block { slot, round } = *request {
                self.arriving[index].push(Event::Block { slot, round, value: VALUE });
            }
        }
        for (target, packet) in &out.send {
            for (to, events) in self.arriving.iter_mut().enumerate() {
                let one = Target::One(Peer::Acceptor(AcceptorId::new(to)));
                if to != index && (*target == Target::All || *target == one) {
                    events.extend(events_of(index, packet));
                }
            }
        }
    }

    /// Messages of all kinds that were sent.
    pub fn messages(&self) -> usize {
        self.sent.values().sum()
    }
}
