//! Attestations and certificates on their way between the executor, the engine and the other nodes.

use super::Driver;
use super::timers::Wake;
use crate::network::Bytes;
use crate::store::LogIndex;
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
        let rows = Rows::new(&self.parts.store, log);
        let mut left = CERTIFIED_MAX;
        for (learner, through) in driver.certified.clone() {
            let first = driver.replica.next_uncertified(learner);
            let slots = (first.0..=through.0).take(left as usize);
            for slot in slots {
                let Some(summary) = Summary::read(&rows, slot + 1) else { break };
                let (slot, value) = (Slot(slot), summary.block);
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
