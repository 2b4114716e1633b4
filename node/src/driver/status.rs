//! What the driver tells those who ask how it is.

use super::Driver;
use super::log::LogDriver;
use hpaxos_consensus::Silence;
use hpaxos_learner_graph::{AcceptorSet, LearnerId};
use serde::Serialize;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Between two looks at everything.
const EVERY: Duration = Duration::from_millis(100);

/// How the engine is.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    /// The logs, in the order of their numbers.
    pub logs: Vec<LogStatus>,
    /// Who was caught, since the start or before.
    pub caught: AcceptorSet,
}

/// How a log is.
#[derive(Clone, Debug, Serialize)]
pub struct LogStatus {
    /// Its name.
    pub log: String,
    /// Of each learner, the first slot that it has not decided here.
    pub next: Vec<(String, u64)>,
    /// The open slots.
    pub open: u64,
    /// Slots that are on disk only, because some learner has not decided them for good.
    pub parked: u64,
    /// Their bytes on disk.
    pub parked_bytes: u64,
    /// Where these are too many, and no new slot is opened: the learners that have not decided them.
    pub waits_for: Vec<String>,
    /// The highest round of an undecided slot.
    pub round: u64,
    /// Who proposes next.
    pub leader: String,
    /// Messages that wait for others.
    pub waiting: u64,
    /// What may not be signed, because the store was lost.
    pub silent: Option<Silent>,
}

/// What may not be signed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// How the store was lost.
    pub why: String,
    /// The last slot in which nothing is signed; none as long as that is not known.
    pub through: Option<u64>,
}

impl Driver {
    /// Tells how everything is, now and then.
    pub(super) fn publish(&mut self) {
        let now = Instant::now();
        if self.published.is_some_and(|last| now - last < EVERY) {
            return;
        }
        self.published = Some(now);
        let mut logs = Vec::new();
        for driver in &mut self.logs {
            driver.tell_of_silence();
            let name = |learner| self.parts.graph.learner_name(learner).to_owned();
            driver.tell_of_parked(name);
            let replica = &driver.replica;
            let learners = driver.trust.learners().iter();
            let next: Vec<_> = learners
                .map(|learner| (name(learner), replica.next_undecided(learner).0))
                .collect();
            let mut status = LogStatus {
                log: driver.name().to_owned(),
                open: 0,
                parked: replica.parked_slots().count() as u64,
                parked_bytes: replica.parked_bytes(),
                waits_for: driver.waits_for.clone(),
                round: 0,
                leader: String::new(),
                waiting: 0,
                silent: driver.silent.clone(),
                next,
            };
            for slot in replica.open_slots() {
                let Some(instance) = replica.instance(slot) else { continue };
                if !instance.is_decided() {
                    status.open += 1;
                    status.round = status.round.max(instance.round().0);
                    status.waiting += instance.waiting() as u64;
                    if status.leader.is_empty() {
                        let proposer = driver.proposer(slot, instance.round());
                        status.leader = self.parts.graph.acceptor_name(proposer).to_owned();
                    }
                }
            }
            self.parts.metrics.set_round(&status.log, status.round);
            self.parts.metrics.set_parked_bytes(&status.log, status.parked_bytes);
            for (learner, _) in &status.next {
                let waits = status.waits_for.contains(learner);
                self.parts.metrics.set_waits_for(&status.log, learner, waits);
            }
            self.parts.metrics.set_silent(&status.log, status.silent.is_some());
            self.parts.metrics.set_inbox_waiting(&status.log, status.waiting as usize);
            let waiting = self.parts.mempool.len(driver.index);
            self.parts.metrics.set_mempool_bundles(&status.log, waiting);
            logs.push(status);
        }
        self.status.send_replace(EngineStatus { logs, caught: self.caught });
    }
}

impl LogDriver {
    /// Takes note of whom a log waits for that opens no new slot, and tells the log when that changes.
    fn tell_of_parked(&mut self, name: impl Fn(LearnerId) -> String) {
        let replica = &self.replica;
        let first = replica.parked_slots().next().filter(|_| replica.is_full());
        let late = |learner: &LearnerId| {
            first.is_some_and(|slot| replica.next_undecided(*learner) <= slot)
        };
        let waits_for: Vec<String> = self.trust.learners().iter().filter(late).map(name).collect();
        if waits_for == self.waits_for {
            return;
        }
        let log = self.name();
        if waits_for.is_empty() {
            info!(log, "opens slots again");
        } else {
            let (learners, bytes) = (waits_for.join(", "), replica.parked_bytes());
            warn!(
                log,
                learners,
                bytes,
                "opens no new slot: too much waits on disk for these learners to decide; `hpaxos parked-bytes-max` lets more wait"
            );
        }
        self.waits_for = waits_for;
    }

    /// Takes note of what may not be signed, and tells the log when that changes.
    fn tell_of_silence(&mut self) {
        let why = || self.loss.as_ref().map_or_else(String::new, |loss| loss.why.clone());
        let silent = self.replica.silence().map(|silence| Silent {
            why: why(),
            through: match silence {
                Silence::Everything => None,
                Silence::Through(slot) => Some(slot.0),
            },
        });
        if silent == self.silent {
            return;
        }
        let log = self.name();
        match &silent {
            Some(Silent { why, through: None }) => warn!(
                log,
                why,
                "the store was lost: nothing is signed until quorums of all learners have said how far the log is"
            ),
            Some(Silent { why, through: Some(through) }) => {
                warn!(log, why, through, "the store was lost: nothing is signed up to this slot")
            }
            None => info!(log, "signs again"),
        }
        self.silent = silent;
    }
}
