//! The engine's records.

use super::keys::{read_record_key, record_key, slot_key};
use super::{DECISIONS, Decided, Entry, LogIndex, MESSAGES, META, Store, StoreError, Turn};
use hpaxos_consensus::{Record, Schedule, Slot};

/// The engine's records of one log, as the store has them.
pub struct Stored {
    /// All of them, in the order in which they were stored.
    pub records: Vec<Record>,
    /// One more than the highest number.
    pub next: u64,
}

/// Where it stands that a log's store was lost.
pub(super) fn silent_key(log: LogIndex) -> String {
    format!("silent/{}", log.0)
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
            Record::Decided { slot, .. } => {
                turn.matters = true;
                turn.batch.put_cf(self.family(DECISIONS), record_key(log, *slot, number), bytes);
            }
            // These follow from certificates, which are kept.
            Record::Certified { slot, .. } => {
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

    /// All records of a log.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn records(&self, log: LogIndex, schedule: &Schedule) -> Result<Stored, StoreError> {
        let mut numbered = Vec::new();
        for family in [MESSAGES, DECISIONS] {
            for entry in self.scan(family, log.0.to_be_bytes().to_vec()) {
                let (key, bytes) = entry?;
                let (_, number) = read_record_key(&key)
                    .ok_or_else(|| StoreError::Damaged("a key of a record".into()))?;
                numbered.push((number, self.decode(&bytes, schedule)?));
            }
        }
        numbered.sort_by_key(|(number, _)| *number);
        let next = numbered.last().map_or(0, |(number, _)| number + 1);
        let mut records: Vec<Record> = numbered.into_iter().map(|(_, record)| record).collect();
        let silent = self.database.get_cf(self.family(META), silent_key(log))?;
        if let Some(bytes) = silent {
            records.push(self.decode(&bytes, schedule)?);
        }
        Ok(Stored { records, next })
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
        let mode = rocksdb::IteratorMode::From(&slot_key(log, from), rocksdb::Direction::Forward);
        let entries = self.database.iterator_cf(self.family(DECISIONS), mode);
        let mine = move |entry: &Entry| {
            entry.as_ref().map_or(true, |(key, _)| key.starts_with(&log.0.to_be_bytes()))
        };
        entries.take_while(mine).filter_map(move |entry| match entry {
            Ok((_, bytes)) => match self.decode(&bytes, schedule) {
                Ok(record) => Decided::of(&record).map(Ok),
                Err(error) => Some(Err(error)),
            },
            Err(error) => Some(Err(error.into())),
        })
    }

    pub(super) fn decode(&self, bytes: &[u8], schedule: &Schedule) -> Result<Record, StoreError> {
        Record::decode(bytes, &self.network, schedule)
            .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))
    }
}
