//! The store: everything a node must not forget, in one RocksDB.
//!
//! Each driver turn is one atomic write with one sync, unless all of it follows from what is on disk already. What executing a
//! block changes is not even in the write-ahead log: it can be worked out again from the block. After a crash the views are as
//! they were at some earlier slot, since their family goes to disk in the order of its writes.

mod certificates;
mod error;
mod history;
mod identity;
mod keys;
mod opening;
mod options;
mod records;
mod views;
mod walk;

pub use error::{StoreError, given_up, reading};
pub use history::Kept;
pub use identity::{Loss, StoreId};
pub use records::RUN_BITS;
pub use views::ViewRows;
pub use walk::{Placed, PlacedBlock};

use crate::guard::Mark;
use hpaxos_consensus::message::{Body, Message};
use hpaxos_consensus::{Evidence, NetworkId, Record, Schedule, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use keys::{block_key, evidence_key, read_record_key};
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions};
use std::panic::resume_unwind;
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::watch;

/// The version of the layout.
pub const VERSION: u32 = 2;

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
/// Version, network, owner, name, counts, losses, and bundles that waited when the node stopped.
const META: &str = "meta";
const FAMILIES: [&str; 7] = [MESSAGES, DECISIONS, BLOCKS, VIEWS, CERTIFICATES, EVIDENCE, META];

/// A log, as this node numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u16);

/// A key and what is there.
pub type Row = (Vec<u8>, Vec<u8>);

/// What the database gives.
type Entry = Result<(Box<[u8]>, Box<[u8]>), StoreError>;

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
    /// What is in it cannot be worked out again, or something is about to be told that rests on it.
    pub fn must_last(&mut self) {
        self.matters = true;
    }

    /// Whether it is synced: something in it must last, or something that is about to leave rests on it.
    pub fn lasts(&self) -> bool {
        self.matters
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && !self.matters
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
    /// Whether nobody's name was on it.
    is_new: bool,
    /// Remembers outside of it how far it is.
    mark: OnceLock<Mark>,
    /// How many turns were synced, once one was since it was opened. Held by who counts one until it is marked.
    synced: Mutex<Option<u64>>,
    /// Of each log whose view was replaced, which generation of it counts.
    generations: views::Generations,
    /// The first thing that went wrong.
    failed: watch::Sender<Option<StoreError>>,
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
    /// Whether it was made just now.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// From now on each synced write is marked outside.
    pub fn keep_mark(&self, mark: Mark) {
        let _ = self.mark.set(mark);
    }

    /// The first thing that went wrong with it, if anything did.
    pub fn failure(&self) -> Option<StoreError> {
        self.failed.borrow().clone()
    }

    /// Waits until something goes wrong: then the node has to stop.
    pub async fn failed(&self) {
        // It does not close before `self` does.
        let _ = self.failed.subscribe().wait_for(Option::is_some).await;
    }

    /// Gives up what was being done, since something cannot be read; see [`reading`] and [`given_up`].
    pub fn give_up(&self, error: StoreError) -> ! {
        resume_unwind(Box::new(self.note(error)))
    }

    /// Something that is stored cannot be read.
    pub fn damaged(&self, what: impl Into<String>) -> StoreError {
        self.note(StoreError::Damaged(what.into()))
    }

    fn note(&self, error: StoreError) -> StoreError {
        self.failed.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert_with(|| error.clone());
            is_first
        });
        error
    }

    fn noted<T>(&self, result: Result<T, rocksdb::Error>) -> Result<T, StoreError> {
        result.map_err(|error| self.note(error.into()))
    }

    fn read_key(&self, key: &[u8]) -> Result<(Slot, u64), StoreError> {
        read_record_key(key).ok_or_else(|| self.damaged("the key of a record cannot be read"))
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
    pub fn commit(&self, mut turn: Turn) -> Result<(), StoreError> {
        if !turn.matters {
            return self.noted(self.database.write_opt(turn.batch, &WriteOptions::default()));
        }
        let mut before = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = before.map_or_else(|| self.turns(), Ok)? + 1;
        self.put_turns(&mut turn.batch, turns);
        // What was written before is synced with it.
        self.noted(self.database.write_opt(turn.batch, &synced()))?;
        *before = Some(turns);
        match self.mark.get() {
            Some(mark) => mark.set(turns).map_err(|error| self.note(error.into())),
            None => Ok(()),
        }
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
        self.noted(self.database.get_cf(self.family(BLOCKS), block_key(log, slot, value)))
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
        let signer = |bytes: &Vec<u8>| match borsh::from_slice::<SignedPair>(bytes) {
            Ok([(message, _), _]) => Ok(signer(&message, schedule)),
            Err(error) => Err(self.damaged(format!("evidence cannot be read: {error}"))),
        };
        stored.iter().map(signer).collect()
    }

    /// Keeps something small that is no one's record: how it is found again is its owner's business.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut turn = Turn::default();
        turn.batch.put_cf(self.family(META), name, bytes);
        turn.must_last();
        self.commit(turn)
    }

    /// What was kept.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.noted(self.database.get_cf(self.family(META), name))
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
    fn scan(&self, family: &str, prefix: Vec<u8>) -> impl Iterator<Item = Entry> + use<'_> {
        self.scan_from(family, prefix.clone(), &prefix)
    }

    /// Everything with a prefix, from a key on, in order.
    fn scan_from(
        &self,
        family: &str,
        from: Vec<u8>,
        prefix: &[u8],
    ) -> impl Iterator<Item = Entry> + use<'_> {
        let mut end = prefix.to_vec();
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
        let mode = IteratorMode::From(&from, Direction::Forward);
        let entries = self.database.iterator_cf_opt(self.family(family), read, mode);
        entries.map(|entry| self.noted(entry))
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
