//! The way to the executor, and what it lets others know at once.

use crate::certifier::Attested;
use crate::store::LogIndex;
use hpaxos_consensus::{Slot, ValueHash};
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::Certificate;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What the executor is told.
pub(super) enum Told {
    /// A learner decided.
    Decided(Decided),
    /// An acceptor attests something.
    Attested(LogIndex, Attested),
    /// Somebody has a certificate, which holds.
    Certificate(LogIndex, LearnerId, Certificate),
    /// A view was staged that is to take the place of a log's.
    Replace(Replacement),
}

/// A learner's view goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The slot in which it differs.
    pub slot: u64,
    /// From what.
    pub why: WhyStopped,
}

/// What a view that stopped differs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyStopped {
    /// A quorum of the learner attests another outcome.
    RootMismatch,
    /// The others of the log decided another block.
    Diverged,
}

/// A view that is staged in the store, whole and checked.
pub struct Replacement {
    /// The log.
    pub log: LogIndex,
    /// How many slots all learners have executed in it.
    pub height: u64,
    /// What proves it.
    pub certificates: Vec<(LearnerId, Certificate)>,
    /// Is told whether it took the place.
    pub done: tokio::sync::oneshot::Sender<bool>,
}

/// Attestations and certificates that wait for the executor; what comes on top is dropped: others follow.
const WAITING_MAX: usize = 4_096;

/// Where decisions go, and what becomes certificates. The driver opens no more slots when too many are not executed.
#[derive(Clone)]
pub struct Decisions {
    sender: Arc<Mutex<Option<Sender<Told>>>>,
    logs: Arc<Vec<OfLog>>,
    /// Attestations and certificates that the executor has not seen yet.
    waiting: Arc<AtomicUsize>,
}

struct OfLog {
    /// How many slots were decided, by whoever is furthest.
    decided: AtomicU64,
    /// How many were executed, by whoever is furthest.
    executed: AtomicU64,
    /// Of each learner, how many slots are certified.
    certified: Mutex<BTreeMap<LearnerId, u64>>,
    /// Learners whose view goes no further.
    stopped: Mutex<BTreeMap<LearnerId, Stopped>>,
    /// Slots below are certified for all learners, as far as the engine was told.
    over: AtomicU64,
}

impl OfLog {
    fn new() -> Self {
        OfLog {
            decided: AtomicU64::new(0),
            executed: AtomicU64::new(0),
            certified: Mutex::default(),
            stopped: Mutex::default(),
            over: AtomicU64::new(0),
        }
    }
}

impl Decisions {
    /// Those of as many logs.
    pub(super) fn new(logs: usize) -> (Self, Receiver<Told>) {
        let (sender, told) = channel();
        let decisions = Decisions {
            sender: Arc::new(Mutex::new(Some(sender))),
            logs: Arc::new((0..logs).map(|_| OfLog::new()).collect()),
            waiting: Arc::default(),
        };
        (decisions, told)
    }

    fn of(&self, log: LogIndex) -> &OfLog {
        &self.logs[usize::from(log.0)]
    }

    fn tell(&self, told: Told) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // An executor that is gone took the node with it.
            let _ = sender.send(told);
        }
    }

    fn tell_if_room(&self, told: Told) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            self.tell(told);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The executor saw an attestation or a certificate.
    pub(super) fn seen(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells of a decision.
    pub fn send(&self, decided: Decided) {
        self.of(decided.log).decided.fetch_max(decided.slot.0 + 1, Ordering::Relaxed);
        self.tell(Told::Decided(decided));
    }

    /// Tells what an acceptor attests.
    pub fn attested(&self, log: LogIndex, attested: Attested) {
        self.tell_if_room(Told::Attested(log, attested));
    }

    /// Tells of a certificate that holds.
    pub fn certificate(&self, log: LogIndex, learner: LearnerId, certificate: Certificate) {
        self.tell_if_room(Told::Certificate(log, learner, certificate));
    }

    /// Tells of a view that is staged.
    pub fn replace(&self, replacement: Replacement) {
        self.tell(Told::Replace(replacement));
    }

    /// All slots before this one were decided.
    pub(super) fn decided(&self, log: LogIndex, height: u64) {
        self.of(log).decided.fetch_max(height, Ordering::Relaxed);
    }

    /// The engine knows that slots below this one are certified for all learners.
    pub fn set_over(&self, log: LogIndex, slot: Slot) {
        self.of(log).over.fetch_max(slot.0, Ordering::Relaxed);
    }

    /// Slots below are certified for all learners, as far as the engine was told.
    pub(super) fn over(&self, log: LogIndex) -> u64 {
        self.of(log).over.load(Ordering::Relaxed)
    }

    /// How many slots of a log are decided and not executed.
    pub fn unexecuted(&self, log: LogIndex) -> u64 {
        let of_log = self.of(log);
        let executed = of_log.executed.load(Ordering::Relaxed);
        of_log.decided.load(Ordering::Relaxed).saturating_sub(executed)
    }

    /// How many slots of a log are executed, by whoever is furthest.
    pub fn height(&self, log: LogIndex) -> u64 {
        self.of(log).executed.load(Ordering::Relaxed)
    }

    /// So many slots are executed.
    pub(super) fn executed(&self, log: LogIndex, height: u64) {
        self.of(log).executed.store(height, Ordering::Relaxed);
    }

    /// How many slots of a learner are certified.
    pub fn certified(&self, log: LogIndex, learner: LearnerId) -> u64 {
        let certified = self.of(log).certified.lock().unwrap_or_else(PoisonError::into_inner);
        certified.get(&learner).copied().unwrap_or(0)
    }

    /// Up to where some learner's quorums are known to have executed a log.
    pub fn furthest_certified(&self, log: LogIndex) -> u64 {
        let certified = self.of(log).certified.lock().unwrap_or_else(PoisonError::into_inner);
        certified.values().copied().max().unwrap_or(0)
    }

    /// Learners whose view goes no further.
    pub fn stopped(&self, log: LogIndex) -> BTreeMap<LearnerId, Stopped> {
        self.of(log).stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a learner's view goes no further.
    pub fn is_stopped(&self, log: LogIndex, learner: LearnerId) -> bool {
        let stopped = self.of(log).stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.contains_key(&learner)
    }

    /// It goes no further.
    pub(super) fn stop(&self, log: LogIndex, learner: LearnerId, stopped: Stopped) {
        let mut all = self.of(log).stopped.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(learner).or_insert(stopped);
    }

    /// So many are.
    pub(super) fn set_certified(&self, log: LogIndex, learner: LearnerId, height: u64) {
        let mut certified = self.of(log).certified.lock().unwrap_or_else(PoisonError::into_inner);
        certified.insert(learner, height);
    }

    /// No more decisions come.
    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
