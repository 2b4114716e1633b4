//! Decoding that allocates no more than what is really there, whatever a length says.

use borsh::BorshDeserialize;
use hpaxos_consensus::LOG_NAME_BYTES_MAX;
use std::io::{Error, Read, Result};

/// The longest name of a log.
pub(crate) const LOG_BYTES_MAX: usize = LOG_NAME_BYTES_MAX;

/// At most `MAX` bytes.
pub(crate) fn bytes<R: Read, const MAX: usize>(from: &mut R) -> Result<Vec<u8>> {
    let length = count::<R, MAX>(from)?;
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(Error::other("it ends too early")) }
}

/// At most `MAX` bytes of UTF-8.
pub(crate) fn text<R: Read, const MAX: usize>(from: &mut R) -> Result<String> {
    String::from_utf8(bytes::<R, MAX>(from)?).map_err(|_| Error::other("a text is not UTF-8"))
}

/// At most `MAX` things.
pub(crate) fn list<R: Read, T: BorshDeserialize, const MAX: usize>(from: &mut R) -> Result<Vec<T>> {
    let length = count::<R, MAX>(from)?;
    let mut things = Vec::new();
    for _ in 0..length {
        things.push(T::deserialize_reader(from)?);
    }
    Ok(things)
}

/// At most `MAX` texts of at most `BYTES_MAX` bytes each.
pub(crate) fn texts<R: Read, const MAX: usize, const BYTES_MAX: usize>(
    from: &mut R,
) -> Result<Vec<String>> {
    let length = count::<R, MAX>(from)?;
    let mut texts = Vec::new();
    for _ in 0..length {
        texts.push(text::<R, BYTES_MAX>(from)?);
    }
    Ok(texts)
}

fn count<R: Read, const MAX: usize>(from: &mut R) -> Result<usize> {
    let length = u32::deserialize_reader(from)? as usize;
    if length <= MAX { Ok(length) } else { Err(Error::other("a length is above its limit")) }
}
