//! Walking through all that is stored, for those who look after it.

use super::keys::{read_block_key, view_key};
use super::{BLOCKS, DECISIONS, EVIDENCE, FAMILIES, LogIndex, MESSAGES, Store, StoreError, VIEWS};
use hpaxos_consensus::{Record, Schedule, Slot, ValueHash};

/// A record where it is stored.
pub struct Placed {
    /// The slot of its key.
    pub slot: Slot,
    /// Its number in the log.
    pub number: u64,
    /// The bytes of its row.
    pub bytes: usize,
    /// It, if it can be read.
    pub record: Result<Record, StoreError>,
}

/// A block where it is stored.
pub struct PlacedBlock {
    /// The slot of its key.
    pub slot: Slot,
    /// The hash in its key.
    pub value: ValueHash,
    /// It.
    pub bytes: Vec<u8>,
}

impl Store {
    /// All records of a log: messages and rounds first, by slot and number, then decisions.
    pub fn each_record(
        &self,
        log: LogIndex,
        schedule: &Schedule,
    ) -> impl Iterator<Item = Result<Placed, StoreError>> {
        let families = [MESSAGES, DECISIONS].into_iter();
        let entries = families.flat_map(move |family| self.scan(family, prefix(log)));
        entries.map(move |entry| {
            let (key, bytes) = entry?;
            let (slot, number) = self.read_key(&key)?;
            let record = self.decode(&bytes, schedule);
            Ok(Placed { slot, number, bytes: key.len() + bytes.len(), record })
        })
    }

    /// All blocks of a log, by slot.
    pub fn each_block(
        &self,
        log: LogIndex,
    ) -> impl Iterator<Item = Result<PlacedBlock, StoreError>> {
        self.scan(BLOCKS, prefix(log)).map(|entry| {
            let (key, bytes) = entry?;
            let (slot, value) = read_block_key(&key)
                .ok_or_else(|| self.damaged("the key of a block cannot be read"))?;
            Ok(PlacedBlock { slot, value, bytes: bytes.into_vec() })
        })
    }

    /// The bytes of each row of a log's view.
    pub fn each_view_row(&self, log: LogIndex) -> impl Iterator<Item = Result<usize, StoreError>> {
        let view = view_key(log, self.generation(log), &[]);
        self.scan(VIEWS, view).map(|entry| {
            let (key, bytes) = entry?;
            Ok(key.len() + bytes.len())
        })
    }

    /// How many rows there are, more or less.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn rows_about(&self) -> Result<u64, StoreError> {
        let mut rows = 0;
        for family in FAMILIES {
            let property = "rocksdb.estimate-num-keys";
            let of_family = self.database.property_int_value_cf(self.family(family), property);
            rows += self.noted(of_family)?.unwrap_or(0);
        }
        Ok(rows)
    }

    /// How many proofs of misbehaviour there are in a log.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn evidence_count(&self, log: LogIndex) -> Result<u64, StoreError> {
        self.scan(EVIDENCE, prefix(log)).try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    /// Whether nothing may be signed in some slots of a log, because the store was lost once.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn was_lost(&self, log: LogIndex) -> Result<bool, StoreError> {
        Ok(self.kept(&super::records::silent_key(log))?.is_some())
    }
}

fn prefix(log: LogIndex) -> Vec<u8> {
    log.0.to_be_bytes().to_vec()
}
