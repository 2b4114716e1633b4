//! Proof of misbehaviour that a third party can check with nothing but the network's keys.

use crate::message::{Body, Keys, Message, Verified};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;
use thiserror::Error;

/// Two signed messages of which an honest acceptor signs one at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What they prove.
    pub kind: EvidenceKind,
    /// The two, in the order of their ids.
    pub messages: [Arc<Verified<Message>>; 2],
}

// ANCHOR: evidence_kind
/// What evidence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// Two replies with equal `prev`.
    Fork,
    /// Two proposals in one round.
    DoubleProposal,
}
// ANCHOR_END: evidence_kind

impl EvidenceKind {
    /// As in the API.
    pub fn name(self) -> &'static str {
        match self {
            EvidenceKind::Fork => "fork",
            EvidenceKind::DoubleProposal => "double-proposal",
        }
    }
}

/// Why two messages prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoEvidence {
    /// They are one message.
    #[error("both are the same message")]
    Same,
    /// They are of different instances.
    #[error("they belong to different instances")]
    Place,
    /// They have different signers.
    #[error("they have different signers")]
    Signer,
    /// Both may be signed by an honest acceptor.
    #[error("an honest acceptor may sign both")]
    Compatible,
    /// A signature is wrong.
    #[error("a signature is wrong")]
    Signature,
}

impl Evidence {
    /// What two messages prove, if they do.
    ///
    /// # Errors
    /// Why they prove nothing.
    pub fn new(a: Arc<Verified<Message>>, b: Arc<Verified<Message>>) -> Result<Self, NoEvidence> {
        if a.id() == b.id() {
            return Err(NoEvidence::Same);
        }
        if a.place != b.place {
            return Err(NoEvidence::Place);
        }
        if a.signer() != b.signer() {
            return Err(NoEvidence::Signer);
        }
        let kind = match (&a.body, &b.body) {
            (Body::Reply(one), Body::Reply(other)) if one.prev == other.prev => EvidenceKind::Fork,
            (Body::Proposal { round: one, .. }, Body::Proposal { round: other, .. })
                if one == other =>
            {
                EvidenceKind::DoubleProposal
            }
            _ => return Err(NoEvidence::Compatible),
        };
        let messages = if a.id() < b.id() { [a, b] } else { [b, a] };
        Ok(Evidence { kind, messages })
    }

    /// Checks what somebody else claims to be evidence.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(messages: [(Message, [u8; 64]); 2], keys: &Keys) -> Result<Self, NoEvidence> {
        let [a, b] = messages.map(|(message, signature)| keys.verify(message, signature));
        Evidence::new(a.map_err(|_| NoEvidence::Signature)?, b.map_err(|_| NoEvidence::Signature)?)
    }

    /// Who signed both.
    pub fn acceptor(&self) -> AcceptorId {
        self.messages[0].signer()
    }
}
