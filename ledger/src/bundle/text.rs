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

/// Reads what [`hex`] writes.
pub(crate) fn read_hex<'de, D: Deserializer<'de>, const N: usize>(
    from: D,
) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(from)?;
    let right = || de::Error::custom(format!("should be {} lower-case hex digits", 2 * N));
    from_hex(&text).ok_or_else(right)
}

/// Reads what [`base64`] writes.
pub(crate) fn read_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    BASE64_STANDARD.decode(text).map_err(|_| de::Error::custom("should be base64"))
}

/// Reads what [`decimal`] writes.
pub(crate) fn read_decimal<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
    let text = String::deserialize(from)?;
    amount(&text).ok_or_else(|| de::Error::custom("should be a decimal number in quotes"))
}

/// Decimal digits, as they are written out again.
pub(crate) fn amount(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| digits && plain)
}
