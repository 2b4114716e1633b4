//! Where and how long to measure: what every section is given.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::PathBuf;
use tempfile::TempDir;

/// What a section needs to know.
pub struct Setting {
    /// The folder with `hpaxos` and `hpaxos-testnet`.
    programs: PathBuf,
    /// Short runs, and fewer of them.
    pub quick: bool,
    /// The folder in which others are made that are on the disk.
    disk: PathBuf,
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Disk => "disk",
            Place::Memory => "memory",
        })
    }
}

impl Setting {
    /// One of these.
    pub fn new(programs: PathBuf, quick: bool, disk: PathBuf) -> Self {
        Setting { programs, quick, disk }
    }

    /// A program of the project.
    ///
    /// # Errors
    /// If it is not there.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.programs.join(name);
        if !path.is_file() {
            bail!(
                "there is no {}: `cargo build --release --workspace --bins` builds it, and --programs says where it is",
                path.display()
            );
        }
        Ok(path)
    }

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
