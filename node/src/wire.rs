//! What nodes send each other beside the engine's packets: how both lie in frames, and how blocks are asked for.

use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::message::{Packet, ShortReply};
use hpaxos_consensus::{Slot, ValueHash};
use hpaxos_ledger::{Attestation, Certificate, Prefix, ResultsRoot};
use libp2p::bytes::Bytes;
use std::io;

/// A frame on the stream of consensus. The first byte says which.
pub enum Frame<'a> {
    /// A packet of the engine, not checked yet.
    Packet(&'a [u8]),
    /// A block, ahead of its proposal.
    Block {
        /// The log.
        log: String,
        /// The slot it is proposed for.
        slot: Slot,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// What the sender attests, with its signature, which is not checked yet.
    Attestation(Attestation, [u8; 64]),
    /// A certificate, not checked yet.
    Certificate(Certificate),
}

const PACKET: u8 = 0;
const BLOCK: u8 = 1;
const ATTESTATION: u8 = 2;
const CERTIFICATE: u8 = 3;

impl<'a> Frame<'a> {
    /// The frame of a packet.
    pub fn packet(packet: &Packet) -> Bytes {
        [&[PACKET], packet.encode().as_slice()].concat().into()
    }

    /// The frame of a reply in its short form.
    pub fn short(reply: &ShortReply) -> Bytes {
        [&[PACKET], reply.encode().as_slice()].concat().into()
    }

    /// The frame of a block.
    pub fn block(log: &str, slot: Slot, bytes: &[u8]) -> Bytes {
        let mut frame = vec![BLOCK];
        (log, slot).serialize(&mut frame).expect("writing to memory does not fail");
        frame.extend_from_slice(bytes);
        frame.into()
    }

    /// The frame of an attestation.
    pub fn attestation(attestation: &Attestation, signature: &[u8; 64]) -> Bytes {
        let mut frame = vec![ATTESTATION];
        (attestation, signature).serialize(&mut frame).expect("writing to memory does not fail");
        frame.into()
    }

    /// The frame of a certificate.
    pub fn certificate(certificate: &Certificate) -> Bytes {
        let mut frame = vec![CERTIFICATE];
        frame.extend_from_slice(&certificate.to_bytes());
        frame.into()
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(frame: &'a [u8]) -> io::Result<Self> {
        match frame.split_first() {
            Some((&PACKET, packet)) => Ok(Frame::Packet(packet)),
            Some((&BLOCK, mut rest)) => {
                let (log, slot) = BorshDeserialize::deserialize(&mut rest)?;
                Ok(Frame::Block { log, slot, bytes: rest })
            }
            Some((&ATTESTATION, rest)) => {
                let (attestation, signature) = borsh::from_slice(rest)?;
                Ok(Frame::Attestation(attestation, signature))
            }
            Some((&CERTIFICATE, rest)) => Certificate::from_bytes(rest)
                .map(Frame::Certificate)
                .ok_or_else(|| io::Error::other("not the canonical encoding of a certificate")),
            _ => Err(io::Error::other("a frame begins with 0, 1, 2 or 3")),
        }
    }
}

/// What one node asks another.
#[derive(BorshSerialize, BorshDeserialize)]
pub enum Question {
    /// A block; the answer is its bytes, or nothing.
    Block {
        /// The log.
        log: String,
        /// The slot it was proposed for.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
    },
    /// What was decided from a slot on, as far as one answer goes; the answer are [`Slots`], or nothing.
    Stretch {
        /// The log.
        log: String,
        /// The first slot.
        from: u64,
        /// Blocks of earlier slots are there already.
        blocks_from: u64,
    },
    /// Which state there is a snapshot of; the answer is an [`Offer`](hpaxos_ledger::Offer), or nothing.
    Snapshot {
        /// The log.
        log: String,
    },
    /// A piece of a snapshot; the answer is a [`Piece`](hpaxos_ledger::Piece), or nothing.
    Piece {
        /// The log.
        log: String,
        /// The slot after which the state is meant.
        slot: u64,
        /// Which piece.
        prefix: Prefix,
    },
}

impl Question {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// From what travelled.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        borsh::from_slice(bytes)
    }
}

/// What a node knows of slots that it is asked for.
#[derive(BorshSerialize, BorshDeserialize)]
pub enum Slots {
    /// Them.
    Stretch(Stretch),
    /// Nothing any more: of slots before this one it has let go.
    From(u64),
}

impl Slots {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// From what travelled.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        borsh::from_slice(bytes)
    }
}

/// Slots of a log one after another, with certificates of some of the last ones, and so many of the blocks as there is room
/// for.
#[derive(BorshSerialize, BorshDeserialize)]
pub struct Stretch {
    /// Of each slot the hash of its block and the root over its results.
    pub steps: Vec<(ValueHash, ResultsRoot)>,
    /// The latest certificate of each learner that has one for one of these slots.
    pub certificates: Vec<Certificate>,
    /// The blocks, in the order of slots, without the empty ones.
    pub blocks: Vec<Vec<u8>>,
}
