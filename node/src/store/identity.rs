//! Which store this is, and how far it is: what the guard beside it compares.

use super::keys::slot_key;
use super::records::silent_key;
use super::{DECISIONS, LogIndex, MESSAGES, META, Store, StoreError, synced};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::{Record, Slot};
use rand::TryRngCore;
use rand::rngs::OsRng;
use rocksdb::{Direction, IteratorMode, WriteBatch};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The name of a store: random, given to it when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    pub(super) fn random() -> Self {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).expect("the system has random numbers");
        StoreId(bytes)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for StoreId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(StoreId(bytes))
    }
}

/// That a log's store was lost once.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Loss {
    /// How that was found out.
    pub why: String,
    /// How many slots had been opened before, as far as the guard knows.
    pub opened: u64,
}

const ID: &str = "id";
const COUNT: &str = "count";

fn loss_key(log: LogIndex) -> String {
    format!("lost/{}", log.0)
}

impl Store {
    /// Its name; none if it was made before stores had names.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn id(&self) -> Result<Option<StoreId>, StoreError> {
        let Some(bytes) = self.kept(ID)? else { return Ok(None) };
        let bytes = bytes.try_into().map_err(|_| self.damaged("its name cannot be read"))?;
        Ok(Some(StoreId(bytes)))
    }

    /// How many times a node started with it or stopped in order.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn count(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.kept(COUNT)? else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| self.damaged("its count cannot be read"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// How many changes it has: a store that has fewer than before has forgotten something.
    pub fn changes(&self) -> u64 {
        self.database.latest_sequence_number()
    }

    /// How often it was synced since it was opened.
    #[cfg(test)]
    pub fn syncs(&self) -> u64 {
        self.figure("rocksdb.wal.synced")
    }

    /// How many rows were walked over since it was opened.
    #[cfg(test)]
    pub fn walked(&self) -> u64 {
        self.figure("rocksdb.number.db.seek.found") + self.figure("rocksdb.number.db.next.found")
    }

    #[cfg(test)]
    fn figure(&self, name: &str) -> u64 {
        let figures = self.database.property_value("rocksdb.options-statistics").unwrap().unwrap();
        let mut words = figures.lines().map(|line| line.split(' '));
        let mut line = words.find(|words| words.clone().next() == Some(name)).unwrap();
        line.next_back().unwrap().parse().unwrap()
    }

    /// One more than the highest slot of a log of which something is stored.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn opened(&self, log: LogIndex) -> Result<Slot, StoreError> {
        let mut opened = Slot(self.base(log)?);
        for family in [MESSAGES, DECISIONS] {
            let end = [slot_key(log, Slot(u64::MAX)), vec![u8::MAX; 8]].concat();
            let mode = IteratorMode::From(&end, Direction::Reverse);
            let last = self.database.iterator_cf(self.family(family), mode).next().transpose();
            let Some((key, _)) = self.noted(last)? else { continue };
            if key.starts_with(&log.0.to_be_bytes()) {
                opened = opened.max(self.read_key(&key)?.0.next());
            }
        }
        Ok(opened)
    }

    /// A node starts with it, or stops: takes the new count, and what was found to be lost; nothing is signed in those logs
    /// until others have said how far they are.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, count: u64, lost: &BTreeMap<LogIndex, Loss>) -> Result<(), StoreError> {
        let meta = self.family(META);
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, COUNT, count.to_be_bytes());
        if self.id()?.is_none() {
            batch.put_cf(meta, ID, StoreId::random().0);
        }
        for (log, loss) in lost {
            batch.put_cf(meta, silent_key(*log), Record::LOST.encode());
            let bytes = borsh::to_vec(loss).expect("writing to memory does not fail");
            batch.put_cf(meta, loss_key(*log), bytes);
        }
        self.noted(self.database.write_opt(batch, &synced()))
    }

    /// Adds to a turn that a log's store was lost.
    pub fn put_loss(&self, turn: &mut super::Turn, log: LogIndex, loss: &Loss) {
        let bytes = borsh::to_vec(loss).expect("writing to memory does not fail");
        turn.batch.put_cf(self.family(META), loss_key(log), bytes);
    }

    /// How a log's store was lost, if it was.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn loss(&self, log: LogIndex) -> Result<Option<Loss>, StoreError> {
        let bytes = self.kept(&loss_key(log))?;
        let loss = bytes.map(|bytes| borsh::from_slice(&bytes)).transpose();
        loss.map_err(|error| self.damaged(format!("what it says of its loss: {error}")))
    }
}
