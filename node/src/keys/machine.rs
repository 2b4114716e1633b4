//! One process of a machine signs with a key, whatever home it is in.
//!
//! On Linux the process holds a socket that has a name and no file: the system gives it back however the process ends, and
//! nothing is left behind. Elsewhere it locks a file in the folder for temporary ones. Two machines, and containers with
//! networks of their own, do not see each other.

use super::PublicKey;
use std::io;
use thiserror::Error;

/// Why a key cannot be taken.
#[derive(Debug, Error)]
pub enum KeyInUse {
    /// Somebody has it.
    #[error(
        "another process on this machine runs with the key {0}: two that sign with one key contradict each other. Stop it, \
         and keep one home for each key"
    )]
    Taken(PublicKey),
    /// The system says no.
    #[error("cannot find out whether another process on this machine runs with the key {0}: {1}")]
    Io(PublicKey, io::Error),
}

/// As long as this lives, no other process of this machine takes the key.
#[derive(Debug)]
pub struct KeyLock(#[expect(dead_code, reason = "closing it gives the key back")] Held);

#[cfg(target_os = "linux")]
type Held = std::os::unix::net::UnixDatagram;
#[cfg(not(target_os = "linux"))]
type Held = std::fs::File;

impl KeyLock {
    /// Takes a key for this process.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(key: PublicKey) -> Result<Self, KeyInUse> {
        match hold(key) {
            Ok(held) => Ok(KeyLock(held)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(KeyInUse::Taken(key)),
            Err(error) => Err(KeyInUse::Io(key, error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn hold(key: PublicKey) -> io::Result<Held> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let address = SocketAddr::from_abstract_name(format!("hpaxos/{key}"))?;
    Held::bind_addr(&address)
}

#[cfg(not(target_os = "linux"))]
fn hold(key: PublicKey) -> io::Result<Held> {
    use std::fs::{OpenOptions, TryLockError};
    let path = std::env::temp_dir().join(format!("hpaxos-{key}.lock"));
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::new_key;

    #[test]
    fn a_key_is_taken_once_at_a_time() {
        let [one, other] = [(), ()].map(|()| PublicKey::of(&new_key().unwrap()));
        let lock = KeyLock::take(one).unwrap();
        let refused = KeyLock::take(one).unwrap_err().to_string();
        assert!(
            refused.contains(&one.to_string()) && refused.contains("another process"),
            "{refused}"
        );
        drop(KeyLock::take(other).unwrap());
        drop(lock);
        drop(KeyLock::take(one).unwrap());
    }
}
