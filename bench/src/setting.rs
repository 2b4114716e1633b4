//! Where and how long to measure: what every section is given.

use anyhow::{Context, Result};
use std::path::PathBuf;
use tempfile::TempDir;

/// What a section needs to know.
pub struct Setting {
    /// The folder with `hpaxos` and `hpaxos-testnet`.
    pub programs: PathBuf,
    /// Short runs, and fewer of them.
    pub quick: bool,
    /// The folder in which others are made that are on the disk.
    pub disk: PathBuf,
}

/// Where a network or a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file system of the report.
    Disk,
    /// The machine's memory, where a sync costs next to nothing.
    Memory,
}

/// The usual place of a file system in memory.
const MEMORY: &str = "/dev/shm";

impl Setting {
    /// A folder that is gone with what is returned.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self, place: Place) -> Result<TempDir> {
        let above = match place {
            Place::Disk => self.disk.clone(),
            Place::Memory => MEMORY.into(),
        };
        tempfile::Builder::new()
            .prefix("hpaxos-bench-")
            .tempdir_in(&above)
            .with_context(|| format!("cannot make a folder in {}", above.display()))
    }
}
