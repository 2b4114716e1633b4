//! The store: everything a node must not forget, in one RocksDB.
//!
//! Each driver turn is one atomic write with one sync, unless all of it follows from what is on disk already. What executing a block changes is not even in the write-ahead log: it can
//! be worked out again from the block. After a crash the views are as they were at some earlier slot, since their family
//! goes to disk in the order of its writes.

mod certificates;
mod keys;
mod records;
mod walk;

pub use walk::{Placed, PlacedBlock};

use hpaxos_consensus::message::{Body, Message};
use hpaxos_consensus::{Evidence, NetworkId, Record, Schedule, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use keys::{block_key, evidence_key, view_key};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, Direction, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the layout.
pub const VERSION: u32 = 1;

/// Messages and rounds of slots, in the order in which they were stored.
const MESSAGES: &str = "messages";
/// Decisions, for whom they are certified, and what else is known of slots.
const DECISIONS: &str = "decisions";
/// Blocks by log, slot and hash.
const BLOCKS: &str = "blocks";
/// What learners' views executed: the ledger's own bytes.
const VIEWS: &str = "views";
/// Certificates by log, learner and slot.
const CERTIFICATES: &str = "certificates";
/// Proofs of misbehaviour.
const EVIDENCE: &str = "evidence";
/// Version, network, owner, and bundles that waited when the node stopped.
const META: &str = "meta";
const FAMILIES: [&str; 7] = [MESSAGES, DECISIONS, BLOCKS, VIEWS, CERTIFICATES, EVIDENCE, META];

/// Memory for blocks of the database that were read.
const CACHE_BYTES: usize = 16 << 20;
/// Memory for what was written and is not in a file yet, of all families.
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// Of one family.
const WRITE_BUFFER_BYTES: usize = 8 << 20;

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database.
    #[error("the store: {0}")]
    Database(#[from] rocksdb::Error),
    /// Written by a newer program.
    #[error(
        "the store has version {0}; this program knows versions up to {VERSION}: use a newer one"
    )]
    Version(u32),
    /// Of another network.
    #[error("the store belongs to network {found}; the learner graph and genesis make {expected}")]
    Network {
        /// The store's.
        found: NetworkId,
        /// The one that was asked for.
        expected: NetworkId,
    },
    /// Of another validator.
    #[error("the store belongs to the key {found}; this node's key is {expected}")]
    Owner {
        /// The store's.
        found: String,
        /// The node's.
        expected: String,
    },
    /// There is none.
    #[error("there is no store at {}: a node makes it when it runs for the first time", .0.display())]
    Missing(PathBuf),
    /// Something that is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// A log, as this node numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u16);

/// A key and what is there.
pub type Row = (Vec<u8>, Vec<u8>);

/// What the database gives.
type Entry = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>;

/// Everything that one turn of the driver writes.
#[derive(Default)]
pub struct Turn {
    batch: WriteBatch,
    records: usize,
    /// The keys of messages and rounds in it.
    messages: Vec<Vec<u8>>,
    /// Whether something is in it that cannot be worked out again.
    matters: bool,
}

impl Turn {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// How many records.
    pub fn records(&self) -> usize {
        self.records
    }
}

/// The store.
pub struct Store {
    database: DB,
    network: NetworkId,
}

/// Two conflicting messages, each with its signature.
pub type SignedPair = [(Message, [u8; 64]); 2];

/// Who has to have signed a message.
pub fn signer(message: &Message, schedule: &Schedule) -> AcceptorId {
    match &message.body {
        Body::Proposal { round, .. } => schedule.proposer(message.place.slot, *round),
        Body::Reply(reply) => reply.acceptor.0,
    }
}

impl Store {
    /// Opens the store in a folder, or makes one, for a network and the node with a public key.
    ///
    /// # Errors
    /// If it is not this node's, of a newer version, damaged, or cannot be read or written.
    pub fn open(folder: &Path, network: NetworkId, owner: &[u8; 32]) -> Result<Self, StoreError> {
        let (options, families) = options();
        let database = DB::open_cf_descriptors(&options, folder, families)?;
        let store = Store { database, network };
        if !store.check_owner(owner)? {
            store.write_owner(owner)?;
        }
        Ok(store)
    }

    /// Opens a store that is there, to look at it: nothing on disk is changed.
    ///
    /// # Errors
    /// As [`Store::open`]; and if there is none.
    pub fn open_to_read(
        folder: &Path,
        network: NetworkId,
        owner: &[u8; 32],
    ) -> Result<Self, StoreError> {
        if !Store::is_at(folder) {
            return Err(StoreError::Missing(folder.to_owned()));
        }
        let (mut options, families) = options();
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let database = DB::open_cf_descriptors_read_only(&options, folder, families, false)?;
        let store = Store { database, network };
        match store.check_owner(owner)? {
            true => Ok(store),
            false => Err(StoreError::Damaged("it does not say its version".into())),
        }
    }

    /// Whether there is a store in a folder.
    pub fn is_at(folder: &Path) -> bool {
        folder.join("CURRENT").is_file()
    }

    fn write_owner(&self, owner: &[u8; 32]) -> Result<(), StoreError> {
        let meta = self.family(META);
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, b"version", VERSION.to_be_bytes());
        batch.put_cf(meta, b"network", self.network.0);
        batch.put_cf(meta, b"owner", owner);
        Ok(self.database.write_opt(batch, &synced())?)
    }

    /// Refuses what is not this node's. Whether anybody's name is on it.
    fn check_owner(&self, owner: &[u8; 32]) -> Result<bool, StoreError> {
        let meta = self.family(META);
        let Some(version) = self.database.get_cf(meta, b"version")? else { return Ok(false) };
        let damaged = |what: &str| StoreError::Damaged(format!("its {what} cannot be read"));
        let version: [u8; 4] = version.try_into().map_err(|_| damaged("version"))?;
        let version = u32::from_be_bytes(version);
        if version > VERSION {
            return Err(StoreError::Version(version));
        }
        let found = self.database.get_cf(meta, b"network")?.unwrap_or_default();
        let found = NetworkId(found.try_into().map_err(|_| damaged("network"))?);
        if found != self.network {
            return Err(StoreError::Network { found, expected: self.network });
        }
        let found = self.database.get_cf(meta, b"owner")?.unwrap_or_default();
        if found != owner {
            let (found, expected) = (hex::encode(found), hex::encode(owner));
            return Err(StoreError::Owner { found, expected });
        }
        Ok(true)
    }

    /// Adds a block to a turn.
    pub fn put_block(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        slot: Slot,
        value: &ValueHash,
        bytes: &[u8],
    ) {
        turn.matters = true;
        turn.batch.put_cf(self.family(BLOCKS), block_key(log, slot, value), bytes);
    }

    /// Adds evidence to a turn.
    pub fn put_evidence(&self, turn: &mut Turn, log: LogIndex, evidence: &Evidence) {
        let messages = evidence.messages.each_ref();
        let bytes = messages.map(|message| ((***message).clone(), *message.signature()));
        let bytes = borsh::to_vec(&bytes).expect("writing to memory does not fail");
        turn.matters = true;
        turn.batch.put_cf(self.family(EVIDENCE), evidence_key(log, evidence), bytes);
    }

    /// Writes a turn and waits until it is on disk; unless all of it follows from what is.
    ///
    /// # Errors
    /// If it is not: then nothing that rests on it may leave the node.
    pub fn commit(&self, turn: Turn) -> Result<(), StoreError> {
        let options = if turn.matters { synced() } else { WriteOptions::default() };
        Ok(self.database.write_opt(turn.batch, &options)?)
    }

    /// A block.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn block(
        &self,
        log: LogIndex,
        slot: Slot,
        value: &ValueHash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.database.get_cf(self.family(BLOCKS), block_key(log, slot, value))?)
    }

    /// All evidence against anybody in a log: each two messages with their signatures, in borsh.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn evidence(&self, log: LogIndex) -> Result<Vec<Vec<u8>>, StoreError> {
        let entries = self.scan(EVIDENCE, log.0.to_be_bytes().to_vec());
        entries.map(|entry| Ok(entry?.1.into_vec())).collect()
    }

    /// Against whom there is evidence in a log.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn caught(&self, log: LogIndex, schedule: &Schedule) -> Result<AcceptorSet, StoreError> {
        let stored = self.evidence(log)?;
        let pairs = stored.iter().filter_map(|bytes| borsh::from_slice::<SignedPair>(bytes).ok());
        Ok(pairs.map(|[(message, _), _]| signer(&message, schedule)).collect())
    }

    /// Something of a log's view.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn view(&self, log: LogIndex, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.database.get_cf(self.family(VIEWS), view_key(log, key))?)
    }

    /// The last entry of a log's view from one key to another, both included.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn view_last(
        &self,
        log: LogIndex,
        from: &[u8],
        to: &[u8],
    ) -> Result<Option<Row>, StoreError> {
        let (from, to) = (view_key(log, from), view_key(log, to));
        let mode = IteratorMode::From(&to, Direction::Reverse);
        let mut entries = self.database.iterator_cf(self.family(VIEWS), mode);
        match entries.next().transpose()? {
            Some((key, value)) if *key >= *from => {
                Ok(Some((key[keys::VIEW_PREFIX_BYTES..].to_vec(), value.into_vec())))
            }
            _ => Ok(None),
        }
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
        let mut batch = WriteBatch::default();
        let views = self.family(VIEWS);
        for (key, value) in changes {
            match value {
                Some(value) => batch.put_cf(views, view_key(log, key), value),
                None => batch.delete_cf(views, view_key(log, key)),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.database.write_opt(batch, &options)?)
    }

    /// Keeps something small that is no one's record: how it is found again is its owner's business.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(self.database.put_cf_opt(self.family(META), name, bytes, &synced())?)
    }

    /// What was kept.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.database.get_cf(self.family(META), name)?)
    }

    /// Puts everything into files and gives back room.
    pub fn compact(&self) {
        for family in FAMILIES {
            self.database.compact_range_cf(self.family(family), None::<&[u8]>, None::<&[u8]>);
        }
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.database.cf_handle(name).expect("a store is opened with all families")
    }

    /// Everything with a prefix, in order.
    fn scan(&self, family: &str, prefix: Vec<u8>) -> impl Iterator<Item = Entry> + '_ {
        let mut end = prefix.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        let mut read = ReadOptions::default();
        if !end.is_empty() {
            read.set_iterate_upper_bound(end);
        }
        let mode = IteratorMode::From(&prefix, Direction::Forward);
        self.database.iterator_cf_opt(self.family(family), read, mode)
    }
}

/// What a learner decided, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The slot.
    pub slot: Slot,
    /// Who.
    pub learner: LearnerId,
    /// The value.
    pub value: ValueHash,
}

impl Decided {
    fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Decided { slot, learner, ballot } => {
                Some(Decided { slot: *slot, learner: *learner, value: ballot.value })
            }
            _ => None,
        }
    }
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn options() -> (Options, Vec<ColumnFamilyDescriptor>) {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A write that was cut off was not synced, and nothing rests on it. Anything else that cannot be read is damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(2 * WRITE_BUFFERS_BYTES as u64);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_max_open_files(256);
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let family = |name: &str| {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_compression_type(DBCompressionType::Lz4);
        ColumnFamilyDescriptor::new(name, options)
    };
    (options, FAMILIES.iter().map(|name| family(name)).collect())
}
