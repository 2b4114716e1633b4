//! What is kept of every height.

use super::ReadState;
use super::layout::Row;
use super::value::{counted, decode};
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
    /// The summary of `height`; none if it is not there yet, or forgotten.
    pub fn read(state: &impl ReadState, height: u64) -> Option<Self> {
        let summary: Summary = decode(state, &state.read(&Row::Summary(height).key())?);
        counted(state, summary.version);
        Some(summary)
    }
}

/// What leads by hashing from the history after one executed slot to that after another: of each slot after `from_slot` and
/// up to `to_slot` the block's hash and the results root. None if `to_slot` is not executed yet, or lies before `from_slot`, or
/// some of them are forgotten.
pub fn path(
    state: &impl ReadState,
    from_slot: u64,
    to_slot: u64,
) -> Option<Vec<(ValueHash, ResultsRoot)>> {
    if from_slot > to_slot {
        return None;
    }
    let last = to_slot.checked_add(1)?;
    let first = from_slot + 2;
    if first > last {
        return Summary::read(state, last).map(|_| Vec::new());
    }
    // One look at many rows that lie beside each other costs little more than at one.
    let (mut steps, mut height) = (Vec::new(), last);
    state.each_back(&Row::Summary(first).key(), &Row::Summary(last).key(), &mut |key, row| {
        let is_next = key == Row::Summary(height).key();
        if is_next {
            let Summary { block, results_root, .. } = decode(state, row);
            steps.push((block, results_root));
            height -= 1;
        }
        is_next
    });
    steps.reverse();
    (height + 1 == first).then_some(steps)
}
