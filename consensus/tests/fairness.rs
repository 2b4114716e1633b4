//! What one Byzantine acceptor makes up does not keep a node from getting what the others said.

mod support;

use hpaxos_consensus::message::{Answer, Message, Packet, Refs, ReplyKind, Verified};
use hpaxos_consensus::{
    Effects, Event, MessageId, Peer, Replica, Target, Timer, TimerKind, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;
use support::forge::{Forge, Noise, packet, peer};
use support::run::{NETWORK, SLOT, VALUE, replica};
use support::trust::equal;

const NODE: usize = 1;
const BAD: usize = 3;

struct Stage {
    node: Replica,
    forge: Forge,
    noise: Noise,
}

impl Stage {
    fn new() -> Self {
        let trust = equal(4, 1);
        let forge = Forge::new(NETWORK, &trust, SLOT);
        Stage { node: replica(&trust, NODE), forge, noise: Noise(1) }
    }

    fn receive(&mut self, from: usize, packet: Packet) -> Effects {
        let mut out = Effects::default();
        self.node.handle(Event::Packet { from: peer(from), packet }, &mut out);
        self.node.settle(&mut out);
        out
    }

    /// Messages with random ids have ids above these.
    fn low_ids(&mut self, count: usize) -> Vec<MessageId> {
        (0..count)
            .map(|_| {
                let mut id = self.noise.id();
                id.0[..8].fill(0);
                id
            })
            .collect()
    }

    fn vote(&self, signer: usize, refs: Vec<MessageId>) -> Arc<Verified<Message>> {
        self.forge.unsigned(self.forge.reply(ReplyKind::OneB, signer, None, refs))
    }

    /// Lets the wait for missing messages end so often. Whom it asks for `id` then.
    fn asked_for(&mut self, id: MessageId, times: usize) -> Vec<Peer> {
        let mut asked = Vec::new();
        for _ in 0..times {
            let mut out = Effects::default();
            let timer = Timer { slot: SLOT, kind: TimerKind::Fetch };
            self.node.handle(Event::Timer(timer), &mut out);
            self.node.settle(&mut out);
            asked.extend(asks(&out, id));
        }
        asked
    }
}

/// Who is asked for `id`.
fn asks(out: &Effects, id: MessageId) -> impl Iterator<Item = Peer> {
    out.send.iter().filter_map(move |(target, packet)| match (target, packet) {
        (Target::One(peer), Packet::Ask { want, .. }) if want.contains(&id) => Some(*peer),
        _ => None,
    })
}

/// A message of 0 waits for one of 2, which 0 was asked for, in vain.
fn assert_others_are_asked_in_turn(mut stage: Stage) {
    let proposal = stage.forge.unsigned(stage.forge.proposal(0, VALUE));
    let missing = stage.vote(2, vec![proposal.id()]);
    let [own, above] = [0, 0].map(|signer| stage.vote(signer, vec![proposal.id()]));
    let refs = [own.id(), missing.id()];
    let above = stage.forge.reply(ReplyKind::TwoA, above.signer().index(), Some(own.id()), refs);
    let above = stage.forge.unsigned(above);
    for message in [&proposal, &own] {
        assert!(stage.receive(0, packet(message)).faults.is_empty());
    }
    let out = stage.receive(0, packet(&above));
    assert_eq!(asks(&out, missing.id()).collect::<Vec<_>>(), [peer(0)]);
    let asked = stage.asked_for(missing.id(), 12);
    for other in [0, 2] {
        assert!(asked.contains(&peer(other)), "asked {asked:?} only");
    }
}

#[test]
fn a_missing_message_is_asked_of_one_after_the_other() {
    assert_others_are_asked_in_turn(Stage::new());
}

#[test]
fn made_up_references_do_not_keep_others_from_being_asked() {
    let mut stage = Stage::new();
    for _ in 0..6 {
        let refs = stage.low_ids(Refs::COUNT_MAX);
        let orphan = stage.vote(BAD, refs);
        assert!(stage.receive(BAD, packet(&orphan)).faults.is_empty());
    }
    assert_others_are_asked_in_turn(stage);
}

/// What a peer says is there, and is not, four thousand times.
fn make_up(stage: &mut Stage) {
    for _ in 0..8 {
        let tips = Refs::new(stage.low_ids(Refs::COUNT_MAX));
        let place = stage.forge.place.clone();
        let packet = Packet::Tips { place, tips, answer: Answer::Given };
        assert!(stage.receive(BAD, packet).faults.is_empty());
    }
}

#[test]
fn made_up_tips_do_not_keep_others_from_being_asked() {
    let mut stage = Stage::new();
    make_up(&mut stage);
    assert_others_are_asked_in_turn(stage);
}

/// It was away, and nothing that comes later references what it missed.
#[test]
fn made_up_tips_do_not_hide_the_tips_of_others() {
    let mut stage = Stage::new();
    make_up(&mut stage);
    let proposal = stage.forge.unsigned(stage.forge.proposal(0, VALUE));
    let missed = stage.vote(2, vec![proposal.id()]);
    let (place, tips) = (stage.forge.place.clone(), Refs::new([missed.id()]));
    let out = stage.receive(0, Packet::Tips { place, tips, answer: Answer::Given });
    let mut asked: Vec<Peer> = asks(&out, missed.id()).collect();
    asked.extend(stage.asked_for(missed.id(), 12));
    assert!(asked.contains(&peer(0)), "asked {asked:?}");
}

/// A proposer's hint is for what others said. It does not make room for messages of its own.
#[test]
fn a_hint_makes_no_room_for_the_own_messages_of_whoever_gives_it() {
    let mut stage = Stage::new();
    for number in 1..50u64 {
        let own = |round: u64, value: u8| {
            stage.forge.unsigned(stage.forge.proposal(round, ValueHash([value; 32])))
        };
        let first = 1_000 * number;
        let hinted: Vec<_> = (0..200)
            .flat_map(|count| {
                let proposal = own(4 * (first + count) + BAD as u64, 1);
                let vote = stage.vote(BAD, vec![proposal.id()]);
                [proposal, vote]
            })
            .collect();
        let proposal = own(4 * (first + 999) + BAD as u64, 1);
        let hint = Refs::new(hinted.iter().map(|message| message.id()));
        let _ = stage.receive(BAD, Packet::Message(proposal, hint));
        for message in &hinted {
            let _ = stage.receive(BAD, packet(message));
        }
    }
    let instance = stage.node.instance(SLOT).expect("the slot is open");
    let held = instance.dag().unneeded(AcceptorId::new(BAD));
    assert!(held <= 64, "{held} messages that nobody else needs");
}
