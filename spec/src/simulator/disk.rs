//! The virtual disk: atomic batches, of which a crash may lose those that were not synced.

use super::wire::Attestation;
use hpaxos_consensus::{Judgement, Record, ValueHash};
use hpaxos_learner_graph::AcceptorSet;

/// Something on a disk.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A record of the engine.
    Record(Record),
    /// A value, with what was found about it.
    Value(ValueHash, Judgement),
    /// A certificate.
    Certificate(Attestation, AcceptorSet),
}

/// What is written at once, or not at all.
pub type Batch = Vec<Entry>;

/// What became of a disk while its node was down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is as the last sync left it, or newer.
    Sound,
    /// It is damaged, or older than the guard file says.
    Lost,
}

/// A disk, with the guard file beside it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    synced: Vec<Batch>,
    unsynced: Vec<Batch>,
    /// How often a node was started from this store, as the store says.
    runs: u64,
    /// The same, as the guard file says, which no copy of the store contains.
    guard: u64,
    /// A checksum is wrong.
    damaged: bool,
    /// The store was found lost, and says so only from the next sync on: until then the guard file must not match.
    lost: bool,
    /// A copy that somebody made.
    copy: Option<(Vec<Batch>, u64)>,
}

impl Disk {
    /// Writes a batch, into memory of the operating system for now.
    pub fn write(&mut self, batch: Batch) {
        self.unsynced.push(batch);
    }

    /// Makes what was written last. What is new on the disk.
    pub fn sync(&mut self) -> &[Batch] {
        let from = self.synced.len();
        if std::mem::take(&mut self.lost) {
            self.runs = self.guard;
        }
        self.synced.append(&mut self.unsynced);
        &self.synced[from..]
    }

    /// Everything that is on the disk.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.synced.iter().flatten()
    }

    /// A crash: of the batches that were not synced, those survive of which `survives` says so. What a crash cut in the
    /// middle fails its checksum, and counts as lost.
    pub fn crash(&mut self, mut survives: impl FnMut() -> bool) {
        for batch in std::mem::take(&mut self.unsynced) {
            if survives() {
                self.synced.push(batch);
            }
        }
    }

    /// Keeps a copy of the store as it is, as an operator does.
    pub fn copy(&mut self) {
        self.copy = Some((self.synced.clone(), self.runs));
    }

    /// Puts the copy in place of the store, if there is one of an earlier run. Whether there was.
    pub fn restore_copy(&mut self) -> bool {
        match self.copy.take_if(|(_, runs)| *runs < self.guard) {
            Some((batches, runs)) => {
                (self.synced, self.runs) = (batches, runs);
                true
            }
            None => false,
        }
    }

    /// Flips a bit somewhere in what is stored.
    pub fn flip_bit(&mut self) {
        self.damaged |= !self.synced.is_empty();
    }

    /// Starts a node from this store. A damaged store is set aside, and an empty one takes its place.
    pub fn open(&mut self) -> Opened {
        let sound = !self.damaged && self.runs == self.guard;
        if self.damaged {
            self.synced.clear();
            self.damaged = false;
        }
        self.guard += 1;
        if sound {
            self.runs = self.guard;
            return Opened::Sound;
        }
        self.lost = true;
        Opened::Lost
    }
}
