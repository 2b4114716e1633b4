//! Who attests what became of a bundle, as a receipt says it.

use super::ChainReceipt;
use crate::bundle::text;
use crate::certificate::{Certificate, CertificateFlaw, Signed};
use crate::digest::{ResultsRoot, StateRoot};
use hpaxos_consensus::{Epoch, ValueHash};
use hpaxos_learner_graph::{LearnerGraph, LearnerSet};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A [`Certificate`] of a chain, by names, without what the receipt says already: log, chain, and what path and receipt lead
/// to.
///
/// The signatures cover two things that nothing else in the receipt leads to, so they are here: the root over the state
/// after the certified slot, and for which learners each signer signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptCertificate {
    /// Which learner graph counts.
    pub epoch: Epoch,
    /// The certified slot; not before the bundle's.
    pub slot: u64,
    /// Leads by hashing from the history after the bundle's slot to the certified one: of each slot in between and the
    /// certified one the block's hash and the results root. In JSON one list, of both in turn.
    #[serde(serialize_with = "write_path", deserialize_with = "read_path")]
    pub path: Vec<(ValueHash, ResultsRoot)>,
    /// The root over the log's state after the certified slot.
    pub state_root: StateRoot,
    /// The acceptors, sorted.
    pub signers: Vec<String>,
    /// For which learners each of them signed, this chain among them; sorted.
    pub learners: Vec<Vec<String>>,
    /// Their signatures.
    #[serde(serialize_with = "text::hex_list", deserialize_with = "text::read_hex_list")]
    pub signatures: Vec<[u8; 64]>,
}

/// Why the certificate of a receipt does not prove what the receipt says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFlaw {
    /// There is none.
    #[error("nobody has attested it yet")]
    Missing,
    /// The receipt does not say what would be certified.
    #[error("the receipt has no slot, history or roots that it could be for")]
    Incomplete,
    /// It says nothing of so late a slot.
    #[error("it is for slot {certified}, and the bundle was executed in slot {slot}")]
    Early {
        /// The certified slot.
        certified: u64,
        /// The bundle's.
        slot: u64,
    },
    /// Its path leads elsewhere.
    #[error("its path has {steps} steps, where {slots} lead to its slot")]
    Path {
        /// Steps that are there.
        steps: usize,
        /// Steps that should be there.
        slots: u64,
    },
    /// It is for the bundle's slot, and another state.
    #[error("its state root is not the receipt's")]
    StateRoot,
    /// Its lists do not belong together.
    #[error("it has {signers} signers, {learners} lists of learners and {signatures} signatures")]
    Lists {
        /// The number of signers.
        signers: usize,
        /// The number of lists of learners.
        learners: usize,
        /// The number of signatures.
        signatures: usize,
    },
    /// A signer that the learner graph does not have.
    #[error("the learner graph has no acceptor `{}`", .0.escape_debug())]
    Acceptor(String),
    /// A learner that the learner graph does not have.
    #[error("the learner graph has no learner `{}`", .0.escape_debug())]
    Learner(String),
    /// The certificate itself is wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateFlaw),
}

/// As people read it.
impl Serialize for ReceiptFlaw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl ReceiptCertificate {
    /// What a receipt says of `certificate`, one that holds for `graph`, to which `path` leads from the bundle's slot.
    pub fn new(
        graph: &LearnerGraph,
        certificate: &Certificate,
        path: Vec<(ValueHash, ResultsRoot)>,
    ) -> Self {
        let (mut signers, mut learners, mut signatures) = (Vec::new(), Vec::new(), Vec::new());
        for signed in &certificate.signatures {
            let names = signed.learners.iter().map(|learner| graph.learner_name(learner));
            signers.push(graph.acceptor_name(signed.acceptor).to_owned());
            learners.push(names.map(str::to_owned).collect());
            signatures.push(signed.signature);
        }
        let Certificate { epoch, slot, state_root, .. } = *certificate;
        ReceiptCertificate { epoch, slot, path, state_root, signers, learners, signatures }
    }

    /// The certificate that this makes of what `receipt` says of `chain`; not yet whether it holds.
    ///
    /// # Errors
    /// Why it is for something else, or for nothing.
    pub fn of(
        &self,
        graph: &LearnerGraph,
        log: &str,
        chain: &str,
        receipt: &ChainReceipt,
    ) -> Result<Certificate, ReceiptFlaw> {
        let ChainReceipt { slot: Some(slot), history: Some(history), .. } = receipt else {
            return Err(ReceiptFlaw::Incomplete);
        };
        let results_root = self.path.last().map(|(_, root)| *root).or(receipt.results_root);
        let results_root = results_root.ok_or(ReceiptFlaw::Incomplete)?;
        let Some(slots) = self.slot.checked_sub(*slot) else {
            return Err(ReceiptFlaw::Early { certified: self.slot, slot: *slot });
        };
        if self.path.len() as u64 != slots {
            return Err(ReceiptFlaw::Path { steps: self.path.len(), slots });
        }
        if slots == 0 && receipt.state_root != Some(self.state_root) {
            return Err(ReceiptFlaw::StateRoot);
        }
        Ok(Certificate {
            epoch: self.epoch,
            log: log.to_owned(),
            slot: self.slot,
            learner: chain.to_owned(),
            history: history.along(*slot, &self.path),
            results_root,
            state_root: self.state_root,
            signatures: self.signed(graph)?,
        })
    }

    fn signed(&self, graph: &LearnerGraph) -> Result<Vec<Signed>, ReceiptFlaw> {
        let counts = [self.signers.len(), self.learners.len(), self.signatures.len()];
        if let [signers, learners, signatures] = counts
            && (signers != learners || signers != signatures)
        {
            return Err(ReceiptFlaw::Lists { signers, learners, signatures });
        }
        let signed = self.signers.iter().zip(&self.learners).zip(&self.signatures);
        let signed = signed.map(|((name, names), signature)| {
            let unknown = || ReceiptFlaw::Acceptor(name.clone());
            let acceptor = graph.acceptor(name).ok_or_else(unknown)?;
            let learners = names
                .iter()
                .map(|name| graph.learner(name).ok_or_else(|| ReceiptFlaw::Learner(name.clone())));
            let learners = learners.collect::<Result<LearnerSet, _>>()?;
            Ok(Signed { acceptor, learners, signature: *signature })
        });
        signed.collect()
    }
}

fn write_path<S: Serializer>(path: &[(ValueHash, ResultsRoot)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(
        path.iter().flat_map(|(block, results)| [block.to_string(), results.to_string()]),
    )
}

fn read_path<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<(ValueHash, ResultsRoot)>, D::Error> {
    let hashes: Vec<[u8; 32]> = text::read_hex_list(from)?;
    let (steps, rest) = hashes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(de::Error::custom("a path has a block and a results root for each slot"));
    }
    Ok(steps.iter().map(|[block, results]| (ValueHash(*block), ResultsRoot(*results))).collect())
}
