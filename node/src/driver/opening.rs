//! When slots open: when a bundle waits, or after a while without anything; others may open them too.
//!
//! Where bundles come faster than slots are decided, they gather for part of the time that a decision takes: a slot costs the
//! same with many bundles as with one. And the others leave it to the proposer of a slot to open it: it knows of the same
//! bundles, and its proposal opens the slot for all. If they did so themselves each would have to sign, and all to check, that
//! it has.

use super::Driver;
use super::timers::Wake;
use crate::store::LogIndex;
use hpaxos_consensus::{Event, Round};
use std::time::Instant;

/// Slots that may be decided and not executed before no more are opened: execution must not fall behind for ever.
const UNEXECUTED_MAX: u64 = 256;

impl Driver {
    /// Plans when the next slot of each log may open.
    pub(super) fn plan_openings(&mut self) {
        let now = Instant::now();
        for index in self.log_indices() {
            let due = self.opening_due(index, now);
            let driver = &mut self.logs[usize::from(index.0)];
            if let Some(due) = due
                && driver.opening.is_none_or(|planned| due < planned)
            {
                driver.opening = Some(due);
                self.timers.plan_at(due, Wake::Open { log: index });
            }
        }
    }

    /// Opens a slot if it is time.
    pub(super) fn open(&mut self, log: LogIndex) {
        let now = Instant::now();
        let due = self.opening_due(log, now);
        let driver = &mut self.logs[usize::from(log.0)];
        driver.opening = None;
        if due.is_some_and(|due| due <= now) {
            driver.last_opened = Some(now);
            driver.queue.push_back(Event::Open);
            self.handle(log);
        }
    }

    /// When the next slot of a log may open, as far as one can say at the time `now`.
    fn opening_due(&mut self, log: LogIndex, now: Instant) -> Option<Instant> {
        let driver = &mut self.logs[usize::from(log.0)];
        let waits = self.parts.mempool.waits(log);
        driver.waits_since = waits.then(|| driver.waits_since.unwrap_or(now));
        let me = driver.replica.config().me?;
        // A slot in which nobody has proposed yet takes what waits now.
        let mut open = driver.replica.open_slots().filter_map(|slot| driver.replica.instance(slot));
        let unclaimed = |instance: &hpaxos_consensus::Instance| {
            !instance.is_decided() && instance.dag().proposals().is_empty()
        };
        if open.any(unclaimed) || self.parts.decisions.unexecuted(log) > UNEXECUTED_MAX {
            return None;
        }
        let due = match driver.waits_since {
            Some(since) => {
                let last = driver.last_proposed;
                let gathered = last.map(|last| last + driver.pace.between_proposals());
                gathered.map_or(since, |gathered| gathered.max(since))
            }
            None => {
                let last = driver
                    .last_opened
                    .map_or(driver.last_decided, |last| last.max(driver.last_decided));
                last + driver.idle_slot
            }
        };
        let earliest = driver.last_opened.max(driver.last_proposed);
        let earliest = earliest.map(|last| last + driver.slot_min);
        let due = earliest.map_or(due, |earliest| due.max(earliest));
        let proposer = driver.proposer(driver.replica.opened(), Round(0));
        let is_expected = proposer != me && !self.caught.contains(proposer);
        Some(if is_expected { due + driver.pace.head_start() } else { due })
    }
}
