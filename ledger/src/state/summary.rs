//! What is kept of every height.

use super::ReadState;
use super::layout::Row;
use super::value::decode;
use crate::digest::{History, ResultsRoot, StateRoot};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::ValueHash;

/// The outcome of a slot: what its attestations say, and where its state is found.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// The hash of the block of the last executed slot; zeros at height 0.
    pub block: ValueHash,
    /// What was executed up to there.
    pub history: History,
    /// The root over the results of that slot.
    pub results_root: ResultsRoot,
    /// The root over the state after that slot.
    pub state_root: StateRoot,
    /// How many results that slot has.
    pub results: u32,
    /// The version of the tree: the number of executed slots that changed something, more or less.
    pub version: u64,
}

impl Summary {
    /// The summary of `height`; none if it is not there yet. Summaries are never pruned.
    pub fn read(state: &impl ReadState, height: u64) -> Option<Self> {
        state.read(&Row::Summary(height).key()).map(|bytes| decode(state, &bytes))
    }
}
