//! Key files: one ed25519 key each, for a validator or for a client of the ledger.
//!
//! A key file is JSON, and readable by its owner only. Its secret stands in it as it is,
//!
//! ```json
//! { "version": 1, "public-key": "<64 hex>", "secret-key": "<64 hex>" }
//! ```
//!
//! or encrypted with XChaCha20-Poly1305 under a key that Argon2id makes of a passphrase:
//!
//! ```json
//! { "version": 1, "public-key": "<64 hex>",
//!   "encrypted-key": { "memory-kib": 65536, "passes": 3, "lanes": 1,
//!                      "salt": "<32 hex>", "nonce": "<48 hex>", "ciphertext": "<96 hex>" } }
//! ```
//!
//! The authenticated data are the tag `hpaxos/v1/key-file\0` and the public key: a secret cannot be put under another
//! key's name. Secrets are overwritten in memory when they are no longer needed, and a process that has seen one writes no
//! core dump. There is no way to give a passphrase as an argument or in the environment, where other processes could read
//! it.

mod encryption;
mod file;
mod machine;
mod no_dumps;
mod passphrase;

pub use encryption::{Cost, Encrypted};
pub use file::KeyFile;
pub use machine::{KeyInUse, KeyLock};
pub use no_dumps::no_core_dumps;
pub use passphrase::{Passphrase, PassphraseFrom};

use ed25519_dalek::SigningKey;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a key cannot be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file system says no.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried, as in "read".
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is something already.
    #[error("{} exists already, and a key is never overwritten: move it away, or choose another place", .0.display())]
    Exists(PathBuf),
    /// Others could read it.
    #[error(transparent)]
    Permissions(#[from] Permissions),
    /// It is no key file.
    #[error("{} is no key file: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is a passphrase, and none was given.
    #[error("the key is encrypted: it needs its passphrase")]
    PassphraseNeeded,
    /// A wrong passphrase, or a damaged file: they cannot be told apart.
    #[error("the passphrase is wrong, or the key file is damaged")]
    WrongPassphrase,
    /// No passphrase can be read.
    #[error("{0}")]
    NoPassphrase(String),
    /// The operating system has no randomness, or cannot be told not to dump core.
    #[error("the operating system refuses {what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// Somebody else could read what is secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} is open to others (mode {mode:04o}): run `chmod {right} {}`",
    path.display(),
    path.display()
)]
pub struct Permissions {
    /// The file or folder.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The mode that it should have, as chmod takes it.
    pub right: &'static str,
}

impl Permissions {
    /// Refuses a file or folder of which the group or others have any right.
    ///
    /// # Errors
    /// That it is open.
    pub fn check(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Self> {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o7777;
        let right = if metadata.is_dir() { "700" } else { "600" };
        if mode & 0o077 == 0 {
            return Ok(());
        }
        Err(Permissions { path: path.to_owned(), mode, right })
    }
}

/// An ed25519 public key, shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The public key of `key`.
    pub fn of(key: &SigningKey) -> Self {
        PublicKey(key.verifying_key().to_bytes())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut key = [0; 32];
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if lower && hex::decode_to_slice(text, &mut key).is_ok() {
            return Ok(PublicKey(key));
        }
        let shown: String = text.chars().take(70).flat_map(char::escape_debug).collect();
        Err(format!("`{shown}` is no public key: it should be 64 lower-case hex digits"))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text: Cow<'de, str> = Deserialize::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A new key, from the operating system's randomness. From here on the process writes no core dumps.
///
/// # Errors
/// If there is no randomness, or core dumps cannot be prevented.
pub fn new_key() -> Result<SigningKey, KeyError> {
    no_core_dumps()?;
    let mut secret = Zeroizing::new([0; 32]);
    fill_random(secret.as_mut_slice())?;
    Ok(SigningKey::from_bytes(&secret))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), KeyError> {
    let no_randomness =
        |error| KeyError::System { what: "randomness", error: io::Error::other(error) };
    OsRng.try_fill_bytes(bytes).map_err(no_randomness)
}
