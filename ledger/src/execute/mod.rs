//! Execution: one block, one step of a view.
//!
//! Pure: same history, same block, same bytes out. Bundles run in order on a [`Scratch`] copy; the first operation that
//! fails aborts all parts of its bundle. Whether a bundle was valid is not asked again: a block is judged before
//! anybody votes for it.

mod apply;
mod scratch;

use crate::block::Block;
use crate::bundle::Bundle;
use crate::digest::BundleId;
use crate::limits::WINDOW_SLOTS;
use crate::results::{BundleResult, Outcome, ResultsTree};
use crate::rules::LogRules;
use crate::state::{Delta, Position, ReadState, Row, StateKey, Summary, View};
use crate::state::{encode, position, used, write_tree};
use hpaxos_consensus::ValueHash;
use scratch::Scratch;
use std::collections::BTreeSet;

/// What executing a slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// The roots and the history after it.
    pub summary: Summary,
    /// What became of each bundle, in the order of the block.
    pub results: Vec<BundleResult>,
}

/// Executes `block`, whose hash is `hash`, as the next slot of the view whose rows are in `state`. The rows that change,
/// the new height among them, are for the caller to write, all in one go.
///
/// # Panics
/// If `slot` is not the next one of the view.
pub fn execute(
    state: &impl ReadState,
    rules: &LogRules,
    slot: u64,
    block: &Block,
    hash: ValueHash,
) -> (Delta, Results) {
    let view = View::latest(state).unwrap_or_else(|| state.unreadable("a view starts at height 0"));
    assert!(view.height() == slot, "slots are executed in order");
    let mut run = Run { rules, slot, used: BTreeSet::new(), scratch: Scratch::new(&view) };
    let results: Vec<_> = block
        .bundles
        .iter()
        .map(|bundle| {
            let id = bundle.id(rules.network);
            BundleResult { id, outcome: run.bundle(&id, bundle) }
        })
        .collect();
    let mut delta = Delta::new();
    run.remember(&mut delta, state, &results);
    let changes = run.scratch.into_changes();
    let last = view.summary();
    let results_root = ResultsTree::new(&results).root();
    let mut summary = Summary {
        block: hash,
        history: last.history.then(slot, hash, results_root),
        results_root,
        state_root: last.state_root,
        results: u32::try_from(results.len()).expect("a block has few bundles"),
        version: last.version,
    };
    if !changes.is_empty() {
        let root = write_tree(state, Some(last.version), changes, &mut delta);
        (summary.state_root, summary.version) = (root.root, root.version);
    }
    if !results.is_empty() {
        delta.insert(Row::Results(slot).key(), Some(encode(&results)));
    }
    let height = slot + 1;
    delta.insert(Row::Summary(height).key(), Some(encode(&summary)));
    delta.insert(Row::Height.key(), Some(encode(&height)));
    (delta, Results { summary, results })
}

/// The execution of one block.
struct Run<'a, S> {
    rules: &'a LogRules,
    slot: u64,
    /// The ids that this slot has used up.
    used: BTreeSet<BundleId>,
    scratch: Scratch<'a, S>,
}

impl<S: ReadState> Run<'_, S> {
    fn bundle(&mut self, id: &BundleId, bundle: &Bundle) -> Outcome {
        if self.is_used(id) {
            return Outcome::Duplicate;
        }
        if self.slot > bundle.body.valid_until {
            return Outcome::Expired;
        }
        self.used.insert(*id);
        match apply::apply(&mut self.scratch, self.rules, self.slot, &bundle.body) {
            Ok(released) => {
                self.scratch.keep();
                if released.is_empty() { Outcome::Committed } else { Outcome::Released(released) }
            }
            Err(abort) => {
                self.scratch.discard();
                Outcome::Aborted(abort)
            }
        }
    }

    /// Whether the id was used up in this slot or in the window before it.
    fn is_used(&self, id: &BundleId) -> bool {
        let in_window = |slot: u64| slot.saturating_add(WINDOW_SLOTS) >= self.slot;
        self.used.contains(id) || used(self.scratch.rows(), id).is_some_and(in_window)
    }

    /// Writes which ids this slot has used up, and lets go those that are out of the window for the next one.
    fn remember(&mut self, delta: &mut Delta, state: &S, results: &[BundleResult]) {
        if !self.used.is_empty() {
            let ids: Vec<BundleId> = self.used.iter().copied().collect();
            self.scratch.put(&StateKey::UsedIds { slot: self.slot }, &ids);
        }
        if let Some(slot) = self.slot.checked_sub(WINDOW_SLOTS) {
            let key = StateKey::UsedIds { slot };
            for id in self.scratch.get::<Vec<BundleId>>(&key).unwrap_or_default() {
                let row = Row::Used(&id).key();
                if state.read(&row).is_some() {
                    delta.insert(row, None);
                }
            }
            self.scratch.delete(&key);
        }
        self.scratch.keep();
        for (result, index) in results.iter().zip(0..) {
            let row = Row::Bundle(&result.id).key();
            // What was executed first is what a bundle is known for. Of a duplicate that may have been before a snapshot, and
            // is not known here.
            let may_be_first = result.outcome != Outcome::Duplicate && !delta.contains_key(&row);
            if may_be_first && position(state, &result.id).is_none() {
                let position = Position { slot: self.slot, index, outcome: result.outcome.clone() };
                delta.insert(row, Some(encode(&position)));
            }
        }
    }
}
