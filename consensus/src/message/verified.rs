//! Signatures. The engine only sees what is [`Verified`].

use super::{Announcement, Body, Kind, Message, Signed, domain_tag};
use crate::ids::{LogName, MessageId, NetworkId, Place};
use crate::signature::VerifyingKey;
use crate::trust::Schedule;
use ed25519_dalek::SigningKey;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use thiserror::Error;

/// Something signed whose signer and signature have been checked, with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    id: MessageId,
    signer: AcceptorId,
    signature: [u8; 64],
    content: T,
}

impl<T: Signed> Verified<T> {
    /// Takes what needs no check: what comes out of a node's own store, what a simulator makes, which signs nothing, and what
    /// has the id that a checked signature is over.
    pub fn trusted(
        content: T,
        signer: AcceptorId,
        signature: [u8; 64],
        network: &NetworkId,
    ) -> Self {
        Verified { id: content.id(network), signer, signature, content }
    }

    /// Signs `content`, which `signer` makes.
    pub fn sign(content: T, network: &NetworkId, signer: AcceptorId, key: &dyn Signer) -> Self {
        let id = content.id(network);
        let signature = key.sign(&signing_bytes(content.kind(), &id));
        Verified { id, signer, signature, content }
    }

    /// Its id.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Who signed it; of a 1a, the proposer of its round.
    pub fn signer(&self) -> AcceptorId {
        self.signer
    }

    /// The signature, over the domain tag and the id.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

/// `"hpaxos/v1/<kind>\0" ‖ id`.
fn signing_bytes(kind: Kind, id: &MessageId) -> Vec<u8> {
    let mut bytes = domain_tag(kind);
    bytes.extend_from_slice(&id.0);
    bytes
}

/// Signs for an acceptor. Deterministic: the same bytes give the same signature.
pub trait Signer {
    /// The signature of `bytes`.
    fn sign(&self, bytes: &[u8]) -> [u8; 64];
}

impl Signer for SigningKey {
    fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(self, bytes).to_bytes()
    }
}

/// Where nothing is checked, nothing is signed: simulators and models.
pub struct NoSigner;

impl Signer for NoSigner {
    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

/// The public keys of a network, and who proposes in its logs: what is needed to check a signature.
#[derive(Clone, Debug)]
pub struct Keys {
    network: NetworkId,
    keys: Vec<VerifyingKey>,
    logs: BTreeMap<LogName, LogSigners>,
}

#[derive(Clone, Debug)]
struct LogSigners {
    acceptors: AcceptorSet,
    schedule: Schedule,
}

/// Why a graph's keys cannot be used.
#[derive(Debug, Error)]
pub enum KeysError {
    /// An acceptor has none.
    #[error("acceptor `{0}` has no public key")]
    Missing(String),
    /// The key is not a point of the curve, or one of small order, for which anybody can sign.
    #[error("the public key of acceptor `{0}` is not a usable ed25519 key")]
    Weak(String),
}

/// Why something that claims to be signed is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Another epoch's.
    #[error("it is of another epoch")]
    Epoch,
    /// The log is none of the network's, or this node does not run it.
    #[error("it is of a log that this node does not run")]
    Log,
    /// The signer is not an acceptor of the log.
    #[error("its signer is not an acceptor of the log")]
    Signer,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
}

impl Keys {
    /// The keys of `graph`, for messages of `logs`.
    ///
    /// # Errors
    /// If an acceptor has no key, or one for which anybody can sign.
    pub fn new<'a>(
        network: NetworkId,
        graph: &LearnerGraph,
        logs: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for acceptor in &graph.declarations().acceptors {
            let bytes = acceptor
                .public_key
                .as_ref()
                .ok_or_else(|| KeysError::Missing(acceptor.name.clone()))?;
            let usable = VerifyingKey::new(bytes);
            keys.push(usable.ok_or_else(|| KeysError::Weak(acceptor.name.clone()))?);
        }
        let logs = logs.into_iter().filter_map(|name| graph.log(name)).map(|log| {
            let signers = LogSigners { acceptors: log.acceptors(), schedule: Schedule::new(&log) };
            (LogName(log.name().into()), signers)
        });
        Ok(Keys { network, keys, logs: logs.collect() })
    }

    /// The network.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Checks the signature of a message.
    ///
    /// # Errors
    /// What is wrong with it. It says nothing against the id: the same message may come with a right signature.
    pub fn verify(
        &self,
        message: Message,
        signature: [u8; 64],
    ) -> Result<Arc<Verified<Message>>, SignatureError> {
        let log = self.log(&message.place)?;
        let signer = match &message.body {
            Body::Proposal { round, .. } => log.schedule.proposer(message.place.slot, *round),
            Body::Reply(reply) => reply.acceptor.0,
        };
        Ok(Arc::new(self.check(message, signer, signature)?))
    }

    /// Checks the signature of an announcement.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_announcement(
        &self,
        announcement: Announcement,
        signature: [u8; 64],
    ) -> Result<Arc<Verified<Announcement>>, SignatureError> {
        let signer = announcement.acceptor.0;
        Ok(Arc::new(self.check(announcement, signer, signature)?))
    }

    /// Checks the signature of a message of which the id is known, and the content not yet.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn verify_id(
        &self,
        place: &Place,
        kind: Kind,
        id: &MessageId,
        signer: AcceptorId,
        signature: &[u8; 64],
    ) -> Result<(), SignatureError> {
        if !self.log(place)?.acceptors.contains(signer) {
            return Err(SignatureError::Signer);
        }
        let right = self.keys[signer.index()].has_signed(&signing_bytes(kind, id), signature);
        right.then_some(()).ok_or(SignatureError::Signature)
    }

    fn log(&self, place: &Place) -> Result<&LogSigners, SignatureError> {
        if place.epoch.0 != 0 {
            return Err(SignatureError::Epoch);
        }
        self.logs.get(&place.log).ok_or(SignatureError::Log)
    }

    fn check<T: Signed>(
        &self,
        content: T,
        signer: AcceptorId,
        signature: [u8; 64],
    ) -> Result<Verified<T>, SignatureError> {
        let id = content.id(&self.network);
        self.verify_id(content.place(), content.kind(), &id, signer, &signature)?;
        Ok(Verified { id, signer, signature, content })
    }
}
