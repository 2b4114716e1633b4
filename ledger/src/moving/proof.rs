//! The proof that something was let go.

use super::Released;
use crate::bundle::binary;
use crate::certificate::{Certificate, CertificateFlaw};
use crate::digest::{BundleId, History, ResultsRoot};
use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_OPERATIONS_MAX};
use crate::results::{RESULT_PROOF_HASHES_MAX, ResultPlace, verify_released};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::{NetworkId, ValueHash};
use hpaxos_learner_graph::LearnerGraph;

/// The longest path: a claim is part of a bundle.
const PATH_STEPS_MAX: usize = BUNDLE_BYTES_MAX / 64;

/// Leads by hashing from something that was let go to a certificate of its chain, for the log that let it go.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReleaseProof {
    /// The bundle that let it go.
    pub bundle: BundleId,
    /// What stands in the bundle's result for each thing that it let go, in order.
    #[borsh(deserialize_with = "binary::list::<_, _, BUNDLE_OPERATIONS_MAX>")]
    pub released: Vec<[u8; 32]>,
    /// The result's place among those of its slot, from 0.
    pub index: u32,
    /// How many results the slot has.
    pub results: u32,
    /// Proves the result under the results root, from the bottom up.
    #[borsh(deserialize_with = "binary::list::<_, _, RESULT_PROOF_HASHES_MAX>")]
    pub proof: Vec<[u8; 32]>,
    /// The history before the slot.
    pub previous: History,
    /// The slot.
    pub slot: u64,
    /// The hash of its block.
    pub block: ValueHash,
    /// The root over its results.
    pub results_root: ResultsRoot,
    /// From the history after the slot to the certified one: see [`path`](crate::path).
    #[borsh(deserialize_with = "binary::list::<_, _, PATH_STEPS_MAX>")]
    pub path: Vec<(ValueHash, ResultsRoot)>,
    /// Who attests it.
    pub certificate: Certificate,
}

/// Why a proof does not show that something was let go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReleased {
    /// The thing is none of those in the result.
    #[error("the bundle's result does not list it")]
    Thing,
    /// The result is not one under the results root.
    #[error("the bundle's result is not under the results root")]
    Result,
    /// The certificate is for another history.
    #[error("the path does not lead to what is certified")]
    Path,
    /// The certificate is of another chain.
    #[error("the certificate is not one of its chain")]
    Chain,
    /// The certificate is wrong.
    #[error("the certificate is wrong: {0}")]
    Certificate(#[from] CertificateFlaw),
}

impl ReleaseProof {
    /// Whether a quorum of its chain attests that the certificate's log let `thing` go.
    ///
    /// # Errors
    /// The first thing that is wrong; signatures are looked at last.
    pub fn verify(
        &self,
        thing: &Released,
        network: NetworkId,
        graph: &LearnerGraph,
    ) -> Result<(), NotReleased> {
        if !self.released.contains(&thing.digest()) {
            return Err(NotReleased::Thing);
        }
        let place = ResultPlace { index: self.index, results: self.results };
        if !verify_released(&self.bundle, &self.released, place, &self.proof, &self.results_root) {
            return Err(NotReleased::Result);
        }
        let Certificate { slot, history, results_root, .. } = self.certificate;
        let after = self.previous.then(self.slot, self.block, self.results_root);
        let last = self.path.last().map_or(self.results_root, |(_, root)| *root);
        let leads = self.slot.checked_add(self.path.len() as u64) == Some(slot)
            && after.along(self.slot, &self.path) == history
            && last == results_root;
        if !leads {
            return Err(NotReleased::Path);
        }
        if self.certificate.learner != thing.chain {
            return Err(NotReleased::Chain);
        }
        Ok(self.certificate.verify(network, graph)?)
    }
}
