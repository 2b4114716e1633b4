//! Reading the files of a network, learner graph and genesis, with errors at their place.

use hpaxos_learner_graph::LearnerGraph;
use hpaxos_learner_graph::file::{FILE_BYTES_MAX, FileError, read_bytes};
use hpaxos_ledger::{GENESIS_BYTES_MAX, Genesis};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An error that points at a place of a file, with the file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorInFile {
    /// The file, as it was named.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// What is wrong, and where.
    pub error: FileError,
}

impl fmt::Display for ErrorInFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.error.line, self.error.column, self.error.message)
    }
}

impl std::error::Error for ErrorInFile {}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("cannot {what} {}: {error}", path.display())]
    Unreadable {
        /// "open" or "read".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no UTF-8.
    #[error("{} is no UTF-8 text", .0.display())]
    NoText(PathBuf),
    /// What it says is wrong.
    #[error("{0}")]
    Wrong(#[source] ErrorInFile),
}

/// Reads the learner graph at `path`; `-` is standard input.
///
/// # Errors
/// If the file cannot be read, or is no learner graph.
pub fn read_graph(path: &Path) -> Result<LearnerGraph, ReadError> {
    let bytes = read(path, FILE_BYTES_MAX)?;
    read_bytes(&bytes).map_err(|error| wrong(path, &bytes, error))
}

/// Reads the genesis at `path`, of a network with this `graph`.
///
/// # Errors
/// If the file cannot be read, or is no genesis for this graph.
pub fn read_genesis(path: &Path, graph: &LearnerGraph) -> Result<Genesis, ReadError> {
    let bytes = read(path, GENESIS_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ReadError::NoText(path.to_owned()))?;
    Genesis::read(text, graph).map_err(|error| wrong(path, &bytes, error))
}

/// The bytes of the file at `path`; `-` is standard input. Of one that is too long, one more than the limit.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    let unreadable =
        |what| move |error| ReadError::Unreadable { what, path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(unreadable("read"))?;
    } else {
        let file = File::open(path).map_err(unreadable("open"))?;
        file.take(limit).read_to_end(&mut bytes).map_err(unreadable("read"))?;
    }
    Ok(bytes)
}

/// Why a file was not written.
#[derive(Debug, Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub error: io::Error,
}

/// Writes a file so that nobody ever sees half of it.
///
/// # Errors
/// If the disk says no.
pub fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| WriteError { path: path.to_owned(), error })
}

/// Writes a file so that nobody ever sees half of it, not even after a power cut, and waits until it is on disk.
///
/// # Errors
/// If the disk says no.
pub fn write_synced(path: &Path, text: &str) -> Result<(), WriteError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let write = || {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        sync_folder(path)
    };
    write().map_err(|error| WriteError { path: path.to_owned(), error })
}

/// Waits until it is on disk what the folder around `path` contains.
///
/// # Errors
/// If the disk says no.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn wrong(path: &Path, bytes: &[u8], error: FileError) -> ReadError {
    let text = String::from_utf8_lossy(bytes).into_owned();
    ReadError::Wrong(ErrorInFile { path: path.display().to_string(), text, error })
}
