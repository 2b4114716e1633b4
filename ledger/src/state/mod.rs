//! What a log has executed: its objects and balances, versioned, under one root.
//!
//! The crate reads and writes an ordered space of raw keys that belongs to one view of one log; whoever keeps it on disk
//! need not know what is in it. What changes is one [`Delta`] for each slot, to be written in one go.
//!
//! ```text
//!   layout   the raw keys                         key, value   what the tree's leaves are
//!   tree     the Jellyfish Merkle tree            summary      one record for each height
//!   view     the state at one height              prune        forgetting old heights
//!   initial  height 0, from genesis              check        re-deriving the past
//!   snapshot a height, in pieces that are checked one by one
//! ```
//!
//! A *height* is a number of executed slots. Only slots that change something make a new *version* of the tree: an idle
//! log writes a summary for each slot and nothing else.

mod check;
mod initial;
mod key;
mod layout;
mod prune;
mod snapshot;
mod summary;
mod tree;
mod value;
mod view;

pub use check::{ViewFlaw, check_height, check_summary};
pub use initial::initial;
pub use key::StateKey;
pub use prune::{begins, forget, prune, prune_states};
pub use snapshot::{Below, NoOffer, Offer, PIECE_BYTES, Piece, PieceFlaw, Prefix, Restoring};
pub use summary::{Summary, path};
pub use tree::StateProof;
pub use value::ObjectState;
pub use view::{Position, View, height, position, results, used};

pub(crate) use layout::Row;
pub(crate) use tree::{Change, Changes, write as write_tree};
pub(crate) use value::{decode, encode};

use std::collections::BTreeMap;

/// The raw rows of one view of one log, ordered by key as byte strings.
pub trait ReadState {
    /// The value at `key`.
    fn read(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// The greatest key from `from` to `to`, both included, with its value.
    fn last_at_or_before(&self, from: &[u8], to: &[u8]) -> Option<(Vec<u8>, Vec<u8>)>;

    /// Shows all rows from `from` to `to`, both included, the greatest key first, until `visit` says no.
    fn each_back(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool);

    /// A row is not what this crate wrote, or is missing: nothing may be concluded from such a state. Whoever keeps it on disk
    /// says how to stop; it is the disk's fault.
    fn unreadable(&self, why: &str) -> ! {
        panic!("the state is as it was written: {why}")
    }
}

/// Rows to write, or, where there is none, to delete; all in one go. What is deleted was written once since it was last deleted,
/// if it ever was.
pub type Delta = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryState {
    /// Writes what `delta` says.
    pub fn apply(&mut self, delta: Delta) {
        for (key, value) in delta {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// All rows.
    pub fn rows(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.rows
    }
}

impl ReadState for MemoryState {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key).cloned()
    }

    fn last_at_or_before(&self, from: &[u8], to: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        use std::ops::Bound::Included;
        if from > to {
            return None;
        }
        let mut range = self.rows.range::<[u8], _>((Included(from), Included(to)));
        range.next_back().map(|(key, value)| (key.clone(), value.clone()))
    }

    fn each_back(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        use std::ops::Bound::Included;
        if from <= to {
            let mut range = self.rows.range::<[u8], _>((Included(from), Included(to)));
            while let Some((key, value)) = range.next_back() {
                if !visit(key, value) {
                    return;
                }
            }
        }
    }
}
