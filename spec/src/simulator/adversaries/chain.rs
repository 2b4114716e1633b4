//! One chain of replies among several that a Byzantine acceptor keeps, and how it grows: as an honest acceptor's that knows
//! nothing of the others.

use super::Den;
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::message::{Kind, ReplyKind};
use hpaxos_consensus::{Ballot, Slot};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};

/// A chain of replies in one slot.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    last: Option<Ix>,
    answered: BTreeSet<Ballot>,
}

impl Chain {
    /// Grows by whatever is due for ballots that `wants` holds of, highest first. What is new.
    pub fn grow(&mut self, slot: Slot, den: &mut Den, wants: impl Fn(Ballot) -> bool) -> Vec<Ix> {
        let mut new = Vec::new();
        let proposals = den.view(slot).dag.proposals().clone();
        let highest = self.answered.last().copied();
        let due = proposals.iter().filter(|(ballot, _)| wants(**ballot));
        let due: Vec<(Ballot, Ix)> = due.map(|(ballot, ix)| (*ballot, *ix)).collect();
        for (ballot, proposal) in due.into_iter().filter(|(one, _)| Some(*one) > highest) {
            let may = before(slot, den, ballot);
            let vote = den.reply(slot, ReplyKind::OneB, self.last, &[proposal], &may);
            self.answered.insert(ballot);
            if vote.is_some() {
                self.last = vote;
                new.extend(vote);
            }
        }
        let Some(last) = self.last else { return new };
        let ballot = den.view(slot).dag.node(last).facts.ballot;
        for kind in [ReplyKind::TwoA, ReplyKind::TwoB] {
            let may = den.replies_to(slot, ballot);
            let reply = den.reply(slot, kind, self.last, &[], &may);
            if reply.is_some() {
                self.last = reply;
                new.extend(reply);
            }
        }
        new
    }
}

/// The last reply of each other acceptor to ballots below one.
fn before(slot: Slot, den: &mut Den, ballot: Ballot) -> Vec<Ix> {
    let me = den.me();
    let mut last: BTreeMap<AcceptorId, Ix> = BTreeMap::new();
    for (ix, node) in den.view(slot).dag.nodes() {
        let reply = node.kind() != Kind::OneA && node.signer() != me;
        if reply && node.facts.ballot < ballot {
            last.insert(node.signer(), ix);
        }
    }
    last.into_values().collect()
}
