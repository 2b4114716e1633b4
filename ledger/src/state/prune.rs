//! Forgetting: what only old heights need, and the results of old slots.

use super::layout::{Row, STALE_PREFIX_BYTES};
use super::summary::Summary;
use super::value::{counted, decode, encode};
use super::{Delta, ReadState, height, position};
use crate::limits::WINDOW_SLOTS;
use crate::results::{BundleResult, Outcome};
use borsh::{BorshDeserialize, BorshSerialize};

/// What is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Pruned {
    /// Heights below this one cannot be read.
    pub(crate) heights: u64,
    /// Nothing that is stale since a version below this one is left.
    versions: u64,
    /// The results of slots below this one are forgotten.
    results: u64,
    /// The history begins with this slot: what was executed before is forgotten.
    history: u64,
}

impl Pruned {
    /// Of a view that begins at a height.
    pub(crate) fn at(height: u64) -> Self {
        Pruned { heights: height, versions: 0, results: height, history: height }
    }

    pub(crate) fn read(state: &impl ReadState) -> Self {
        let Some(bytes) = state.read(&Row::Pruned.key()) else { return Pruned::default() };
        let pruned: Pruned = decode(state, &bytes);
        let Pruned { heights, versions, results, history } = pruned;
        for number in [heights, versions, results, history] {
            counted(state, number);
        }
        pruned
    }
}

/// Forgets the states of heights below `below`, and the results and ids of slots below it that are so old that no bundle of
/// theirs can come again. Summaries stay until [`forget`] takes them, and so do the latest height and the results of slots that let something go.
///
/// Does part of the work, some `rows` rows, one slot's results more at the most: to be called until nothing is left to do,
/// which an empty answer says. At every step what may still be read is whole.
pub fn prune(state: &impl ReadState, below: u64, rows: usize) -> Delta {
    Pruning::run(state, below, rows, |pruning, height| {
        pruning.states();
        pruning.results(below.min(height.saturating_sub(WINDOW_SLOTS)));
    })
}

/// Forgets the states of heights below `below`, and nothing else; step by step, as [`prune`] does.
pub fn prune_states(state: &impl ReadState, below: u64, rows: usize) -> Delta {
    Pruning::run(state, below, rows, |pruning, _| pruning.states())
}

/// The first slot of whose execution is known: those before are forgotten, or were executed before the snapshot with which
/// the view begins. Some of them may be known all the same; see [`forget`].
pub fn begins(state: &impl ReadState) -> u64 {
    Pruned::read(state).history
}

/// Forgets what was executed in slots below `below`, but for the summaries of the heights that `keeps` names. The states of
/// heights below have to be pruned.
pub fn forget(state: &impl ReadState, below: u64, keeps: impl Fn(u64) -> bool) -> Delta {
    let mut delta = Delta::new();
    let before = Pruned::read(state);
    let below = below.min(before.heights);
    if below <= before.history {
        return delta;
    }
    for height in (before.history..below).filter(|height| !keeps(*height)) {
        delta.insert(Row::Summary(height).key(), None);
    }
    delta.insert(Row::Pruned.key(), Some(encode(&Pruned { history: below, ..before })));
    delta
}

struct Pruning<'a, S> {
    state: &'a S,
    rows: usize,
    pruned: Pruned,
    delta: Delta,
}

impl<'a, S: ReadState> Pruning<'a, S> {
    /// Heights below `below` are not to be read from now on, and `work` deletes rows that nobody needs then; it is told how
    /// many slots are executed.
    fn run(state: &'a S, below: u64, rows: usize, work: impl FnOnce(&mut Self, u64)) -> Delta {
        let Some(height) = height(state) else { return Delta::new() };
        let before = Pruned::read(state);
        let heights = before.heights.max(below.min(height));
        let pruned = Pruned { heights, ..before.clone() };
        let mut pruning = Pruning { state, rows: rows.max(1), pruned, delta: Delta::new() };
        work(&mut pruning, height);
        let Pruning { pruned, mut delta, .. } = pruning;
        if pruned != before {
            delta.insert(Row::Pruned.key(), Some(encode(&pruned)));
        }
        delta
    }

    /// Deletes what is stale since the first version that may be read, or before, the oldest first: a value must not outlive
    /// the row that says that there is none any more.
    fn states(&mut self) {
        let Pruning { state, rows, pruned, delta } = self;
        let version = Summary::read(*state, pruned.heights)
            .unwrap_or_else(|| state.unreadable("every height up to the last has a summary"))
            .version;
        let from = Row::Stale(version, &[]).key();
        // Nothing is stale since before `versions`: starting there spares a store from passing over what was deleted.
        let to = match pruned.versions {
            0 => vec![b'x' + 1],
            versions => Row::Stale(versions - 1, &[]).key(),
        };
        let mut is_done = true;
        state.each_back(&from, &to, &mut |index, _| {
            is_done = delta.len() < *rows;
            if is_done {
                let since = index[1..STALE_PREFIX_BYTES].try_into().expect("eight bytes");
                pruned.versions = !u64::from_be_bytes(since);
                delta.insert(index[STALE_PREFIX_BYTES..].to_vec(), None);
                delta.insert(index.to_vec(), None);
            }
            is_done
        });
        if is_done {
            pruned.versions = pruned.versions.max(version + 1);
        }
    }

    fn results(&mut self, below: u64) {
        while self.pruned.results < below && self.delta.len() < self.rows {
            let slot = self.pruned.results;
            self.pruned.results += 1;
            let row = Row::Results(slot).key();
            let Some(bytes) = self.state.read(&row) else { continue };
            let results: Vec<BundleResult> = decode(self.state, &bytes);
            // What was let go may be claimed at any time, and the results prove it.
            if results.iter().any(|it| matches!(it.outcome, Outcome::Released(_))) {
                continue;
            }
            self.delta.insert(row, None);
            for result in results {
                if position(self.state, &result.id).is_some_and(|it| it.slot == slot) {
                    self.delta.insert(Row::Bundle(&result.id).key(), None);
                }
            }
        }
    }
}
