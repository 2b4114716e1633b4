//! What a bundle does to a chain.

use super::{binary, text};
use crate::limits::{BUNDLE_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

/// One operation of a part.
///
/// In borsh: one byte for the kind, in this order from 0, then the fields in this order. The two forms of `require` and of
/// `release` are told apart by a second byte. In JSON: an object whose field `op` is the kind; optional fields may be left
/// out.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// Makes an object; its owner has signed.
    Create {
        /// `<birth log>:<key>`; the birth log is the bundle's.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// Its first value.
        #[serde(serialize_with = "text::base64")]
        #[borsh(deserialize_with = "binary::bytes::<_, VALUE_BYTES_MAX>")]
        value: Vec<u8>,
        /// Whose signature changes it.
        #[serde(serialize_with = "text::hex")]
        owner: [u8; 32],
    },
    /// Gives an object a new value; its owner has signed.
    Update {
        /// The object.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// Its new value.
        #[serde(serialize_with = "text::base64")]
        #[borsh(deserialize_with = "binary::bytes::<_, VALUE_BYTES_MAX>")]
        value: Vec<u8>,
        /// Only if it is at this version.
        #[serde(skip_serializing_if = "Option::is_none")]
        if_version: Option<u64>,
    },
    /// Gives an object a new owner; its old one has signed.
    Transfer {
        /// The object.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// Its new owner.
        #[serde(serialize_with = "text::hex")]
        to: [u8; 32],
        /// Only if it is at this version.
        #[serde(skip_serializing_if = "Option::is_none")]
        if_version: Option<u64>,
    },
    /// Ends an object; its owner has signed.
    Delete {
        /// The object.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// Only if it is at this version.
        #[serde(skip_serializing_if = "Option::is_none")]
        if_version: Option<u64>,
    },
    /// Does nothing, but the bundle is aborted if the condition does not hold.
    Require(Condition),
    /// Moves so much of an asset; `from` has signed.
    Pay {
        /// The asset's name.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        asset: String,
        /// Who pays.
        #[serde(serialize_with = "text::hex")]
        from: [u8; 32],
        /// Who is paid.
        #[serde(serialize_with = "text::hex")]
        to: [u8; 32],
        /// How much; at least 1.
        #[serde(serialize_with = "text::decimal")]
        amount: u128,
    },
    /// Lets something go to another log of its chain; its owner has signed.
    Release(Release),
    /// Takes what another log let go, for its owner, who need not sign. See [`Claim`](crate::Claim).
    Claim {
        /// What was let go: the canonical encoding of a [`Released`](crate::Released).
        #[serde(serialize_with = "text::base64")]
        #[borsh(deserialize_with = "binary::bytes::<_, BUNDLE_BYTES_MAX>")]
        release: Vec<u8>,
        /// The proof that it was: the canonical encoding of a [`ReleaseProof`](crate::ReleaseProof).
        #[serde(serialize_with = "text::base64")]
        #[borsh(deserialize_with = "binary::bytes::<_, BUNDLE_BYTES_MAX>")]
        proof: Vec<u8>,
    },
}

/// What `require` may ask for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// Of an object. At least one of the three is asked; `absent: true` is asked alone.
    Object {
        /// The object.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// That it is there, at this version.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// That it is there, with this owner.
        #[serde(serialize_with = "text::optional_hex", skip_serializing_if = "Option::is_none")]
        owner: Option<[u8; 32]>,
        /// That it is not there, or that it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<bool>,
    },
    /// Of a balance.
    Balance {
        /// Which one, and how much at least.
        balance: AtLeast,
    },
}

/// So much of an asset, or more.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct AtLeast {
    /// The asset's name.
    #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
    pub asset: String,
    /// Whose.
    #[serde(serialize_with = "text::hex")]
    pub owner: [u8; 32],
    /// How much at least.
    #[serde(serialize_with = "text::decimal")]
    pub at_least: u128,
}

/// What `release` may let go.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(untagged)]
pub enum Release {
    /// An object.
    Object {
        /// The object.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// Its new home.
        #[borsh(deserialize_with = "binary::text::<_, { binary::LOG_BYTES_MAX }>")]
        to_log: String,
    },
    /// So much of an asset.
    Balance {
        /// The asset's name.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        asset: String,
        /// Who lets it go.
        #[serde(serialize_with = "text::hex")]
        from: [u8; 32],
        /// How much; at least 1.
        #[serde(serialize_with = "text::decimal")]
        amount: u128,
        /// Its new home.
        #[borsh(deserialize_with = "binary::text::<_, { binary::LOG_BYTES_MAX }>")]
        to_log: String,
    },
}
