//! How bytes and amounts are written in JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};

pub(crate) fn hex<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex::encode(bytes))
}

pub(super) fn optional_hex<S: Serializer>(
    bytes: &Option<[u8; 32]>,
    to: S,
) -> Result<S::Ok, S::Error> {
    bytes.map(hex::encode).serialize(to)
}

pub(super) fn hex_list<S: Serializer, const N: usize>(
    list: &[[u8; N]],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(hex::encode))
}

pub(crate) fn base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&BASE64_STANDARD.encode(bytes))
}

pub(crate) fn decimal<S: Serializer>(amount: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(amount)
}
