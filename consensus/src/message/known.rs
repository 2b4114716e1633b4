//! Which replies are known by their places, so that others can be told of them in few bits.
//!
//! A signer's replies in a slot are one chain, so (signer, depth) names one of them, unless the signer forked. From there on
//! its chain is cut off here, and its replies are named by their ids.

use super::{Message, Verified};
use crate::ids::{MessageId, Slot};
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;

/// Slots of each signer, the highest ones: several windows of the default depth.
const SLOTS_MAX: usize = 64;
/// Replies of a signer in a slot: those of some ten rounds.
pub(super) const DEPTH_MAX: usize = 32;

// ANCHOR: known
/// The replies of a log that a node knows. Of each signer it has so many, whatever the others sign: two KiB of ids for each of
/// 64 slots at most.
#[derive(Clone, Debug, Default)]
pub struct KnownReplies {
    /// By the signer's index.
    signers: Vec<BTreeMap<Slot, Chain>>,
}

/// What is known of a signer's replies in a slot.
#[derive(Clone, Debug, Default)]
struct Chain {
    /// From the one without `prev` upward, each the `prev` of the next.
    ids: Vec<MessageId>,
    /// Whether two replies follow the last one of these: then neither has a place.
    is_cut: bool,
}
// ANCHOR_END: known

impl KnownReplies {
    /// Takes note of a reply, whose `prev` should be known before. Other messages change nothing.
    pub fn note(&mut self, message: &Verified<Message>) {
        let Some(reply) = message.reply() else { return };
        let signer = message.signer().index();
        if signer >= self.signers.len() {
            self.signers.resize_with(signer + 1, BTreeMap::new);
        }
        let slots = &mut self.signers[signer];
        slots.entry(message.place.slot).or_default().note(reply.prev, message.id());
        if slots.len() > SLOTS_MAX {
            slots.pop_first();
        }
    }

    /// The chain of a signer, as far as it is known.
    pub(super) fn chain(&self, slot: Slot, signer: AcceptorId) -> &[MessageId] {
        let chain = self.signers.get(signer.index()).and_then(|slots| slots.get(&slot));
        chain.map_or(&[], |chain| &chain.ids)
    }

    /// Everybody's chains in a slot.
    pub(super) fn chains(&self, slot: Slot) -> impl Iterator<Item = (AcceptorId, &[MessageId])> {
        let signers = self.signers.iter().enumerate();
        signers.filter_map(move |(signer, slots)| {
            Some((AcceptorId::new(signer), slots.get(&slot)?.ids.as_slice()))
        })
    }
}

impl Chain {
    fn note(&mut self, prev: Option<MessageId>, id: MessageId) {
        let depth = match prev {
            None => Some(0),
            Some(prev) => self.ids.iter().rposition(|one| *one == prev).map(|below| below + 1),
        };
        let Some(depth) = depth else { return };
        match self.ids.get(depth) {
            Some(other) if *other != id => {
                self.ids.truncate(depth);
                self.is_cut = true;
            }
            None if !self.is_cut && depth < DEPTH_MAX => self.ids.push(id),
            _ => {}
        }
    }
}
