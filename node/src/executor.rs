//! The executor: one thread that lets each learner's view execute what it decided, in the order of slots.
//!
//! Learners of equal history share one state; one that lags only keeps its height. What executing changes is not synced: after
//! a crash it is worked out again from the decisions and blocks, which are.

use crate::driver::{Input, Tracer};
use crate::events::{Event, Events};
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::store::{LogIndex, Store, StoreError};
use crate::views::{Rows, Views};
use hpaxos_consensus::{Slot, Trust, ValueHash};
use hpaxos_learner_graph::{LearnerGraph, LearnerId};
use hpaxos_ledger::{Block, Genesis, LogRules, Outcome, Results, Summary, execute, initial};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::{debug, error};

/// A learner decided, as the executor is told.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// The log.
    pub log: LogIndex,
    /// The slot.
    pub slot: Slot,
    /// Who.
    pub learner: LearnerId,
    /// The value.
    pub value: ValueHash,
}

/// Where the driver puts decisions. It opens no more slots when too many are not executed.
#[derive(Clone)]
pub struct Decisions {
    sender: Arc<Mutex<Option<Sender<Decided>>>>,
    /// For each log, how many slots were decided and how many executed, by whoever is furthest.
    counts: Arc<Vec<Counts>>,
}

#[derive(Default)]
struct Counts {
    decided: AtomicU64,
    executed: AtomicU64,
}

impl Decisions {
    /// Tells of a decision.
    pub fn send(&self, decided: Decided) {
        let counts = &self.counts[usize::from(decided.log.0)];
        counts.decided.fetch_max(decided.slot.0 + 1, Ordering::Relaxed);
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // An executor that is gone took the node with it.
            let _ = sender.send(decided);
        }
    }

    /// How many slots of a log are decided and not executed.
    pub fn unexecuted(&self, log: LogIndex) -> u64 {
        let counts = &self.counts[usize::from(log.0)];
        let executed = counts.executed.load(Ordering::Relaxed);
        counts.decided.load(Ordering::Relaxed).saturating_sub(executed)
    }

    /// No more decisions come.
    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What an executor is made of.
pub struct Parts {
    /// The store.
    pub store: Arc<Store>,
    /// The views.
    pub views: Arc<Views>,
    /// Bundles that wait.
    pub mempool: Arc<Mempool>,
    /// Who wants to know.
    pub events: Events,
    /// Figures.
    pub metrics: Metrics,
    /// Names.
    pub graph: Arc<LearnerGraph>,
    /// The trace.
    pub tracer: Option<Tracer>,
    /// The driver, which fetches blocks.
    pub driver: tokio::sync::mpsc::Sender<Input>,
}

/// Lets views execute.
pub struct Executor {
    parts: Parts,
    logs: Vec<Log>,
    decisions: Receiver<Decided>,
    counts: Decisions,
}

struct Log {
    rules: LogRules,
    /// Slots that the state has executed.
    height: u64,
    /// Of each learner.
    heights: BTreeMap<LearnerId, u64>,
    /// Decided and not executed.
    pending: BTreeMap<LearnerId, BTreeMap<u64, ValueHash>>,
    /// Learners whose view stopped: they decided something else than the others.
    stopped: BTreeSet<LearnerId>,
    /// The block that the driver was asked for.
    asked: Option<ValueHash>,
}

/// Between two looks for a block that is missing.
const MISSING_EVERY: Duration = Duration::from_millis(20);

impl Executor {
    /// One that goes on where the store ends.
    ///
    /// # Errors
    /// If the store fails.
    pub fn new(
        parts: Parts,
        genesis: &Genesis,
        logs: Vec<(LogRules, Arc<Trust>)>,
    ) -> Result<(Self, Decisions), StoreError> {
        let (sender, decisions) = channel();
        let counts = logs.iter().map(|_| Counts::default()).collect();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let counts = Decisions { sender, counts: Arc::new(counts) };
        let mut executor = Executor { parts, logs: Vec::new(), decisions, counts };
        for (number, (rules, trust)) in logs.into_iter().enumerate() {
            let index = LogIndex(number as u16);
            let log = executor.open(index, rules, &trust, genesis)?;
            executor.logs.push(log);
        }
        let counts = executor.counts.clone();
        Ok((executor, counts))
    }

    fn open(
        &self,
        index: LogIndex,
        rules: LogRules,
        trust: &Trust,
        genesis: &Genesis,
    ) -> Result<Log, StoreError> {
        let views = &self.parts.views;
        if views.height(index).is_none() {
            let delta = initial(genesis, &rules);
            self.parts.store.write_view(index, &delta)?;
        }
        let height = views.height(index).unwrap_or(0);
        let learners = || trust.learners().iter();
        let heights: BTreeMap<_, _> =
            learners().map(|learner| (learner, views.height_of(index, learner))).collect();
        let lowest = heights.values().copied().min().unwrap_or(0);
        let mut pending: BTreeMap<LearnerId, BTreeMap<u64, ValueHash>> = BTreeMap::new();
        for decided in self.parts.store.decisions(index, Slot(lowest), trust.schedule()) {
            let decided = decided?;
            if decided.slot.0 >= heights.get(&decided.learner).copied().unwrap_or(0) {
                let of_learner = pending.entry(decided.learner).or_default();
                of_learner.insert(decided.slot.0, decided.value);
            }
        }
        self.counts.counts[usize::from(index.0)].executed.store(height, Ordering::Relaxed);
        let stopped = BTreeSet::new();
        Ok(Log { rules, height, heights, pending, stopped, asked: None })
    }

    /// Executes until no more decisions come.
    ///
    /// # Errors
    /// If the store fails.
    pub fn run(mut self) -> Result<(), StoreError> {
        loop {
            let mut missing = false;
            for index in 0..self.logs.len() {
                missing |= self.advance(LogIndex(index as u16))?;
            }
            let decided = if missing {
                match self.decisions.recv_timeout(MISSING_EVERY) {
                    Ok(decided) => Some(decided),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            } else {
                self.decisions.recv().ok()
            };
            let Some(decided) = decided else { return Ok(()) };
            self.note(decided);
            while let Ok(decided) = self.decisions.try_recv() {
                self.note(decided);
            }
        }
    }

    fn note(&mut self, decided: Decided) {
        let log = &mut self.logs[usize::from(decided.log.0)];
        if decided.slot.0 >= log.heights.get(&decided.learner).copied().unwrap_or(0) {
            let pending = log.pending.entry(decided.learner).or_default();
            pending.insert(decided.slot.0, decided.value);
        }
    }

    /// Lets the learners of a log execute what they can. Whether a block is missing.
    fn advance(&mut self, index: LogIndex) -> Result<bool, StoreError> {
        let learners: Vec<LearnerId> =
            self.logs[usize::from(index.0)].heights.keys().copied().collect();
        let mut missing = false;
        for learner in learners {
            loop {
                let log = &mut self.logs[usize::from(index.0)];
                let slot = log.heights[&learner];
                if log.stopped.contains(&learner) {
                    break;
                }
                let pending = log.pending.entry(learner).or_default();
                let Some(value) = pending.get(&slot).copied() else { break };
                if slot < log.height {
                    self.follow(index, learner, slot, value)?;
                } else if !self.execute(index, learner, slot, value)? {
                    missing = true;
                    break;
                }
            }
        }
        Ok(missing)
    }

    /// The state has executed this slot already, for somebody else.
    fn follow(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        slot: u64,
        value: ValueHash,
    ) -> Result<(), StoreError> {
        let log = &mut self.logs[usize::from(index.0)];
        log.pending.entry(learner).or_default().remove(&slot);
        let summary = self.parts.views.summary(index, slot);
        let executed = summary.as_ref().map(|summary| summary.block);
        let Some(summary) = summary.filter(|summary| summary.block == value) else {
            let name = self.parts.graph.learner_name(learner);
            error!(log = %log.rules.log, slot, learner = name, decided = %value, others = ?executed,
                "a learner decided another block than the others: its view stops here, and is not atomic with theirs");
            log.stopped.insert(learner);
            self.parts.events.send(Event::Diverged {
                log: log.rules.log.clone(),
                slot,
                learner: name.into(),
            });
            return Ok(());
        };
        self.parts
            .store
            .write_view(index, &BTreeMap::from([Views::height_row(learner, slot + 1)]))?;
        self.reached(index, learner, slot, &summary);
        Ok(())
    }

    /// Executes a slot. Whether its block is here.
    fn execute(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        slot: u64,
        value: ValueHash,
    ) -> Result<bool, StoreError> {
        let log = &mut self.logs[usize::from(index.0)];
        let Some(bytes) = self.parts.store.block(index, Slot(slot), &value)? else {
            if log.asked != Some(value) {
                log.asked = Some(value);
                let fetch = Input::Fetch { log: index, slot: Slot(slot), value };
                let _ = self.parts.driver.try_send(fetch).inspect_err(|_| log.asked = None);
            }
            return Ok(false);
        };
        let block = Block::decode(&bytes).map_err(|error| {
            self.parts.store.damaged(format!("a block of slot {slot}: {error}"))
        })?;
        let view = Rows::new(&self.parts.store, index);
        let (mut delta, Results { summary, results }) =
            execute(&view, &log.rules, slot, &block, value);
        delta.extend([Views::height_row(learner, slot + 1)]);
        self.parts.store.write_view(index, &delta)?;
        log.pending.entry(learner).or_default().remove(&slot);
        log.height = slot + 1;
        log.asked = None;
        self.counts.counts[usize::from(index.0)].executed.store(slot + 1, Ordering::Relaxed);

        let ids: Vec<_> = results.iter().map(|result| result.id).collect();
        let waits = self.parts.mempool.executed(index, Slot(slot), &ids);
        let committed =
            results.iter().filter(|result| result.outcome == Outcome::Committed).count();
        debug!(log = %log.rules.log, slot, bundles = ids.len(), committed, "executed");
        for waited in waits {
            self.parts.metrics.bundle_committed(&log.rules.log, waited);
        }
        self.reached(index, learner, slot, &summary);
        Ok(true)
    }

    /// A learner's view is past a slot, of which the state says this.
    fn reached(&mut self, index: LogIndex, learner: LearnerId, slot: u64, summary: &Summary) {
        let log = &mut self.logs[usize::from(index.0)];
        log.heights.insert(learner, slot + 1);
        let name = self.parts.graph.learner_name(learner).to_owned();
        if let Some(tracer) = &self.parts.tracer {
            let roots = (&summary.history.0, &summary.state_root.0);
            tracer.executed(&log.rules.log, &name, Slot(slot), roots);
        }
        self.parts.metrics.set_view_lag(&log.rules.log, &name, log.height - (slot + 1));
        let log = log.rules.log.clone();
        self.parts.events.send(Event::Executed { log, slot, learner: name });
    }
}
