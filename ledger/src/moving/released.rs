//! What was let go.

use crate::bundle::binary::{self, LOG_BYTES_MAX};
use crate::bundle::text;
use crate::digest::sha256;
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const TAG: &[u8] = b"hpaxos/v1/released\0";

/// Something that a log let go, and the operation that did it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// The chain.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub chain: String,
    /// The number of the operation in the chain's part of the bundle, from 0.
    pub operation: u32,
    /// The log that may claim it.
    #[borsh(deserialize_with = "binary::text::<_, LOG_BYTES_MAX>")]
    pub to_log: String,
    /// What it is.
    pub thing: Thing,
}

/// What can be let go: as it was, and as it will be.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Thing {
    /// An object.
    Object {
        /// Its name, which it keeps: `<birth log>:<key>`.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        key: String,
        /// What its owner put in.
        #[serde(serialize_with = "text::base64", deserialize_with = "text::read_base64")]
        #[borsh(deserialize_with = "binary::bytes::<_, VALUE_BYTES_MAX>")]
        value: Vec<u8>,
        /// Whose signature changes it.
        #[serde(serialize_with = "text::hex", deserialize_with = "text::read_hex")]
        owner: [u8; 32],
        /// How often it was written.
        version: u64,
        /// How much of the deposit's asset its last owner gets back.
        #[serde(serialize_with = "text::decimal", deserialize_with = "text::read_decimal")]
        deposit: u128,
    },
    /// So much of an asset.
    Balance {
        /// The asset's name.
        #[borsh(deserialize_with = "binary::text::<_, KEY_BYTES_MAX>")]
        asset: String,
        /// Whose.
        #[serde(serialize_with = "text::hex", deserialize_with = "text::read_hex")]
        owner: [u8; 32],
        /// How much.
        #[serde(serialize_with = "text::decimal", deserialize_with = "text::read_decimal")]
        amount: u128,
    },
}

impl Released {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// What stands for it in the result of its bundle: SHA-256 of the tag `hpaxos/v1/released\0` and the canonical encoding.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&[TAG, &self.to_bytes()])
    }
}
