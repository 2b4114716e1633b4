//! What an acceptor has said and stored, and what it must not have.

use super::setup::Setup;
use super::universe::{Msg, Universe};
use crate::properties::Property;
use hpaxos_consensus::message::{Kind, Packet};
use hpaxos_consensus::{Effects, Fault, Record, Sends};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;

/// What an acceptor has done that a crash does not undo.
#[derive(Default)]
pub(super) struct Past {
    pub chain: Vec<Msg>,
    pub stored: Vec<Msg>,
    pub flaw: Option<(Property, Arc<str>)>,
}

impl Past {
    /// Takes note of what the engine wants done, in the order of the lanes.
    pub fn take_note(
        &mut self,
        universe: &Universe,
        owner: AcceptorId,
        out: &Effects,
        setup: &Setup,
    ) {
        let phases = if setup.trust.sends() == Sends::Three { 1 } else { 2 };
        let replies_max = 1 + phases * setup.trust.learners().len();
        for record in &out.store {
            if let Record::Messages { messages, .. } = record {
                self.stored.extend(messages.iter().map(|message| universe.number(message)));
            }
        }
        self.stored.sort_unstable();
        self.stored.dedup();
        for (_, packet) in &out.send {
            let Packet::Message(message, _) = packet else { continue };
            if message.signer() != owner || message.kind() == Kind::OneA {
                continue;
            }
            let msg = universe.number(message);
            if self.chain.contains(&msg) {
                continue;
            }
            let said = universe.said(msg);
            if said.prev != self.chain.last().copied() {
                self.fail(Property::OneChain, || format!("{owner:?} signs two replies after one"));
            }
            if said.differs {
                self.fail(Property::WellFormedness, || {
                    format!("the definitions say something else of a {} of {owner:?}", said.kind)
                });
            }
            self.chain.push(msg);
            let of_ballot = self.chain.iter().map(|msg| universe.ballot(*msg));
            if of_ballot.filter(|ballot| *ballot == said.facts.ballot).count() > replies_max {
                self.fail(Property::BoundedMemory, || {
                    format!("{owner:?} replies to a ballot more than {replies_max} times")
                });
            }
            let on_disk = |msg: &Msg| self.stored.binary_search(msg).is_ok();
            if !said.below.iter().all(on_disk) {
                self.fail(Property::Durability, || {
                    format!("{owner:?} sends a {} before it is on disk", said.kind)
                });
            }
        }
        for fault in &out.faults {
            match fault {
                Fault::Proven(evidence) if !setup.byzantine.contains(evidence.acceptor()) => {
                    let whom = evidence.acceptor();
                    self.fail(Property::Evidence, || format!("evidence against {whom:?}"));
                }
                Fault::IllFormed { signer, flaw, .. } => self
                    .fail(Property::WellFormedness, || {
                        format!("{owner:?} refuses what {signer:?} signed: {flaw:?}")
                    }),
                Fault::OwnMessageUnknown { id } => self.fail(Property::OneChain, || {
                    format!("{owner:?} signed {id:?}, and does not know it")
                }),
                _ => {}
            }
        }
    }

    fn fail(&mut self, property: Property, detail: impl FnOnce() -> String) {
        self.flaw.get_or_insert_with(|| (property, detail().into()));
    }
}
