//! How two nodes find out what the other lacks.

use super::{Action, Instance, SlotEvent};
use crate::MessageId;
use crate::dag::Ix;
use crate::engine::{Effects, Peer, Request, Target};
use crate::message::{Answer, Packet, Refs};
use crate::rules::Mutant;

/// Messages in answer to one question; who still lacks some asks again, with more below what it holds.
pub(super) const ANSWER_MAX: usize = 128;

// ANCHOR: may_greet
/// A connection came up.
pub(super) fn may_greet(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Connected { peer } = event else { return None };
    (!instance.config.rules.breaks(Mutant::SayOnce)).then_some(Action::Greet(*peer))
}
// ANCHOR_END: may_greet

// ANCHOR: may_compare
/// A peer says what it holds.
pub(super) fn may_compare(_: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Tips { from, tips, answer } = event else { return None };
    Some(Action::Compare { from: *from, tips: tips.clone(), answer: *answer })
}
// ANCHOR_END: may_compare

// ANCHOR: may_answer
/// A peer lacks messages.
pub(super) fn may_answer(_: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Ask { from, want, have } = event else { return None };
    Some(Action::Answer { from: *from, want: want.clone(), have: have.clone() })
}
// ANCHOR_END: may_answer

impl Instance {
    // ANCHOR: greet
    pub(super) fn greet(&self, peer: Peer, out: &mut Effects) {
        // Even if there are none: for whom the slot is over answers with certificates.
        self.send_tips(peer, self.tips(), Answer::Given, out);
        self.remind(peer, out);
        for announcement in self.rounds.announcements() {
            let packet = Packet::Announcement(announcement.clone());
            out.send.push((Target::One(peer), packet));
        }
    }
    // ANCHOR_END: greet

    // ANCHOR: remind
    /// Sends a peer its own last reply and proposal: one that does not know them has lost its store.
    fn remind(&self, peer: Peer, out: &mut Effects) {
        let Peer::Acceptor(acceptor) = peer else { return };
        let proposals = self.dag.proposals().values().rev().copied();
        let mut proposals = proposals.filter(|ix| self.dag.node(*ix).signer() == acceptor);
        for ix in self.dag.last(acceptor).into_iter().chain(proposals.next()) {
            let packet = Packet::Message(self.dag.node(ix).message.clone(), Refs::default());
            out.send.push((Target::One(peer), packet));
        }
    }
    // ANCHOR_END: remind

    /// Asks what others hold: this node may have missed it.
    pub(crate) fn look_at(&self, others: Target, out: &mut Effects) {
        let packet =
            Packet::Tips { place: self.place.clone(), tips: self.tips(), answer: Answer::Wanted };
        out.send.push((others, packet));
    }

    // ANCHOR: compare
    pub(super) fn compare(&mut self, from: Peer, tips: &Refs, answer: Answer, out: &mut Effects) {
        let unknown = tips.iter().copied().filter(|id| self.dag.find(id).is_none());
        let unknown: Vec<MessageId> = unknown.collect();
        let unasked = self.inbox.hear_of(from, unknown.into_iter(), None);
        self.want(from, unasked);
        if answer == Answer::Wanted {
            self.greet(from, out);
            // Messages may not be enough: those of a signer that is caught by now are taken from nobody.
            if !self.learners.certified().is_empty() {
                out.requests.push(Request::Certificates { slot: self.place.slot, to: from });
            }
        }
    }
    // ANCHOR_END: compare

    // ANCHOR: answer
    pub(super) fn answer(&self, from: Peer, want: &Refs, have: &Refs, out: &mut Effects) {
        let held =
            |ids: &Refs| -> Vec<Ix> { ids.iter().filter_map(|id| self.dag.find(id)).collect() };
        let known = self.dag.closure(&held(have), |_| false);
        let missing = self.dag.closure(&held(want), |ix| known.binary_search(&ix).is_ok());
        for ix in missing.into_iter().take(ANSWER_MAX) {
            let packet = Packet::Message(self.dag.node(ix).message.clone(), Refs::default());
            out.send.push((Target::One(from), packet));
        }
    }
    // ANCHOR_END: answer

    pub(super) fn send_tips(&self, peer: Peer, tips: Refs, answer: Answer, out: &mut Effects) {
        let packet = Packet::Tips { place: self.place.clone(), tips, answer };
        out.send.push((Target::One(peer), packet));
    }
}
