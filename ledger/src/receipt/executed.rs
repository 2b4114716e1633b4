//! What a view says of a bundle.

use super::{ChainReceipt, Status};
use crate::digest::{BundleId, History};
use crate::results::{Outcome, ResultsTree};
use crate::state::{Position, ReadState, Summary, position, results};

impl ChainReceipt {
    /// What the view whose rows are in `state` says of the bundle of this id, without a certificate.
    pub fn of(state: &impl ReadState, id: &BundleId) -> Self {
        let receipt = || {
            let position = position(state, id)?;
            Some(ExecutedSlot::read(state, position.slot)?.receipt(position))
        };
        receipt().unwrap_or_else(ChainReceipt::pending)
    }
}

/// An executed slot, as all receipts of its bundles need it.
pub struct ExecutedSlot {
    previous: History,
    after: Summary,
    tree: ResultsTree,
}

impl ExecutedSlot {
    /// What the view whose rows are in `state` says of a slot; none if it has not executed it, or knows it no more.
    pub fn read(state: &impl ReadState, slot: u64) -> Option<Self> {
        let previous = Summary::read(state, slot)?.history;
        let after = Summary::read(state, slot + 1)?;
        let tree = ResultsTree::new(&results(state, slot)?);
        Some(ExecutedSlot { previous, after, tree })
    }

    /// What it says of the bundle at this position in it, without a certificate.
    pub fn receipt(&self, position: Position) -> ChainReceipt {
        let ExecutedSlot { previous, after, tree } = self;
        let proof = tree.proof(position.index as usize);
        let (mut abort, mut released) = (None, Vec::new());
        let status = match position.outcome {
            Outcome::Committed => Status::Committed,
            Outcome::Expired => Status::Expired,
            Outcome::Duplicate => Status::Duplicate,
            Outcome::Aborted(why) => {
                abort = Some(why);
                Status::Aborted
            }
            Outcome::Released(things) => {
                released = things;
                Status::Committed
            }
        };
        ChainReceipt {
            status,
            slot: Some(position.slot),
            index: Some(position.index),
            results: Some(after.results),
            block: Some(after.block),
            previous: Some(*previous),
            history: Some(after.history),
            results_root: Some(after.results_root),
            state_root: Some(after.state_root),
            proof: Some(proof.iter().map(hex::encode).collect()),
            abort,
            released,
            certificate: None,
        }
    }
}
