//! Catching up: a node that was away, or is new, learns what was decided from certificates.
//!
//! Nobody is believed but quorums: histories are a hash chain, so that one certificate of a learner proves every slot before
//! it. What is proven is decided, whatever the engine knows, and executed like everything else.
//!
//! Where the others have let go of the slots, a snapshot of the state is fetched in their place.
//!
//! The engine catches up by itself where others still have the messages of a slot. Nobody has once all learners' quorums have
//! certified it.

mod snapshot;
#[cfg(test)]
mod tests;

pub use snapshot::Share;

use crate::driver::Tracer;
use crate::events::{Event, Events};
use crate::executor::{Decided, Decisions};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::store::{LogIndex, Store, StoreError, Turn, reading};
use crate::views::Views;
use crate::wire::{Question, Slots, Stretch};
use hpaxos_consensus::{NetworkId, Peer, Slot, Trust, ValueHash};
use hpaxos_learner_graph::{LearnerGraph, LearnerId};
use hpaxos_ledger::{Block, Certificate, History, Summary, value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// Slots of one answer.
const STRETCH_MAX: u64 = 1_024;

/// Once the blocks of an answer have so many bytes, no more are added: the last may be as large as a block can be.
const BLOCKS_BYTES: usize = 512 << 10;

/// Between two looks at how far this node is behind.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Slots that a view may be behind its certificates for a moment.
const LAG_MAX: u64 = 64;

/// How long what was learned may take to be executed.
const EXECUTED_WITHIN: Duration = Duration::from_secs(30);

/// How long what a snapshot replaced stays: somebody may be reading it.
const REPLACED_STAYS: Duration = Duration::from_secs(60);

/// Between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// How far a log is behind, and how it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Slots that are certified and not executed here.
    pub left: u64,
    /// Slots executed in a second, since it began.
    pub rate: f64,
    /// How a snapshot comes, if one does.
    pub snapshot: Option<Share>,
}

/// Of each log that is behind.
pub type Behind = BTreeMap<LogIndex, Progress>;

/// What catching up is made of.
pub struct Parts {
    /// The network's id.
    pub id: NetworkId,
    /// Whose quorums are believed.
    pub graph: Arc<LearnerGraph>,
    /// The logs, in the order of their numbers.
    pub logs: Vec<Arc<Trust>>,
    /// The store.
    pub store: Arc<Store>,
    /// What was executed.
    pub views: Arc<Views>,
    /// Where what is proven goes.
    pub decisions: Decisions,
    /// The others.
    pub network: Network,
    /// What happens.
    pub events: Events,
    /// Figures.
    pub metrics: Metrics,
    /// The trace, if one is written.
    pub tracer: Option<Tracer>,
}

/// Answers a [`Question::Stretch`]; none if nothing is certified there.
///
/// # Errors
/// If the store fails.
pub fn slots(
    store: &Store,
    views: &Views,
    log: LogIndex,
    from: u64,
    blocks_from: u64,
) -> Result<Option<Slots>, StoreError> {
    let begins = views.begins(log).max(store.base(log)?);
    if from < begins {
        return Ok(Some(Slots::From(begins)));
    }
    Ok(stretch(store, views, log, from, blocks_from)?.map(Slots::Stretch))
}

/// Slots from one on, if something is certified there.
///
/// # Errors
/// If the store fails.
fn stretch(
    store: &Store,
    views: &Views,
    log: LogIndex,
    from: u64,
    blocks_from: u64,
) -> Result<Option<Stretch>, StoreError> {
    let end = from.saturating_add(STRETCH_MAX).min(views.height(log).unwrap_or(0));
    let mut certificates = Vec::new();
    let learners = views.logs().find(|(index, _)| *index == log);
    for learner in learners.into_iter().flat_map(|(_, it)| it.chains.values()) {
        let mut last = None;
        for certificate in store.certificates(log, *learner, from) {
            let certificate = certificate?;
            if certificate.slot >= end {
                break;
            }
            last = Some(certificate);
        }
        certificates.extend(last);
    }
    let Some(to) = certificates.iter().map(|one| one.slot).max() else { return Ok(None) };
    let mut stretch = Stretch { steps: Vec::new(), certificates, blocks: Vec::new() };
    let (mut bytes, mut full) = (0, false);
    for slot in from..=to {
        let Some(summary) = views.summary(log, slot) else { return Ok(None) };
        stretch.steps.push((summary.block, summary.results_root));
        if full || slot < blocks_from || summary.block == views.empty_block() {
            continue;
        }
        let Some(block) = store.block(log, Slot(slot), &summary.block)? else {
            full = true;
            continue;
        };
        bytes += block.len();
        full = bytes >= BLOCKS_BYTES;
        stretch.blocks.push(block);
    }
    Ok(Some(stretch))
}

/// Catches up with one log whenever that is needed, for as long as the node runs.
pub async fn catch_up(parts: Arc<Parts>, log: LogIndex, behind: watch::Sender<Behind>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut seen, mut turn, mut replaced) = (0, 0, None::<Instant>);
    loop {
        look.tick().await;
        if replaced.is_some_and(|since| since.elapsed() > REPLACED_STAYS) {
            replaced = None;
            let store = parts.store.clone();
            let cleared = tokio::task::spawn_blocking(move || store.clear_staged(log)).await;
            if let Ok(Err(error)) = cleared {
                debug!(%error, "what a snapshot replaced stays");
            }
        }
        let Some((from, left)) = parts.behind(log) else {
            seen = u64::MAX;
            continue;
        };
        // One that is not far behind and moves is about to be there.
        if left <= LAG_MAX && seen != from {
            seen = from;
            continue;
        }
        let mut course = Course { began: Instant::now(), first: from, told: None };
        while let Some((from, left)) = parts.behind(log) {
            course.tell(&parts, log, from, left, &behind);
            turn += 1;
            match parts.learn(log, from, turn).await {
                Learned::Something => {}
                Learned::Nothing => break,
                Learned::Gone if parts.fetch_snapshot(log, &behind).await => {
                    replaced = Some(Instant::now());
                }
                Learned::Gone => break,
            }
        }
        course.end(&parts, log, &behind);
        seen = u64::MAX;
    }
}

/// What came of asking.
enum Learned {
    /// It got further.
    Something,
    /// Nobody had anything.
    Nothing,
    /// The others have let go of what it lacks.
    Gone,
}

/// One time of catching up.
struct Course {
    began: Instant,
    first: u64,
    told: Option<Instant>,
}

impl Course {
    fn tell(
        &mut self,
        parts: &Parts,
        log: LogIndex,
        at: u64,
        left: u64,
        behind: &watch::Sender<Behind>,
    ) {
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = (at - self.first.min(at)) as f64 / seconds.max(0.001);
        behind.send_modify(|behind| {
            behind.insert(log, Progress { left, rate, snapshot: None });
        });
        let name = parts.name(log);
        parts.metrics.set_slots_behind(name, left);
        if left > LAG_MAX && self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            let seconds_left = if rate > 0.0 { (left as f64 / rate).ceil() } else { f64::NAN };
            info!(log = name, at, left, rate = rate.round(), seconds_left, "catching up");
        }
    }

    fn end(&self, parts: &Parts, log: LogIndex, behind: &watch::Sender<Behind>) {
        behind.send_modify(|behind| {
            behind.remove(&log);
        });
        let left = parts.behind(log).map_or(0, |(_, left)| left);
        parts.metrics.set_slots_behind(parts.name(log), left);
        if self.told.is_some() {
            let seconds = self.began.elapsed().as_secs_f64();
            info!(log = parts.name(log), left, seconds, "caught up, as far as others know");
        }
    }
}

impl Parts {
    fn name(&self, log: LogIndex) -> &str {
        self.logs[usize::from(log.0)].log().name()
    }

    /// The first slot that some learner's view lacks although it is certified, and how many it lacks.
    fn behind(&self, log: LogIndex) -> Option<(u64, u64)> {
        let learners = self.logs[usize::from(log.0)].learners();
        let lacking = learners.iter().filter_map(|learner| {
            if self.decisions.is_stopped(log, learner) {
                return None;
            }
            let height = self.views.height_of(log, learner);
            let left = self.decisions.certified(log, learner).saturating_sub(height);
            (left > 0).then_some((height, left))
        });
        lacking.min()
    }

    /// Asks one of the others, and takes in what it answers. Whether that led anywhere.
    async fn learn(self: &Arc<Self>, log: LogIndex, from: u64, turn: usize) -> Learned {
        let executed = self.events.listen();
        let parts = self.clone();
        let known = tokio::task::spawn_blocking(move || reading(|| parts.known_here(log))).await;
        match known.expect("looking at a view does not panic") {
            Ok(ends) if ends.is_empty() => {}
            Ok(ends) => return self.executed(log, &ends, executed).await,
            Err(error) => {
                debug!(%error, "not caught up");
                return Learned::Nothing;
            }
        }
        let peers = self.peers_of(log);
        let mut learned = Learned::Nothing;
        // Each in turn, and each of them once.
        for attempt in 0..peers.len() {
            let peer = peers[(turn + attempt) % peers.len()];
            let blocks_from = self.views.height(log).unwrap_or(0);
            let question = Question::Stretch { log: self.name(log).to_owned(), from, blocks_from };
            let Ok(answer) = self.network.ask(peer, question.encode().into()).await else {
                continue;
            };
            if let Ok(Slots::From(begins)) = Slots::decode(&answer) {
                debug!(log = self.name(log), ?peer, from, begins, "it has let go of these slots");
                learned = Learned::Gone;
                continue;
            }
            let executed = self.events.listen();
            let parts = self.clone();
            let taken = tokio::task::spawn_blocking(move || {
                reading(|| parts.take(log, from, blocks_from, &answer))
            });
            match taken.await.expect("taking in an answer does not panic") {
                Ok(Ok(ends)) if !ends.is_empty() => {
                    return self.executed(log, &ends, executed).await;
                }
                Ok(Ok(_)) => {}
                Ok(Err(why)) => {
                    warn!(log = self.name(log), ?peer, why, "an answer that proves nothing")
                }
                // The store says by itself what is wrong with it.
                Err(error) => {
                    debug!(%error, "not caught up");
                    return Learned::Nothing;
                }
            }
        }
        learned
    }

    /// What another learner has executed here already, and is certified for one that is behind, nobody has to be asked for. Up
    /// to where each learner's view will get by it.
    fn known_here(&self, log: LogIndex) -> Result<BTreeMap<LearnerId, u64>, StoreError> {
        let mut ends = BTreeMap::new();
        for learner in self.logs[usize::from(log.0)].learners().iter() {
            let height = self.views.height_of(log, learner);
            let Some(last) = self.store.last_certificate(log, learner)? else { continue };
            let own = self.views.summary(log, last.slot);
            let same = own.is_some_and(|own| own.history == last.history);
            if !same || last.slot < height || self.decisions.is_stopped(log, learner) {
                continue;
            }
            // The decisions rest on it alone, and it may have come from others and not be on disk yet.
            let mut turn = Turn::default();
            self.store.put_certificate(&mut turn, log, learner, &last)?;
            turn.must_last();
            self.store.commit(turn)?;
            let end = (last.slot + 1).min(height + STRETCH_MAX);
            for slot in height..end {
                let Some(summary) = self.views.summary(log, slot) else { break };
                if let Some(tracer) = &self.tracer {
                    tracer.learned(self.name(log), &last.learner, Slot(slot), summary.block);
                }
                self.decisions.send(Decided {
                    log,
                    slot: Slot(slot),
                    learner,
                    value: summary.block,
                });
            }
            ends.insert(learner, end);
        }
        Ok(ends)
    }

    /// Waits until what was learned is executed.
    async fn executed(
        &self,
        log: LogIndex,
        ends: &BTreeMap<LearnerId, u64>,
        mut executed: tokio::sync::broadcast::Receiver<Event>,
    ) -> Learned {
        let waits = |(learner, end): (&LearnerId, &u64)| {
            self.views.height_of(log, *learner) < *end && !self.decisions.is_stopped(log, *learner)
        };
        let wait = async {
            while ends.iter().any(waits) {
                let heard = executed.recv().await;
                if matches!(heard, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                    return;
                }
                // Each slot is told: what waits is read at once.
                while matches!(executed.try_recv(), Ok(Event::Executed { .. })) {}
            }
        };
        match tokio::time::timeout(EXECUTED_WITHIN, wait).await {
            Ok(()) => Learned::Something,
            Err(_) => Learned::Nothing,
        }
    }

    /// The acceptors of a log that are connected.
    fn peers_of(&self, log: LogIndex) -> Vec<Peer> {
        let acceptors = self.logs[usize::from(log.0)].acceptors();
        let status = self.network.peers().borrow().clone();
        let of_log = |peer: &Peer| matches!(peer, Peer::Acceptor(one) if acceptors.contains(*one));
        status.iter().filter(|it| it.link.is_some()).map(|it| it.peer).filter(of_log).collect()
    }

    /// Takes in an answer: what its certificates prove is decided. Up to where each learner's view will get by it; or what is
    /// wrong with it.
    fn take(
        &self,
        log: LogIndex,
        from: u64,
        blocks_from: u64,
        answer: &[u8],
    ) -> Result<Result<BTreeMap<LearnerId, u64>, &'static str>, StoreError> {
        let Ok(Slots::Stretch(Stretch { steps, certificates, blocks })) = Slots::decode(answer)
        else {
            return Ok(Err("it is no stretch of slots"));
        };
        if steps.is_empty() || steps.len() as u64 > STRETCH_MAX {
            return Ok(Err("it has no slots, or too many"));
        }
        let Some(start) = Summary::read(&self.views.rows(log), from) else {
            return Ok(Ok(BTreeMap::new()));
        };
        let mut history = start.history;
        let histories: Vec<History> = (from..)
            .zip(&steps)
            .map(|(slot, (block, results))| {
                history = history.then(slot, *block, *results);
                history
            })
            .collect();
        let mut proven: BTreeMap<LearnerId, Certificate> = BTreeMap::new();
        for certificate in certificates {
            let Some(learner) = self.graph.learner(&certificate.learner) else {
                return Ok(Err("a certificate of no learner"));
            };
            let at = certificate.slot.checked_sub(from).and_then(|at| usize::try_from(at).ok());
            let leads_there = at.is_some_and(|at| {
                histories.get(at) == Some(&certificate.history)
                    && steps[at].1 == certificate.results_root
            });
            if certificate.log != self.name(log) || !leads_there {
                return Ok(Err("its slots do not lead to its certificates"));
            }
            if certificate.verify(self.id, &self.graph).is_err() {
                return Ok(Err("a certificate that does not hold"));
            }
            proven.insert(learner, certificate);
        }
        let values: Vec<ValueHash> = steps.into_iter().map(|(block, _)| block).collect();
        let mut turn = Turn::default();
        let end = match self.put_blocks(&mut turn, log, from, blocks_from, (&values, &blocks)) {
            Ok(end) => end,
            Err(why) => return Ok(Err(why)),
        };
        for (learner, certificate) in &proven {
            self.store.put_certificate(&mut turn, log, *learner, certificate)?;
        }
        turn.must_last();
        self.store.commit(turn)?;
        let mut ends = BTreeMap::new();
        for (learner, certificate) in proven {
            let end = end.min(certificate.slot + 1);
            let height = self.views.height_of(log, learner);
            // Another learner may have executed what lies before the answer: its history leads to this certificate.
            let value_of = |slot: u64| match slot.checked_sub(from) {
                Some(at) => Some(values[at as usize]),
                None => self.views.summary(log, slot).map(|own| own.block),
            };
            let lacking: Option<Vec<_>> =
                (height..end).map(|slot| Some((slot, value_of(slot)?))).collect();
            for (slot, value) in lacking.iter().flatten() {
                let (slot, value) = (Slot(*slot), *value);
                if let Some(tracer) = &self.tracer {
                    tracer.learned(self.name(log), &certificate.learner, slot, value);
                }
                self.decisions.send(Decided { log, slot, learner, value });
            }
            if lacking.is_some_and(|lacking| !lacking.is_empty()) {
                ends.insert(learner, end);
            }
            self.decisions.certificate(log, learner, certificate);
        }
        Ok(Ok(ends))
    }

    /// Adds the blocks that are not here yet to a turn. The first slot whose block is missing, or lies beyond.
    fn put_blocks(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        from: u64,
        blocks_from: u64,
        (values, blocks): (&[ValueHash], &[Vec<u8>]),
    ) -> Result<u64, &'static str> {
        let empty = Block::default().to_bytes();
        let mut blocks = blocks.iter();
        for (slot, wanted) in (from..).zip(values) {
            if slot < blocks_from {
                continue;
            }
            let bytes = if *wanted == self.views.empty_block() {
                &empty
            } else {
                let Some(bytes) = blocks.next() else { return Ok(slot) };
                bytes
            };
            if value(self.id, bytes) != *wanted || Block::decode(bytes).is_err() {
                return Err("a block that is not the decided one");
            }
            self.store.put_block(turn, log, Slot(slot), wanted, bytes);
        }
        Ok(from + values.len() as u64)
    }
}
