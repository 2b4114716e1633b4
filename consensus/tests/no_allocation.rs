//! What is refused costs no memory, not even for a moment: once the lanes have grown, nothing is allocated.

mod support;

use allocation_counter::measure;
use hpaxos_consensus::message::{Answer, Message, Packet, Refs, ReplyKind, Verified};
use hpaxos_consensus::{
    Effects, Event, LogName, MessageId, Peer, Replica, Round, Slot, Timer, TimerKind, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use std::sync::Arc;
use support::forge::{Forge, packet, peer};
use support::run::{Arrival, NETWORK, SLOT, VALUE, one_slot};
use support::trust::equal;

const NODE: usize = 1;
const BAD: usize = 3;

/// A node that has decided a slot, and a forge for more.
fn stage() -> (Replica, Forge) {
    let trust = equal(4, 1);
    let node = one_slot(&trust, Arrival::Batched).replicas.swap_remove(NODE);
    (node, Forge::new(NETWORK, &trust, SLOT))
}

fn from(sender: usize, packet: Packet) -> Event {
    Event::Packet { from: peer(sender), packet }
}

fn handle(node: &mut Replica, event: Event, out: &mut Effects) {
    out.clear();
    node.handle(event, out);
    node.settle(out);
}

/// Lets an event happen a few times, and counts what the last of them allocate.
fn assert_allocates_nothing(node: &mut Replica, what: &str, event: &Event) {
    let mut out = Effects::default();
    for _ in 0..3 {
        handle(node, event.clone(), &mut out);
    }
    let events = vec![event.clone(); 100];
    let used = measure(|| {
        events.into_iter().for_each(|event| handle(node, event, &mut out));
    });
    assert_eq!(used.count_total, 0, "{what}: {} bytes", used.bytes_total);
    assert!(out.store.is_empty() && out.send.is_empty() && out.timers.is_empty(), "{what}");
}

/// A message of the node's DAG.
fn held(node: &Replica, signer: usize) -> Arc<Verified<Message>> {
    let dag = node.instance(SLOT).expect("the slot is open").dag();
    let last = dag.last(AcceptorId::new(signer)).expect("it voted");
    dag.node(last).message.clone()
}

#[test]
fn messages_that_are_here_already() {
    let (mut node, forge) = stage();
    let duplicate = from(2, packet(&held(&node, 2)));
    assert_allocates_nothing(&mut node, "one that is in the DAG", &duplicate);
    let orphan = forge.reply(ReplyKind::OneB, BAD, None, [MessageId([1; 32])]);
    let orphan = from(BAD, packet(&forge.unsigned(orphan)));
    assert_allocates_nothing(&mut node, "one that waits", &orphan);
    let announcement = |round| {
        let content = forge.announcement(BAD, round, []);
        let signer = AcceptorId::new(BAD);
        let announcement = Verified::trusted(content, signer, [0; 64], &NETWORK);
        from(BAD, Packet::Announcement(Arc::new(announcement)))
    };
    let mut out = Effects::default();
    handle(&mut node, announcement(3), &mut out);
    for round in [2, 3] {
        assert_allocates_nothing(&mut node, "a lower announcement", &announcement(round));
    }
}

#[test]
fn messages_for_which_there_is_no_room() {
    let (mut node, forge) = stage();
    let own = |number: u64| forge.unsigned(forge.proposal(4 * number + 3, ValueHash([7; 32])));
    let vote = |number| forge.unsigned(forge.reply(ReplyKind::OneB, BAD, None, [own(number).id()]));
    let mut out = Effects::default();
    for message in [own(1), own(2), vote(1), vote(2)] {
        handle(&mut node, from(BAD, packet(&message)), &mut out);
    }
    let instance = node.instance(SLOT).expect("the slot is open");
    assert!(instance.dag().forked().contains(AcceptorId::new(BAD)));
    let more = from(BAD, packet(&vote(3)));
    assert_allocates_nothing(&mut node, "one of a signer that forked", &more);
    for number in 3..200 {
        handle(&mut node, from(BAD, packet(&own(number))), &mut out);
    }
    let more = from(BAD, packet(&own(200)));
    assert_allocates_nothing(&mut node, "one too many", &more);
}

#[test]
fn packets_of_other_places() {
    let (mut node, forge) = stage();
    let tips =
        |place| from(2, Packet::Tips { place, tips: Refs::default(), answer: Answer::Given });
    let mut blue = forge.place.clone();
    blue.log = LogName("blue".into());
    assert_allocates_nothing(&mut node, "of another log", &tips(blue));
    let mut far = forge.place.clone();
    far.slot = Slot(1_000);
    let _ = tips(far.clone());
    assert_allocates_nothing(&mut node, "of a slot that is not open", &tips(far));
    let packet = packet(&held(&node, 2));
    let follower = Event::Packet { from: Peer::Follower(1), packet };
    assert_allocates_nothing(&mut node, "of no acceptor", &follower);
}

#[test]
fn messages_and_timers_of_a_retired_slot() {
    let (mut node, _) = stage();
    let late = from(2, packet(&held(&node, 2)));
    let mut out = Effects::default();
    let learner = LearnerId::new(0);
    handle(&mut node, Event::Certified { slot: SLOT, learner, value: VALUE }, &mut out);
    assert!(node.instance(SLOT).is_none());
    assert_allocates_nothing(&mut node, "a message", &late);
    let timer = Timer { slot: SLOT, kind: TimerKind::Round(Round(0)) };
    assert_allocates_nothing(&mut node, "a timer", &Event::Timer(timer));
}

#[test]
fn stale_timers() {
    let (mut node, _) = stage();
    for kind in [
        TimerKind::Round(Round(7)),
        TimerKind::Propose(Round(7)),
        TimerKind::Hint(Round(7)),
        TimerKind::Quiet,
        TimerKind::Fetch,
    ] {
        let timer = Timer { slot: SLOT, kind };
        assert_allocates_nothing(&mut node, &format!("{kind:?}"), &Event::Timer(timer));
    }
}
