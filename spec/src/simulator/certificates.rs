//! Attestations of decisions, and the certificates that they add up to.

use super::wire::Attestation;
use hpaxos_consensus::Slot;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use std::collections::{BTreeMap, BTreeSet};

/// What a node knows of what others attest.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    own: BTreeSet<Attestation>,
    heard: BTreeMap<Attestation, AcceptorSet>,
    held: BTreeMap<(Slot, LearnerId), (Attestation, AcceptorSet)>,
}

impl Certificates {
    /// This node attests.
    pub fn attest(&mut self, what: Attestation) {
        self.own.insert(what);
    }

    /// All that this node attests.
    pub fn attested(&self) -> impl Iterator<Item = Attestation> {
        self.own.iter().copied()
    }

    /// Another one attests. All who do.
    pub fn hear(&mut self, from: AcceptorId, what: Attestation) -> AcceptorSet {
        let heard = self.heard.entry(what).or_default();
        heard.insert(from);
        *heard
    }

    /// Keeps a certificate. Whether it is the first of its learner in its slot.
    pub fn keep(&mut self, what: Attestation, signers: AcceptorSet) -> bool {
        let held = self.held.entry((what.slot, what.learner));
        let news = matches!(held, std::collections::btree_map::Entry::Vacant(_));
        held.or_insert((what, signers));
        news
    }

    /// The certificates of a slot.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = (Attestation, AcceptorSet)> {
        self.held.iter().filter(move |((of, _), _)| *of == slot).map(|(_, held)| *held)
    }
}
