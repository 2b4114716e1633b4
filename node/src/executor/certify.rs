//! Attesting what was executed, and what becomes of certificates.

use super::{Executor, News, Stopped, WhyStopped};
use crate::certifier::Attested;
use crate::driver::Input;
use crate::events::Event;
use crate::store::{LogIndex, StoreError, Turn};
use crate::wire::Frame;
use hpaxos_consensus::Slot;
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::{Certificate, Summary};
use std::time::Instant;
use tracing::{debug, error};

/// Slots before the last certificate of which those of a start before are looked for.
const RECALLED: u64 = 1_024;

impl Executor {
    /// Goes on with the certificates that the store has.
    pub(super) fn recall_certificates(&mut self, index: LogIndex) -> Result<(), StoreError> {
        let learners: Vec<LearnerId> = self.log(index).heights.keys().copied().collect();
        for learner in learners {
            let conflict = self.parts.store.conflict(index, Some(learner))?;
            if let Some(certificate) = conflict.as_deref().and_then(<[_]>::first) {
                let (log, slot) = (self.names(index, learner).0, certificate.slot);
                error!(
                    log,
                    slot,
                    learner = certificate.learner,
                    "its view has stopped for good: its quorum came to another state"
                );
                self.mismatched(index, learner, slot);
            }
            let Some(last) = self.parts.store.last_certificate(index, learner)? else { continue };
            self.recall_older(index, learner, last.slot)?;
            self.decisions.set_certified(index, learner, last.slot + 1);
            self.log(index).certifier.keep(learner, last.clone());
            self.weigh(index, learner, last)?;
        }
        for certificate in self.parts.store.conflict(index, None)?.unwrap_or_default() {
            self.diverged(index, certificate.slot, certificate.learner);
        }
        Ok(())
    }

    /// Certificates before the last one may be of slots in which other learners have one, too: then there is a snapshot.
    fn recall_older(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        last: u64,
    ) -> Result<(), StoreError> {
        let learners = self.log(index).heights.len();
        let store = self.parts.store.clone();
        for certificate in store.certificates(index, learner, last.saturating_sub(RECALLED)) {
            let certificate = certificate?;
            let summary = self.parts.views.summary(index, certificate.slot);
            if summary.is_some_and(|summary| says_the_same(&certificate, &summary)) {
                self.parts.snapshots.certified(index, learners, certificate);
            }
        }
        Ok(())
    }

    pub(super) fn log(&mut self, index: LogIndex) -> &mut super::Log {
        &mut self.logs[usize::from(index.0)]
    }

    /// The names of a log and a learner.
    fn names(&self, index: LogIndex, learner: LearnerId) -> (String, String) {
        let log = self.logs[usize::from(index.0)].rules.log.clone();
        (log, self.parts.graph.learner_name(learner).to_owned())
    }

    /// A learner's view is past a slot, which may be empty.
    pub(super) fn note_reached(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        slot: u64,
        is_empty: bool,
    ) -> Result<(), StoreError> {
        let log = self.log(index);
        log.due.reach(learner, slot, is_empty, Instant::now());
        match log.ahead.remove(&learner) {
            Some(certificate) => self.weigh(index, learner, certificate),
            None => Ok(()),
        }
    }

    /// Attests what was executed since the last time.
    pub(super) fn attest(&mut self, index: LogIndex) -> Result<(), StoreError> {
        for (slot, learners) in self.log(index).due.take() {
            let Some(summary) = self.parts.views.summary(index, slot) else { continue };
            let Some(attested) = self.log(index).certifier.attest(slot, learners, &summary) else {
                continue;
            };
            let frame = Frame::attestation(&attested.attestation, &attested.signature);
            self.news.insert(News::Attested(index), Input::Attest { log: index, frame });
            self.tell_driver();
            self.collect(index, attested)?;
        }
        Ok(())
    }

    /// Another acceptor attests something.
    pub(super) fn hear(&mut self, index: LogIndex, attested: Attested) -> Result<(), StoreError> {
        self.decisions.seen();
        self.collect(index, attested)
    }

    fn collect(&mut self, index: LogIndex, attested: Attested) -> Result<(), StoreError> {
        for (learner, certificate) in self.log(index).certifier.hear(attested) {
            self.certified(index, learner, certificate)?;
        }
        Ok(())
    }

    /// Somebody else had a certificate.
    pub(super) fn hold(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        certificate: Certificate,
    ) -> Result<(), StoreError> {
        self.decisions.seen();
        if self.log(index).certifier.keep(learner, certificate.clone()) {
            self.certified(index, learner, certificate)?;
        }
        Ok(())
    }

    /// There is a new certificate.
    fn certified(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        certificate: Certificate,
    ) -> Result<(), StoreError> {
        let mut turn = Turn::default();
        self.parts.store.put_certificate(&mut turn, index, learner, &certificate)?;
        self.parts.store.commit(turn)?;
        let slot = certificate.slot;
        self.decisions.set_certified(index, learner, slot + 1);
        let (log, name) = self.names(index, learner);
        debug!(log, slot, learner = name, signers = certificate.signatures.len(), "certified");
        self.parts.events.send(Event::Certified { log, slot, learner: name });
        self.look_for_divergence(index, learner, &certificate)?;
        self.weigh(index, learner, certificate)
    }

    /// Compares a certificate with what the learner's view executed, now or when it has.
    fn weigh(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        certificate: Certificate,
    ) -> Result<(), StoreError> {
        let slot = certificate.slot;
        let log = self.log(index);
        if log.heights.get(&learner).is_none_or(|height| *height <= slot) {
            log.ahead.insert(learner, certificate);
            return Ok(());
        }
        let Some(summary) = self.parts.views.summary(index, slot) else { return Ok(()) };
        if !says_the_same(&certificate, &summary) {
            return self.stop(index, learner, &certificate, &summary);
        }
        let learners = self.log(index).heights.len();
        self.parts.snapshots.certified(index, learners, certificate);
        let certified = Input::Certified { log: index, learner, through: Slot(slot) };
        self.news.insert(News::Certified(index, learner), certified);
        Ok(())
    }

    /// A quorum came to another state than this node: its view of the learner must not go on.
    fn stop(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        certificate: &Certificate,
        own: &Summary,
    ) -> Result<(), StoreError> {
        if self.decisions.is_stopped(index, learner) {
            return Ok(());
        }
        let slot = certificate.slot;
        self.parts.store.keep_conflict(index, Some(learner), std::slice::from_ref(certificate))?;
        let (log, name) = self.names(index, learner);
        error!(log, slot, learner = name,
            certified_history = %certificate.history, own_history = %own.history,
            certified_state = %certificate.state_root, own_state = %own.state_root,
            "a quorum attests another outcome than this node's: its view of this learner stops here; the certificate is kept \
             as evidence. Either this node's disk or program is wrong, or a quorum of the learner is Byzantine");
        self.mismatched(index, learner, slot);
        Ok(())
    }

    /// A learner's view goes no further, since its quorum came to another state; and everybody is told.
    fn mismatched(&mut self, index: LogIndex, learner: LearnerId, slot: u64) {
        self.decisions.stop(index, learner, Stopped { slot, why: WhyStopped::RootMismatch });
        let (log, name) = self.names(index, learner);
        self.parts.metrics.root_mismatch(&log, &name);
        self.parts.events.send(Event::RootMismatch { log, slot, learner: name });
    }

    /// A learner differs from the others of its log; and everybody is told.
    pub(super) fn diverged(&self, index: LogIndex, slot: u64, learner: String) {
        let log = self.logs[usize::from(index.0)].rules.log.clone();
        self.parts.metrics.diverged(&log, &learner);
        self.parts.events.send(Event::Diverged { log, slot, learner });
    }

    /// Looks whether quorums of two learners attest different outcomes of one slot.
    fn look_for_divergence(
        &mut self,
        index: LogIndex,
        learner: LearnerId,
        certificate: &Certificate,
    ) -> Result<(), StoreError> {
        let slot = certificate.slot;
        let log = self.log(index);
        let others = log.heights.keys().filter(|other| **other != learner);
        let other = others
            .filter_map(|other| log.certifier.latest(*other))
            .find(|other| other.slot == slot && other.history != certificate.history);
        let Some(other) = other.cloned() else { return Ok(()) };
        let learners = [certificate.learner.clone(), other.learner.clone()];
        if self.parts.store.conflict(index, None)?.is_some() {
            return Ok(());
        }
        self.parts.store.keep_conflict(index, None, &[certificate.clone(), other])?;
        let (log, _) = self.names(index, learner);
        error!(
            log,
            slot,
            learners = learners.join(", "),
            "quorums of two learners attest different outcomes: bundles are not atomic between them any more"
        );
        for learner in learners {
            self.diverged(index, slot, learner);
        }
        Ok(())
    }
}

fn says_the_same(certificate: &Certificate, summary: &Summary) -> bool {
    certificate.history == summary.history
        && certificate.results_root == summary.results_root
        && certificate.state_root == summary.state_root
}
