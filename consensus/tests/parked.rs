//! Parked slots that somebody asks about come back from disk, each about once: nodes with many of them do not call each
//! other's back for ever, and what a learner lacks stays in memory.

mod support;

use hpaxos_consensus::message::{Answer, NoSigner, Packet, Refs};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, Peer, Place, Record, Replica, Request, Slot, Target,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId, Safe};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use support::run::{NETWORK, VALUE, events_of};
use support::trust::{declarations, trust};

/// More than are in memory.
const SLOTS: u64 = 300;
/// A third acceptor, without whom one learner decides and the other does not.
const AWAY: usize = 2;

struct Pair {
    nodes: [Replica; 2],
    disks: [BTreeMap<Slot, Vec<Record>>; 2],
    events: VecDeque<(usize, Event)>,
    loads: usize,
}

impl Pair {
    fn new() -> Self {
        let trust = trust(declarations(3, &[(2, 2), (3, 3)], || Safe::Overlap));
        let node = |index| {
            let me = Some(AcceptorId::new(index));
            Replica::new(Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner)))
        };
        let (nodes, disks) = ([node(0), node(1)], Default::default());
        Pair { nodes, disks, events: VecDeque::new(), loads: 0 }
    }

    /// Lets things happen until nothing does.
    fn run(&mut self) {
        while let Some((index, event)) = self.events.pop_front() {
            let mut out = Effects::default();
            self.nodes[index].handle(event, &mut out);
            self.nodes[index].settle(&mut out);
            for record in out.store.drain(..) {
                if let Some(slot) = record.slot() {
                    self.disks[index].entry(slot).or_default().push(record);
                }
            }
            for (target, packet) in out.send.drain(..) {
                let other = 1 - index;
                if [Target::All, Target::One(Peer::Acceptor(AcceptorId::new(other)))]
                    .contains(&target)
                {
                    let events = events_of(index, &packet).into_iter();
                    self.events.extend(events.map(|event| (other, event)));
                }
            }
            for request in out.requests.drain(..) {
                let event = match request {
                    Request::Block { slot, round } => Event::Block { slot, round, value: VALUE },
                    Request::Value { slot, value, .. } => {
                        Event::Value { slot, value, judgement: Judgement::Valid }
                    }
                    Request::Load { slot } => {
                        self.loads += 1;
                        let records = self.disks[index].get(&slot).cloned().unwrap_or_default();
                        Event::Loaded { slot, records }
                    }
                    Request::Certificates { .. } => continue,
                };
                self.events.push_back((index, event));
            }
            assert!(self.loads <= 3 * SLOTS as usize, "the disks do not come to rest");
        }
    }

    /// One learner decides all slots. The other's are parked, but for the last.
    fn decide_all(&mut self) {
        for slot in (0..SLOTS).map(Slot) {
            let learner = LearnerId::new(0);
            let certified = Event::Certified { slot, learner, value: VALUE };
            let both = |event: &Event| [(0, event.clone()), (1, event.clone())];
            self.events.extend(both(&Event::Open));
            self.run();
            self.events.extend(both(&certified));
            self.run();
        }
    }

    /// An acceptor who was away asks both what they hold of all slots.
    fn ask_for_all(&mut self) {
        let from = Peer::Acceptor(AcceptorId::new(AWAY));
        for slot in (0..SLOTS).map(Slot) {
            for index in 0..2 {
                let config = self.nodes[index].config();
                let place = Place { epoch: config.epoch, log: config.log.clone(), slot };
                let (tips, answer) = (Refs::default(), Answer::Wanted);
                let packet = Packet::Tips { place, tips, answer };
                self.events.push_back((index, Event::Packet { from, packet }));
            }
            self.run();
        }
    }
}

#[test]
fn a_log_that_is_full_opens_slots_again_when_more_may_wait() {
    let mut pair = Pair::new();
    pair.decide_all();
    let bytes = pair.nodes[0].parked_bytes();
    assert!(bytes > 0 && !pair.nodes[0].is_full());
    pair.nodes.iter_mut().for_each(|node| node.set_parked_bytes_max(bytes / 2));
    let opened = |pair: &mut Pair| {
        pair.events.extend([(0, Event::Open), (1, Event::Open)]);
        pair.run();
        pair.nodes.each_ref().map(|node| node.opened().0)
    };
    assert!(pair.nodes[0].is_full());
    assert_eq!(opened(&mut pair), [SLOTS; 2]);
    pair.nodes.iter_mut().for_each(|node| node.set_parked_bytes_max(bytes * 2));
    assert_eq!(opened(&mut pair), [SLOTS + 1; 2]);
}

#[test]
fn many_parked_slots_come_to_rest() {
    let mut pair = Pair::new();
    pair.decide_all();
    let parked = pair.nodes[0].parked_slots().count();
    assert!(parked > 200, "{parked}");
    let connected = |index| Event::Connected { peer: Peer::Acceptor(AcceptorId::new(index)) };
    pair.events.extend([(0, connected(1)), (1, connected(0))]);
    pair.run();
    for node in &pair.nodes {
        assert!(node.instance(Slot(0)).is_some(), "what a learner lacks is brought back");
    }
    for times in 1..4 {
        pair.loads = 0;
        pair.ask_for_all();
        assert!(pair.loads > SLOTS as usize, "{times}: {}", pair.loads);
        for node in &pair.nodes {
            assert!(node.instance(Slot(0)).is_some(), "{times}: what a learner lacks stays");
            assert!(node.open_slots().count() < 160, "{times}: and not much else");
        }
    }
}
