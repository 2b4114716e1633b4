//! Pieces of a snapshot, as they are made and sent.

use super::subtree::{Kind, Node, node_at, read};
use crate::state::ReadState;
use crate::state::layout::{Row, read_value_key};
use crate::state::value::decode;
use crate::state::view::View;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use std::io::{Error, Read, Result as IoResult};

/// What a piece is made of at the most, in bytes of keys and values, unless it is one leaf: 1 MiB.
pub const PIECE_BYTES: usize = 1 << 20;

/// The nibbles of a place.
const NIBBLES_MAX: usize = 64;

/// Rows that are passed over before the next place is looked for: many versions of one value are not read one by one.
const PASSED_MAX: usize = 8;

/// With what the places of the leaves below a node begin: so many nibbles, at most 64.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct Prefix(Vec<u8>);

impl Prefix {
    /// The whole tree.
    pub const ROOT: Prefix = Prefix(Vec::new());

    /// One nibble more.
    pub(super) fn child(&self, nibble: u8) -> Self {
        Prefix([&self.0[..], &[nibble]].concat())
    }

    /// Its first nibbles.
    pub(super) fn up_to(&self, nibbles: usize) -> Self {
        Prefix(self.0[..nibbles].to_vec())
    }

    pub(super) fn nibbles(&self) -> &[u8] {
        &self.0
    }

    /// The place that begins so, and goes on with one and the same nibble.
    fn filled(&self, nibble: u8) -> [u8; 32] {
        let mut place = [nibble << 4 | nibble; 32];
        for (depth, nibble) in self.0.iter().enumerate() {
            let byte = &mut place[depth / 2];
            *byte = if depth % 2 == 0 { *byte & 15 | nibble << 4 } else { *byte & 0xf0 | nibble };
        }
        place
    }

    /// Whether a place begins so.
    pub(super) fn holds(&self, place: &[u8; 32]) -> bool {
        (self.filled(0)..=self.filled(15)).contains(place)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))?;
        f.write_str("…")
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BorshDeserialize for Prefix {
    fn deserialize_reader<R: Read>(from: &mut R) -> IoResult<Self> {
        let nibbles = crate::bundle::binary::bytes::<R, NIBBLES_MAX>(from)?;
        if nibbles.iter().any(|nibble| *nibble > 15) {
            return Err(Error::other("a nibble is at most 15"));
        }
        Ok(Prefix(nibbles))
    }
}

/// What is below a node of the tree.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Piece {
    /// All keys and values, sorted by place.
    Leaves(#[borsh(deserialize_with = "leaves")] Vec<(Vec<u8>, Vec<u8>)>),
    /// Too much for one piece: what its children are.
    Inner(Box<[Option<Below>; 16]>),
}

/// A child of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Below {
    /// One leaf: the hashes of its key and of its value.
    Leaf([u8; 32], [u8; 32]),
    /// The hash of a node.
    Inner([u8; 32]),
}

/// The encoding of what is read at a time is there already: a length cannot make this allocate more.
fn leaves<R: Read>(from: &mut R) -> IoResult<Vec<(Vec<u8>, Vec<u8>)>> {
    use crate::bundle::binary::bytes;
    const BYTES_MAX: usize = 2 * PIECE_BYTES;
    let (count, mut leaves) = (u32::deserialize_reader(from)?, Vec::new());
    for _ in 0..count {
        leaves.push((bytes::<R, BYTES_MAX>(from)?, bytes::<R, BYTES_MAX>(from)?));
    }
    Ok(leaves)
}

impl Piece {
    /// What a view has below a prefix, all of it if it has no more than so many bytes, or is one leaf; none if its tree has no
    /// node there.
    pub fn of<S: ReadState>(view: &View<'_, S>, prefix: &Prefix, most: usize) -> Option<Self> {
        match leaves_of(view, prefix, most) {
            Some(leaves) if leaves.is_empty() && *prefix != Prefix::ROOT => None,
            Some(leaves) => Some(Piece::Leaves(leaves)),
            None => inner_of(view, prefix),
        }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads the canonical encoding; none if `bytes` are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}

/// Keys and values below a prefix; none if they are too much for one piece.
fn leaves_of<S: ReadState>(
    view: &View<'_, S>,
    prefix: &Prefix,
    most: usize,
) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (rows, version) = (view.rows(), view.summary().version);
    let from = Row::Value(&prefix.filled(0), 0).key();
    let mut to = Row::Value(&prefix.filled(15), u64::MAX).key();
    let (mut leaves, mut bytes, mut done) = (Vec::new(), 0, None);
    loop {
        let (mut next, mut passed) = (None, 0);
        rows.each_back(&from, &to, &mut |row, value| {
            let (place, since) = read_value_key(row)
                .unwrap_or_else(|| rows.unreadable("the key of a value in a view"));
            if since > version || done == Some(place.0) {
                passed += 1;
                if passed > PASSED_MAX {
                    let before = match done == Some(place.0) {
                        true => None,
                        false => Some(version),
                    };
                    next = Some((place.0, before));
                }
                return next.is_none();
            }
            (done, passed) = (Some(place.0), 0);
            if let Some((key, value)) = decode::<Option<(Vec<u8>, Vec<u8>)>>(rows, value) {
                bytes += key.len() + value.len();
                leaves.push((key, value));
            }
            bytes <= most || leaves.len() == 1
        });
        if bytes > most && leaves.len() > 1 {
            return None;
        }
        match next {
            Some((place, Some(version))) => to = Row::Value(&place, version).key(),
            // Version 0 of a place that is done with is passed over once more.
            Some((place, None)) => to = Row::Value(&place, 0).key(),
            None => break,
        }
    }
    leaves.reverse();
    Some(leaves)
}

fn inner_of<S: ReadState>(view: &View<'_, S>, prefix: &Prefix) -> Option<Piece> {
    let (rows, version) = (view.rows(), view.summary().version);
    let Node::Inner { children, .. } = node_at(rows, version, prefix.nibbles())? else {
        return None;
    };
    let mut below = Box::new([None; 16]);
    for (nibble, child) in (0u8..).zip(*children) {
        let Some(child) = child else { continue };
        below[usize::from(nibble)] = Some(match child.kind {
            Kind::Inner { .. } => Below::Inner(child.hash),
            Kind::Leaf => match read(rows, child.version, prefix.child(nibble).nibbles()) {
                Some(Node::Leaf { place, value }) => Below::Leaf(place, value),
                _ => rows.unreadable("a leaf of the tree of a view is missing"),
            },
        });
    }
    Some(Piece::Inner(below))
}
