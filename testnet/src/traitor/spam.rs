//! Nonsense, signed with a validator's key, and what is not even that.

use super::puppet::Puppet;
use ed25519_dalek::SigningKey;
use hpaxos_consensus::message::{
    Acceptor, Announcement, Answer, Body, Message, Packet, Refs, Reply, ReplyKind, Verified,
};
use hpaxos_consensus::{MessageId, NetworkId, Place, Round, Slot};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph};
use hpaxos_ledger::{Attestation, History, ResultsRoot, StateRoot};
use hpaxos_node::network::{Bytes, Network};
use hpaxos_node::wire::Frame;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::sync::Arc;

/// Frames of one burst for each log.
const BURST_MAX: usize = 20;

/// Who makes nonsense.
pub(super) struct Spam<'a> {
    pub me: AcceptorId,
    pub id: NetworkId,
    pub key: &'a SigningKey,
    pub network: &'a Network,
    pub graph: &'a LearnerGraph,
}

impl Spam<'_> {
    /// Sends some frames of one kind of nonsense to some of the others.
    pub(super) fn burst(&self, puppet: &Puppet) {
        let mut rng = rand::rng();
        let kind = rng.random_range(0..8);
        let count = rng.random_range(1..=BURST_MAX);
        let Some(slot) = puppet.replica().open_slots().last() else { return };
        let others = puppet.trust().acceptors().iter().filter(|one| *one != self.me);
        let to: Vec<AcceptorId> = others.filter(|_| rng.random_bool(0.5)).collect();
        for _ in 0..count {
            self.network.broadcast(&to, &self.nonsense(kind, slot, puppet));
        }
    }

    fn nonsense(&self, kind: u32, slot: Slot, puppet: &Puppet) -> Bytes {
        let mut rng = rand::rng();
        let place = puppet.place(slot);
        let ids = || Refs::new(some_ids(puppet, slot));
        let packet = match kind {
            0 => self.reply(place, ids()),
            // Of a slot far away.
            1 => {
                let far = Slot(slot.0.saturating_add(rng.random_range(0..1 << 40)));
                self.reply(puppet.place(far), ids())
            }
            2 => {
                let round = Round(rng.random_range(0..1 << 40));
                let acceptor = Acceptor(self.me);
                let said = Announcement { place, acceptor, round, maximal: ids() };
                Packet::Announcement(Arc::new(Verified::sign(said, &self.id, self.me, self.key)))
            }
            3 => Packet::Tips { place, tips: ids(), answer: Answer::Wanted },
            4 => Packet::Ask { place, want: ids(), have: Refs::default() },
            5 => return self.attestation(slot, puppet),
            6 => return Frame::block(&puppet.replica().config().log.0, slot, &noise(100_000)),
            _ => return noise(1_000).into(),
        };
        Frame::packet(&packet)
    }

    /// A reply of any shape.
    fn reply(&self, place: Place, refs: Refs) -> Packet {
        let kinds = [ReplyKind::OneB, ReplyKind::TwoA, ReplyKind::TwoB];
        let kind = kinds[rand::rng().random_range(0..kinds.len())];
        let prev = refs.first().copied();
        let body = Body::Reply(Reply { kind, acceptor: Acceptor(self.me), prev, refs });
        let message = Verified::sign(Message { place, body }, &self.id, self.me, self.key);
        Packet::Message(Arc::new(message), Refs::default())
    }

    /// Roots that nobody has.
    fn attestation(&self, slot: Slot, puppet: &Puppet) -> Bytes {
        let mut rng = rand::rng();
        let learners = puppet.trust().learners().iter();
        let learners = learners.map(|learner| self.graph.learner_name(learner).to_owned());
        let mut learners: Vec<String> = learners.collect();
        learners.sort_unstable();
        let attestation = Attestation {
            epoch: puppet.replica().config().epoch,
            log: puppet.replica().config().log.0.to_string(),
            slot: slot.0,
            learners,
            history: History(rng.random()),
            results_root: ResultsRoot(rng.random()),
            state_root: StateRoot(rng.random()),
        };
        let signature = attestation.sign(self.id, self.key);
        Frame::attestation(&attestation, &signature)
    }
}

/// Messages, some of which nobody has.
fn some_ids(puppet: &Puppet, slot: Slot) -> Vec<MessageId> {
    let mut rng = rand::rng();
    let instance = puppet.replica().instance(slot);
    let known = instance.iter().flat_map(|it| it.dag().nodes().map(|(_, node)| node.message.id()));
    let known: Vec<MessageId> = known.collect();
    let count = rng.random_range(1..12);
    (0..count)
        .map(|_| match known.choose(&mut rng) {
            Some(id) if rng.random_bool(0.8) => *id,
            _ => MessageId(rng.random()),
        })
        .collect()
}

fn noise(bytes_max: usize) -> Vec<u8> {
    let mut rng = rand::rng();
    let mut bytes = vec![0; rng.random_range(0..bytes_max)];
    rng.fill(&mut bytes[..]);
    bytes
}
