//! Letting go of old slots, and beginning anew with a snapshot.

use super::decisions::Replacement;
use super::due::Due;
use super::{Executor, LogIndex};
use crate::driver::Input;
use crate::events::Event;
use crate::store::{Kept, StoreError, Turn};
use crate::views::Rows;
use hpaxos_consensus::Slot;
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::{Outcome, forget, prune, prune_states, results, used};
use std::collections::BTreeSet;
use tracing::{debug, info, warn};

/// Slots that are let go of in one go, and rows of old states: so that executing does not wait for long.
const SLOTS_AT_ONCE: u64 = 256;
const ROWS_AT_ONCE: usize = 2_048;

/// Letting go begins when so many slots may go: a quarter of what is kept, within these bounds.
const LEAST_SLOTS: u64 = 16;
const MOST_SLOTS: u64 = 4_096;

/// Heights whose states stay. Nobody reads older ones: a learner that lags and a snapshot that is served hold what they need.
/// It is so few that most rows of a state are over before the store writes them to a file.
pub(super) const KEEP_STATES: u64 = 64;

/// So many states are let go of in one go.
const STATES_AT_ONCE: u64 = 8;

impl Executor {
    /// Lets go of some more of what is older than what is kept, if there is any.
    pub(super) fn let_go(&mut self, index: LogIndex) -> Result<(), StoreError> {
        self.let_go_of_states(index)?;
        if self.parts.keep_slots > 0 {
            self.let_go_of_slots(index)?;
        }
        Ok(())
    }

    fn let_go_of_states(&mut self, index: LogIndex) -> Result<(), StoreError> {
        let needed = self.parts.snapshots.needed(index).unwrap_or(u64::MAX);
        let target = self.over(index).saturating_sub(KEEP_STATES).min(needed);
        if target < self.log(index).states_from.saturating_add(STATES_AT_ONCE) {
            return Ok(());
        }
        let store = self.parts.store.clone();
        let delta = prune_states(&Rows::new(&store, index), target, ROWS_AT_ONCE);
        if delta.is_empty() {
            self.log(index).states_from = target;
            return Ok(());
        }
        store.write_view(index, &delta)
    }

    fn let_go_of_slots(&mut self, index: LogIndex) -> Result<(), StoreError> {
        let base = self.parts.store.base(index)?;
        let Some(target) = self.log(index).letting_go else {
            let target = self.may_go(index);
            let worth_it = (self.parts.keep_slots / 4).clamp(LEAST_SLOTS, MOST_SLOTS);
            if target >= base.saturating_add(worth_it) {
                // What is let go of cannot be executed again: what came of it must be on disk.
                self.parts.store.sync_views()?;
                self.log(index).letting_go = Some(target);
            }
            return Ok(());
        };
        let store = self.parts.store.clone();
        let rows = Rows::new(&store, index);
        // Somebody may have begun to ask for a snapshot since.
        let target = target.min(self.parts.snapshots.lowest(index).unwrap_or(u64::MAX));
        let delta = prune(&rows, target, ROWS_AT_ONCE);
        if !delta.is_empty() {
            return store.write_view(index, &delta);
        }
        let mut end = base.saturating_add(SLOTS_AT_ONCE).min(target);
        // After a crash the view may have to forget what was let go of before once more.
        let from = base.min(self.parts.views.begins(index));
        let (kept, heights) = self.claimable(index, from, &mut end, target)?;
        if end <= base {
            self.log(index).letting_go = None;
            return Ok(());
        }
        let delta = forget(&rows, end, |height| heights.contains(&height));
        store.write_view(index, &delta)?;
        let learners: Vec<LearnerId> = self.log(index).heights.keys().copied().collect();
        store.forget(index, base..end, learners, &kept)?;
        let log = self.log(index).rules.log.clone();
        debug!(log, from = base, to = end, "let go of slots");
        self.parts.metrics.set_history_begins(&log, end);
        if end >= target {
            self.log(index).letting_go = None;
        }
        Ok(())
    }

    /// The first slot that has to stay.
    fn may_go(&mut self, index: LogIndex) -> u64 {
        let snapshot = self.parts.snapshots.lowest(index).unwrap_or(u64::MAX);
        self.over(index).saturating_sub(self.parts.keep_slots).min(snapshot)
    }

    /// Slots below are executed and certified for all learners.
    fn over(&mut self, index: LogIndex) -> u64 {
        let lowest = self.log(index).heights.values().copied().min().unwrap_or(0);
        self.decisions.over(index).min(lowest)
    }

    /// What was released may be claimed at any time: of such slots stays what proves it. The slots are those from `from` to
    /// `end`, which may be moved, at most to `target`, so that the certificates that lie behind, and the heights after them, are among them.
    fn claimable(
        &self,
        index: LogIndex,
        from: u64,
        end: &mut u64,
        target: u64,
    ) -> Result<(Kept, BTreeSet<u64>), StoreError> {
        let (store, rows) = (&self.parts.store, Rows::new(&self.parts.store, index));
        let (mut kept, mut heights) = (Kept::default(), BTreeSet::new());
        let mut slot = from;
        while slot < *end {
            let of_slot = results(&rows, slot).unwrap_or_default();
            if of_slot.iter().any(|it| matches!(it.outcome, Outcome::Released(_))) {
                let mut last = slot;
                let mut proofs = Vec::new();
                for learner in self.logs[usize::from(index.0)].heights.keys() {
                    if let Some(certificate) = store.certificates(index, *learner, slot).next() {
                        let at = certificate?.slot;
                        last = last.max(at);
                        proofs.push((*learner, at));
                    }
                }
                if last + 1 >= target {
                    *end = slot;
                    break;
                }
                *end = (*end).max(last + 2);
                kept.blocks.insert(slot);
                heights.extend(slot..=last + 1);
                for (learner, at) in proofs {
                    kept.certificates.entry(learner).or_default().insert(at);
                }
            }
            slot += 1;
        }
        Ok((kept, heights))
    }

    /// Puts a staged view in the place of a log's, if it is further.
    pub(super) fn replace(&mut self, replacement: Replacement) -> Result<(), StoreError> {
        let Replacement { log: index, height, certificates, done } = replacement;
        let log = &self.logs[usize::from(index.0)];
        let name = log.rules.log.clone();
        if !self.decisions.stopped(index).is_empty() || log.height >= height {
            warn!(
                log = name,
                height,
                own = log.height,
                "a snapshot is not used: this node is as far, or its view has stopped"
            );
            let _ = done.send(false);
            return Ok(());
        }
        let mut turn = Turn::default();
        for (learner, certificate) in &certificates {
            self.parts.store.add_certificate(&mut turn, index, *learner, certificate);
        }
        self.parts.store.replace_view(index, height, turn)?;
        // From here on it counts.
        let log = &mut self.logs[usize::from(index.0)];
        log.height = height;
        log.heights.values_mut().for_each(|of_learner| *of_learner = height);
        log.pending.values_mut().for_each(|pending| *pending = pending.split_off(&height));
        log.asked = None;
        log.due = Due::default();
        log.letting_go = None;
        log.states_from = height;
        self.decisions.decided(index, height);
        self.decisions.executed(index, height);
        if let Some(tracer) = &self.parts.tracer {
            tracer.begins_anew();
        }
        self.parts.metrics.set_history_begins(&name, height);
        info!(log = name, height, "the view was replaced by a snapshot");

        let store = self.parts.store.clone();
        let rows = Rows::new(&store, index);
        let ids = self.parts.mempool.all(index);
        let ids = ids.iter().map(|bundle| bundle.id(self.parts.network));
        let over: Vec<_> = ids.filter(|id| used(&rows, id).is_some()).collect();
        self.parts.mempool.executed(index, Slot(height - 1), &over);
        // The engine learns of it before anything that rests on it.
        let _ = self.parts.driver.blocking_send(Input::Replaced { log: index });
        for (learner, certificate) in certificates {
            let of_learner = self.parts.graph.learner_name(learner).to_owned();
            self.log(index).certifier.keep(learner, certificate.clone());
            let certified = self.decisions.certified(index, learner).max(height);
            self.decisions.set_certified(index, learner, certified);
            let (log, slot) = (name.clone(), height - 1);
            self.parts.events.send(Event::Executed { log, slot, learner: of_learner });
        }
        let _ = done.send(true);
        Ok(())
    }

    /// The first slot of each log of which something is known.
    pub(super) fn tell_beginnings(&self) {
        for (number, log) in self.logs.iter().enumerate() {
            let begins = self.parts.views.begins(LogIndex(number as u16));
            self.parts.metrics.set_history_begins(&log.rules.log, begins);
        }
    }
}
