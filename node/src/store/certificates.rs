//! Certificates.

use super::keys::{certificate_key, certificate_prefix};
use super::{CERTIFICATES, LogIndex, Store, StoreError, Turn};
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::Certificate;

/// Of so many slots one certificate of each learner is kept. It proves those before it, at a hash for each.
const STRETCH: u64 = 64;

impl Store {
    /// Adds a certificate to a turn, in the place of an earlier one of the same stretch of slots.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn put_certificate(
        &self,
        turn: &mut Turn,
        log: LogIndex,
        learner: LearnerId,
        certificate: &Certificate,
    ) -> Result<(), StoreError> {
        let family = self.family(CERTIFICATES);
        let slot = certificate.slot;
        let first = slot / STRETCH * STRETCH;
        let earlier = self.certificates(log, learner, first);
        for earlier in earlier.take_while(|it| it.as_ref().map_or(true, |it| it.slot < slot)) {
            turn.batch.delete_cf(family, certificate_key(log, learner, earlier?.slot));
        }
        turn.batch.put_cf(family, certificate_key(log, learner, slot), certificate.to_bytes());
        Ok(())
    }

    /// The certificates of a learner from a slot on, in the order of slots.
    pub fn certificates(
        &self,
        log: LogIndex,
        learner: LearnerId,
        from: u64,
    ) -> impl Iterator<Item = Result<Certificate, StoreError>> {
        let from = certificate_key(log, learner, from);
        let rows = self.scan_from(CERTIFICATES, from, &certificate_prefix(log, learner));
        rows.map(|row| self.read_certificate(&row?.1))
    }

    fn read_certificate(&self, bytes: &[u8]) -> Result<Certificate, StoreError> {
        Certificate::from_bytes(bytes).ok_or_else(|| self.damaged("a certificate cannot be read"))
    }

    /// The latest certificate of a learner.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn last_certificate(
        &self,
        log: LogIndex,
        learner: LearnerId,
    ) -> Result<Option<Certificate>, StoreError> {
        let key = certificate_key(log, learner, u64::MAX);
        let mode = rocksdb::IteratorMode::From(&key, rocksdb::Direction::Reverse);
        let mut entries = self.database.iterator_cf(self.family(CERTIFICATES), mode);
        let prefix = certificate_prefix(log, learner);
        match self.noted(entries.next().transpose())? {
            Some((key, bytes)) if key.starts_with(&prefix) => {
                self.read_certificate(&bytes).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Keeps certificates that conflict: one with what this node's view of a learner executed, or those of two learners.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn keep_conflict(
        &self,
        log: LogIndex,
        learner: Option<LearnerId>,
        certificates: &[Certificate],
    ) -> Result<(), StoreError> {
        let bytes = borsh::to_vec(certificates).expect("writing to memory does not fail");
        self.keep(&conflict_name(log, learner), &bytes)
    }

    /// What was kept.
    ///
    /// # Errors
    /// If the disk fails, or what is on it cannot be read.
    pub fn conflict(
        &self,
        log: LogIndex,
        learner: Option<LearnerId>,
    ) -> Result<Option<Vec<Certificate>>, StoreError> {
        let kept = self.kept(&conflict_name(log, learner))?;
        let certificates = kept.map(|bytes| borsh::from_slice(&bytes)).transpose();
        certificates.map_err(|_| self.damaged("a certificate cannot be read"))
    }
}

fn conflict_name(log: LogIndex, learner: Option<LearnerId>) -> String {
    match learner {
        Some(learner) => format!("conflict/{}/{}", log.0, learner.index()),
        None => format!("conflict/{}", log.0),
    }
}
