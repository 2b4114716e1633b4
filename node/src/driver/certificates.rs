//! Attestations and certificates on their way between the executor, the engine and the other nodes.

use super::Driver;
use super::timers::Wake;
use crate::network::Bytes;
use crate::store::{LogIndex, StoreError};
use crate::views::Rows;
use crate::wire::Frame;
use hpaxos_consensus::{Event, Peer, Slot};
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::Summary;
use std::time::{Duration, Instant};

/// Slots that the engine is told of in one go.
const CERTIFIED_MAX: u64 = 256;

/// Between two times at which a peer is sent the same log's certificates.
const HELP_EVERY: Duration = Duration::from_millis(200);

impl Driver {
    /// Sends what this node attests to everybody.
    pub(super) fn send_attestation(&mut self, log: LogIndex, frame: Bytes) {
        let driver = &self.logs[usize::from(log.0)];
        self.parts.network.broadcast(&driver.others, &frame);
        for follower in &self.followers {
            self.parts.network.send(*follower, frame.clone());
        }
    }

    /// Slots of a learner are certified, and executed here.
    pub(super) fn certified(&mut self, log: LogIndex, learner: LearnerId, through: Slot) {
        let certified = &mut self.logs[usize::from(log.0)].certified;
        let known = certified.entry(learner).or_insert(through);
        *known = through.max(*known);
        self.certify(log);
    }

    /// Tells the engine of certified slots, some at a time.
    pub(super) fn certify(&mut self, log: LogIndex) {
        let driver = &mut self.logs[usize::from(log.0)];
        let store = self.parts.store.clone();
        let rows = Rows::new(&store, log);
        let mut left = CERTIFIED_MAX;
        for (learner, through) in driver.certified.clone() {
            let first = driver.replica.next_uncertified(learner);
            let slots = (first.0..=through.0).take(left as usize);
            for slot in slots {
                let Some(summary) = Summary::read(&rows, slot + 1) else { break };
                let (slot, value) = (Slot(slot), summary.block);
                if let Some(since) = driver.proposed.get(&slot) {
                    let name = self.parts.graph.learner_name(learner);
                    self.parts.metrics.certified(driver.name(), name, since.elapsed());
                }
                driver.queue.push_back(Event::Certified { slot, learner, value });
                left -= 1;
            }
            if left > 0 {
                driver.certified.remove(&learner);
            }
        }
        if !driver.certified.is_empty() {
            self.timers.plan(Duration::ZERO, Wake::Certify { log });
        }
        self.handle(log);
        self.tell_over(log);
    }

    /// Tells whoever lets go of old slots up to where the engine has been told that they are over.
    pub(super) fn tell_over(&self, log: LogIndex) {
        let driver = &self.logs[usize::from(log.0)];
        let learners = driver.trust.learners().iter();
        let over = learners.map(|learner| driver.replica.next_uncertified(learner)).min();
        self.parts.decisions.set_over(log, over.unwrap_or_default());
    }

    /// Engines of logs whose views were replaced go on where the store ends now, as if the node had been started again: all
    /// that was to be stored is stored, and all that was to be sent is sent.
    pub(super) fn begin_anew(&mut self) -> Result<(), StoreError> {
        for index in std::mem::take(&mut self.replaced) {
            let driver = &mut self.logs[usize::from(index.0)];
            driver.begin_anew(&self.parts.store)?;
            if let Some(tracer) = &self.parts.tracer {
                driver.tell_restored(tracer);
            }
            let base = self.parts.store.base(index)?;
            tracing::info!(log = driver.name(), slot = base, "the engine goes on from a snapshot");
            for acceptor in driver.others.clone() {
                let peer = Peer::Acceptor(acceptor);
                driver.queue.push_back(match self.connected.contains(acceptor) {
                    true => Event::Connected { peer },
                    false => Event::Unreachable { acceptor },
                });
            }
            for peer in &self.followers {
                driver.queue.push_back(Event::Connected { peer: *peer });
            }
            self.handle(index);
            self.tell_over(index);
            self.settle()?;
        }
        Ok(())
    }

    /// Sends a peer the latest certificates of a log, unless it just got them.
    pub(super) fn send_certificates(&mut self, log: LogIndex, peer: Peer) {
        let now = Instant::now();
        let driver = &mut self.logs[usize::from(log.0)];
        if driver.helped.get(&peer).is_some_and(|last| now - *last < HELP_EVERY) {
            return;
        }
        driver.helped.insert(peer, now);
        for learner in driver.trust.learners().iter() {
            match self.parts.store.last_certificate(log, learner) {
                Ok(Some(certificate)) => {
                    self.parts.network.send(peer, Frame::certificate(&certificate));
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a certificate could not be read"),
            }
        }
    }
}
