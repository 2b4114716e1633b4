//! Atomic transactions: one part for each chain that a bundle touches, all applied or none.
//!
//! [`Bundle::from_json`] reads what a client sends, [`Bundle::check`] judges it, and borsh is what is hashed, stored and
//! sent between nodes. Nothing here looks at a state.

pub(crate) mod binary;
mod check;
mod json;
mod operation;
pub(crate) mod text;

#[cfg(feature = "execute")]
pub(crate) use check::birth_log;
pub use operation::{AtLeast, Condition, Operation, Release};

use crate::digest::{BundleId, sha256};
use crate::limits::{BUNDLE_OPERATIONS_MAX, BUNDLE_SIGNERS_MAX};
use binary::LOG_BYTES_MAX;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey};
use hpaxos_consensus::NetworkId;
use serde::Serialize;

const TAG: &[u8] = b"hpaxos/v1/bundle\0";

/// What the signers of a bundle consent to.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Body {
    /// The log that is to decide it.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub log: String,
    /// The last slot in which it may be executed.
    pub valid_until: u64,
    /// Makes two bundles that do the same have different ids.
    pub salt: u64,
    /// The ed25519 keys of those who sign, sorted, none twice.
    #[serde(serialize_with = "text::hex_list")]
    #[borsh(deserialize_with = "binary::list::<_, _, BUNDLE_SIGNERS_MAX>")]
    pub signers: Vec<[u8; 32]>,
    /// What it does, sorted by chain, no chain twice.
    #[borsh(deserialize_with = "binary::list::<_, _, BUNDLE_OPERATIONS_MAX>")]
    pub parts: Vec<Part>,
}

/// What a bundle does to one chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Part {
    /// The chain.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub chain: String,
    /// In this order; at least one.
    #[borsh(deserialize_with = "binary::list::<_, _, BUNDLE_OPERATIONS_MAX>")]
    pub operations: Vec<Operation>,
}

/// An atomic transaction with the signatures of all who must consent.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Bundle {
    /// What is consented to.
    #[serde(flatten)]
    pub body: Body,
    /// One for each signer, in their order.
    #[serde(serialize_with = "text::hex_list")]
    #[borsh(deserialize_with = "binary::list::<_, _, BUNDLE_SIGNERS_MAX>")]
    pub signatures: Vec<[u8; 64]>,
}

impl Body {
    /// The id of the bundle with this body.
    pub fn id(&self, network: NetworkId) -> BundleId {
        let body = borsh::to_vec(self).expect("writing to memory does not fail");
        BundleId(sha256(&[TAG, &network.0, &body]))
    }
}

impl BundleId {
    /// What each signer signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        [TAG, &self.0].concat()
    }
}

impl Bundle {
    /// A bundle that nobody has signed: its signatures are zeros, in the places where they belong.
    pub fn unsigned(body: Body) -> Self {
        Bundle { signatures: vec![[0; 64]; body.signers.len()], body }
    }

    /// Its id.
    pub fn id(&self, network: NetworkId) -> BundleId {
        self.body.id(network)
    }

    /// Puts the signature of `key` where it belongs; false if `key` is none of the signers.
    pub fn sign(&mut self, network: NetworkId, key: &SigningKey) -> bool {
        let public = key.verifying_key().to_bytes();
        let Some(place) = self.body.signers.iter().position(|signer| *signer == public) else {
            return false;
        };
        self.signatures.resize(self.body.signers.len(), [0; 64]);
        self.signatures[place] = key.sign(&self.id(network).signing_bytes()).to_bytes();
        true
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads the canonical encoding, and nothing else; none if `bytes` are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bundle: Self = borsh::from_slice(bytes).ok()?;
        (bundle.to_bytes() == bytes).then_some(bundle)
    }

    /// The form that clients read and write.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a bundle has no map whose keys are not texts")
    }
}
