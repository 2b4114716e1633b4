//! One slot as its records left it.

use super::{Instance, SlotEvent};
use crate::config::Config;
use crate::engine::Effects;
use crate::ids::{Round, Slot};
use crate::message::Kind;
use crate::record::Record;
use crate::rules::Mutant;
use hpaxos_learner_graph::LearnerId;
use std::sync::Arc;

impl Instance {
    // ANCHOR: recover
    /// One as its records left it. [`crate::Replica`] makes them; so does a model checker, where acceptors crash.
    pub fn recover(
        config: Arc<Config>,
        slot: Slot,
        records: Vec<Record>,
        silent: bool,
        out: &mut Effects,
    ) -> Self {
        let mut instance = Instance::new(config, slot);
        for record in records {
            instance.restore(record);
        }
        instance.recall();
        if silent {
            instance.silence();
        }
        let me = instance.config.me;
        let mut round = Round(0);
        for (ix, node) in instance.dag.nodes() {
            instance.mailbox.push_back(SlotEvent::Arrived(ix));
            let ballot = node.facts.ballot;
            if Some(node.signer()) == me {
                match node.kind() {
                    Kind::OneA if instance.config.rules.breaks(Mutant::ProposeAgain) => {}
                    Kind::OneA => instance.proposer.restore(ballot.round),
                    _ => round = round.max(ballot.round),
                }
            }
        }
        instance.rounds.restore(round);
        if instance.rounds.round() > Round(0) {
            instance.wait_a_quarter(out);
        }
        instance.open(out);
        instance.drain(out);
        instance
    }
    // ANCHOR_END: recover

    // ANCHOR: restore
    fn restore(&mut self, record: Record) {
        match record {
            Record::Messages { messages, .. } => {
                for message in messages {
                    // What is missing was in a write that did not reach the disk: nothing that rests on it was sent.
                    if let Ok(refs) = self.dag.resolve(&message) {
                        let stored = self.dag.insert(message, refs);
                        assert!(stored.is_ok(), "what was stored is well-formed");
                    }
                }
            }
            Record::Round { round, .. } => self.rounds.restore(round),
            Record::Decided { learner, ballot, .. } => {
                self.learners.restore(learner, ballot.value);
            }
            Record::Certified { learner, value, .. } => self.learners.restore(learner, value),
            Record::Retired { .. } | Record::Silent { .. } => {}
        }
    }
    // ANCHOR_END: restore

    /// Takes note of a certificate from before a restart.
    pub(crate) fn restore_certificate(&mut self, learner: LearnerId) {
        self.learners.restore_certificate(learner);
    }
}
