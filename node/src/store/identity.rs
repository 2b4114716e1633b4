//! Which store this is, and how far it is: what the guard beside it compares.

use super::keys::slot_key;
use super::records::silent_key;
use super::{DECISIONS, LogIndex, MESSAGES, META, Store, StoreError, Turn};
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
const TURNS: &str = "turns";

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

    /// How many turns were synced in it: a store that has fewer than before has forgotten something. It counts them in the turns
    /// themselves, and in one that did not yet, on from the number of its changes.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn turns(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.kept(TURNS)? else { return Ok(self.changes()) };
        let bytes = bytes.try_into().map_err(|_| self.damaged("its turns cannot be read"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// How many turns were synced in it once this is.
    pub(super) fn put_turns(&self, batch: &mut WriteBatch, turns: u64) {
        batch.put_cf(self.family(META), TURNS, turns.to_be_bytes());
    }

    /// How many changes it has.
    pub(crate) fn changes(&self) -> u64 {
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
        let mut turn = Turn::default();
        turn.batch.put_cf(meta, COUNT, count.to_be_bytes());
        if self.id()?.is_none() {
            turn.batch.put_cf(meta, ID, StoreId::random().0);
        }
        for (log, loss) in lost {
            turn.batch.put_cf(meta, silent_key(*log), Record::LOST.encode());
            self.put_loss(&mut turn, *log, loss);
        }
        turn.must_last();
        self.commit(turn)
    }

    /// Adds to a turn that a log's store was lost.
    pub fn put_loss(&self, turn: &mut Turn, log: LogIndex, loss: &Loss) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Mark;
    use hpaxos_consensus::{NetworkId, ValueHash};
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    const NETWORK: NetworkId = NetworkId([7; 32]);
    const OWNER: [u8; 32] = [1; 32];
    const LOG: LogIndex = LogIndex(0);

    /// A new store, with a mark beside it.
    fn marked(folder: &Path) -> (Store, StoreId, PathBuf) {
        let store = Store::open(&folder.join("store"), NETWORK, &OWNER).unwrap();
        store.begin(1, &BTreeMap::new()).unwrap();
        let (name, guard) = (store.id().unwrap().unwrap(), folder.join("guard"));
        store.keep_mark(Mark::begin(&guard, name, store.turns().unwrap()).unwrap());
        (store, name, guard)
    }

    fn synced_turn(store: &Store, slot: u64) {
        let mut turn = Turn::default();
        store.put_block(&mut turn, LOG, Slot(slot), &ValueHash([1; 32]), &[1; 99]);
        store.commit(turn).unwrap();
    }

    fn write_view(store: &Store, number: u64) {
        let change = (number.to_be_bytes().to_vec(), Some(vec![1; 99]));
        store.write_view(LOG, [(&change.0, &change.1)]).unwrap();
    }

    #[test]
    fn each_synced_turn_is_marked_whoever_else_writes() {
        const EACH: u64 = 100;
        let folder = tempfile::tempdir().unwrap();
        let (store, name, guard) = marked(folder.path());
        let (before, over) = (store.turns().unwrap(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let numbers = (0..).take_while(|_| !over.load(Ordering::Relaxed));
                numbers.for_each(|number| write_view(&store, number));
            });
            let turns = [0, 1].map(|who| {
                let store = &store;
                scope
                    .spawn(move || (0..EACH).for_each(|slot| synced_turn(store, who * EACH + slot)))
            });
            turns.into_iter().for_each(|all| all.join().unwrap());
            over.store(true, Ordering::Relaxed);
        });
        store.keep("something", b"small").unwrap();
        let after = Some(before + 2 * EACH + 1);
        assert_eq!((Mark::read(&guard, name), store.turns().ok()), (after, after));
    }

    /// What views wrote afterwards is in a file, as changes with greater numbers.
    #[test]
    fn a_turn_that_is_lost_is_missed_though_later_changes_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (store, name, guard) = marked(folder.path());
        let files = |of: &str| {
            let files = fs::read_dir(folder.path().join(of)).unwrap();
            files.map(|entry| entry.unwrap().path())
        };
        let log = |of: &str| {
            let logs = files(of).filter(|path| path.extension().is_some_and(|it| it == "log"));
            logs.min().unwrap()
        };
        let length = || fs::metadata(log("store")).unwrap().len();
        synced_turn(&store, 0);
        let before = length();
        synced_turn(&store, 1);
        let after = length();
        (0..99).for_each(|number| write_view(&store, number));
        store.sync_views().unwrap();
        let changes = store.changes();
        // As a kill leaves it: whoever closes a store writes all of it into files.
        let killed = folder.path().join("killed");
        fs::create_dir(&killed).unwrap();
        for path in files("store") {
            fs::copy(&path, killed.join(path.file_name().unwrap())).unwrap();
        }
        drop(store);

        let file = File::options().write(true).open(log("killed")).unwrap();
        file.write_all_at(&vec![0x55; (after - before) as usize], before).unwrap();
        // To the database that may be the end of a log that was cut off, as after a power cut.
        let mark = Mark::read(&guard, name).unwrap();
        Mark::begin(&guard, name, 0).unwrap();
        let store = Store::open_existing(&killed, Some(&guard), NETWORK, &OWNER).unwrap();
        assert!(store.block(LOG, Slot(1), &ValueHash([1; 32])).unwrap().is_none());
        assert_eq!(store.turns().unwrap(), mark - 1, "it forgot a turn");
        assert!(store.changes() >= changes, "the changes alone do not tell");
    }
}
