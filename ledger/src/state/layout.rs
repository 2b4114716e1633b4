//! The raw keys: a letter for the kind, then what tells the rows of this kind apart. Numbers are big-endian, so that rows
//! sort as their numbers do.

use crate::digest::BundleId;
use jmt::storage::NodeKey;

/// A raw row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    /// The id of a bundle: where it was executed first.
    Bundle(&'a BundleId),
    /// How many slots are executed.
    Height,
    /// A node of the tree.
    Node(&'a NodeKey),
    /// What is forgotten.
    Pruned,
    /// The results of a slot; none if it has none.
    Results(u64),
    /// The summary of a height.
    Summary(u64),
    /// A value from this version on, or that there is none.
    Value(&'a [u8], u64),
    /// A row that no version from this one on needs. Older ones sort after younger ones.
    Stale(u64, &'a [u8]),
}

impl Row<'_> {
    /// The row's key.
    pub(crate) fn key(&self) -> Vec<u8> {
        match self {
            Row::Bundle(id) => [b"b", &id.0[..]].concat(),
            Row::Height => b"h".to_vec(),
            Row::Node(node) => {
                let path =
                    borsh::to_vec(node.nibble_path()).expect("writing to memory does not fail");
                [b"n", &node.version().to_be_bytes()[..], &path].concat()
            }
            Row::Pruned => b"p".to_vec(),
            Row::Results(slot) => [b"r", &slot.to_be_bytes()[..]].concat(),
            Row::Summary(height) => [b"s", &height.to_be_bytes()[..]].concat(),
            Row::Value(key, version) => [b"v", *key, &version.to_be_bytes()].concat(),
            Row::Stale(version, row) => [b"x", &(!version).to_be_bytes()[..], row].concat(),
        }
    }
}

/// What stands before the name of a row in the key of [`Row::Stale`].
pub(crate) const STALE_PREFIX_BYTES: usize = 1 + size_of::<u64>();
