//! Re-deriving what a view says of its past: for those who look after a store.

use super::ReadState;
use super::layout::Row;
use super::summary::Summary;
use crate::digest::History;
use crate::limits::{SLOT_MAX, WINDOW_SLOTS};
use crate::results::{BundleResult, results_root};
use crate::rules::LogRules;
use borsh::BorshDeserialize;
use thiserror::Error;

/// What is wrong with a view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ViewFlaw {
    /// A row that is not as it was written.
    #[error("its {0} cannot be read")]
    Unreadable(&'static str),
    /// A row that should be there.
    #[error("its {0} is missing")]
    Missing(&'static str),
    /// A summary of a height that is not reached.
    #[error("its height is {0}, and there is a summary beyond")]
    Beyond(u64),
    /// A history that does not follow.
    #[error("its history is {found}, and {expected} follows from what was executed")]
    History {
        /// What the summary says.
        found: History,
        /// What slot, block and results make of the history before.
        expected: History,
    },
    /// Results that are not those of the summary.
    #[error("its results are not those under its results root")]
    Results,
}

/// How many slots a view has executed, as [`height`](super::height) says, without relying on the row.
///
/// # Errors
/// If the row cannot be read, or something is there beyond. None if it is not there.
pub fn check_height(state: &impl ReadState) -> Result<Option<u64>, ViewFlaw> {
    let Some(height) = read::<u64>(state, Row::Height, "height")? else { return Ok(None) };
    if height > SLOT_MAX {
        return Err(ViewFlaw::Unreadable("height"));
    }
    match state.read(&Row::Summary(height + 1).key()) {
        Some(_) => Err(ViewFlaw::Beyond(height)),
        None => Ok(Some(height)),
    }
}

/// Reads the summary of a height, and checks that it follows: from `before`, which names a slot and what the view was before
/// it, or from nothing. A history that does not [begin](super::begins) with slot 0 rests on what is there first: that is what a
/// quorum certified, and cannot be checked from here. Of a view that has reached `height`, results that are older than the window may be forgotten.
///
/// # Errors
/// What does not fit.
pub fn check_summary(
    state: &impl ReadState,
    rules: &LogRules,
    before: Option<(u64, &Summary)>,
    height: u64,
) -> Result<Summary, ViewFlaw> {
    let first = super::begins(state);
    let at = before.map_or(first, |(slot, _)| slot + 1);
    let summary: Summary =
        read(state, Row::Summary(at), "summary")?.ok_or(ViewFlaw::Missing("summary"))?;
    let expected = match before {
        None if first > 0 => return Ok(summary),
        None => History::initial(rules.network, rules.epoch, &rules.log),
        Some((slot, before)) => before.history.then(slot, summary.block, summary.results_root),
    };
    if summary.history != expected {
        return Err(ViewFlaw::History { found: summary.history, expected });
    }
    let Some((slot, _)) = before.filter(|_| summary.results > 0) else {
        let empty = summary.results == 0 && summary.results_root == results_root(&[]);
        return if empty { Ok(summary) } else { Err(ViewFlaw::Results) };
    };
    match read::<Vec<BundleResult>>(state, Row::Results(slot), "list of results")? {
        Some(results) if results_root(&results) != summary.results_root => Err(ViewFlaw::Results),
        None if slot + WINDOW_SLOTS >= height => Err(ViewFlaw::Missing("list of results")),
        _ => Ok(summary),
    }
}

fn read<T: BorshDeserialize>(
    state: &impl ReadState,
    row: Row<'_>,
    what: &'static str,
) -> Result<Option<T>, ViewFlaw> {
    let bytes = state.read(&row.key());
    bytes.map(|bytes| borsh::from_slice(&bytes)).transpose().map_err(|_| ViewFlaw::Unreadable(what))
}
