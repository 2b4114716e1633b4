//! What an acceptor says that views of its learners executed.
//!
//! A quorum of attestations that say the same is a [`Certificate`](crate::Certificate).

use crate::bundle::binary::{self, LOG_BYTES_MAX};
use crate::digest::{History, ResultsRoot, StateRoot, sha256};
use crate::network::EPOCH;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey};
use hpaxos_consensus::{Epoch, NetworkId, VerifyingKey};
use hpaxos_learner_graph::{LEARNERS_MAX, LearnerGraph, LearnerSet};

const TAG: &[u8] = b"hpaxos/v1/attestation\0";

/// What an acceptor says that views of its learners executed. One for all learners of equal history whose quorums it
/// occurs in; it signs those of a log in the order of slots.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// Which learner graph counts.
    pub epoch: Epoch,
    /// The log.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub log: String,
    /// The slot that was executed last.
    pub slot: u64,
    /// The learners, by name: sorted, none twice, at least one.
    #[borsh(deserialize_with = "binary::texts::<_, LEARNERS_MAX, LOG_BYTES_MAX>")]
    pub learners: Vec<String>,
    /// The history after the slot.
    pub history: History,
    /// The root over the slot's results.
    pub results_root: ResultsRoot,
    /// The root over the log's state after the slot.
    pub state_root: StateRoot,
}

impl Attestation {
    /// What an acceptor signs: the tag, and the hash of tag, network and canonical encoding.
    pub fn signed_bytes(&self, network: NetworkId) -> Vec<u8> {
        let bytes = borsh::to_vec(self).expect("writing to memory does not fail");
        [TAG, &sha256(&[TAG, &network.0, &bytes])].concat()
    }

    /// The signature of `key`.
    pub fn sign(&self, network: NetworkId, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.signed_bytes(network)).to_bytes()
    }

    /// Whether `signature` is one of `key`, an acceptor's.
    pub fn is_signed_by(&self, network: NetworkId, key: &[u8; 32], signature: &[u8; 64]) -> bool {
        let key = VerifyingKey::new(key);
        key.is_some_and(|key| key.has_signed(&self.signed_bytes(network), signature))
    }

    /// Its learners; none if it is not of this graph and its epoch, or its learners are not a sorted list of some of the
    /// log's.
    pub fn learner_set(&self, graph: &LearnerGraph) -> Option<LearnerSet> {
        let of_log = graph.log_learners(&self.log).filter(|_| self.epoch == EPOCH)?;
        let sorted = self.learners.is_sorted_by(|a, b| a < b) && !self.learners.is_empty();
        let learners = self.learners.iter().map(|name| graph.learner(name));
        let learners = learners.collect::<Option<LearnerSet>>()?;
        (sorted && learners.is_subset(of_log)).then_some(learners)
    }
}
