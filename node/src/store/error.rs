//! Why a store cannot be used, and how whoever reads from it gives up.
//!
//! A view reads its rows by way of the ledger, which knows of no disks. What cannot be read ends whatever was being worked
//! out: by unwinding with the error, which threads and requests give back at their end.

use super::VERSION;
use crate::guard::MarkError;
use hpaxos_consensus::NetworkId;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use thiserror::Error;

/// Why a store cannot be used.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The database.
    #[error("the store: {0}")]
    Database(rocksdb::Error),
    /// Written by a newer program.
    #[error(
        "the store has version {0}; this program knows versions up to {VERSION}: use a newer one"
    )]
    Version(u32),
    /// Written by an older program, and only looked at.
    #[error(
        "the store has version {0}, and this program writes version {VERSION}: the node brings it up when it runs"
    )]
    Older(u32),
    /// Of another network.
    #[error("the store belongs to network {found}; the learner graph and genesis make {expected}")]
    Network {
        /// The store's.
        found: NetworkId,
        /// The one that was asked for.
        expected: NetworkId,
    },
    /// Of another validator.
    #[error("the store belongs to the key {found}; this node's key is {expected}")]
    Owner {
        /// The store's.
        found: String,
        /// The node's.
        expected: String,
    },
    /// There is none.
    #[error("there is no store at {}: a node makes it when it runs for the first time", .0.display())]
    Missing(PathBuf),
    /// The mark outside of it cannot be written.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// Something that is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        use rocksdb::ErrorKind as Kind;
        let text = error.as_ref();
        // A file that is gone, and a sector that cannot be read; not a disk that is full, or a file of another user.
        let is_gone = || {
            ["No such file or directory", "Input/output error"].iter().any(|why| text.contains(why))
        };
        match error.kind() {
            Kind::Corruption | Kind::NotFound => StoreError::Damaged(error.into_string()),
            Kind::IOError if is_gone() => StoreError::Damaged(error.into_string()),
            _ => StoreError::Database(error),
        }
    }
}

/// Does something that reads views, and returns the error by which it was given up, if it was.
///
/// # Errors
/// If the store could not be read.
pub fn reading<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(given_up(payload)))
}

/// Why a thread or task gave up; a panic goes on.
pub fn given_up(payload: Box<dyn Any + Send>) -> StoreError {
    match payload.downcast::<StoreError>() {
        Ok(error) => *error,
        Err(panic) => resume_unwind(panic),
    }
}
