//! What a node must not forget.

use crate::ids::{Ballot, NetworkId, Round, Slot, ValueHash};
use crate::message::{Body, Message, Verified};
use crate::trust::Schedule;
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_learner_graph::{LEARNERS_MAX, LearnerId};
use std::io;
use std::sync::Arc;

// ANCHOR: record
/// One thing that a node must not forget. Records are stored in order; those of one driver turn in one atomic write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Messages of a slot, references first. The last is the node's own, unless the slot is being parked: together with
    /// what was stored before, everything below it is on disk.
    Messages {
        /// The slot.
        slot: Slot,
        /// The messages.
        messages: Vec<Arc<Verified<Message>>>,
    },
    /// The acceptor entered a round.
    Round {
        /// The slot.
        slot: Slot,
        /// The round.
        round: Round,
    },
    /// A learner decided.
    Decided {
        /// The slot.
        slot: Slot,
        /// Who.
        learner: LearnerId,
        /// The ballot.
        ballot: Ballot,
    },
    /// The driver holds a certificate of a learner for the slot.
    Certified {
        /// The slot.
        slot: Slot,
        /// Whose.
        learner: LearnerId,
        /// The value.
        value: ValueHash,
    },
    /// Every learner of the log has a certificate: the other records of the slot may go.
    Retired {
        /// The slot.
        slot: Slot,
    },
    /// The store was lost: nothing may be signed in slots up to this one.
    Silent {
        /// The last such slot.
        through: Slot,
    },
}
// ANCHOR_END: record

/// A record as it is stored.
#[derive(BorshSerialize, BorshDeserialize)]
enum Stored {
    Messages(Slot, Vec<(Message, [u8; 64])>),
    Round(Slot, Round),
    Decided(Slot, u8, Round, ValueHash),
    Certified(Slot, u8, ValueHash),
    Retired(Slot),
    Silent(Slot),
}

impl Record {
    /// The slot it is about; none if it is about the log.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Record::Messages { slot, .. }
            | Record::Round { slot, .. }
            | Record::Decided { slot, .. }
            | Record::Certified { slot, .. }
            | Record::Retired { slot } => Some(*slot),
            Record::Silent { .. } => None,
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let index = |learner: &LearnerId| learner.index() as u8;
        let stored = match self {
            Record::Messages { slot, messages } => {
                let signed = |message: &Arc<Verified<Message>>| {
                    (Message::clone(message), *message.signature())
                };
                Stored::Messages(*slot, messages.iter().map(signed).collect())
            }
            Record::Round { slot, round } => Stored::Round(*slot, *round),
            Record::Decided { slot, learner, ballot } => {
                Stored::Decided(*slot, index(learner), ballot.round, ballot.value)
            }
            Record::Certified { slot, learner, value } => {
                Stored::Certified(*slot, index(learner), *value)
            }
            Record::Retired { slot } => Stored::Retired(*slot),
            Record::Silent { through } => Stored::Silent(*through),
        };
        borsh::to_vec(&stored).expect("writing to memory does not fail")
    }

    /// Decodes a record of the node's own store, whose signatures were checked before it was stored.
    ///
    /// # Errors
    /// If these are not the bytes of a record.
    pub fn decode(bytes: &[u8], network: &NetworkId, schedule: &Schedule) -> io::Result<Self> {
        let learner = |index: u8| match usize::from(index) {
            index if index < LEARNERS_MAX => Ok(LearnerId::new(index)),
            index => Err(io::Error::other(format!("no graph has a learner {index}"))),
        };
        Ok(match borsh::from_slice(bytes)? {
            Stored::Messages(slot, messages) => {
                let verified = |(message, signature): (Message, [u8; 64])| {
                    let signer = match &message.body {
                        Body::Proposal { round, .. } => {
                            schedule.proposer(message.place.slot, *round)
                        }
                        Body::Reply(reply) => reply.acceptor.0,
                    };
                    Arc::new(Verified::trusted(message, signer, signature, network))
                };
                Record::Messages { slot, messages: messages.into_iter().map(verified).collect() }
            }
            Stored::Round(slot, round) => Record::Round { slot, round },
            Stored::Decided(slot, index, round, value) => {
                let ballot = Ballot { round, value };
                Record::Decided { slot, learner: learner(index)?, ballot }
            }
            Stored::Certified(slot, index, value) => {
                Record::Certified { slot, learner: learner(index)?, value }
            }
            Stored::Retired(slot) => Record::Retired { slot },
            Stored::Silent(through) => Record::Silent { through },
        })
    }
}
