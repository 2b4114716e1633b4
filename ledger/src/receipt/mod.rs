//! What a client is told about a bundle, and may show to anybody.
//!
//! ```text
//!   ChainReceipt::of   what a view says of a bundle        certificate   who attests it
//!   check              whether it is true, asking nobody
//! ```

mod certificate;
mod check;
#[cfg(feature = "execute")]
mod executed;

pub use certificate::{ReceiptCertificate, ReceiptFlaw};
pub use check::{Checked, ReceiptCheck, Verdict, Verified};
#[cfg(feature = "execute")]
pub use executed::ExecutedSlot;

use crate::atomicity::Atomicity;
use crate::bundle::Bundle;
use crate::digest::{BundleId, History, ResultsRoot, StateRoot};
use crate::moving::Released;
use crate::results::{Abort, Outcome};
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
    /// What the bundle let go to other logs, on all its chains; left out if nothing. The proof covers it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<Released>,
    /// Who attests it; null until collected.
    pub certificate: Option<ReceiptCertificate>,
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
            released: Vec::new(),
            certificate: None,
        }
    }

    /// What is said of a bundle that was in no block when its last slot was executed.
    pub fn expired() -> Self {
        ChainReceipt { status: Status::Expired, ..ChainReceipt::pending() }
    }

    /// What became of the bundle, in the words of the results; none if this says otherwise than any result.
    fn outcome(&self) -> Option<Outcome> {
        match (self.status, &self.abort, self.released.is_empty()) {
            (Status::Committed, None, true) => Some(Outcome::Committed),
            (Status::Committed, None, false) => Some(Outcome::Released(self.released.clone())),
            (Status::Aborted, Some(abort), true) => Some(Outcome::Aborted(abort.clone())),
            (Status::Expired, None, true) => Some(Outcome::Expired),
            (Status::Duplicate, None, true) => Some(Outcome::Duplicate),
            _ => None,
        }
    }
}
