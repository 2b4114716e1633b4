//! What a view says of a bundle.

use super::{ChainReceipt, Status};
use crate::digest::BundleId;
use crate::results::{Outcome, ResultsTree};
use crate::state::{ReadState, Summary, position, results};

impl ChainReceipt {
    /// What the view whose rows are in `state` says of the bundle of this id, without a certificate.
    pub fn of(state: &impl ReadState, id: &BundleId) -> Self {
        executed(state, id).unwrap_or_else(ChainReceipt::pending)
    }
}

fn executed(state: &impl ReadState, id: &BundleId) -> Option<ChainReceipt> {
    let position = position(state, id)?;
    let before = Summary::read(state, position.slot)?;
    let after = Summary::read(state, position.slot + 1)?;
    let results = results(state, position.slot)?;
    let proof = ResultsTree::new(&results).proof(position.index as usize);
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
        released,
        certificate: None,
    })
}
