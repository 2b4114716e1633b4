//! Where a log's history begins in this store, and letting go of what lies before.
//!
//! Of slots below the *base* there are no records and no blocks, but for blocks that are kept on purpose: they are over for all
//! learners. What they led to is in the view.

use super::keys::{block_key, certificate_key, slot_key};
use super::views::generation_key;
use super::{BLOCKS, CERTIFICATES, DECISIONS, LogIndex, MESSAGES, META, Store, StoreError, Turn};
use hpaxos_consensus::{Slot, ValueHash};
use hpaxos_learner_graph::LearnerId;
use rocksdb::WriteBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What stays of slots that are let go of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Slots whose blocks stay.
    pub blocks: BTreeSet<u64>,
    /// Of each learner, the slots whose certificates stay.
    pub certificates: BTreeMap<LearnerId, BTreeSet<u64>>,
}

fn base_key(log: LogIndex) -> String {
    format!("base/{}", log.0)
}

impl Store {
    /// The first slot of a log of which records and blocks are here.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn base(&self, log: LogIndex) -> Result<u64, StoreError> {
        let Some(bytes) = self.kept(&base_key(log))? else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| self.damaged("a log's base cannot be read"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Puts the staged view of a log, which is whole, in the place of its view, and lets go of all slots below `base`: in one
    /// step.
    ///
    /// # Errors
    /// If it is not on disk: then all is as before.
    pub fn replace_view(&self, log: LogIndex, base: u64, mut turn: Turn) -> Result<(), StoreError> {
        // It must not be lost once it counts.
        self.sync_views()?;
        let generation = self.generation(log).wrapping_add(1);
        let meta = self.family(META);
        turn.batch.put_cf(meta, generation_key(log), generation.to_be_bytes());
        self.let_go(&mut turn.batch, log, 0..base, &BTreeSet::new())?;
        turn.matters = true;
        self.commit(turn)?;
        self.set_generation(log, generation);
        Ok(())
    }

    /// Lets go of slots from the base on: records, blocks and certificates, but for what is to be kept. Their views have to
    /// be on disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn forget(
        &self,
        log: LogIndex,
        slots: Range<u64>,
        learners: impl IntoIterator<Item = LearnerId>,
        kept: &Kept,
    ) -> Result<(), StoreError> {
        let mut turn = Turn::default();
        self.let_go(&mut turn.batch, log, slots.clone(), &kept.blocks)?;
        let none = BTreeSet::new();
        for learner in learners {
            let stay = kept.certificates.get(&learner).unwrap_or(&none);
            let key = |slot| certificate_key(log, learner, slot);
            for Range { start, end } in between(slots.clone(), stay) {
                let family = self.family(CERTIFICATES);
                turn.batch.delete_range_cf(family, key(start), key(end));
            }
        }
        self.commit(turn)
    }

    fn let_go(
        &self,
        batch: &mut WriteBatch,
        log: LogIndex,
        slots: Range<u64>,
        keep_blocks: &BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let key = |slot| slot_key(log, Slot(slot));
        batch.put_cf(self.family(META), base_key(log), slots.end.to_be_bytes());
        batch.delete_range_cf(self.family(DECISIONS), key(slots.start), key(slots.end));
        for Range { start, end } in between(slots.clone(), keep_blocks) {
            batch.delete_range_cf(self.family(BLOCKS), key(start), key(end));
        }
        // Each was written once, and mostly is gone already.
        let messages = self.family(MESSAGES);
        for row in self.scan_from(MESSAGES, key(slots.start), &log.0.to_be_bytes()) {
            let (row, _) = row?;
            if *row >= *key(slots.end) {
                break;
            }
            batch.single_delete_cf(messages, row);
        }
        Ok(())
    }

    /// Adds a certificate to a turn, whatever others there are.
    pub fn add_certificate(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        learner: LearnerId,
        certificate: &hpaxos_ledger::Certificate,
    ) {
        let key = certificate_key(log, learner, certificate.slot);
        turn.batch.put_cf(self.family(CERTIFICATES), key, certificate.to_bytes());
    }

    /// Whether a block is here.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn has_block(
        &self,
        log: LogIndex,
        slot: Slot,
        value: &ValueHash,
    ) -> Result<bool, StoreError> {
        let found = self.database.get_pinned_cf(self.family(BLOCKS), block_key(log, slot, value));
        Ok(self.noted(found)?.is_some())
    }
}

/// The stretches of `slots` between those that stay.
fn between(slots: Range<u64>, stay: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut start = slots.start;
    let mut stretches = Vec::new();
    for slot in stay.range(slots.clone()).copied().chain([slots.end]) {
        if start < slot {
            stretches.push(start..slot);
        }
        start = slot + 1;
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_between_what_goes() {
        let stretches = |stay: &[u64]| between(3..9, &stay.iter().copied().collect());
        assert_eq!(stretches(&[3]), std::iter::once(4..9).collect::<Vec<_>>());
        assert_eq!(stretches(&[3, 5, 6, 8, 11]), [4..5, 7..8]);
        assert_eq!(stretches(&[1, 4]), [3..4, 5..9]);
    }
}
