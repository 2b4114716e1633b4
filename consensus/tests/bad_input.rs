//! Whatever is wrong with a message, it is refused by name, against its sender; nothing changes, and whatever comes later
//! is not held up.
//!
//! All messages are signed with real keys and come as bytes, as from the network. The node is acceptor 1 of four, three of
//! which are a quorum; acceptor 3 misbehaves.

mod support;

use ed25519_dalek::SigningKey;
use hpaxos_consensus::message::{Answer, Keys, Message, Packet, Refs, ReplyKind, Verified};
use hpaxos_consensus::rules::Flaw;
use hpaxos_consensus::{
    Config, Effects, Event, Fault, Judgement, LogName, MessageId, Peer, Replica, Request, Round,
    Slot, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerId, Safe};
use std::sync::Arc;
use support::forge::{Forge, Noise, packet, peer};
use support::run::NETWORK;
use support::trust::{declarations, key, trust};

const ME: usize = 1;
const BAD: usize = 3;
const LEARNER: usize = 0;
const VALUE: ValueHash = ValueHash([1; 32]);
const OTHER: ValueHash = ValueHash([2; 32]);

/// A node, the packets that reach it, and whatever anybody signs.
struct Stage {
    node: Replica,
    keys: Keys,
    forge: Forge,
}

/// Messages that are in order, and in the node's DAG.
struct Scene {
    p0: MessageId,
    /// 1a's of the misbehaving acceptor's own rounds, with one learner 3 and 7.
    p3: MessageId,
    p7: MessageId,
    /// A vote of 0 in the first round.
    b0: MessageId,
    /// Accepts, and a vote of 0 for that 1a.
    t0: MessageId,
    t3: MessageId,
    v0: MessageId,
    /// The last message that the learner needs, not delivered yet.
    rest: Arc<Verified<Message>>,
}

impl Stage {
    /// With one learner three sends decide, with two four.
    fn new(learners: usize) -> Self {
        // The fifth acceptor belongs to the network, and to no quorum.
        let quorums: Vec<_> = (0..learners).map(|more| (3 + more, 4)).collect();
        let declared = declarations(5, &quorums, || Safe::Overlap);
        let graph = LearnerGraph::new(declared.clone()).expect("its edges exist");
        let trust = trust(declared);
        let keys = Keys::new(NETWORK, &graph, [trust.log().name()]).expect("all have good keys");
        let signer: Arc<SigningKey> = Arc::new(key(ME));
        let config = Config::new(NETWORK, trust.clone(), Some(AcceptorId::new(ME)), signer);
        let forge = Forge::new(NETWORK, &trust, Slot(0));
        Stage { node: Replica::new(config), keys, forge }
    }

    /// A 1a or reply, signed by whom it should be.
    fn sign(&self, message: Message) -> Arc<Verified<Message>> {
        self.forge.signed(message)
    }

    fn reply(
        &self,
        kind: ReplyKind,
        signer: usize,
        prev: Option<MessageId>,
        refs: &[MessageId],
    ) -> Arc<Verified<Message>> {
        self.sign(self.forge.reply(kind, signer, prev, refs.iter().copied()))
    }

    /// Lets a packet come as bytes, and the node settle.
    fn receive(&mut self, from: Peer, packet: &Packet) -> Effects {
        let opened = Packet::open(&packet.encode(), &self.keys).expect("it is signed");
        let packet = opened.whole().expect("it was sent whole");
        let mut out = Effects::default();
        self.node.handle(Event::Packet { from, packet }, &mut out);
        self.node.settle(&mut out);
        out
    }

    fn receive_message(&mut self, from: usize, message: &Arc<Verified<Message>>) -> Effects {
        self.receive(peer(from), &packet(message))
    }

    fn judge(&mut self, value: ValueHash) -> Effects {
        let mut out = Effects::default();
        let judgement = Judgement::Valid;
        self.node.handle(Event::Value { slot: Slot(0), value, judgement }, &mut out);
        self.node.settle(&mut out);
        out
    }

    /// Plays a slot up to where one more message lets the learner decide.
    fn scene(&mut self) -> Scene {
        use ReplyKind::{OneB, TwoA};
        let p0 = self.sign(self.forge.proposal(0, VALUE));
        let schedule = self.forge.trust.schedule();
        let mut own =
            (1..).filter(|round| schedule.proposer(Slot(0), Round(*round)) == AcceptorId::new(BAD));
        let mut next = || self.sign(self.forge.proposal(own.next().expect("its turn"), OTHER));
        let (p3, p7) = (next(), next());
        let [b0, b2, b3] = [0, 2, BAD].map(|one| self.reply(OneB, one, None, &[p0.id()]));
        let all = [b0.id(), b2.id(), b3.id()];
        let [t0, t2, t3] = [(0, &b0), (2, &b2), (BAD, &b3)]
            .map(|(one, prev)| self.reply(TwoA, one, Some(prev.id()), &all));
        let v0 = self.reply(OneB, 0, Some(t0.id()), &[t0.id(), p3.id()]);
        for message in [&p0, &p3, &p7, &b0, &b3, &t3, &b2, &t0, &v0] {
            let out = self.receive_message(message.signer().index(), message);
            assert_eq!(out.faults, []);
        }
        let (p0, p3, p7) = (p0.id(), p3.id(), p7.id());
        let (b0, t0, t3, v0) = (b0.id(), t0.id(), t3.id(), v0.id());
        assert_eq!((self.state().dag, self.state().waiting), (9, 0));
        Scene { p0, p3, p7, b0, t0, t3, v0, rest: t2 }
    }

    /// What can be seen of the node.
    fn state(&self) -> State {
        let instance = self.node.instance(Slot(0)).expect("the slot is open");
        let id = |ix| instance.dag().node(ix).message.id();
        State {
            dag: instance.dag().len(),
            maximal: instance.dag().maximal().map(id).collect(),
            waiting: instance.waiting(),
            round: instance.round(),
            last: instance.last_reply().map(id),
            decided: instance.decided(LearnerId::new(LEARNER)),
            forked: instance.dag().forked().len(),
            open: self.node.open_slots().collect(),
            silent: self.node.silence().is_some(),
        }
    }

    /// The rest of an honest run still lets the learner decide.
    fn finish(&mut self, scene: &Scene) {
        assert_eq!(self.judge(VALUE).faults, []);
        let out = self.receive_message(2, &scene.rest);
        assert_eq!(out.faults, []);
        assert_eq!(self.state().decided, Some(VALUE));
    }
}

#[derive(Debug, PartialEq)]
struct State {
    dag: usize,
    maximal: Vec<MessageId>,
    waiting: usize,
    round: Round,
    last: Option<MessageId>,
    decided: Option<ValueHash>,
    forked: usize,
    open: Vec<Slot>,
    silent: bool,
}

/// Nothing but faults came of it.
fn is_refusal(out: &Effects) -> bool {
    !out.faults.is_empty()
        && out.store.is_empty()
        && out.send.is_empty()
        && out.timers.is_empty()
        && out.decided.is_empty()
        && out.requests.is_empty()
        && out.received.is_empty()
}

/// Checks that each message is refused for its flaw, against whoever passes it on, as often as it comes.
fn assert_ill_formed(stage: &mut Stage, cases: &[(Arc<Verified<Message>>, Flaw)]) {
    for (message, flaw) in cases {
        let before = stage.state();
        for from in [BAD, 2, BAD] {
            let out = stage.receive_message(from, message);
            let (id, signer) = (message.id(), message.signer());
            let fault = Fault::IllFormed { from: peer(from), signer, id, flaw: *flaw };
            assert_eq!(out.faults, [fault], "{message:?}");
            assert!(is_refusal(&out), "{flaw:?}: {out:?}");
            assert_eq!(stage.state(), before, "{flaw:?}");
        }
    }
}

#[test]
fn ill_formed_messages_are_refused_for_their_flaw() {
    use ReplyKind::{OneB, TwoA, TwoB};
    let mut stage = Stage::new(1);
    let s = stage.scene();
    let refused = |kind, prev, refs: &[MessageId]| stage.reply(kind, BAD, prev, refs);
    let empty = refused(OneB, None, &[]);
    let after_it = refused(OneB, Some(s.t3), &[s.t3, s.p7, empty.id()]);
    let cases = [
        (empty, Flaw::NoBallot),
        (after_it, Flaw::Reference),
        (refused(OneB, Some(s.t3), &[s.p3]), Flaw::PrevNotReferenced),
        (refused(OneB, Some(s.b0), &[s.b0, s.p3]), Flaw::PrevNotOwn),
        (refused(OneB, Some(s.p3), &[s.p3]), Flaw::PrevNotOwn),
        (refused(OneB, Some(s.t3), &[s.t3, s.p3, s.p7]), Flaw::TwoProposals),
        (refused(TwoA, Some(s.t3), &[s.t3, s.b0, s.t0, s.v0]), Flaw::CrowdedReferences),
        (refused(OneB, Some(s.t3), &[s.t3, s.v0]), Flaw::ProposalNotReferenced),
        (refused(OneB, Some(s.t3), &[s.t3, s.v0, s.p0]), Flaw::ProposalNotReferenced),
        (refused(OneB, Some(s.t3), &[s.t3, s.p0]), Flaw::BallotAnswered),
        (refused(TwoA, Some(s.t3), &[s.t3, s.p3]), Flaw::ProposalReferenced),
        (refused(TwoA, Some(s.t3), &[s.t3, s.v0]), Flaw::NoLearners),
        (refused(TwoA, Some(s.t3), &[s.t3]), Flaw::NothingNew),
        (refused(TwoB, Some(s.t3), &[s.t3, s.t0]), Flaw::NoTwoB),
    ];
    assert_ill_formed(&mut stage, &cases);
    // Its signer may still say what is in order.
    let good = stage.reply(OneB, BAD, Some(s.t3), &[s.t3, s.p3]);
    assert_eq!(stage.receive_message(BAD, &good).faults, []);
    let dag = stage.node.instance(Slot(0)).expect("the slot is open").dag();
    assert!(dag.find(&good.id()).is_some());
    stage.finish(&s);
}

#[test]
fn a_2b_is_ill_formed_where_nobody_or_nobody_new_has_a_quorum() {
    use ReplyKind::TwoB;
    let mut stage = Stage::new(2);
    let s = stage.scene();
    let refused = |prev, refs: &[MessageId]| stage.reply(TwoB, BAD, prev, refs);
    let (with_1a, alone) = (&[s.t3, s.p3], &[s.t3]);
    let cases = [
        (refused(Some(s.t3), with_1a), Flaw::ProposalReferenced),
        (refused(Some(s.t3), alone), Flaw::NoLearners),
    ];
    assert_ill_formed(&mut stage, &cases);
    let t2 = s.rest.clone();
    assert_eq!(stage.receive_message(2, &t2).faults, []);
    let good = stage.reply(TwoB, BAD, Some(s.t3), &[s.t3, s.t0, t2.id()]);
    assert_eq!(stage.receive_message(BAD, &good).faults, []);
    let again = stage.reply(TwoB, BAD, Some(good.id()), &[good.id()]);
    assert_ill_formed(&mut stage, &[(again, Flaw::NothingNew)]);
}

#[test]
fn a_fork_is_proven_and_whoever_goes_on_with_both_branches_is_refused() {
    let mut stage = Stage::new(1);
    let s = stage.scene();
    let branch = stage.reply(ReplyKind::OneB, BAD, None, &[s.p3]);
    // Of a signer that forked, the evidence is admitted, and nothing more.
    let faults = stage.receive_message(BAD, &branch).faults;
    let [Fault::Proven(evidence)] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!(evidence.acceptor(), AcceptorId::new(BAD));
    assert!(evidence.messages.iter().any(|one| one.id() == branch.id()));
    let before = stage.state();
    let more = stage.reply(ReplyKind::OneB, BAD, None, &[s.p7]);
    assert!(stage.receive_message(BAD, &more).is_empty());
    assert_eq!(stage.state(), before);
    // Somebody waits for a message that has both branches below it, so it is looked at, and refused.
    let both = [s.t3, branch.id(), s.p7];
    let both = stage.reply(ReplyKind::OneB, BAD, Some(s.t3), &both);
    let above = stage.reply(ReplyKind::OneB, 2, None, &[both.id()]);
    assert_eq!(stage.receive_message(2, &above).faults, []);
    assert_eq!(stage.state().waiting, 1);
    let out = stage.receive_message(BAD, &both);
    let refused = |from, message: &Verified<Message>, flaw| {
        let (id, signer) = (message.id(), message.signer());
        Fault::IllFormed { from: peer(from), signer, id, flaw }
    };
    let expected = [refused(BAD, &both, Flaw::SignerCaught), refused(2, &above, Flaw::Reference)];
    assert_eq!(out.faults, expected);
    assert_eq!(stage.state(), before);
    stage.finish(&s);
}

#[test]
fn made_up_references_are_asked_of_their_sender_and_hold_up_nobody_else() {
    let mut stage = Stage::new(1);
    let s = stage.scene();
    let before = stage.state();
    let mut noise = Noise(1);
    for count in 1..100 {
        let mut refs: Vec<MessageId> = (0..10).map(|_| noise.id()).collect();
        refs.push(s.t3);
        let orphan = stage.reply(ReplyKind::OneB, BAD, Some(s.t3), &refs);
        let out = stage.receive_message(BAD, &orphan);
        assert!(out.faults.is_empty() && out.store.is_empty() && out.requests.is_empty());
        for (target, _) in &out.send {
            assert_eq!(*target, hpaxos_consensus::Target::One(peer(BAD)));
        }
        assert_eq!(State { waiting: count, ..before_again(&before) }, stage.state());
    }
    stage.finish(&s);
}

fn before_again(state: &State) -> State {
    let (maximal, open) = (state.maximal.clone(), state.open.clone());
    State { maximal, open, ..*state }
}

#[test]
fn packets_of_other_logs_epochs_and_far_slots_are_refused() {
    let mut stage = Stage::new(1);
    let s = stage.scene();
    let before = stage.state();
    let place = stage.forge.place.clone();
    let mut wrong = [place.clone(), place.clone()];
    wrong[0].log = LogName("blue".into());
    wrong[1].epoch.0 = 1;
    for place in wrong {
        let tips = Refs::default();
        let out = stage.receive(peer(BAD), &Packet::Tips { place, tips, answer: Answer::Wanted });
        assert_eq!(out.faults, [Fault::WrongPlace { from: peer(BAD) }]);
        assert!(is_refusal(&out));
    }
    for slot in [Slot(9), Slot(1 << 40), Slot(u64::MAX)] {
        // Of a round that is not this node's own, else it would think that it lost its store.
        let round = (BAD as u64 + 4 - slot.0 % 4) % 4;
        let content = Forge::new(NETWORK, &stage.forge.trust, slot).proposal(round, VALUE);
        let message = stage.sign(content);
        let out = stage.receive_message(BAD, &message);
        assert_eq!(out.faults, [Fault::BeyondWindow { from: peer(BAD), slot }]);
        assert!(is_refusal(&out));
    }
    assert_eq!(stage.state(), before);
    stage.finish(&s);
}

#[test]
fn only_acceptors_of_the_log_say_what_acceptors_say() {
    let mut stage = Stage::new(1);
    let s = stage.scene();
    let before = stage.state();
    let vote = packet(&s.rest);
    let announcement = stage.forge.announcement(BAD, 3, []);
    let announcement = Packet::Announcement(stage.forge.signed_announcement(announcement));
    for from in [Peer::Follower(0), peer(4)] {
        for packet in [&vote, &announcement] {
            let out = stage.receive(from, packet);
            assert_eq!(out.faults, [Fault::NotAnAcceptor { from }]);
            assert!(is_refusal(&out));
        }
    }
    assert_eq!(stage.state(), before);
    stage.finish(&s);
}

#[test]
fn messages_of_a_retired_slot_are_answered_with_certificates() {
    let mut stage = Stage::new(1);
    let s = stage.scene();
    stage.finish(&s);
    let mut out = Effects::default();
    let learner = LearnerId::new(LEARNER);
    stage.node.handle(Event::Certified { slot: Slot(0), learner, value: VALUE }, &mut out);
    assert!(stage.node.instance(Slot(0)).is_none());
    let out = stage.receive_message(2, &s.rest);
    assert_eq!(out.requests, [Request::Certificates { slot: Slot(0), to: peer(2) }]);
    assert!(out.store.is_empty() && out.send.is_empty() && out.faults.is_empty());
    assert!(stage.node.instance(Slot(0)).is_none());
}
