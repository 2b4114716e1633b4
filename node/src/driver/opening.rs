//! When slots open: when a bundle waits, or after a while without anything; others may open them too.

use super::Driver;
use super::timers::Wake;
use crate::store::LogIndex;
use hpaxos_consensus::Event;
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
    fn opening_due(&self, log: LogIndex, now: Instant) -> Option<Instant> {
        let driver = &self.logs[usize::from(log.0)];
        driver.replica.config().me?;
        // A slot in which nobody has proposed yet takes what waits now.
        let mut open = driver.replica.open_slots().filter_map(|slot| driver.replica.instance(slot));
        let unclaimed = |instance: &hpaxos_consensus::Instance| {
            !instance.is_decided() && instance.dag().proposals().is_empty()
        };
        if open.any(unclaimed) || self.parts.decisions.unexecuted(log) > UNEXECUTED_MAX {
            return None;
        }
        let earliest = driver.last_opened.map(|last| last + driver.slot_min);
        let due = if self.parts.mempool.waits(log) {
            now
        } else {
            let last = driver
                .last_opened
                .map_or(driver.last_decided, |last| last.max(driver.last_decided));
            last + driver.idle_slot
        };
        Some(earliest.map_or(due, |earliest| due.max(earliest)))
    }
}
