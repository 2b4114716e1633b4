//! What a quorum of a learner's acceptors attests.
//!
//! It convinces everybody who trusts the learner's quorums: learner graph and network id are all that checking it takes.
//! One certificate proves every earlier slot too, as histories are a hash chain: see [`History::along`].

use crate::attestation::Attestation;
use crate::bundle::binary::{self, LOG_BYTES_MAX};
use crate::digest::{History, ResultsRoot, StateRoot};
use crate::limits::SLOT_MAX;
use crate::network::EPOCH;
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::{Epoch, NetworkId, Signatures};
use hpaxos_learner_graph::{
    ACCEPTORS_MAX, AcceptorId, AcceptorSet, LEARNERS_MAX, LearnerGraph, LearnerId, LearnerSet,
};
use std::io::{Error, Read, Result as IoResult, Write};

/// What a quorum of a learner's acceptors attests: that this is what the learner's view of a log executed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// Which learner graph counts.
    pub epoch: Epoch,
    /// The log.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub log: String,
    /// The slot that was executed last.
    pub slot: u64,
    /// The learner whose quorum it is.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub learner: String,
    /// The history after the slot.
    pub history: History,
    /// The root over the slot's results.
    pub results_root: ResultsRoot,
    /// The root over the log's state after the slot.
    pub state_root: StateRoot,
    /// Sorted by acceptor, none twice.
    #[borsh(deserialize_with = "binary::list::<_, _, ACCEPTORS_MAX>")]
    pub signatures: Vec<Signed>,
}

/// Who signed, for whom. In borsh 74 bytes: the acceptor's index in the graph (u16), the learners as a mask of their
/// indices in the graph (u64), the signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed {
    /// The signer.
    #[borsh(serialize_with = "write_acceptor", deserialize_with = "read_acceptor")]
    pub acceptor: AcceptorId,
    /// All learners that its attestation is for: without them nobody knows what it signed. Others sign for others.
    #[borsh(serialize_with = "write_learners", deserialize_with = "read_learners")]
    pub learners: LearnerSet,
    /// Its signature over the attestation.
    pub signature: [u8; 64],
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFlaw {
    /// Another learner graph counts.
    #[error("it is of epoch {0}, and the learner graph of epoch {EPOCH}")]
    Epoch(Epoch),
    /// A slot that no log gets to.
    #[error("it is of slot {0}; no log gets beyond slot {SLOT_MAX}")]
    Slot(u64),
    /// A log that the graph does not have.
    #[error("the learner graph has no log `{}`", .0.escape_debug())]
    Log(String),
    /// A learner that is not one of the log.
    #[error("the log has no learner `{}`", .0.escape_debug())]
    Learner(String),
    /// An acceptor that the graph does not have.
    #[error("the learner graph has no acceptor with index {}", .0.index())]
    UnknownSigner(AcceptorId),
    /// A signer that stands there twice, or after one with a greater name.
    #[error("its signers should be sorted, none twice: {0} is out of place")]
    Repeated(String),
    /// A signer that is in no quorum of the learner.
    #[error("{0} is in no quorum of the learner")]
    NotAMember(String),
    /// A signer that signed for other learners.
    #[error("{0} did not sign for the learner, but for others")]
    NotForLearner(String),
    /// Too few signers.
    #[error("not a quorum of the learner: {}", names(.0))]
    NoQuorum(Vec<String>),
    /// A wrong signature.
    #[error("the signature of {0} is wrong")]
    Signature(String),
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nobody signed".to_owned() } else { names.join(", ") }
}

impl Certificate {
    /// What the learner's acceptors attest, each in its own words. The signatures are sorted; nothing is checked.
    ///
    /// `what` says everything but for whom: its own learners do not count.
    pub fn new(what: &Attestation, learner: &str, mut signatures: Vec<Signed>) -> Self {
        signatures.sort_by_key(|signed| signed.acceptor);
        Certificate {
            epoch: what.epoch,
            log: what.log.clone(),
            slot: what.slot,
            learner: learner.to_owned(),
            history: what.history,
            results_root: what.results_root,
            state_root: what.state_root,
            signatures,
        }
    }

    /// Whether a quorum of the learner, as `graph` has it, has signed.
    ///
    /// Takes some 25 µs for each signer, on one core.
    ///
    /// # Errors
    /// The first thing that is wrong; signatures are looked at last.
    pub fn verify(&self, network: NetworkId, graph: &LearnerGraph) -> Result<(), CertificateFlaw> {
        if self.epoch != EPOCH {
            return Err(CertificateFlaw::Epoch(self.epoch));
        }
        if self.slot > SLOT_MAX {
            return Err(CertificateFlaw::Slot(self.slot));
        }
        let of_log =
            graph.log_learners(&self.log).ok_or_else(|| CertificateFlaw::Log(self.log.clone()))?;
        let learner = graph.learner(&self.learner).filter(|learner| of_log.contains(*learner));
        let learner = learner.ok_or_else(|| CertificateFlaw::Learner(self.learner.clone()))?;
        self.check_signers(graph, of_log, learner)?;
        let acceptor = |signed: &Signed| &graph.declarations().acceptors[signed.acceptor.index()];
        let wrong = |signed| Err(CertificateFlaw::Signature(acceptor(signed).name.clone()));
        let mut all = Signatures::default();
        for signed in &self.signatures {
            // Who has no key has signed nothing.
            let Some(key) = &acceptor(signed).public_key else { return wrong(signed) };
            let attestation = self.attestation(graph, signed.learners);
            all.add(key, &attestation.signed_bytes(network), &signed.signature);
        }
        all.first_wrong().map_or(Ok(()), |place| wrong(&self.signatures[place]))
    }

    /// Everything but the signatures themselves.
    fn check_signers(
        &self,
        graph: &LearnerGraph,
        of_log: LearnerSet,
        learner: LearnerId,
    ) -> Result<(), CertificateFlaw> {
        let quorum = graph.quorum(learner);
        let (everyone, members) = (graph.acceptors(), quorum.support());
        let mut signers = AcceptorSet::EMPTY;
        let mut last = None;
        for Signed { acceptor, learners, .. } in &self.signatures {
            if !everyone.contains(*acceptor) {
                return Err(CertificateFlaw::UnknownSigner(*acceptor));
            }
            let name = || graph.acceptor_name(*acceptor).to_owned();
            if last >= Some(*acceptor) {
                return Err(CertificateFlaw::Repeated(name()));
            }
            if !members.contains(*acceptor) {
                return Err(CertificateFlaw::NotAMember(name()));
            }
            if !learners.contains(learner) || !learners.is_subset(of_log) {
                return Err(CertificateFlaw::NotForLearner(name()));
            }
            last = Some(*acceptor);
            signers.insert(*acceptor);
        }
        if !quorum.holds(&signers) {
            let names = signers.iter().map(|signer| graph.acceptor_name(signer).to_owned());
            return Err(CertificateFlaw::NoQuorum(names.collect()));
        }
        Ok(())
    }

    /// What was signed by those who signed for these learners, all of them the graph's.
    fn attestation(&self, graph: &LearnerGraph, learners: LearnerSet) -> Attestation {
        let names = learners.iter().map(|learner| graph.learner_name(learner).to_owned());
        Attestation {
            epoch: self.epoch,
            log: self.log.clone(),
            slot: self.slot,
            learners: names.collect(),
            history: self.history,
            results_root: self.results_root,
            state_root: self.state_root,
        }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads the canonical encoding, and nothing else; none if `bytes` are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let certificate: Self = borsh::from_slice(bytes).ok()?;
        (certificate.to_bytes() == bytes).then_some(certificate)
    }
}

fn write_acceptor<W: Write>(acceptor: &AcceptorId, to: &mut W) -> IoResult<()> {
    let index = u16::try_from(acceptor.index()).expect("an acceptor's index is below 512");
    index.serialize(to)
}

fn read_acceptor<R: Read>(from: &mut R) -> IoResult<AcceptorId> {
    let index = usize::from(u16::deserialize_reader(from)?);
    if index >= ACCEPTORS_MAX {
        return Err(Error::other("no graph has so many acceptors"));
    }
    Ok(AcceptorId::new(index))
}

fn write_learners<W: Write>(learners: &LearnerSet, to: &mut W) -> IoResult<()> {
    learners.iter().fold(0u64, |mask, learner| mask | 1 << learner.index()).serialize(to)
}

fn read_learners<R: Read>(from: &mut R) -> IoResult<LearnerSet> {
    let mask = u64::deserialize_reader(from)?;
    let members = (0..LEARNERS_MAX).filter(|index| mask >> index & 1 == 1);
    Ok(members.map(LearnerId::new).collect())
}
