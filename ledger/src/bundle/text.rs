//! How bytes and amounts are written in JSON.

use crate::digest::from_hex;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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

pub(crate) fn hex_list<S: Serializer, const N: usize>(
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

/// Reads what [`hex_list`] writes.
pub(crate) fn read_hex_list<'de, D: Deserializer<'de>, const N: usize>(
    from: D,
) -> Result<Vec<[u8; N]>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let right = || de::Error::custom(format!("should be {} lower-case hex digits", 2 * N));
    texts.iter().map(|text| from_hex(text).ok_or_else(right)).collect()
}
