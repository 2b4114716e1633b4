//! What can happen to a replica.

use crate::engine::{Peer, Timer};
use crate::ids::{Round, Slot, ValueHash};
use crate::message::Packet;
use crate::record::Record;
use hpaxos_learner_graph::{AcceptorId, LearnerId};

// ANCHOR: event
/// What can happen to a replica.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet came, its signature checked.
    Packet {
        /// Who sent it; not always who signed it.
        from: Peer,
        /// What it says.
        packet: Packet,
    },
    /// A connection came up, for the first time or again: what was sent before may be lost.
    Connected {
        /// With whom.
        peer: Peer,
    },
    /// The link to an acceptor is known to be down.
    Unreachable {
        /// Whose.
        acceptor: AcceptorId,
    },
    /// A value is stored and judged.
    Value {
        /// The slot it was proposed for.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
        /// Whether it is valid for the log.
        judgement: Judgement,
    },
    /// The block that [`crate::Request::Block`] asked for, stored and valid.
    Block {
        /// The slot.
        slot: Slot,
        /// The round it was asked for.
        round: Round,
        /// Its hash.
        value: ValueHash,
    },
    /// Something waits to be decided: the next slot may open.
    Open,
    /// A timer ended.
    Timer(Timer),
    /// The driver has checked and stored a certificate: a quorum of the learner attests this value.
    Certified {
        /// The slot.
        slot: Slot,
        /// The learner.
        learner: LearnerId,
        /// The value.
        value: ValueHash,
    },
    /// The records of a parked slot, as [`crate::Request::Load`] asked.
    Loaded {
        /// The slot.
        slot: Slot,
        /// All its records, in order.
        records: Vec<Record>,
    },
}
// ANCHOR_END: event

/// Whether a value is valid for its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// It is.
    Valid,
    /// It is not: nobody votes for it.
    Invalid,
}
