//! The guard beside the store: it says which store is this node's, and how far that was.
//!
//! A store is the memory of what a node has signed. Whether one was replaced, or set back, it cannot say itself; the guard is
//! in no copy of it.
//!
//! | file | says | written |
//! |---|---|---|
//! | `guard` | the store's name, its count of starts and stops, for each log how many slots had been opened | at each start and each orderly stop, synced |
//! | `guard.mark` | the store's name, how many turns were synced in it | after each of them; not synced itself, so that it outlives the process, and is at most too old after a power cut |
//!
//! The store is always written first: it may be ahead of the guard, never behind it.

use crate::files::{WriteError, write_synced};
use crate::store::StoreId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the file.
const VERSION: u32 = 1;

/// What the guard says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The name of the store; none if it was taken away.
    pub store: Option<StoreId>,
    /// How many times a node had started with it or stopped in order.
    pub count: u64,
    /// For each log, how many slots had been opened.
    pub opened: BTreeMap<String, u64>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    store: Option<String>,
    count: u64,
    opened: BTreeMap<String, u64>,
}

/// Why a guard is of no use.
#[derive(Debug, Error)]
pub enum GuardError {
    /// It cannot be read.
    #[error(
        "{} cannot be read: {why}. It says which store is this node's; `hpaxos store reset --home {}` makes a new one, and \
         the node then signs nothing until that is safe",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Guard {
    /// What the guard at `path` says; none if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>, GuardError> {
        let unreadable = |why: String| GuardError::Unreadable { path: path.to_owned(), why };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        Guard::decode(&text).map(Some).map_err(unreadable)
    }

    /// What the bytes of a guard say.
    ///
    /// # Errors
    /// Why they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text: Text = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Text { version, store, count, opened } = text;
        if version != VERSION {
            return Err(format!("it has version {version}, not {VERSION}"));
        }
        let store = store.map(|name| name.parse()).transpose();
        let store = store.map_err(|_| "its `store` is no name of a store".to_owned())?;
        Ok(Guard { store, count, opened })
    }

    /// Writes it, and waits until it is on disk.
    ///
    /// # Errors
    /// If it is not.
    pub fn write(&self, path: &Path) -> Result<(), GuardError> {
        Ok(write_synced(path, &self.encode())?)
    }

    /// As it is written.
    pub fn encode(&self) -> String {
        let text = Text {
            version: VERSION,
            store: self.store.map(|name| name.to_string()),
            count: self.count,
            opened: self.opened.clone(),
        };
        serde_json::to_string(&text).expect("plain data has a text") + "\n"
    }
}

/// Why a mark cannot be written.
#[derive(Clone, Debug, Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct MarkError {
    /// The file.
    path: PathBuf,
    /// Why not.
    error: String,
}

/// The mark of a store that is in use.
#[derive(Debug)]
pub struct Mark {
    path: PathBuf,
    file: File,
}

const NAME_BYTES: usize = 16;

impl Mark {
    /// Where the mark of the guard at `guard` is.
    pub fn path(guard: &Path) -> PathBuf {
        let mut path = guard.as_os_str().to_owned();
        path.push(".mark");
        path.into()
    }

    /// How many turns were synced in the store of this name; none if that is not known.
    pub fn read(guard: &Path, store: StoreId) -> Option<u64> {
        Mark::decode(&fs::read(Mark::path(guard)).ok()?, store)
    }

    /// What the bytes of a mark say of the store of this name.
    pub fn decode(bytes: &[u8], store: StoreId) -> Option<u64> {
        let (name, turns) = bytes.split_at_checked(NAME_BYTES)?;
        let turns = turns.try_into().ok().map(u64::from_be_bytes);
        turns.filter(|_| name == store.0)
    }

    /// Begins the mark of a store in which so many turns were synced.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(guard: &Path, store: StoreId, turns: u64) -> Result<Self, MarkError> {
        let path = Mark::path(guard);
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mark = match file {
            Ok(file) => Mark { path, file },
            Err(error) => return Err(MarkError { path, error: error.to_string() }),
        };
        mark.write(&[&store.0[..], &turns.to_be_bytes()].concat(), 0)?;
        Ok(mark)
    }

    /// So many turns are synced now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set(&self, turns: u64) -> Result<(), MarkError> {
        self.write(&turns.to_be_bytes(), NAME_BYTES as u64)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), MarkError> {
        let written: io::Result<()> = self.file.write_all_at(bytes, at);
        written.map_err(|error| MarkError { path: self.path.clone(), error: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let opened = BTreeMap::from([("red+blue".to_owned(), 40)]);
        Guard { store: Some(StoreId([7; 16])), count: 3, opened }
    }

    #[test]
    fn says_what_it_was_told_or_that_it_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        assert_eq!(Guard::read(&path).unwrap(), None);
        guard().write(&path).unwrap();
        assert_eq!(Guard::read(&path).unwrap(), Some(guard()));
        Guard { store: None, ..guard() }.write(&path).unwrap();
        assert_eq!(Guard::read(&path).unwrap(), Some(Guard { store: None, ..guard() }));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

        let whole = fs::read_to_string(&path).unwrap();
        for text in ["", "{", &whole.replace("\"version\":1", "\"version\":2"), &whole[..20]] {
            fs::write(&path, text).unwrap();
            let error = Guard::read(&path).unwrap_err().to_string();
            assert!(error.contains("guard cannot be read"), "{error}");
            assert!(error.contains("`hpaxos store reset --home "), "{error}");
        }
    }

    #[test]
    fn a_mark_is_of_one_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let (one, other) = (StoreId([1; 16]), StoreId([2; 16]));
        assert_eq!(Mark::read(&path, one), None);
        let mark = Mark::begin(&path, one, 5).unwrap();
        assert_eq!((Mark::read(&path, one), Mark::read(&path, other)), (Some(5), None));
        mark.set(u64::MAX).unwrap();
        assert_eq!(Mark::read(&path, one), Some(u64::MAX));
        Mark::begin(&path, other, 1).unwrap();
        assert_eq!((Mark::read(&path, one), Mark::read(&path, other)), (None, Some(1)));
        fs::write(Mark::path(&path), [2; 20]).unwrap();
        assert_eq!(Mark::read(&path, other), None, "half a number is none");
    }
}
