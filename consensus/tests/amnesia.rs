//! What a node that lost its store may sign, and from when on.

mod support;

use hpaxos_consensus::message::{Answer, NoSigner, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Memory, Peer, Place, Record, Replica, Silence, Slot,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId, LearnerSet, Safe};
use std::sync::Arc;
use support::run::NETWORK;
use support::trust::{declarations, trust};

/// Of five acceptors, the last one. One learner needs the first three, the other any three.
fn config() -> Config {
    let trust = trust(declarations(5, &[(3, 3), (3, 5)], || Safe::Overlap));
    Config::new(NETWORK, trust, Some(AcceptorId::new(4)), Arc::new(NoSigner))
}

fn lost(change: impl FnOnce(&mut Config)) -> Replica {
    let mut config = config();
    config.memory = Memory::Lost;
    change(&mut config);
    let mut out = Effects::default();
    let replica = Replica::recover(config, Vec::new(), &mut out);
    assert_eq!(out.store, [Record::LOST], "that it is lost is not to be lost");
    replica
}

/// An acceptor says how many slots it has opened. What is stored.
fn report(replica: &mut Replica, acceptor: usize, opened: u64) -> Vec<Record> {
    let Config { epoch, log, .. } = replica.config();
    let place = Place { epoch: *epoch, log: log.clone(), slot: Slot(opened) };
    let packet = Packet::Highest { place, answer: Answer::Given };
    let mut out = Effects::default();
    let from = Peer::Acceptor(AcceptorId::new(acceptor));
    replica.handle(Event::Packet { from, packet }, &mut out);
    out.store
}

fn through(slot: u64) -> (Vec<Record>, Option<Silence>) {
    (vec![Record::Silent { through: Slot(slot) }], Some(Silence::Through(Slot(slot))))
}

#[test]
fn it_waits_for_a_quorum_of_every_learner() {
    let mut replica = lost(|_| {});
    for (acceptor, opened) in [(0, 5), (2, 7), (3, 6)] {
        assert_eq!(report(&mut replica, acceptor, opened), []);
        assert_eq!(replica.silence(), Some(Silence::Everything));
    }
    let stored = report(&mut replica, 1, 2);
    assert_eq!((stored, replica.silence()), through(7 + 8));
    assert_eq!(report(&mut replica, 0, 100), [], "who is told once is told");
}

#[test]
fn a_learner_that_is_waived_is_not_waited_for() {
    let mut replica = lost(|config| config.waived = LearnerSet::from_iter([LearnerId::new(0)]));
    assert_eq!(report(&mut replica, 0, 5), []);
    assert_eq!(report(&mut replica, 2, 7), []);
    let stored = report(&mut replica, 3, 6);
    assert_eq!((stored, replica.silence()), through(7 + 8));
}

#[test]
fn what_is_remembered_elsewhere_counts() {
    let mut replica = lost(|config| config.opened = Slot(40));
    for (acceptor, opened) in [(0, 5), (2, 7)] {
        assert_eq!(report(&mut replica, acceptor, opened), []);
    }
    let stored = report(&mut replica, 1, 2);
    assert_eq!((stored, replica.silence()), through(40 + 8));
}

#[test]
fn it_does_not_forget_that_it_forgot() {
    let recover = |records: &[Record]| {
        Replica::recover(config(), records.to_vec(), &mut Effects::default()).silence()
    };
    let known = Record::Silent { through: Slot(15) };
    assert_eq!(recover(&[]), None);
    assert_eq!(recover(&[Record::LOST]), Some(Silence::Everything));
    assert_eq!(recover(&[Record::LOST, known.clone()]), Some(Silence::Through(Slot(15))));
    assert_eq!(recover(&[known.clone(), Record::LOST]), Some(Silence::Everything));
    // Once a learner decided all that, nobody needs to know.
    let retired = (0..16).map(|slot| Record::Retired { slot: Slot(slot) });
    let all: Vec<Record> = [known].into_iter().chain(retired).collect();
    assert_eq!(recover(&all), None);
    assert_eq!(recover(&all[..16]), Some(Silence::Through(Slot(15))));
}
