//! What a client is told about a bundle, and may show to anybody.

use crate::atomicity::Atomicity;
use crate::bundle::Bundle;
use crate::digest::{BundleId, History, ResultsRoot, StateRoot, from_hex};
use crate::results::{Abort, BundleResult, Outcome, ResultPlace, ResultsTree, verify_result};
use crate::state::{ReadState, Summary, position, results};
use hpaxos_consensus::{NetworkId, ValueHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of a bundle, chain by chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The bundle's id.
    pub id: BundleId,
    /// The log that decides it.
    pub log: String,
    /// The bundle.
    pub bundle: Bundle,
    /// What became of it, for each chain that it touches.
    pub chains: BTreeMap<String, ChainReceipt>,
    /// What its atomicity rests on, for each two of these chains.
    pub atomicity: Vec<Atomicity>,
}

/// What has become of a bundle, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is not executed yet, perhaps never will be.
    Pending,
    /// All its parts are applied.
    Committed,
    /// None is applied: an operation failed.
    Aborted,
    /// None is applied: it came too late, or never was in a block and can be in none any more.
    Expired,
    /// None is applied: its id was used up before.
    Duplicate,
}

/// What became of a bundle on one chain. Everything but the status is null while it is pending, and if it expired without
/// having been in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainReceipt {
    /// What became of it.
    pub status: Status,
    /// The slot in which it was executed.
    pub slot: Option<u64>,
    /// Its place among the results of the slot, from 0.
    pub index: Option<u32>,
    /// How many results the slot has; a proof is one for this number.
    pub results: Option<u32>,
    /// The hash of the slot's block.
    pub block: Option<ValueHash>,
    /// The chain's history before the slot.
    pub previous: Option<History>,
    /// The chain's history after the slot.
    pub history: Option<History>,
    /// The root over the slot's results.
    pub results_root: Option<ResultsRoot>,
    /// The root over the log's state after the slot.
    pub state_root: Option<StateRoot>,
    /// Proves the result under its root: hashes in hex, from the bottom up.
    pub proof: Option<Vec<String>>,
    /// What failed, if it was aborted.
    pub abort: Option<Abort>,
    /// Who attests it; null until collected.
    pub certificate: Option<Certificate>,
}

/// What a quorum of a chain's acceptors attests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The epoch.
    pub epoch: u32,
    /// The certified slot; not before the bundle's.
    pub slot: u64,
    /// Leads by hashing from the history after the bundle's slot to the certified one: for each slot in between and the
    /// certified one the block's hash and the results root, in hex.
    pub path: Vec<String>,
    /// The acceptors.
    pub signers: Vec<String>,
    /// Their signatures, in hex.
    pub signatures: Vec<String>,
}

impl Receipt {
    /// The receipt of `bundle`, of which each chain says what became of it. `atomicity` is that of the whole log.
    pub fn new(
        network: NetworkId,
        bundle: Bundle,
        chains: BTreeMap<String, ChainReceipt>,
        atomicity: &[Atomicity],
    ) -> Self {
        let touched = |pair: &&Atomicity| pair.between.iter().all(|it| chains.contains_key(it));
        let atomicity = atomicity.iter().filter(touched).cloned().collect();
        let (id, log) = (bundle.id(network), bundle.body.log.clone());
        Receipt { id, log, bundle, chains, atomicity }
    }

    /// Whether its parts belong together, as [`Receipt::checks`] has it.
    pub fn is_consistent(&self, network: NetworkId) -> bool {
        self.checks(network).iter().all(|check| check.holds)
    }

    /// Looks at whether its parts belong together: the id is the bundle's, the signatures are right, each result is proved
    /// under its root, and each history follows from the one before. That a bundle was in no block has no proof: it is said
    /// to be [`Checked::Unproven`]. Whether a history is the chain's is for certificates
    /// to say; nothing covers `atomicity` and the state roots.
    pub fn checks(&self, network: NetworkId) -> Vec<ReceiptCheck> {
        let Bundle { body, signatures } = &self.bundle;
        let id = self.id == body.id(network) && self.log == body.log;
        let signed = signatures.len() == body.signers.len()
            && self.bundle.check_signatures(&self.id).is_ok();
        let touched = body.parts.len() == self.chains.len()
            && body.parts.iter().all(|part| self.chains.contains_key(&part.chain));
        let of_bundle =
            [(Checked::Id, id), (Checked::Signatures, signed), (Checked::Chains, touched)];
        let mut checks: Vec<ReceiptCheck> = of_bundle
            .into_iter()
            .map(|(what, holds)| ReceiptCheck { chain: None, what, holds })
            .collect();
        for (name, chain) in &self.chains {
            if chain.status == Status::Pending {
                continue;
            }
            if *chain == ChainReceipt::expired() {
                let (chain, what) = (Some(name.clone()), Checked::Unproven);
                checks.push(ReceiptCheck { chain, what, holds: true });
                continue;
            }
            let result = chain.proves_result(&self.id).unwrap_or(false);
            let history = chain.follows().unwrap_or(false);
            for (what, holds) in [(Checked::Result, result), (Checked::History, history)] {
                checks.push(ReceiptCheck { chain: Some(name.clone()), what, holds });
            }
        }
        checks
    }
}

/// What of a receipt was looked at, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptCheck {
    /// The chain; none if it is about the bundle.
    pub chain: Option<String>,
    /// What was looked at.
    pub what: Checked,
    /// Whether it is right.
    pub holds: bool,
}

/// What can be looked at in a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// The id and the log are those of the bundle.
    Id,
    /// Every signer has signed.
    Signatures,
    /// The chains are those that the bundle touches.
    Chains,
    /// The result is proved under the results root.
    Result,
    /// The history after the slot follows from the one before, the block and the results root.
    History,
    /// That the bundle expired without having been in a block: nothing contradicts it, and nothing can prove it.
    Unproven,
}

impl ChainReceipt {
    /// What is said before a bundle is executed.
    pub fn pending() -> Self {
        ChainReceipt {
            status: Status::Pending,
            slot: None,
            index: None,
            results: None,
            block: None,
            previous: None,
            history: None,
            results_root: None,
            state_root: None,
            proof: None,
            abort: None,
            certificate: None,
        }
    }

    /// What is said of a bundle that was in no block when its last slot was executed.
    pub fn expired() -> Self {
        ChainReceipt { status: Status::Expired, ..ChainReceipt::pending() }
    }

    /// What the view whose rows are in `state` says of the bundle of this id, without a certificate.
    pub fn of(state: &impl ReadState, id: &BundleId) -> Self {
        executed(state, id).unwrap_or_else(ChainReceipt::pending)
    }

    /// Whether the result is proved under its root.
    fn proves_result(&self, id: &BundleId) -> Option<bool> {
        let outcome = match (self.status, &self.abort) {
            (Status::Committed, None) => Outcome::Committed,
            (Status::Aborted, Some(abort)) => Outcome::Aborted(abort.clone()),
            (Status::Expired, None) => Outcome::Expired,
            (Status::Duplicate, None) => Outcome::Duplicate,
            _ => return None,
        };
        let place = ResultPlace { index: self.index?, results: self.results? };
        let hashes = self.proof.as_ref()?.iter().map(|hash| from_hex(hash));
        let proof = hashes.collect::<Option<Vec<[u8; 32]>>>()?;
        let result = BundleResult { id: *id, outcome };
        Some(verify_result(&result, place, &proof, self.results_root.as_ref()?))
    }

    /// Whether the history after the slot follows from the one before.
    fn follows(&self) -> Option<bool> {
        let history = self.previous?.then(self.slot?, self.block?, self.results_root?);
        Some(Some(history) == self.history)
    }
}

fn executed(state: &impl ReadState, id: &BundleId) -> Option<ChainReceipt> {
    let position = position(state, id)?;
    let before = Summary::read(state, position.slot)?;
    let after = Summary::read(state, position.slot + 1)?;
    let results = results(state, position.slot)?;
    let proof = ResultsTree::new(&results).proof(position.index as usize);
    let (status, abort) = match position.outcome {
        Outcome::Committed => (Status::Committed, None),
        Outcome::Aborted(abort) => (Status::Aborted, Some(abort)),
        Outcome::Expired => (Status::Expired, None),
        Outcome::Duplicate => (Status::Duplicate, None),
    };
    Some(ChainReceipt {
        status,
        slot: Some(position.slot),
        index: Some(position.index),
        results: Some(after.results),
        block: Some(after.block),
        previous: Some(before.history),
        history: Some(after.history),
        results_root: Some(after.results_root),
        state_root: Some(after.state_root),
        proof: Some(proof.iter().map(hex::encode).collect()),
        abort,
        certificate: None,
    })
}
