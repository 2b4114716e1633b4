//! What the crate leaves to its user to keep: a map in memory, and a file that every change is appended to. The file is synced
//! before the next message leaves, which is when what was voted has to be on disk; so changes without a message between
//! them share a sync.

use anyhow::Result;
use cluster::{Journal, Progress};
use hotstuff_rs::block_tree::pluggables::{KVGet, KVStore, WriteBatch};
use hotstuff_rs::block_tree::variables::COMMITTED_APP_STATE;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

/// Where the application has the value that was decided last: its first byte is unused, and its last eight are the view.
pub const DECIDED: &[u8] = b"decided";

type Map = HashMap<Vec<u8>, Vec<u8>>;

#[derive(Clone)]
pub struct Store {
    map: Arc<RwLock<Map>>,
    log: Arc<Mutex<Log>>,
}

struct Log {
    journal: Journal,
    unsynced: Vec<u8>,
    /// Views whose values are decided, and that nobody was told of.
    decided: Vec<u64>,
    progress: Progress,
}

impl Store {
    pub fn new(journal: Journal, progress: Progress) -> Self {
        let log = Log { journal, unsynced: Vec::new(), decided: Vec::new(), progress };
        Store { map: Arc::default(), log: Arc::new(Mutex::new(log)) }
    }

    /// Everything written so far is on disk when this returns.
    pub fn sync(&self) -> Result<()> {
        let mut log = self.log.lock().expect("nobody panics while holding it");
        if !log.unsynced.is_empty() {
            let records = std::mem::take(&mut log.unsynced);
            log.journal.append(&records)?;
        }
        for view in std::mem::take(&mut log.decided) {
            log.progress.decided(view);
        }
        Ok(())
    }
}

impl KVStore for Store {
    type WriteBatch = Batch;
    type Snapshot<'a> = Snapshot<'a>;

    fn write(&mut self, batch: Batch) {
        let mut log = self.log.lock().expect("nobody panics while holding it");
        let mut map = self.map.write().expect("nobody panics while holding it");
        for (key, value) in batch.0 {
            log.unsynced.extend(record(&key, value.as_deref()));
            if let Some(view) = value.as_deref().and_then(|value| decided(&key, value)) {
                log.decided.push(view);
            }
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
    }

    fn clear(&mut self) {
        self.map.write().expect("nobody panics while holding it").clear();
    }

    fn snapshot<'b>(&'b self) -> Snapshot<'b> {
        Snapshot(self.map.read().expect("nobody panics while holding it"))
    }
}

/// Lengths, then bytes; a deletion has no value.
fn record(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    borsh::to_vec(&(key, value)).expect("writing to memory does not fail")
}

/// The view of a value that this decides.
fn decided(key: &[u8], value: &[u8]) -> Option<u64> {
    let key = key.strip_prefix(&COMMITTED_APP_STATE)?;
    let view = value.last_chunk()?;
    (key == DECIDED).then(|| u64::from_be_bytes(*view))
}

impl KVGet for Store {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.snapshot().get(key)
    }
}

/// Changes in their order; None deletes.
pub struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl WriteBatch for Batch {
    fn new() -> Self {
        Batch(Vec::new())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), Some(value.to_vec())));
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.push((key.to_vec(), None));
    }
}

pub struct Snapshot<'a>(RwLockReadGuard<'a, Map>);

impl KVGet for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }
}
