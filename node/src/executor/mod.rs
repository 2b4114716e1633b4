//! The executor: one thread that lets each learner's view execute what it decided, in the order of slots.
//!
//! Learners of equal history share one state; one that lags only keeps its height. What executing changes is not synced: after
//! a crash it is worked out again from the decisions and blocks, which are. What was executed is attested, and certificates are
//! collected, here: off the way from proposal to decision.

mod certify;
mod decisions;
mod due;
mod history;
#[cfg(test)]
pub(crate) mod tests;

pub use decisions::{Decided, Decisions, Replacement, Stopped, WhyStopped};

use crate::certifier::Certifier;
use crate::driver::{Input, Tracer};
use crate::events::{Event, Events};
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::snapshots::Snapshots;
use crate::store::{LogIndex, Store, StoreError};
use crate::views::{Rows, Views};
use decisions::Told;
use due::Due;
use ed25519_dalek::SigningKey;
use hpaxos_consensus::{NetworkId, Slot, Trust, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerId};
use hpaxos_ledger::{Block, Certificate, Genesis, LogRules, Results, Summary, execute, initial};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{debug, error};

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
    /// The driver, which fetches blocks and sends attestations.
    pub driver: tokio::sync::mpsc::Sender<Input>,
    /// The network's id, of which attestations speak.
    pub network: NetworkId,
    /// This node, if it is an acceptor.
    pub me: Option<AcceptorId>,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// Snapshots that others ask for.
    pub snapshots: Arc<Snapshots>,
    /// How many slots are kept; 0 if all.
    pub keep_slots: u64,
}

/// Lets views execute.
pub struct Executor {
    parts: Parts,
    logs: Vec<Log>,
    told: Receiver<Told>,
    decisions: Decisions,
    /// What the driver has still to be told.
    news: BTreeMap<News, Input>,
}

/// What the driver is told; of each kind the last says everything that one before it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// What this node attests.
    Attested(LogIndex),
    /// Up to where a learner's slots are certified.
    Certified(LogIndex, LearnerId),
}

struct Log {
    rules: LogRules,
    /// Slots that the state has executed.
    height: u64,
    /// Of each learner.
    heights: BTreeMap<LearnerId, u64>,
    /// Decided and not executed.
    pending: BTreeMap<LearnerId, BTreeMap<u64, ValueHash>>,
    /// The block that the driver was asked for.
    asked: Option<ValueHash>,
    certifier: Certifier,
    /// What is to be attested.
    due: Due,
    /// Certificates of slots that are not executed here yet, the latest of each learner.
    ahead: BTreeMap<LearnerId, Certificate>,
    /// Slots below are being let go of: what this rests on is on disk.
    letting_go: Option<u64>,
    /// States of heights below are let go of.
    states_from: u64,
}

/// Between two looks for a block that is missing, or whether the driver has room for news.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
        let (decisions, told) = Decisions::new(logs.len());
        let mut executor =
            Executor { parts, logs: Vec::new(), told, decisions, news: BTreeMap::new() };
        for (number, (rules, trust)) in logs.into_iter().enumerate() {
            let index = LogIndex(number as u16);
            let log = executor.open(index, rules, &trust, genesis)?;
            executor.logs.push(log);
            executor.recall_certificates(index)?;
        }
        executor.tell_beginnings();
        let decisions = executor.decisions.clone();
        Ok((executor, decisions))
    }

    fn open(
        &self,
        index: LogIndex,
        rules: LogRules,
        trust: &Arc<Trust>,
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
        self.decisions.executed(index, height);
        let parts = &self.parts;
        let names = learners().map(|one| (one, parts.graph.learner_name(one).to_owned()));
        let certifier = Certifier::new(
            parts.network,
            trust.clone(),
            names.collect(),
            parts.me,
            parts.key.clone(),
        );
        Ok(Log {
            rules,
            height,
            heights,
            pending,
            asked: None,
            certifier,
            due: Due::default(),
            ahead: BTreeMap::new(),
            letting_go: None,
            states_from: 0,
        })
    }

    /// Executes until no more decisions come.
    ///
    /// # Errors
    /// If the store fails.
    pub fn run(mut self) -> Result<(), StoreError> {
        loop {
            let mut waits = false;
            for index in (0..self.logs.len()).map(|index| LogIndex(index as u16)) {
                waits |= self.advance(index)?;
                self.attest(index)?;
                self.let_go(index)?;
            }
            waits |= !self.tell_driver();
            let told = if waits {
                match self.told.recv_timeout(LOOK_EVERY) {
                    Ok(told) => Some(told),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            } else {
                self.told.recv().ok()
            };
            let Some(told) = told else { return Ok(()) };
            self.take(told)?;
            while let Ok(told) = self.told.try_recv() {
                self.take(told)?;
            }
        }
    }

    /// Tells the driver the news. Whether it had room for all of them: what is lost might be the last for long, as of a log that
    /// waits for this node.
    fn tell_driver(&mut self) -> bool {
        while let Some((which, news)) = self.news.pop_first() {
            if let Err(TrySendError::Full(news)) = self.parts.driver.try_send(news) {
                self.news.insert(which, news);
                return false;
            }
        }
        true
    }

    fn take(&mut self, told: Told) -> Result<(), StoreError> {
        match told {
            Told::Decided(decided) => self.note(decided),
            Told::Attested(index, attested) => self.hear(index, attested)?,
            Told::Certificate(index, learner, certificate) => {
                self.hold(index, learner, certificate)?;
            }
            Told::Replace(replacement) => self.replace(replacement)?,
        }
        Ok(())
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
                if self.decisions.is_stopped(index, learner) {
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
            let stopped = Stopped { slot, why: WhyStopped::Diverged };
            self.decisions.stop(index, learner, stopped);
            self.diverged(index, slot, name.to_owned());
            return Ok(());
        };
        self.parts
            .store
            .write_view(index, &BTreeMap::from([Views::height_row(learner, slot + 1)]))?;
        self.reached(index, learner, slot, &summary)
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
        let store = self.parts.store.clone();
        let view = Rows::new(&store, index);
        let (mut delta, Results { summary, results }) =
            execute(&view, &log.rules, slot, &block, value);
        delta.extend([Views::height_row(learner, slot + 1)]);
        self.parts.store.write_view(index, &delta)?;
        log.pending.entry(learner).or_default().remove(&slot);
        log.height = slot + 1;
        log.asked = None;
        self.decisions.executed(index, slot + 1);

        let ids: Vec<_> = results.iter().map(|result| result.id).collect();
        let waits = self.parts.mempool.executed(index, Slot(slot), &ids);
        let committed = results.iter().filter(|result| result.outcome.is_committed()).count();
        debug!(log = %log.rules.log, slot, bundles = ids.len(), committed, "executed");
        for waited in waits {
            self.parts.metrics.bundle_committed(&log.rules.log, waited);
        }
        self.reached(index, learner, slot, &summary)?;
        Ok(true)
    }

    /// A learner's view is past a slot, of which the state says this.
    fn reached(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        slot: u64,
        summary: &Summary,
    ) -> Result<(), StoreError> {
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
        self.note_reached(index, learner, slot, summary.results == 0)
    }
}
