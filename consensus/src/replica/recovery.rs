//! A replica that goes on where its records end.
//!
//! What was decided it has to know at once. Of messages it needs those of slots in the window only: the slots below are
//! parked, and read when somebody asks about them.

use super::Replica;
use super::parked::Parked;
use crate::config::{Config, Memory};
use crate::engine::Effects;
use crate::ids::Slot;
use crate::record::Record;
use std::collections::BTreeMap;

/// A replica that is being put together from its records.
pub struct Recovery(Replica);

impl Recovery {
    /// One of which nothing is known yet.
    pub fn new(config: Config) -> Self {
        Recovery(Replica::new(config))
    }

    /// Takes note of what was decided, certified or retired, and of a store that was lost. All such records have to come,
    /// in the order in which they were stored, before anything is asked.
    pub fn note(&mut self, record: &Record) {
        let replica = &mut self.0;
        if let Some(slot) = record.slot() {
            replica.opened = replica.opened.max(slot.next());
        }
        match record {
            Record::Decided { slot, learner, .. } => replica.mark_decided(*slot, *learner),
            Record::Certified { slot, learner, .. } => {
                replica.mark_decided(*slot, *learner);
                replica.certified.get_mut(learner).map(|progress| progress.mark(*slot));
            }
            Record::Retired { slot } => {
                for learner in replica.config.trust.learners().iter() {
                    replica.mark_decided(*slot, learner);
                    replica.certified.get_mut(&learner).map(|progress| progress.mark(*slot));
                }
            }
            Record::Silent { through } => replica.amnesia.restore(*through),
            Record::Messages { .. } | Record::Round { .. } => {}
        }
    }

    /// The first slot whose records are needed now.
    pub fn needed_from(&self) -> Slot {
        self.0.window_bottom()
    }

    /// The slots below, except for those that are done with: their records are needed later, if ever.
    pub fn parked(&self) -> impl Iterator<Item = Slot> + '_ {
        let below = (0..self.needed_from().0).map(Slot);
        below.filter(|slot| !self.0.is_retired(*slot))
    }

    /// The replica, from all records of the slots that are needed, each slot's in the order in which they were stored.
    /// `bytes` says how many bytes a parked slot has on disk, more or less.
    pub fn finish(
        self,
        records: impl IntoIterator<Item = Record>,
        bytes: impl Fn(Slot) -> u64,
        out: &mut Effects,
    ) -> Replica {
        let parked: Parked = self.parked().map(|slot| (slot, bytes(slot))).collect();
        let mut slots: BTreeMap<Slot, Vec<Record>> = BTreeMap::new();
        for record in records {
            if let Some(slot) = record.slot() {
                slots.entry(slot).or_default().push(record);
            }
        }
        let mut replica = self.0;
        replica.parked = parked;
        if replica.config.memory == Memory::Lost {
            replica.forget(out);
        }
        for (slot, records) in slots {
            replica.opened = replica.opened.max(slot.next());
            if !replica.is_retired(slot) {
                replica.load(slot, records, out);
                replica.instances.get(&slot).inspect(|instance| instance.say_again(out));
            }
        }
        replica
    }
}

impl Replica {
    /// One as all its records left it, in the order in which they were stored.
    pub fn recover(config: Config, records: Vec<Record>, out: &mut Effects) -> Self {
        let mut recovery = Recovery::new(config);
        records.iter().for_each(|record| recovery.note(record));
        let first = recovery.needed_from();
        let (mut bytes, mut needed) = (BTreeMap::<Slot, u64>::new(), Vec::new());
        for record in records {
            match record.slot() {
                Some(slot) if slot < first => {
                    *bytes.entry(slot).or_default() += record.encode().len() as u64;
                }
                _ => needed.push(record),
            }
        }
        recovery.finish(needed, |slot| bytes.get(&slot).copied().unwrap_or_default(), out)
    }
}
