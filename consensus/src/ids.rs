//! The names of things: messages, values, slots, rounds and ballots.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A 32-byte SHA-256 digest that names something.
macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            fn words(&self) -> [u64; 4] {
                std::array::from_fn(|word| {
                    let bytes = self.0[word * 8..][..8].try_into().expect("eight bytes");
                    u64::from_be_bytes(bytes)
                })
            }
        }

        /// As byte strings; compared in words, because the engine looks up many of them.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.words().cmp(&other.words())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(&self.0[..4]))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text: Cow<str> = Deserialize::deserialize(from)?;
                let mut bytes = [0; 32];
                let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                match hex::decode_to_slice(text.as_bytes(), &mut bytes) {
                    Ok(()) if lower => Ok($name(bytes)),
                    _ => Err(de::Error::custom(format!("{text:?} is not 64 lower-case hex digits"))),
                }
            }
        }
    };
}

digest! {
    /// The id of a message: the hash of its kind, network, place and body. The signature is not covered.
    MessageId
}
digest! {
    /// The hash of a value; what is proposed, voted and decided. The engine never sees the value itself.
    ValueHash
}
digest! {
    /// The id of a network: its learner graph and what everybody starts with.
    NetworkId
}

/// A number that counts one thing.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The one after it.
            #[must_use]
            pub fn next(self) -> Self {
                $name(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// One consensus instance of a log.
    Slot(u64)
}
counter! {
    /// One attempt at a decision, led by one proposer.
    Round(u64)
}
counter! {
    /// Which learner graph a network is on; 0 in version 1.
    Epoch(u32)
}

// ANCHOR: ballot
/// Round, then value hash: two values never share a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The round of its 1a.
    pub round: Round,
    /// The value that its 1a proposes.
    pub value: ValueHash,
}
// ANCHOR_END: ballot

/// 16 hex digits of the round, a dash, and the value's hash: sorts as a string.
impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.round.0, self.value)
    }
}

impl Serialize for Ballot {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ballot {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text: Cow<str> = Deserialize::deserialize(from)?;
        let parsed = text.split_once('-').and_then(|(round, value)| {
            let round = (round.len() == 16).then(|| u64::from_str_radix(round, 16).ok())??;
            let mut hash = [0; 32];
            hex::decode_to_slice(value, &mut hash).ok()?;
            Some(Ballot { round: Round(round), value: ValueHash(hash) })
        });
        parsed
            .filter(|ballot| ballot.to_string() == *text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is not <16 hex>-<64 hex>")))
    }
}

/// The name of a log.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogName(pub Arc<str>);

/// The longest name of a log: no longer ones can be declared, and a decoder allocates no more.
pub const LOG_NAME_BYTES_MAX: usize = 4_096;

impl BorshDeserialize for LogName {
    fn deserialize_reader<R: std::io::Read>(from: &mut R) -> std::io::Result<Self> {
        let length = u32::deserialize_reader(from)? as usize;
        if length > LOG_NAME_BYTES_MAX {
            return Err(std::io::Error::other("the name of the log is too long"));
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| std::io::Error::other("the name of the log is not UTF-8"))?;
        Ok(LogName(text.into()))
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a message belongs: one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// Whose trust model counts.
    pub epoch: Epoch,
    /// The log.
    pub log: LogName,
    /// The slot of the log.
    pub slot: Slot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_compare_as_byte_strings() {
        let id = |first: u8, last: u8| {
            let mut bytes = [7; 32];
            (bytes[0], bytes[31]) = (first, last);
            MessageId(bytes)
        };
        assert!(id(1, 9) < id(2, 0) && id(1, 8) < id(1, 9));
        assert_eq!(id(3, 3).cmp(&id(3, 3)), Ordering::Equal);
    }
}
