//! Messages of anybody, signed or not.

use super::trust::key;
use ed25519_dalek::Signer;
use hpaxos_consensus::message::{
    Acceptor, Announcement, Body, Message, Packet, Refs, Reply, ReplyKind, Signed, Verified,
};
use hpaxos_consensus::{
    Epoch, LogName, MessageId, NetworkId, Peer, Place, Round, Slot, Trust, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;

/// Makes messages of one instance.
#[derive(Clone)]
pub struct Forge {
    pub network: NetworkId,
    pub place: Place,
    pub trust: Arc<Trust>,
}

impl Forge {
    pub fn new(network: NetworkId, trust: &Arc<Trust>, slot: Slot) -> Self {
        let log = LogName(trust.log().name().into());
        Forge { network, place: Place { epoch: Epoch(0), log, slot }, trust: trust.clone() }
    }

    /// The content of a 1a.
    pub fn proposal(&self, round: u64, value: ValueHash) -> Message {
        let body = Body::Proposal { round: Round(round), value };
        Message { place: self.place.clone(), body }
    }

    /// The content of a reply.
    pub fn reply(
        &self,
        kind: ReplyKind,
        signer: usize,
        prev: Option<MessageId>,
        refs: impl IntoIterator<Item = MessageId>,
    ) -> Message {
        let (acceptor, refs) = (Acceptor(AcceptorId::new(signer)), Refs::new(refs));
        let body = Body::Reply(Reply { kind, acceptor, prev, refs });
        Message { place: self.place.clone(), body }
    }

    /// The content of an announcement.
    pub fn announcement(
        &self,
        signer: usize,
        round: u64,
        maximal: impl IntoIterator<Item = MessageId>,
    ) -> Announcement {
        let (acceptor, maximal) = (Acceptor(AcceptorId::new(signer)), Refs::new(maximal));
        Announcement { place: self.place.clone(), acceptor, round: Round(round), maximal }
    }

    /// Who has to sign it.
    pub fn signer(&self, message: &Message) -> AcceptorId {
        match &message.body {
            Body::Proposal { round, .. } => {
                self.trust.schedule().proposer(message.place.slot, *round)
            }
            Body::Reply(reply) => reply.acceptor.0,
        }
    }

    /// As the engine sees it, with a signature that nobody looks at.
    pub fn unsigned(&self, message: Message) -> Arc<Verified<Message>> {
        let signer = self.signer(&message);
        Arc::new(Verified::trusted(message, signer, [0; 64], &self.network))
    }

    /// As it travels, signed by whom it should be.
    pub fn signed(&self, message: Message) -> Arc<Verified<Message>> {
        let signer = self.signer(&message);
        self.signed_by(signer.index(), message)
    }

    /// As it travels, signed by `signer`, rightly or not.
    pub fn signed_by(&self, signer: usize, message: Message) -> Arc<Verified<Message>> {
        let signature = self.signature(signer, &message);
        let signer = AcceptorId::new(signer);
        Arc::new(Verified::trusted(message, signer, signature, &self.network))
    }

    pub fn signed_announcement(&self, content: Announcement) -> Arc<Verified<Announcement>> {
        let signer = content.acceptor.0;
        let signature = self.signature(signer.index(), &content);
        Arc::new(Verified::trusted(content, signer, signature, &self.network))
    }

    /// Over the domain tag and the id, put together here once more.
    pub fn signature(&self, signer: usize, content: &impl Signed) -> [u8; 64] {
        let mut bytes = format!("hpaxos/v1/{}\0", content.kind()).into_bytes();
        bytes.extend_from_slice(&content.id(&self.network).0);
        key(signer).sign(&bytes).to_bytes()
    }
}

/// A packet with nothing but a message.
pub fn packet(message: &Arc<Verified<Message>>) -> Packet {
    Packet::Message(message.clone(), Refs::default())
}

/// An acceptor as a peer.
pub fn peer(acceptor: usize) -> Peer {
    Peer::Acceptor(AcceptorId::new(acceptor))
}

/// The numbers of Vigna's SplitMix64: enough noise for tests, the same on every machine.
#[derive(Clone)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        std::array::from_fn(|_| self.next() as u8)
    }

    /// An id that nothing has.
    pub fn id(&mut self) -> MessageId {
        let words = [self.next(), self.next(), self.next(), self.next()];
        let mut bytes = [0; 32];
        bytes.chunks_exact_mut(8).zip(words).for_each(|(to, word)| {
            to.copy_from_slice(&word.to_le_bytes());
        });
        MessageId(bytes)
    }
}
