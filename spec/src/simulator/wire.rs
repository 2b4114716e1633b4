//! What travels between nodes: the engine's packets, and what drivers exchange beside them.

use hpaxos_consensus::message::Packet;
use hpaxos_consensus::{Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorSet, LearnerId};

/// What one node sends another.
#[derive(Clone, Debug)]
pub enum Wire {
    /// Something for the engine.
    Packet(Packet),
    /// A value, for a slot. It stands for the bytes of which `value` is the hash.
    Value {
        /// The slot it was proposed for.
        slot: Slot,
        /// The value.
        value: ValueHash,
    },
    /// The sender lacks a value.
    AskValue {
        /// The slot it was proposed for.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
    },
    /// What the sender attests, as itself: learners' decisions.
    Attest(Vec<Attestation>),
    /// Certificates, each with those whose attestations it carries.
    Certificates(Vec<(Attestation, AcceptorSet)>),
}

/// A learner's decision, as acceptors attest it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attestation {
    /// The slot.
    pub slot: Slot,
    /// The learner.
    pub learner: LearnerId,
    /// What it decided.
    pub value: ValueHash,
}
