//! A learner that is dead for many slots costs the others nothing: memory stays flat but for the numbers of parked slots, the
//! other learner goes on with as many messages per slot as before, and who comes back at the end decides the same.
//!
//! `HPAXOS_DEAD_SLOTS` is how many slots there are, by default 2,000; `make long` has 100,000.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "a test may be told how much to do")]

mod support;

use allocation_counter::{measure, opt_out};
use hpaxos_consensus::message::{NoSigner, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, Peer, Record, Replica, Request, Slot, Target, Timer, Trust,
    ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId, Safe};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;
use support::run::{NETWORK, events_of};
use support::trust::{declarations, trust};

/// Without the last of four acceptors the first learner has quorums, and the second has not.
const LIVE: usize = 0;
const DEAD: usize = 1;
const NODES: usize = 4;
const AWAY: usize = 3;

/// Slots after which everything has grown that grows with the window.
const WARM: u64 = 200;

/// What a parked slot may cost in memory: its number and size in a map.
const PARKED_BYTES_MAX: i64 = 64;

/// How long a packet is under way.
const DELAY: Duration = Duration::from_millis(1);

/// Something that happens to a node at a time; the second number keeps what happens at one time in order.
struct Happening {
    at: (Duration, u64),
    node: usize,
    event: Event,
    /// Of a timer: how often any had been armed.
    armed: Option<u64>,
}

impl PartialEq for Happening {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Happening {}
impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Happening {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

struct Net {
    nodes: Vec<Replica>,
    /// What each has on disk: bytes, which share no memory with the engine.
    disks: Vec<BTreeMap<Slot, Vec<Vec<u8>>>>,
    timers: Vec<BTreeMap<Timer, u64>>,
    queue: BinaryHeap<Reverse<Happening>>,
    now: Duration,
    count: u64,
    is_away: bool,
    sent: u64,
    /// What each node's learners decided.
    decided: Vec<BTreeMap<(LearnerId, Slot), ValueHash>>,
}

impl Net {
    fn new(trust: &Arc<Trust>) -> Self {
        let node = |index| {
            let me = Some(AcceptorId::new(index));
            Replica::new(Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner)))
        };
        Net {
            nodes: (0..NODES).map(node).collect(),
            disks: vec![BTreeMap::new(); NODES],
            timers: vec![BTreeMap::new(); NODES],
            queue: BinaryHeap::new(),
            now: Duration::ZERO,
            count: 0,
            is_away: true,
            sent: 0,
            decided: vec![BTreeMap::new(); NODES],
        }
    }

    fn plan(&mut self, after: Duration, node: usize, event: Event, armed: Option<u64>) {
        self.count += 1;
        let at = (self.now + after, self.count);
        self.queue.push(Reverse(Happening { at, node, event, armed }));
    }

    /// Lets things happen until `is_done`.
    fn run(&mut self, mut is_done: impl FnMut(&Net) -> bool) {
        while !is_done(self) {
            let Reverse(next) = self.queue.pop().expect("timers run as long as something is open");
            self.now = next.at.0;
            if self.is_away && next.node == AWAY {
                continue;
            }
            if let (Event::Timer(timer), Some(armed)) = (&next.event, next.armed) {
                if self.timers[next.node].get(timer) != Some(&armed) {
                    continue;
                }
                self.timers[next.node].remove(timer);
            }
            self.happen(next.node, next.event);
        }
    }

    fn happen(&mut self, index: usize, event: Event) {
        let mut out = Effects::default();
        self.nodes[index].handle(event, &mut out);
        self.nodes[index].settle(&mut out);
        opt_out(|| {
            for record in &out.store {
                if let Some(slot) = record.slot() {
                    self.disks[index].entry(slot).or_default().push(record.encode());
                }
            }
            for one in &out.decided {
                self.decided[index].insert((one.learner, one.slot), one.ballot.value);
            }
        });
        for (target, packet) in out.send.drain(..) {
            self.send(index, target, &packet);
        }
        for (timer, range) in out.timers.drain(..) {
            self.count += 1;
            let armed = self.count;
            self.timers[index].insert(timer, armed);
            self.plan((range.start + range.end) / 2, index, Event::Timer(timer), Some(armed));
        }
        for request in out.requests.drain(..) {
            let event = match request {
                Request::Block { slot, round } => {
                    Event::Block { slot, round, value: value(slot, index) }
                }
                Request::Value { slot, value, .. } => {
                    Event::Value { slot, value, judgement: Judgement::Valid }
                }
                Request::Load { slot } => {
                    let schedule = self.nodes[index].config().trust.schedule();
                    let read = |bytes: &Vec<u8>| Record::decode(bytes, &NETWORK, schedule).unwrap();
                    let records = self.disks[index].get(&slot).into_iter().flatten();
                    Event::Loaded { slot, records: records.map(read).collect() }
                }
                Request::Certificates { .. } => continue,
            };
            self.plan(Duration::ZERO, index, event, None);
        }
    }

    fn send(&mut self, from: usize, target: Target, packet: &Packet) {
        for to in (0..NODES).filter(|to| *to != from) {
            if self.is_away && to == AWAY {
                continue;
            }
            let one = Target::One(Peer::Acceptor(AcceptorId::new(to)));
            if target != Target::All && target != one {
                continue;
            }
            self.sent += 1;
            for event in events_of(from, packet) {
                self.plan(DELAY, to, event, None);
            }
        }
    }

    /// Lets the live learner decide slots up to `end`, one after another, everywhere. It is certified in each.
    fn decide(&mut self, end: u64) {
        while self.nodes[0].next_undecided(learner(LIVE)).0 < end {
            let slot = self.nodes[0].next_undecided(learner(LIVE));
            for index in 0..AWAY {
                self.plan(Duration::ZERO, index, Event::Open, None);
            }
            self.run(|net| {
                net.nodes[..AWAY].iter().all(|it| it.next_undecided(learner(LIVE)) > slot)
            });
            let value = self.decided[0][&(learner(LIVE), slot)];
            for index in 0..AWAY {
                let certified = Event::Certified { slot, learner: learner(LIVE), value };
                self.plan(Duration::ZERO, index, certified, None);
            }
        }
    }

    fn open(&self) -> usize {
        self.nodes[..AWAY].iter().map(|node| node.open_slots().count()).max().unwrap()
    }
}

fn learner(index: usize) -> LearnerId {
    LearnerId::new(index)
}

/// Each proposer proposes something of its own in each slot.
fn value(slot: Slot, proposer: usize) -> ValueHash {
    let mut bytes = [proposer as u8; 32];
    bytes[..8].copy_from_slice(&slot.0.to_be_bytes());
    ValueHash(bytes)
}

#[test]
fn a_dead_learner_costs_nobody_anything_and_comes_back() {
    let slots = std::env::var("HPAXOS_DEAD_SLOTS").map_or(2_000, |text| text.parse().unwrap());
    let trust = trust(declarations(NODES, &[(3, 3), (4, 4)], || Safe::Overlap));
    let mut net = Net::new(&trust);
    net.decide(WARM);
    let (sent, open) = (net.sent, net.open());
    net.decide(2 * WARM);
    let at_first = net.sent - sent;

    // In quarters, so that growth that does not stop shows even where it is small.
    let quarter = (slots - 2 * WARM) / 4;
    let mut grown = Vec::new();
    for number in 1..=4 {
        let (until, sent) = (2 * WARM + number * quarter, net.sent);
        let used = measure(|| net.decide(until));
        grown.push(used.bytes_current);
        let per_slot = (net.sent - sent) as f64 / quarter as f64;
        let before = at_first as f64 / WARM as f64;
        assert!(per_slot <= 1.1 * before, "{per_slot} packets a slot; {before} at first");
        assert!(net.open() <= open + 2, "{} slots are open; {open} at first", net.open());
    }
    println!("packets a slot: {}; bytes grown in each quarter: {grown:?}", at_first / WARM);
    let allowed = 3 * quarter as i64 * PARKED_BYTES_MAX + (64 << 10);
    assert!(grown.iter().all(|bytes| *bytes <= allowed), "{grown:?} bytes; {allowed} allowed");
    for node in &net.nodes[..AWAY] {
        assert!(node.parked_slots().count() as u64 >= slots - 2 * WARM);
        assert_eq!(node.next_undecided(learner(DEAD)), Slot(0));
    }

    // It is back, with nothing.
    net.is_away = false;
    for index in 0..AWAY {
        let connected = |other| Event::Connected { peer: Peer::Acceptor(AcceptorId::new(other)) };
        net.plan(DELAY, index, connected(AWAY), None);
        net.plan(DELAY, AWAY, connected(index), None);
    }
    let last = net.nodes[0].next_undecided(learner(LIVE));
    let started = net.now;
    net.run(|net| net.nodes.iter().all(|node| node.next_undecided(learner(DEAD)) >= last));
    println!("{} slots in {:?} of virtual time", last.0, net.now - started);
    for node in 0..NODES {
        for slot in (0..last.0).map(Slot) {
            let [live, dead] = [LIVE, DEAD].map(|one| net.decided[0][&(learner(one), slot)]);
            assert_eq!(live, dead, "{slot:?}");
            assert_eq!(net.decided[node][&(learner(DEAD), slot)], dead, "node {node}, {slot:?}");
        }
    }
}
