//! Views: what learners executed, the ledger's own bytes.
//!
//! A view can be replaced by another one, which is written beside it: the generation says which of the two counts.

use super::keys::{VIEW_PREFIX_BYTES, view_key};
use super::{LogIndex, Row, Store, StoreError, VIEWS};
use rocksdb::{Direction, IteratorMode, ReadOptions, Snapshot, WriteBatch, WriteOptions};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// Of each log, which generation of its view counts, once it was looked up.
pub(super) type Generations = RwLock<BTreeMap<LogIndex, u16>>;

/// Where the generation of a log's view stands.
pub(super) fn generation_key(log: LogIndex) -> String {
    format!("view/{}", log.0)
}

/// The rows of a generation of a log's view.
pub struct ViewRows<'a> {
    store: &'a Store,
    log: LogIndex,
    generation: u16,
    /// The store as it was at one moment, for those who read more than one row while others write.
    frozen: Option<Snapshot<'a>>,
}

impl ViewRows<'_> {
    /// A row.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (views, key) = (self.store.family(VIEWS), view_key(self.log, self.generation, key));
        self.store.noted(match &self.frozen {
            Some(frozen) => frozen.get_cf(views, key),
            None => self.store.database.get_cf(views, key),
        })
    }

    /// The last row from one key to another, both included.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut last = None;
        self.each_back(from, to, &mut |key, value| {
            last = Some((key.to_vec(), value.to_vec()));
            false
        })?;
        Ok(last)
    }

    /// Shows all rows from one key to another, both included, the last one first, until `visit` says no.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn each_back(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let key = |key| view_key(self.log, self.generation, key);
        let (from, to) = (key(from), key(to));
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(from);
        let mode = IteratorMode::From(&to, Direction::Reverse);
        let views = self.store.family(VIEWS);
        let rows = match &self.frozen {
            Some(frozen) => frozen.iterator_cf_opt(views, read, mode),
            None => self.store.database.iterator_cf_opt(views, read, mode),
        };
        for row in rows {
            let (key, value) = self.store.noted(row)?;
            if !visit(&key[VIEW_PREFIX_BYTES..], &value) {
                break;
            }
        }
        Ok(())
    }
}

impl Store {
    /// A log's view, as it is while it is read.
    pub fn view(&self, log: LogIndex) -> ViewRows<'_> {
        ViewRows { store: self, log, generation: self.generation(log), frozen: None }
    }

    /// A log's view, as it is now, whatever is written meanwhile.
    pub fn frozen_view(&self, log: LogIndex) -> ViewRows<'_> {
        loop {
            let generation = self.generation(log);
            let frozen = Some(self.database.snapshot());
            // Nobody replaced it in between.
            if self.generation(log) == generation {
                return ViewRows { store: self, log, generation, frozen };
            }
        }
    }

    /// Which generation of a log's view counts.
    pub(super) fn generation(&self, log: LogIndex) -> u16 {
        let known = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = known.get(&log) {
            return *generation;
        }
        drop(known);
        let kept = self.kept(&generation_key(log)).unwrap_or_else(|error| self.give_up(error));
        let generation = kept.map_or(0, |bytes| {
            let bytes = bytes.try_into().unwrap_or_else(|_| {
                self.give_up(self.damaged("the generation of a view cannot be read"))
            });
            u16::from_be_bytes(bytes)
        });
        self.set_generation(log, generation);
        generation
    }

    pub(super) fn set_generation(&self, log: LogIndex, generation: u16) {
        let mut known = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(log, generation);
    }

    /// Changes a log's view, in one step. After a crash it may be as before: it can be worked out again.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn write_view<'a>(
        &self,
        log: LogIndex,
        changes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        self.write_generation(log, self.generation(log), changes)
    }

    /// Writes a part of the view that is to take the place of a log's view, once it [is whole](Store::replace_view).
    ///
    /// # Errors
    /// If the disk fails.
    pub fn stage_view<'a>(
        &self,
        log: LogIndex,
        changes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        self.write_generation(log, self.generation(log).wrapping_add(1), changes)
    }

    fn write_generation<'a>(
        &self,
        log: LogIndex,
        generation: u16,
        changes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let views = self.family(VIEWS);
        for (key, value) in changes {
            match value {
                Some(value) => batch.put_cf(views, view_key(log, generation, key), value),
                // It was written once, and mostly is in memory only: then nothing of it ever reaches a file.
                None => batch.single_delete_cf(views, view_key(log, generation, key)),
            }
        }
        self.noted(self.database.write_opt(batch, &unlogged()))
    }

    /// Deletes what was staged of a log's view, or what was replaced: everything but the generation that counts.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn clear_staged(&self, log: LogIndex) -> Result<(), StoreError> {
        let generation = self.generation(log);
        let views = self.family(VIEWS);
        let start = |log: u16, generation: u16| view_key(LogIndex(log), generation, &[]);
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(views, start(log.0, 0), start(log.0, generation));
        if let Some(next) = generation.checked_add(1) {
            batch.delete_range_cf(views, start(log.0, next), start(log.0 + 1, 0));
        }
        self.noted(self.database.write_opt(batch, &unlogged()))
    }

    /// Deletes all views.
    pub(super) fn clear_views(&self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(self.family(VIEWS), &[0][..], &[u8::MAX; 3][..]);
        self.noted(self.database.write_opt(batch, &unlogged()))?;
        self.sync_views()
    }

    /// Waits until all that was written to views is on disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync_views(&self) -> Result<(), StoreError> {
        self.noted(self.database.flush_cf(self.family(VIEWS)))
    }
}

/// Views are not in the write-ahead log: their family goes to disk in the order of its writes.
fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}
