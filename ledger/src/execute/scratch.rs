//! The copy of the state on which a block runs: what bundles have changed so far, and what the current one changes.

use crate::state::{Change, Changes, ReadState, StateKey, View, decode, encode};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// A scratch copy of a view.
pub(super) struct Scratch<'a, S> {
    view: &'a View<'a, S>,
    /// What the view has at each key that was asked for, and since which version.
    before: BTreeMap<Vec<u8>, Option<(u64, Vec<u8>)>>,
    /// What bundles that are done have written.
    block: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What the current bundle has written.
    bundle: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a, S: ReadState> Scratch<'a, S> {
    pub(super) fn new(view: &'a View<'a, S>) -> Self {
        let (before, block, bundle) = Default::default();
        Scratch { view, before, block, bundle }
    }

    /// The rows of the view.
    pub(super) fn rows(&self) -> &'a S {
        self.view.rows()
    }

    /// What is at `key` now.
    pub(super) fn get<T: BorshDeserialize>(&mut self, key: &StateKey) -> Option<T> {
        let key = key.to_bytes();
        let written = self.bundle.get(&key).or_else(|| self.block.get(&key));
        let value = match written {
            Some(value) => value.as_ref(),
            None => {
                let view = self.view;
                let before = self.before.entry(key).or_insert_with_key(|key| view.value(key));
                before.as_ref().map(|(_, value)| value)
            }
        };
        value.map(|bytes| decode(self.view.rows(), bytes))
    }

    /// Writes, in the current bundle.
    pub(super) fn put(&mut self, key: &StateKey, value: &impl BorshSerialize) {
        self.bundle.insert(key.to_bytes(), Some(encode(value)));
    }

    /// Deletes, in the current bundle.
    pub(super) fn delete(&mut self, key: &StateKey) {
        self.bundle.insert(key.to_bytes(), None);
    }

    /// The current bundle has come through.
    pub(super) fn keep(&mut self) {
        // Not `append`: that rebuilds the whole map for each bundle.
        self.block.extend(std::mem::take(&mut self.bundle));
    }

    /// The current bundle is aborted.
    pub(super) fn discard(&mut self) {
        self.bundle.clear();
    }

    /// What is different from the view in the end.
    pub(super) fn into_changes(mut self) -> Changes {
        assert!(self.bundle.is_empty(), "every bundle came through or was aborted");
        let mut changes = Changes::new();
        for (key, after) in self.block {
            let before = self.before.remove(&key).unwrap_or_else(|| self.view.value(&key));
            if before.as_ref().map(|(_, value)| value) != after.as_ref() {
                let before = before.map(|(version, _)| version);
                changes.insert(key, Change { before, after });
            }
        }
        changes
    }
}
