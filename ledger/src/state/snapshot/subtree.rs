//! The tree's nodes as they are stored, and their hashes.
//!
//! The library keeps the parts of its nodes to itself, but their encoding is its own definition of them, and the rows'.

use crate::digest::sha256;
use crate::state::layout::Row;
use crate::state::value::encode;
use crate::state::{Delta, ReadState};
use borsh::{BorshDeserialize, BorshSerialize};
use jmt::proof::INTERNAL_DOMAIN_SEPARATOR;
use jmt::storage::{LeafNode, NibblePath, NodeKey};
use jmt::{KeyHash, ValueHash};
use sha2::Sha256;

/// A node of the tree, as `jmt::storage::Node` is encoded.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) enum Node {
    Null,
    Inner { children: Box<[Option<Child>; 16]>, count: u64, leaves: u64 },
    Leaf { place: [u8; 32], value: [u8; 32] },
}

/// A child of an inner node.
#[derive(Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) struct Child {
    pub hash: [u8; 32],
    pub version: u64,
    pub kind: Kind,
}

/// What a child is.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Kind {
    Leaf,
    Inner { leaves: u64 },
}

impl Kind {
    pub fn leaves(self) -> u64 {
        match self {
            Kind::Leaf => 1,
            Kind::Inner { leaves } => leaves,
        }
    }
}

/// The hash of a tree without leaves: the library's.
pub(super) fn empty_root() -> [u8; 32] {
    *b"SPARSE_MERKLE_PLACEHOLDER_HASH__"
}

/// The hash of a leaf.
pub(super) fn leaf_hash(place: [u8; 32], value: [u8; 32]) -> [u8; 32] {
    LeafNode::new(KeyHash(place), ValueHash(value)).hash::<Sha256>()
}

/// The hash of an inner node: that of a binary tree of four levels, in which a leaf that is alone moves up.
pub(super) fn inner_hash(children: &[Option<([u8; 32], bool)>]) -> [u8; 32] {
    let mut there = children.iter().flatten();
    match (there.next(), there.next()) {
        (None, _) => empty_root(),
        (Some((hash, is_leaf)), None) if *is_leaf || children.len() == 1 => *hash,
        _ => {
            let (left, right) = children.split_at(children.len() / 2);
            sha256(&[INTERNAL_DOMAIN_SEPARATOR, &inner_hash(left), &inner_hash(right)])
        }
    }
}

/// The row of a node of version 0, at a path of nibbles.
pub(super) fn node_row(path: &[u8]) -> Vec<u8> {
    row_of(0, path)
}

fn row_of(version: u64, path: &[u8]) -> Vec<u8> {
    let path: NibblePath = path.iter().map(|nibble| (*nibble).into()).collect();
    Row::Node(&NodeKey::new(version, path)).key()
}

/// The node at a path of nibbles, in the tree of a version; none if the tree does not go there.
pub(super) fn node_at(state: &impl ReadState, version: u64, path: &[u8]) -> Option<Node> {
    let mut version = version;
    for (depth, nibble) in path.iter().enumerate() {
        let Node::Inner { children, .. } = read(state, version, &path[..depth])? else {
            return None;
        };
        version = children[usize::from(*nibble)]?.version;
    }
    read(state, version, path)
}

pub(super) fn read(state: &impl ReadState, version: u64, path: &[u8]) -> Option<Node> {
    let bytes = state.read(&row_of(version, path))?;
    let node = borsh::from_slice(&bytes);
    Some(node.unwrap_or_else(|_| state.unreadable("a node of the tree of a view")))
}

/// The row of an inner node of version 0 with these children.
pub(super) fn inner_row(children: &[Option<([u8; 32], Kind)>; 16]) -> (Vec<u8>, Kind) {
    let leaves = children.iter().flatten().map(|(_, kind)| kind.leaves()).sum();
    let count = children.iter().flatten().count() as u64;
    let child = |(hash, kind)| Child { hash, version: 0, kind };
    let children = Box::new(children.map(|one| one.map(child)));
    (encode(&Node::Inner { children, count, leaves }), Kind::Inner { leaves })
}

/// A leaf's place, and the hash of its value.
pub(super) type Placed = ([u8; 32], [u8; 32]);

/// The nibble of a place at a depth.
pub(super) fn nibble(place: &[u8; 32], depth: usize) -> u8 {
    let byte = place[depth / 2];
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
}

/// Adds the nodes, of version 0, of the subtree at `path` over `leaves`, which are sorted and all below it; there is one at
/// least. What its root is.
pub(super) fn build(leaves: &[Placed], path: &mut Vec<u8>, delta: &mut Delta) -> ([u8; 32], Kind) {
    if let [(place, value)] = leaves {
        let row = encode(&Node::Leaf { place: *place, value: *value });
        delta.insert(node_row(path), Some(row));
        return (leaf_hash(*place, *value), Kind::Leaf);
    }
    let depth = path.len();
    let mut children = [None; 16];
    for below in leaves.chunk_by(|(one, _), (other, _)| nibble(one, depth) == nibble(other, depth))
    {
        let nibble = nibble(&below[0].0, depth);
        path.push(nibble);
        children[usize::from(nibble)] = Some(build(below, path, delta));
        path.pop();
    }
    let (row, kind) = inner_row(&children);
    delta.insert(node_row(path), Some(row));
    let hashes = children.map(|one| one.map(|(hash, kind)| (hash, kind == Kind::Leaf)));
    (inner_hash(&hashes), kind)
}
