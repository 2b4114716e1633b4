//! A file that a replica appends to: for what a peer leaves to its application to keep.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Append-only; what was appended is on disk when [`Journal::append`] returns.
pub struct Journal(File);

impl Journal {
    /// A new one.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Journal(File::create_new(path).with_context(|| path.display().to_string())?))
    }

    /// One write, one `fdatasync`.
    pub fn append(&mut self, record: &[u8]) -> Result<()> {
        self.0.write_all(record)?;
        self.0.sync_data()?;
        Ok(())
    }
}
