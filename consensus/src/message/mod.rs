//! What is signed: 1a, 1b, 2a, 2b, and the announcement of a round.
//!
//! A message says only what cannot be derived. Its ballot, value and learners follow from what lies below it
//! ([`crate::dag`]), so nobody can lie about them.

mod known;
mod packet;
mod short;
mod verified;

pub use known::KnownReplies;
pub use packet::{Answer, Opened, PACKET_BYTES_MAX, Packet, PacketError};
pub use short::ShortReply;
pub use verified::{Keys, KeysError, NoSigner, SignatureError, Signer, Verified};

use crate::ids::{MessageId, NetworkId, Place, Round, ValueHash};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_learner_graph::{ACCEPTORS_MAX, AcceptorId};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{Error, Read, Result, Write};

/// A message of the DAG.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Message {
    /// The instance it belongs to.
    pub place: Place,
    /// What it says.
    pub body: Body,
}

// ANCHOR: body
/// What a message of the DAG says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Body {
    /// A 1a: the proposer of a round proposes a value. The value travels beside it.
    Proposal {
        /// The round; its proposer follows from slot and round.
        round: Round,
        /// The hash of the value.
        value: ValueHash,
    },
    /// A 1b, 2a or 2b of an acceptor.
    Reply(Reply),
}
// ANCHOR_END: body

// ANCHOR: reply
/// An acceptor's message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reply {
    /// 1b, 2a or 2b.
    pub kind: ReplyKind,
    /// Its signer.
    pub acceptor: Acceptor,
    /// The signer's previous reply in this instance.
    pub prev: Option<MessageId>,
    /// `prev`, and the maximal ones of what was taken in since; ascending, no duplicates.
    pub refs: Refs,
}
// ANCHOR_END: reply

/// The three kinds of replies.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum ReplyKind {
    /// 1b: a vote for the ballot of a 1a.
    OneB,
    /// 2a: a quorum of fresh votes was seen.
    TwoA,
    /// 2b: a quorum of 2a's was seen; four-send instances only.
    TwoB,
}

/// What a signed thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A proposal.
    OneA,
    /// A vote.
    OneB,
    /// An accept.
    TwoA,
    /// A commit.
    TwoB,
    /// An announcement of a round; outside the DAG.
    Announcement,
}

impl Kind {
    /// As in the domain tag and in traces.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OneA => "1a",
            Kind::OneB => "1b",
            Kind::TwoA => "2a",
            Kind::TwoB => "2b",
            Kind::Announcement => "announcement",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ReplyKind> for Kind {
    fn from(kind: ReplyKind) -> Kind {
        match kind {
            ReplyKind::OneB => Kind::OneB,
            ReplyKind::TwoA => Kind::TwoA,
            ReplyKind::TwoB => Kind::TwoB,
        }
    }
}

impl Message {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.body {
            Body::Proposal { .. } => Kind::OneA,
            Body::Reply(reply) => reply.kind.into(),
        }
    }

    /// The reply, unless it is a 1a.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.body {
            Body::Reply(reply) => Some(reply),
            Body::Proposal { .. } => None,
        }
    }

    /// What it references.
    pub fn refs(&self) -> &[MessageId] {
        self.reply().map_or(&[], |reply| &reply.refs.0)
    }
}

// ANCHOR: announcement
/// Says in which round an acceptor is. Not part of the DAG: the highest of each acceptor is kept.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Announcement {
    /// The instance it belongs to.
    pub place: Place,
    /// Who announces.
    pub acceptor: Acceptor,
    /// The round it is in.
    pub round: Round,
    /// Its maximal messages.
    pub maximal: Refs,
}
// ANCHOR_END: announcement

/// Something that is signed.
pub trait Signed {
    /// Its kind, which is part of the domain tag.
    fn kind(&self) -> Kind;
    /// Where it belongs.
    fn place(&self) -> &Place;
    /// The canonical encoding of what the id covers, beside kind and network: (epoch, log, slot, body).
    fn canonical(&self, to: &mut Vec<u8>) -> Result<()>;

    /// `H("hpaxos/v1/<kind>\0" ‖ network ‖ borsh(epoch, log, slot, body))`, with H = SHA-256.
    fn id(&self, network: &NetworkId) -> MessageId {
        let mut bytes = domain_tag(self.kind());
        bytes.extend_from_slice(&network.0);
        self.canonical(&mut bytes).expect("writing to memory does not fail");
        MessageId(Sha256::digest(&bytes).into())
    }
}

/// `"hpaxos/v1/<kind>\0"`.
fn domain_tag(kind: Kind) -> Vec<u8> {
    format!("hpaxos/v1/{kind}\0").into_bytes()
}

impl Signed for Message {
    fn kind(&self) -> Kind {
        Message::kind(self)
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn canonical(&self, to: &mut Vec<u8>) -> Result<()> {
        self.place.serialize(to)?;
        match &self.body {
            Body::Proposal { round, value } => (round, value).serialize(to),
            Body::Reply(reply) => (&reply.acceptor, &reply.prev, &reply.refs).serialize(to),
        }
    }
}

impl Signed for Announcement {
    fn kind(&self) -> Kind {
        Kind::Announcement
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn canonical(&self, to: &mut Vec<u8>) -> Result<()> {
        self.serialize(to)
    }
}

/// An acceptor on the wire: its index in the learner graph, which the network id pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acceptor(pub AcceptorId);

impl BorshSerialize for Acceptor {
    fn serialize<W: Write>(&self, to: &mut W) -> Result<()> {
        (self.0.index() as u16).serialize(to)
    }
}

impl BorshDeserialize for Acceptor {
    fn deserialize_reader<R: Read>(from: &mut R) -> Result<Self> {
        let index = usize::from(u16::deserialize_reader(from)?);
        if index >= ACCEPTORS_MAX {
            return Err(Error::other(format!("no network has an acceptor {index}")));
        }
        Ok(Acceptor(AcceptorId::new(index)))
    }
}

/// Ids of messages, ascending and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct Refs(Box<[MessageId]>);

impl Refs {
    /// The most that a well-formed message has: two of each acceptor, `prev` and a 1a.
    pub const COUNT_MAX: usize = 2 * ACCEPTORS_MAX + 2;

    /// The ids, put in order.
    pub fn new(ids: impl IntoIterator<Item = MessageId>) -> Self {
        let mut ids: Vec<MessageId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Refs(ids.into())
    }
}

impl std::ops::Deref for Refs {
    type Target = [MessageId];

    fn deref(&self) -> &[MessageId] {
        &self.0
    }
}

impl BorshDeserialize for Refs {
    fn deserialize_reader<R: Read>(from: &mut R) -> Result<Self> {
        let count = u32::deserialize_reader(from)? as usize;
        if count > Self::COUNT_MAX {
            return Err(Error::other(format!("{count} references; at most {}", Self::COUNT_MAX)));
        }
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = MessageId::deserialize_reader(from)?;
            if ids.last().is_some_and(|last| *last >= id) {
                return Err(Error::other("references are ascending, without duplicates"));
            }
            ids.push(id);
        }
        Ok(Refs(ids.into()))
    }
}
