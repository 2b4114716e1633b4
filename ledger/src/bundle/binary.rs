//! Decoding that allocates no more than what is really there, whatever a length says.

use borsh::BorshDeserialize;
use hpaxos_consensus::LOG_NAME_BYTES_MAX;
use std::io::{Error, Read, Result};

/// The longest name of a log.
pub(super) const LOG_BYTES_MAX: usize = LOG_NAME_BYTES_MAX;

/// At most `MAX` bytes.
pub(super) fn bytes<R: Read, const MAX: usize>(from: &mut R) -> Result<Vec<u8>> {
    let length = count::<R, MAX>(from)?;
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(Error::other("it ends too early")) }
}

/// At most `MAX` bytes of UTF-8.
pub(super) fn text<R: Read, const MAX: usize>(from: &mut R) -> Result<String> {
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

fn count<R: Read, const MAX: usize>(from: &mut R) -> Result<usize> {
    let length = u32::deserialize_reader(from)? as usize;
    if length <= MAX { Ok(length) } else { Err(Error::other("a length is above its limit")) }
}
