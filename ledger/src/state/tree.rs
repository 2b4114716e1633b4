//! The Jellyfish Merkle tree over the state, and proofs from it.

use super::key::{StateKey, place};
use super::layout::Row;
use super::value::{decode, encode};
use super::{Delta, ReadState};
use crate::digest::StateRoot;
use borsh::{BorshDeserialize, BorshSerialize};
use jmt::proof::SparseMerkleProof;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{KeyHash, OwnedValue, RootHash, Sha256Jmt, Version};
use sha2::Sha256;
use std::collections::BTreeMap;

/// A proof that a leaf is in the state's tree, or that none is.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct StateProof(SparseMerkleProof<Sha256>);

impl StateProof {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads the canonical encoding; none if `bytes` are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok().filter(|proof: &Self| proof.to_bytes() == bytes)
    }

    /// Whether it shows that under `root` the value at `key` is this one, or that there is none.
    pub fn verify(&self, root: &StateRoot, key: &StateKey, value: Option<&[u8]>) -> bool {
        self.0.verify(RootHash(root.0), place(&key.to_bytes()), value).is_ok()
    }
}

/// A tree in the rows of `state`, and in `new` nodes that are not written yet.
struct Tree<'a, S> {
    state: &'a S,
    new: BTreeMap<NodeKey, Node>,
    /// The value whose proof is asked for: values are found by key, not by place.
    wanted: Option<(KeyHash, OwnedValue)>,
}

impl<'a, S: ReadState> Tree<'a, S> {
    fn new(state: &'a S) -> Self {
        Tree { state, new: BTreeMap::new(), wanted: None }
    }
}

impl<S: ReadState> TreeReader for Tree<'_, S> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        if let Some(node) = self.new.get(key) {
            return Ok(Some(node.clone()));
        }
        let node = self.state.read(&Row::Node(key).key()).map(|bytes| decode(self.state, &bytes));
        // Below a root, the library asks for what a node says is there, and does not always bear to hear that it is not.
        let is_root = key.nibble_path().num_nibbles() == 0;
        if !is_root && matches!(node, None | Some(Node::Null)) {
            self.state.unreadable("a node of the tree of a view is missing");
        }
        Ok(node)
    }

    fn get_value_option(&self, _: Version, at: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(self.wanted.as_ref().filter(|(wanted, _)| *wanted == at).map(|(_, value)| value.clone()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        unreachable!("asked only while a tree is restored from a snapshot")
    }
}

/// The proof for `key`, whose value at `version` is `value`.
pub(super) fn prove<S: ReadState>(
    state: &S,
    version: u64,
    key: &[u8],
    value: Option<Vec<u8>>,
) -> StateProof {
    let at = place(key);
    let tree = Tree { wanted: value.clone().map(|value| (at, value)), ..Tree::new(state) };
    let (found, proof) = Sha256Jmt::new(&tree)
        .get_with_proof(at, version)
        .unwrap_or_else(|error| broken(state, &error));
    if found != value {
        state.unreadable("the tree has a leaf for each value, and no other");
    }
    StateProof(proof)
}

/// Every node of the last version, and of all that are not pruned, should be there.
fn broken(state: &impl ReadState, error: &anyhow::Error) -> ! {
    state.unreadable(&format!("the tree of a view: {error}"))
}

/// A version of the tree.
pub(crate) struct Root {
    /// Which one.
    pub(crate) version: u64,
    /// Its root.
    pub(crate) root: StateRoot,
}

/// What a slot does to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The version from which on the key had its value, if it had one.
    pub(crate) before: Option<u64>,
    /// Its value from now on, if any.
    pub(crate) after: Option<Vec<u8>>,
}

/// What a slot changes in the state, by key.
pub(crate) type Changes = BTreeMap<Vec<u8>, Change>;

/// Adds to `delta` the rows of the version of the tree after `last` (none: of the first one, of an empty tree), in which
/// `changes` are made. All of them do change something.
pub(crate) fn write<S: ReadState>(
    state: &S,
    last: Option<u64>,
    changes: Changes,
    delta: &mut Delta,
) -> Root {
    let first = last.map_or(0, |version| version + 1);
    let puts: Vec<_> = changes
        .iter()
        .filter_map(|(key, change)| Some((place(key), change.after.clone()?)))
        .collect();
    let gone = changes.iter().filter(|(_, change)| change.after.is_none());
    let deletes: Vec<_> = gone.map(|(key, _)| (place(key), None)).collect();
    // The library inserts in one go, but deletes one by one. Both in one slot make two versions, of which nobody reads
    // the first.
    let in_two = !puts.is_empty() && !deletes.is_empty();
    let version = first + u64::from(in_two);
    let mut writing = Writing { tree: Tree::new(state), stale: Vec::new() };
    let mut root = None;
    if !puts.is_empty() {
        let (roots, batch) = Sha256Jmt::new(&writing.tree)
            .batch_put_value_sets(vec![puts], None, first)
            .unwrap_or_else(|error| broken(state, &error));
        root = roots.first().copied();
        writing.absorb(batch);
    }
    if !deletes.is_empty() || root.is_none() {
        let (next, batch) = Sha256Jmt::new(&writing.tree)
            .put_value_set(deletes, version)
            .unwrap_or_else(|error| broken(state, &error));
        root = Some(next);
        writing.absorb(batch);
    }
    for (key, node) in &writing.tree.new {
        delta.insert(Row::Node(key).key(), Some(encode(node)));
    }
    for key in &writing.stale {
        delta.insert(Row::Stale(version, &Row::Node(key).key()).key(), Some(Vec::new()));
    }
    write_values(version, changes, delta);
    let root = root.expect("something was put or deleted");
    Root { version, root: StateRoot(root.0) }
}

struct Writing<'a, S> {
    tree: Tree<'a, S>,
    /// Nodes of older versions that are needed no more.
    stale: Vec<NodeKey>,
}

impl<S> Writing<'_, S> {
    fn absorb(&mut self, batch: TreeUpdateBatch) {
        for index in batch.stale_node_index_batch {
            // A node of the version in between is never written.
            if self.tree.new.remove(&index.node_key).is_none() {
                self.stale.push(index.node_key);
            }
        }
        let nodes = batch.node_batch.nodes();
        self.tree.new.extend(nodes.iter().map(|(key, node)| (key.clone(), node.clone())));
    }
}

fn write_values(version: u64, changes: Changes, delta: &mut Delta) {
    for (key, change) in changes {
        let place = place(&key).0;
        match change.before {
            Some(before) => {
                let old = Row::Value(&place, before).key();
                delta.insert(Row::Stale(version, &old).key(), Some(Vec::new()));
            }
            None if StateKey::is_balance(&key) => {
                delta.insert(Row::Owned(&key).key(), Some(Vec::new()));
            }
            None => {}
        }
        let row = Row::Value(&place, version).key();
        if change.after.is_none() {
            // That nothing is there need not be said once nothing older is: one version later.
            delta.insert(Row::Stale(version + 1, &row).key(), Some(Vec::new()));
        }
        delta.insert(row, Some(encode(&change.after.map(|value| (key, value)))));
    }
}
