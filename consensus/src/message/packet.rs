//! What two nodes say to each other, and its encoding.

use super::short::{Content, ShortReply};
use super::verified::SignatureError;
use super::{Announcement, Keys, Kind, Message, Refs, Verified};
use crate::ids::{MessageId, Place};
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;
use thiserror::Error;

// ANCHOR: packet
/// What one node sends another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A message of the DAG. With a 1a goes, unsigned, what its proposer had taken in, as a hint; else it is empty.
    Message(Arc<Verified<Message>>, Refs),
    /// The announcement of a round.
    Announcement(Arc<Verified<Announcement>>),
    /// The maximal messages that the sender holds of an instance.
    Tips {
        /// The instance.
        place: Place,
        /// Its maximal messages, at most [`Refs::COUNT_MAX`].
        tips: Refs,
        /// Whether the sender wants to know the receiver's in turn.
        answer: Answer,
    },
    /// The sender lacks messages.
    Ask {
        /// The instance.
        place: Place,
        /// What it lacks.
        want: Refs,
        /// Maximal messages that it holds: what lies below them need not be sent.
        have: Refs,
    },
    /// The highest slot of the log that the sender has opened, if any. Acceptors that lost their store ask for it.
    Highest {
        /// The log, and that slot plus one; 0 if there is none.
        place: Place,
        /// Whether the sender wants to know the receiver's in turn.
        answer: Answer,
    },
}
// ANCHOR_END: packet

// ANCHOR: opened
/// What came: a packet, or a reply that has to be expanded before anybody can look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A packet.
    Whole(Packet),
    /// A reply in its short form. Nodes send their own so when they send them to everybody; in answer to a question each
    /// message is whole.
    Short(ShortReply),
}
// ANCHOR_END: opened

impl Opened {
    /// The packet, unless it is short.
    pub fn whole(self) -> Option<Packet> {
        match self {
            Opened::Whole(packet) => Some(packet),
            Opened::Short(_) => None,
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Opened::Whole(packet) => packet.encode(),
            Opened::Short(short) => short.encode(),
        }
    }

    /// Where it belongs.
    pub fn place(&self) -> &Place {
        match self {
            Opened::Whole(packet) => packet.place(),
            Opened::Short(short) => short.place(),
        }
    }
}

/// Whether an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Answer {
    /// It is.
    Wanted,
    /// This is one.
    Given,
}

/// The longest packet: a message with as many references as are allowed, and the hint of a 1a.
pub const PACKET_BYTES_MAX: usize = 128 << 10;

/// Why bytes are not a packet.
#[derive(Debug, Error)]
pub enum PacketError {
    /// Too long.
    #[error("a packet of {0} bytes; at most {PACKET_BYTES_MAX}")]
    TooLong(usize),
    /// Not in the canonical encoding.
    #[error("not a packet: {0}")]
    Malformed(#[from] std::io::Error),
    /// A hint with something that is not a proposal.
    #[error("a {0} comes with a hint; only a 1a may")]
    Hint(Kind),
    /// Not signed by whom it says.
    #[error("refused: {0}")]
    Signature(#[from] SignatureError),
}

/// A packet as it travels: nothing is checked yet.
#[derive(BorshSerialize, BorshDeserialize)]
enum Wire {
    Message(Message, [u8; 64], Refs),
    Announcement(Announcement, [u8; 64]),
    Tips(Place, Refs, Answer),
    Ask(Place, Refs, Refs),
    Highest(Place, Answer),
    Short(Content, MessageId, [u8; 64]),
}

impl ShortReply {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire::Short(self.content.clone(), self.id, self.signature);
        borsh::to_vec(&wire).expect("writing to memory does not fail")
    }
}

impl Packet {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let wire = match self.clone() {
            Packet::Message(message, hint) => {
                Wire::Message(Message::clone(&message), *message.signature(), hint)
            }
            Packet::Announcement(announcement) => {
                Wire::Announcement(Announcement::clone(&announcement), *announcement.signature())
            }
            Packet::Tips { place, tips, answer } => Wire::Tips(place, tips, answer),
            Packet::Ask { place, want, have } => Wire::Ask(place, want, have),
            Packet::Highest { place, answer } => Wire::Highest(place, answer),
        };
        borsh::to_vec(&wire).expect("writing to memory does not fail")
    }

    /// Decodes a packet and checks its signature. Allocates no more than a few times what it is given.
    ///
    /// # Errors
    /// [`PacketError`] says what is wrong; it is the sender's fault.
    pub fn open(bytes: &[u8], keys: &Keys) -> Result<Opened, PacketError> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(PacketError::TooLong(bytes.len()));
        }
        let packet = match borsh::from_slice(bytes)? {
            Wire::Message(message, _, hint) if !hint.is_empty() && message.kind() != Kind::OneA => {
                return Err(PacketError::Hint(message.kind()));
            }
            Wire::Message(message, signature, hint) => {
                Packet::Message(keys.verify(message, signature)?, hint)
            }
            Wire::Announcement(announcement, signature) => {
                Packet::Announcement(keys.verify_announcement(announcement, signature)?)
            }
            Wire::Tips(place, tips, answer) => Packet::Tips { place, tips, answer },
            Wire::Ask(place, want, have) => Packet::Ask { place, want, have },
            Wire::Highest(place, answer) => Packet::Highest { place, answer },
            Wire::Short(content, id, signature) => {
                let signer = content.acceptor.0;
                keys.verify_id(&content.place, content.kind.into(), &id, signer, &signature)?;
                return Ok(Opened::Short(ShortReply { content, id, signature }));
            }
        };
        Ok(Opened::Whole(packet))
    }

    /// Where it belongs.
    pub fn place(&self) -> &Place {
        match self {
            Packet::Message(message, _) => &message.place,
            Packet::Announcement(announcement) => &announcement.place,
            Packet::Tips { place, .. }
            | Packet::Ask { place, .. }
            | Packet::Highest { place, .. } => place,
        }
    }

    /// A question for messages.
    pub(crate) fn ask(
        place: &Place,
        want: impl IntoIterator<Item = MessageId>,
        have: Refs,
    ) -> Self {
        Packet::Ask { place: place.clone(), want: Refs::new(want), have }
    }
}
