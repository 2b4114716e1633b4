//! The keys of the state: what each leaf of its tree is about.

use crate::digest::BundleId;
use borsh::{BorshDeserialize, BorshSerialize};
use jmt::KeyHash;
use sha2::Sha256;

/// What a leaf of the tree is about. The leaf's place is the SHA-256 of the canonical encoding; no encoding is the
/// beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum StateKey {
    /// The object of this key: an [`ObjectState`](super::ObjectState).
    Object {
        /// The chain.
        chain: String,
        /// `<birth log>:<key>`.
        key: String,
    },
    /// So much of an asset: a u128, at least 1.
    Balance {
        /// The chain.
        chain: String,
        /// Whose.
        owner: [u8; 32],
        /// The asset's name.
        asset: String,
    },
    /// The ids that were used up in a slot, sorted: a list of 32 bytes each. There for
    /// [`WINDOW_SLOTS`](crate::limits::WINDOW_SLOTS) slots.
    UsedIds {
        /// The slot.
        slot: u64,
    },
    /// Where the object of this key went: the name of the log to which it was let go. There as long as it is not here:
    /// nobody makes another one of its name.
    Gone {
        /// The chain.
        chain: String,
        /// `<birth log>:<key>`.
        key: String,
    },
    /// What was claimed: the slot (u64) in which it was. There for ever: what was let go once comes in once.
    Claimed {
        /// The chain.
        chain: String,
        /// The log that let it go.
        from_log: String,
        /// The bundle that let it go.
        bundle: BundleId,
        /// The number of the operation that let it go.
        operation: u32,
    },
}

/// With what the encodings of all balances begin.
const BALANCE: u8 = 1;

impl StateKey {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Whether this is the encoding of a balance's key.
    pub(crate) fn is_balance(key: &[u8]) -> bool {
        key.first() == Some(&BALANCE)
    }

    /// With what the encodings of the balances of `owner` begin.
    pub(crate) fn balances_of(chain: &str, owner: [u8; 32]) -> Vec<u8> {
        let none = StateKey::Balance { chain: chain.to_owned(), owner, asset: String::new() };
        let mut bytes = none.to_bytes();
        bytes.truncate(bytes.len() - size_of::<u32>());
        bytes
    }
}

/// Where the leaf of a key stands.
pub(crate) fn place(key: &[u8]) -> KeyHash {
    KeyHash::with::<Sha256>(key)
}
