//! A state that is put together from pieces.

use super::offer::Offer;
use super::piece::{Below, Piece, Prefix};
use super::subtree::{
    Kind, Node, Placed, build, empty_root, inner_hash, inner_row, leaf_hash, node_row,
};
use crate::digest::{BundleId, sha256};
use crate::state::Delta;
use crate::state::key::{StateKey, place};
use crate::state::layout::Row;
use crate::state::prune::Pruned;
use crate::state::value::encode;
use std::collections::BTreeMap;

/// What is wrong with a piece. Whoever sent it has no such state, or lies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceFlaw {
    /// Nobody asked for it.
    #[error("nobody asked for what is below {0}")]
    Unwanted(Prefix),
    /// A leaf that stands elsewhere.
    #[error("leaf {1} of the piece below {0} does not belong there")]
    Elsewhere(Prefix, usize),
    /// Leaves that are not in order, or one that is there twice.
    #[error("leaf {1} of the piece below {0} is not in order, or there twice")]
    Order(Prefix, usize),
    /// No leaf where there has to be one.
    #[error("the piece below {0} has no leaf")]
    Empty(Prefix),
    /// Something that is changed, missing or made up.
    #[error("the piece below {0} is not the certified one: its hash is another")]
    Hash(Prefix),
    /// A certified leaf that this program cannot read.
    #[error("leaf {1} of the piece below {0} cannot be read")]
    Unreadable(Prefix, usize),
}

/// A state that is put together, from an [`Offer`] that holds.
pub struct Restoring {
    offer: Offer,
    /// What has to come, with its hash.
    wanted: BTreeMap<Prefix, [u8; 32]>,
    /// Of these, the ones that are to be asked for, the next one last.
    unasked: Vec<Prefix>,
    /// Nodes of which some child is missing.
    open: BTreeMap<Prefix, Open>,
    /// How much of the tree is there, of 2⁶⁰.
    covered: u64,
    leaves: u64,
}

/// A node whose children come.
struct Open {
    children: [Option<([u8; 32], Kind)>; 16],
    missing: usize,
}

impl Restoring {
    /// Of which nothing is there yet.
    pub fn new(offer: Offer) -> Self {
        let root = offer.state_root().0;
        Restoring {
            offer,
            wanted: BTreeMap::from([(Prefix::ROOT, root)]),
            unasked: vec![Prefix::ROOT],
            open: BTreeMap::new(),
            covered: 0,
            leaves: 0,
        }
    }

    /// What was offered.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Something to ask for that is not asked for yet.
    pub fn wanted(&mut self) -> Option<Prefix> {
        self.unasked.pop()
    }

    /// What was asked for did not come: it is to be asked for again.
    pub fn missed(&mut self, prefix: Prefix) {
        if self.wanted.contains_key(&prefix) {
            self.unasked.push(prefix);
        }
    }

    /// Whether nothing is missing: then what was returned is the certified state.
    pub fn is_complete(&self) -> bool {
        self.wanted.is_empty()
    }

    /// How much of the state is there, from 0 to 1.
    pub fn done(&self) -> f64 {
        self.covered as f64 / WHOLE as f64
    }

    /// How many objects, balances and so on are there.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Takes in what is below a prefix. The rows to write; those of different pieces differ.
    ///
    /// # Errors
    /// What is wrong with it: then it is as if it had not come.
    pub fn take(&mut self, prefix: &Prefix, piece: Piece) -> Result<Delta, PieceFlaw> {
        let expected = self.wanted.get(prefix).copied();
        let expected = expected.ok_or_else(|| PieceFlaw::Unwanted(prefix.clone()))?;
        match piece {
            Piece::Leaves(leaves) => self.take_leaves(prefix, expected, leaves),
            Piece::Inner(below) => self.take_inner(prefix, expected, &below),
        }
    }

    fn take_leaves(
        &mut self,
        prefix: &Prefix,
        expected: [u8; 32],
        leaves: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Delta, PieceFlaw> {
        let mut delta = Delta::new();
        if leaves.is_empty() {
            if *prefix != Prefix::ROOT || expected != empty_root() {
                return Err(PieceFlaw::Empty(prefix.clone()));
            }
            delta.insert(node_row(&[]), Some(encode(&Node::Null)));
            self.wanted.remove(prefix);
            self.covered = WHOLE;
            return Ok(delta);
        }
        let mut placed: Vec<Placed> = Vec::with_capacity(leaves.len());
        for (number, (key, value)) in leaves.iter().enumerate() {
            let place = place(key).0;
            if !prefix.holds(&place) {
                return Err(PieceFlaw::Elsewhere(prefix.clone(), number));
            }
            if placed.last().is_some_and(|(last, _)| *last >= place) {
                return Err(PieceFlaw::Order(prefix.clone(), number));
            }
            placed.push((place, sha256(&[value])));
        }
        let (hash, kind) = build(&placed, &mut prefix.nibbles().to_vec(), &mut delta);
        if hash != expected {
            return Err(PieceFlaw::Hash(prefix.clone()));
        }
        self.leaves += placed.len() as u64;
        for (number, ((key, value), (place, _))) in leaves.into_iter().zip(placed).enumerate() {
            beside(&key, &value, &mut delta)
                .ok_or_else(|| PieceFlaw::Unreadable(prefix.clone(), number))?;
            delta.insert(Row::Value(&place, 0).key(), Some(encode(&Some((key, value)))));
        }
        self.wanted.remove(prefix);
        self.covered += share(prefix);
        self.complete(prefix, (hash, kind), &mut delta);
        Ok(delta)
    }

    fn take_inner(
        &mut self,
        prefix: &Prefix,
        expected: [u8; 32],
        below: &[Option<Below>; 16],
    ) -> Result<Delta, PieceFlaw> {
        if prefix.nibbles().len() == NIBBLES {
            return Err(PieceFlaw::Hash(prefix.clone()));
        }
        // A leaf that is alone in its part of a node gives that part its hash, wherever in it the leaf is said to be.
        for (nibble, child) in (0..16).zip(below) {
            if matches!(child, Some(Below::Leaf(place, _)) if !prefix.child(nibble).holds(place)) {
                return Err(PieceFlaw::Elsewhere(prefix.clone(), usize::from(nibble)));
            }
        }
        let hashes = below.map(|one| {
            one.map(|one| match one {
                Below::Leaf(place, value) => (leaf_hash(place, value), true),
                Below::Inner(hash) => (hash, false),
            })
        });
        // A leaf that is alone is no node with children, though it has the same hash.
        let alone = matches!(hashes.iter().flatten().collect::<Vec<_>>()[..], [(_, true)] | []);
        if alone || inner_hash(&hashes) != expected {
            return Err(PieceFlaw::Hash(prefix.clone()));
        }
        let missing = hashes.iter().flatten().count();
        self.wanted.remove(prefix);
        self.open.insert(prefix.clone(), Open { children: [None; 16], missing });
        for (nibble, child) in (0..16).zip(hashes).rev() {
            let path = prefix.child(nibble);
            match child {
                Some((hash, _)) => {
                    self.wanted.insert(path.clone(), hash);
                    self.unasked.push(path);
                }
                None => self.covered += share(&path),
            }
        }
        Ok(Delta::new())
    }

    /// All below a node is there: so it may be for the one above.
    fn complete(&mut self, prefix: &Prefix, what: ([u8; 32], Kind), delta: &mut Delta) {
        let (mut path, mut what) = (prefix.nibbles(), what);
        while let Some((nibble, above)) = path.split_last() {
            let above_prefix = prefix.up_to(above.len());
            let open = self.open.get_mut(&above_prefix).expect("its children are asked for later");
            open.children[usize::from(*nibble)] = Some(what);
            open.missing -= 1;
            if open.missing > 0 {
                return;
            }
            let (row, kind) = inner_row(&open.children);
            let hashes = open.children.map(|it| it.map(|(hash, kind)| (hash, kind == Kind::Leaf)));
            delta.insert(node_row(above), Some(row));
            self.open.remove(&above_prefix);
            (path, what) = (above, (inner_hash(&hashes), kind));
        }
        assert!(
            what.0 == self.offer.state_root().0,
            "a state has the root that its pieces lead to"
        );
    }

    /// The rows that make a view of what was put together.
    ///
    /// # Panics
    /// If something is missing.
    pub fn finish(self) -> Delta {
        assert!(self.is_complete(), "a view is made of a whole state");
        let (height, summary) = self.offer.summary();
        Delta::from([
            (Row::Summary(height).key(), Some(encode(&summary))),
            (Row::Height.key(), Some(encode(&height))),
            (Row::Pruned.key(), Some(encode(&Pruned::at(height)))),
        ])
    }
}

/// What is found by other ways than the tree's. None if the leaf cannot be read.
fn beside(key: &[u8], value: &[u8], delta: &mut Delta) -> Option<()> {
    match borsh::from_slice(key).ok()? {
        StateKey::Balance { .. } => {
            delta.insert(Row::Owned(key).key(), Some(Vec::new()));
        }
        StateKey::UsedIds { slot } => {
            for id in borsh::from_slice::<Vec<BundleId>>(value).ok()? {
                delta.insert(Row::Used(&id).key(), Some(encode(&slot)));
            }
        }
        _ => {}
    }
    Some(())
}

/// The nibbles of a place.
const NIBBLES: usize = 64;

/// The whole of a tree, as its share is counted.
const WHOLE: u64 = 1 << 60;

/// How much of a tree is below a prefix; nothing worth counting far down.
fn share(prefix: &Prefix) -> u64 {
    WHOLE.checked_shr(4 * prefix.nibbles().len() as u32).unwrap_or(0)
}
