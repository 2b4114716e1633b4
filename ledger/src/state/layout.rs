//! The raw keys: a letter for the kind, then what tells the rows of this kind apart. Numbers are big-endian, so that rows
//! sort as their numbers do.

use crate::digest::BundleId;
use jmt::KeyHash;
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
    /// The key of a balance: so that the balances of an owner are found. It stays when the balance is gone.
    Owned(&'a [u8]),
    /// What is forgotten.
    Pruned,
    /// The results of a slot; none if it has none.
    Results(u64),
    /// The summary of a height.
    Summary(u64),
    /// The id of a bundle that was used up before a snapshot: the slot in which it was.
    Used(&'a BundleId),
    /// What is at a place of the tree from this version on: key and value; or that nothing is.
    Value(&'a [u8; 32], u64),
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
            Row::Owned(key) => [b"o", *key].concat(),
            Row::Pruned => b"p".to_vec(),
            Row::Results(slot) => [b"r", &slot.to_be_bytes()[..]].concat(),
            Row::Summary(height) => [b"s", &height.to_be_bytes()[..]].concat(),
            Row::Used(id) => [b"u", &id.0[..]].concat(),
            Row::Value(place, version) => [b"v", &place[..], &version.to_be_bytes()].concat(),
            Row::Stale(version, row) => [b"x", &(!version).to_be_bytes()[..], row].concat(),
        }
    }
}

/// The place and the version in the key of a [`Row::Value`].
pub(crate) fn read_value_key(key: &[u8]) -> Option<(KeyHash, u64)> {
    let (place, version) = key.get(1..)?.split_first_chunk()?;
    Some((KeyHash(*place), u64::from_be_bytes(version.try_into().ok()?)))
}

/// What stands before the name of a row in the key of [`Row::Stale`].
pub(crate) const STALE_PREFIX_BYTES: usize = 1 + size_of::<u64>();
