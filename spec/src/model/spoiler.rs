//! Byzantine acceptors that spoil rounds, and are never caught: each keeps its vote back until the round is over, and then shows
//! it to one who has left the round and accepts by it, before the next proposal comes. They see everything at once.

use super::stabilised::{Node, Run};
use super::universe::{Msg, Universe};
use hpaxos_consensus::message::{
    Acceptor, Body, Kind, Message, NoSigner, Packet, Refs, Reply, ReplyKind, Verified,
};
use hpaxos_consensus::{Effects, MessageId, Peer, Round, SlotEvent};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where each of them is in its chain: its last reply, and the round up to which it has voted.
pub struct Spoilers(BTreeMap<AcceptorId, (Option<MessageId>, Option<Round>)>);

impl Spoilers {
    /// Those of the Byzantine acceptors that have not forked in what others hold.
    pub fn new(
        universe: &Universe,
        byzantine: impl Iterator<Item = AcceptorId>,
        held: &BTreeSet<Msg>,
    ) -> Self {
        let chain = |signer: AcceptorId| {
            let own = held.iter().map(|msg| universe.said(*msg));
            let own = own.filter(|said| said.signer == signer && said.kind != Kind::OneA);
            let mut last = (None, None);
            for said in own {
                let Body::Reply(reply) = &said.message.body else { continue };
                if reply.prev != last.0 {
                    return None;
                }
                last = (Some(said.message.id()), Some(said.facts.ballot.round));
            }
            Some((signer, last))
        };
        Spoilers(byzantine.filter_map(chain).collect())
    }
}

impl Run<'_> {
    /// Shows votes of rounds that are over where they do harm.
    pub(super) fn spoil(&mut self) {
        let Some(round) = self.nodes.iter().map(|node| node.instance.round()).max() else { return };
        let schedule = self.setup.trust.schedule();
        let proposer = schedule.proposer(self.setup.slot, round);
        // Theirs are spoilt anyhow.
        if self.setup.byzantine.contains(proposer) {
            return;
        }
        for (spoiler, (prev, voted)) in &mut self.spoilers.0 {
            let proposals = self.nodes.iter().flat_map(|node| {
                let dag = node.instance.dag();
                dag.proposals().iter().map(|(ballot, ix)| (*ballot, dag.node(*ix).message.id()))
            });
            let over = proposals
                .filter(|(ballot, _)| ballot.round < round && Some(ballot.round) > *voted)
                .max_by_key(|(ballot, _)| *ballot);
            let Some((ballot, proposal)) = over else { continue };
            let body = Body::Reply(Reply {
                kind: ReplyKind::OneB,
                acceptor: Acceptor(*spoiler),
                prev: *prev,
                refs: Refs::new(prev.iter().copied().chain([proposal])),
            });
            let place = self.setup.setting.place(self.setup.slot);
            let network = &self.setup.setting.network;
            let vote = Verified::sign(Message { place, body }, network, *spoiler, &NoSigner);
            let vote = Arc::new(vote);
            let victim = self.nodes.iter().position(|node| {
                node.me != proposer && node.instance.round() == round && accepts(node, &vote)
            });
            let Some(victim) = victim else { continue };
            (*prev, *voted) = (Some(vote.id()), Some(ballot.round));
            self.flying[victim].push_front(event(&vote));
        }
    }
}

/// Whether a node would accept or commit something by a vote.
fn accepts(node: &Node, vote: &Arc<Verified<Message>>) -> bool {
    let last = node.instance.last_reply();
    let mut instance = node.instance.clone();
    let mut out = Effects::default();
    instance.handle(event(vote), &mut out);
    instance.settle(&mut out);
    instance.last_reply() != last
        && out.send.iter().any(|(_, packet)| match packet {
            Packet::Message(message, _) => match &message.body {
                Body::Reply(reply) => message.signer() == node.me && reply.kind != ReplyKind::OneB,
                Body::Proposal { .. } => false,
            },
            _ => false,
        })
}

fn event(vote: &Arc<Verified<Message>>) -> SlotEvent {
    let from = Peer::Acceptor(vote.signer());
    SlotEvent::Message { from, message: vote.clone(), hint: Refs::default() }
}
