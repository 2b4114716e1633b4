//! A node whose store was lost must not sign what it may have signed before.
//!
//! It signs nothing until acceptors that contain a quorum of every learner have said how far the log is. Whatever it signed
//! was in a slot not far beyond that: a slot opens only when a quorum has decided all but the last few before it.

use crate::config::{Config, Memory};
use crate::ids::Slot;
use crate::record::Record;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::BTreeMap;

// ANCHOR: state
#[derive(Clone, Debug)]
pub(super) struct Amnesia {
    /// Whether reports are waited for.
    lost: bool,
    /// How many slots each acceptor says were opened.
    reports: BTreeMap<AcceptorId, Slot>,
    /// Nothing is signed up to this slot.
    through: Option<Slot>,
}
// ANCHOR_END: state

/// What a node that lost its store must not sign in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Anything: nobody has said yet how far the log is.
    Everything,
    /// Anything up to this slot, included.
    Through(Slot),
}

/// Stands in a record for a slot that is not known yet.
const UNKNOWN: Slot = Slot(u64::MAX);

impl Record {
    /// The record that says: the store was lost, and it is not yet known how much of it.
    pub const LOST: Record = Record::Silent { through: UNKNOWN };
}

impl Amnesia {
    pub fn new(memory: Memory) -> Self {
        Amnesia { lost: memory == Memory::Lost, reports: BTreeMap::new(), through: None }
    }

    /// As a record says, after a restart.
    pub fn restore(&mut self, through: Slot) {
        self.lost |= through == UNKNOWN;
        if through != UNKNOWN {
            self.lost = false;
            self.through = self.through.max(Some(through));
        }
    }

    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// What must not be signed; of slots below `needed` nobody needs anything any more.
    pub fn silence(&self, needed: Slot) -> Option<Silence> {
        match self.through {
            _ if self.lost => Some(Silence::Everything),
            Some(through) if through >= needed => Some(Silence::Through(through)),
            _ => None,
        }
    }

    /// Whether nothing may be signed in `slot`.
    pub fn silences(&self, slot: Slot) -> bool {
        self.lost || self.through.is_some_and(|through| slot <= through)
    }

    /// The store turns out to be lost.
    pub fn lose(&mut self) {
        self.lost = true;
        self.reports.clear();
    }

    // ANCHOR: report
    /// An acceptor says how many slots it has opened. The last slot in which nothing may be signed, once that is known.
    pub fn report(&mut self, from: AcceptorId, opened: Slot, config: &Config) -> Option<Slot> {
        if !self.lost {
            return None;
        }
        self.reports.insert(from, opened);
        let reporters: AcceptorSet = self.reports.keys().copied().collect();
        let waiting = config.trust.learners().difference(config.waived);
        let log = config.trust.log();
        if !waiting.iter().all(|learner| log.is_quorum(learner, &reporters)) {
            return None;
        }
        // This node opened slot s when some learner had decided all below s - depth; so had a quorum opened them.
        let opened = self.reports.values().copied().max().unwrap_or_default().max(config.opened);
        let through = Slot(opened.0.saturating_add(config.depth));
        self.lost = false;
        self.through = self.through.max(Some(through));
        self.through
    }
    // ANCHOR_END: report
}
