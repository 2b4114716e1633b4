//! The engine's records.
//!
//! They are numbered in the order in which they are stored. Each run of the node has its own numbers, so that none has to
//! be looked for.

use super::keys::{record_key, slot_key};
use super::{DECISIONS, Decided, Entry, LogIndex, MESSAGES, META, Store, StoreError, Turn};
use hpaxos_consensus::{Record, Schedule, Slot};
use rocksdb::Range;

/// Bits of a record's number that count within a run.
pub const RUN_BITS: u32 = 40;

/// Where it stands that a log's store was lost.
pub(super) fn silent_key(log: LogIndex) -> String {
    format!("silent/{}", log.0)
}

/// Where it stands below which slot a log has no others than retired ones.
fn retired_key(log: LogIndex) -> String {
    format!("retired/{}", log.0)
}

impl Store {
    /// Adds a record of the engine to a turn; `number` counts them, and keeps their order.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn put_record(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        number: u64,
        record: &Record,
    ) -> Result<(), StoreError> {
        turn.records += 1;
        let bytes = record.encode();
        match record {
            Record::Messages { slot, .. } | Record::Round { slot, .. } => {
                turn.matters = true;
                let key = record_key(log, *slot, number);
                turn.batch.put_cf(self.family(MESSAGES), &key, bytes);
                turn.messages.push(key);
            }
            // Decisions are synced before they are told, which may be later. Certificates are kept beside these.
            Record::Decided { slot, .. } | Record::Certified { slot, .. } => {
                turn.batch.put_cf(self.family(DECISIONS), record_key(log, *slot, number), bytes);
            }
            Record::Retired { slot } => {
                self.forget_messages(turn, log, *slot)?;
                turn.batch.put_cf(self.family(DECISIONS), record_key(log, *slot, number), bytes);
            }
            Record::Silent { .. } => {
                turn.matters = true;
                turn.batch.put_cf(self.family(META), silent_key(log), bytes);
            }
        }
        Ok(())
    }

    /// Adds to a turn that nobody needs the messages of a slot any more. Each was written once, and mostly is in memory only:
    /// then nothing of it ever reaches a file.
    fn forget_messages(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        slot: Slot,
    ) -> Result<(), StoreError> {
        let (family, prefix) = (self.family(MESSAGES), slot_key(log, slot));
        for key in turn.messages.extract_if(.., |key| key.starts_with(&prefix)) {
            turn.batch.single_delete_cf(family, key);
        }
        for entry in self.scan(MESSAGES, prefix) {
            turn.batch.single_delete_cf(family, entry?.0);
        }
        Ok(())
    }

    /// Adds to a turn that all slots of a log below this one are retired: a start does not read of them that they are.
    pub fn put_retired_below(&self, turn: &mut Turn, log: LogIndex, slot: Slot) {
        turn.batch.put_cf(self.family(META), retired_key(log), slot.0.to_be_bytes());
    }

    /// Slots of a log below this one are known to be retired.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn retired_below(&self, log: LogIndex) -> Result<Slot, StoreError> {
        // Of slots below the base there are no records any more: they are over for all learners.
        let base = Slot(self.base(log)?);
        let Some(bytes) = self.kept(&retired_key(log))? else { return Ok(base) };
        let bytes = bytes.try_into();
        bytes
            .map(|bytes| Slot(u64::from_be_bytes(bytes)).max(base))
            .map_err(|_| self.damaged("up to where its slots are retired cannot be read"))
    }

    /// The number of the first record that this run stores.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn first_number(&self) -> Result<u64, StoreError> {
        Ok(self.count()? << RUN_BITS)
    }

    /// What was decided, certified and retired in a log from a slot on, and whether its store was lost: what a node has to know
    /// of all slots that are not retired.
    pub fn progress(
        &self,
        log: LogIndex,
        from: Slot,
        schedule: &Schedule,
    ) -> impl Iterator<Item = Result<Record, StoreError>> {
        let rows = self.scan_from(DECISIONS, slot_key(log, from), &log.0.to_be_bytes());
        let records = rows.map(|row| self.decode(&row?.1, schedule));
        let silent = self.kept(&silent_key(log)).transpose();
        records.chain(silent.map(|bytes| self.decode(&bytes?, schedule)))
    }

    /// All records of a log from a slot on, each slot's in the order in which they were stored.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn records_from(
        &self,
        log: LogIndex,
        from: Slot,
        schedule: &Schedule,
    ) -> Result<Vec<Record>, StoreError> {
        let mut numbered = Vec::new();
        for family in [MESSAGES, DECISIONS] {
            for row in self.scan_from(family, slot_key(log, from), &log.0.to_be_bytes()) {
                let (key, bytes) = row?;
                numbered.push((self.read_key(&key)?, self.decode(&bytes, schedule)?));
            }
        }
        numbered.sort_by_key(|(place, _)| *place);
        Ok(numbered.into_iter().map(|(_, record)| record).collect())
    }

    /// Roughly how many bytes messages of slots below this one take on disk.
    pub fn message_bytes_below(&self, log: LogIndex, slot: Slot) -> u64 {
        let (from, to) = (slot_key(log, Slot(0)), slot_key(log, slot));
        let range = Range::new(&from, &to);
        self.database.get_approximate_sizes_cf(self.family(MESSAGES), &[range]).iter().sum()
    }

    /// All records of a slot, in order.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn records_of(
        &self,
        log: LogIndex,
        slot: Slot,
        schedule: &Schedule,
    ) -> Result<Vec<Record>, StoreError> {
        let mut numbered = Vec::new();
        for family in [MESSAGES, DECISIONS] {
            for entry in self.scan(family, slot_key(log, slot)) {
                let (key, bytes) = entry?;
                numbered.push((key, self.decode(&bytes, schedule)?));
            }
        }
        numbered.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(numbered.into_iter().map(|(_, record)| record).collect())
    }

    /// What learners decided in a log, from a slot on, in the order of slots.
    pub fn decisions(
        &self,
        log: LogIndex,
        from: Slot,
        schedule: &Schedule,
    ) -> impl Iterator<Item = Result<Decided, StoreError>> {
        let rows = self.scan_from(DECISIONS, slot_key(log, from), &log.0.to_be_bytes());
        rows.filter_map(move |row: Entry| match row {
            Ok((_, bytes)) => match self.decode(&bytes, schedule) {
                Ok(record) => Decided::of(&record).map(Ok),
                Err(error) => Some(Err(error)),
            },
            Err(error) => Some(Err(error)),
        })
    }

    pub(super) fn decode(&self, bytes: &[u8], schedule: &Schedule) -> Result<Record, StoreError> {
        Record::decode(bytes, &self.network, schedule)
            .map_err(|error| self.damaged(format!("a record cannot be read: {error}")))
    }
}
