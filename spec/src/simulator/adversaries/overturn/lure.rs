//! The other value: proposed with all that overtakes the first, helped through, and contradicted.

use super::super::{Den, Surroundings, Wire};
use super::cast::{Cast, find, naming};
use super::plot::{Halt, Plot};
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::message::{Body, Kind, Packet, Refs, ReplyKind};
use hpaxos_consensus::{Ballot, Sends};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::sync::Arc;

/// Rounds after which nobody will follow any more.
const PATIENCE: u64 = 2;

impl Plot {
    /// Makes the last proposal, in a round of the leader that no safe acceptor has reached.
    pub(super) fn propose_last(
        &mut self,
        first: Cast,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(), Halt> {
        let (floor, me) = (self.floor(first, den).max(self.highest()), den.me());
        let round = self.next_round(floor, den, |proposer| proposer == me).ok_or(Halt::Fail)?;
        let dag = &den.view(self.slot).dag;
        let mut values = self.overtakers.iter().rev().map(|ix| dag.node(*ix).facts.ballot.value);
        let value = values.find(|value| *value != first.ballot.value);
        self.last = Some(self.propose(round, value, den, world)?);
        self.voted = AcceptorSet::EMPTY;
        self.announced = AcceptorSet::EMPTY;
        Ok(())
    }

    /// Brings the safe acceptors into the round of the last proposal, and shows it there, with all that was made.
    pub(super) fn lure(&mut self, den: &mut Den, world: &mut Surroundings) -> Result<(), Halt> {
        let slot = self.slot;
        let first = self.first.ok_or(Halt::Fail)?;
        if self.last.is_none_or(|(ballot, _)| ballot.round < self.highest()) {
            self.propose_last(first, den, world)?;
        }
        let (ballot, proposal) = self.last.ok_or(Halt::Fail)?;
        for member in den.league().difference(&self.voted).iter() {
            if let Err(Halt::Wait) =
                self.say(member, ReplyKind::OneB, ballot, &[proposal], den, None)
            {
                return Err(Halt::Wait);
            }
            self.voted.insert(member);
        }
        for member in den.league().difference(&self.announced).iter() {
            if !den.may_act() {
                return Err(Halt::Wait);
            }
            den.sign_as(member);
            den.announce(slot, ballot.round, den.safe(), world);
            self.announced.insert(member);
        }
        let there = |one: AcceptorId| self.heard.get(&one) == Some(&ballot.round);
        if !first.quorum.difference(&den.league()).iter().all(there) {
            return Err(Halt::Wait);
        }
        self.show_all(ballot, proposal, den, world);
        Ok(())
    }

    /// Shows the last proposal, which waits for what overtakes, and then everything that was hidden: the highest first, so
    /// that all of it is complete at once.
    fn show_all(&self, ballot: Ballot, proposal: Ix, den: &mut Den, world: &mut Surroundings) {
        let slot = self.slot;
        let view = den.view(slot);
        let hint = Refs::new(self.overtakers.iter().map(|ix| view.dag.node(*ix).message.id()));
        let roots: Vec<Ix> = self.tips.values().copied().collect();
        let mut hidden = view.dag.closure(&roots, |_| false);
        hidden
            .retain(|ix| *ix != proposal && view.hidden.contains(&view.dag.node(*ix).message.id()));
        let order = std::iter::once(proposal).chain(hidden.into_iter().rev());
        let messages: Vec<_> = order.map(|ix| view.dag.node(ix).message.clone()).collect();
        let to = den.safe();
        den.send(to, &Arc::new(Wire::Value { slot, value: ballot.value }), world);
        for message in messages {
            den.view(slot).hidden.remove(&message.id());
            world.first_sent(message.signer(), &message, Some(&to));
            let hint = match message.body {
                Body::Proposal { round, .. } if round == ballot.round => hint.clone(),
                _ => Refs::default(),
            };
            den.send(to, &Arc::new(Wire::Packet(Packet::Message(message, hint))), world);
        }
    }

    /// Helps the other value through, and then comes out with what completes the first.
    pub(super) fn follow(&mut self, den: &mut Den, world: &mut Surroundings) -> Result<(), Halt> {
        let (slot, victim) = (self.slot, self.victim);
        let (ballot, _) = self.last.ok_or(Halt::Fail)?;
        let four = den.setting().trust.sends() == Sends::Four;
        let kinds = [(Kind::TwoA, ReplyKind::TwoA), (Kind::TwoB, ReplyKind::TwoB)];
        for (kind, reply) in kinds.into_iter().take(if four { 2 } else { 1 }) {
            for member in den.league().iter() {
                let dag = &den.view(slot).dag;
                let voted = find(dag, member, Kind::OneB, ballot).is_some();
                if !voted || naming(dag, kind, ballot, victim).contains(member) {
                    continue;
                }
                den.sign_as(member);
                let may = den.replies_to(slot, ballot);
                let prev = self.tips.get(&member).copied();
                if let Some(ix) = den.reply(slot, reply, prev, &[], &may) {
                    self.tips.insert(member, ix);
                    den.show(slot, ix, den.safe(), world);
                }
            }
        }
        let dag = &den.view(slot).dag;
        let deciding = if four { Kind::TwoB } else { Kind::TwoA };
        let class = dag.trust().class_of(victim);
        if dag.trust().is_quorum(class, &naming(dag, deciding, ballot, victim)) {
            return self.contradict(four, den, world);
        }
        let late = self.highest().0 > ballot.round.0 + PATIENCE;
        Err(if late { Halt::Fail } else { Halt::Wait })
    }

    /// Comes out with the league's last messages for the first value. Each references those before it: nobody takes a
    /// forker's message in for its own sake.
    fn contradict(
        &mut self,
        four: bool,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(), Halt> {
        let slot = self.slot;
        let first = self.first.ok_or(Halt::Fail)?;
        let (deciding, reply, before) = if four {
            (Kind::TwoB, ReplyKind::TwoB, Kind::TwoA)
        } else {
            (Kind::TwoA, ReplyKind::TwoA, Kind::OneB)
        };
        let mut must = first.all(before, &den.view(slot).dag).ok_or(Halt::Fail)?;
        let mut members: Vec<AcceptorId> =
            first.quorum.intersection(&den.league()).iter().collect();
        members.sort_by_key(|member| Some(*member) != self.forker);
        for member in members {
            let dag = &den.view(slot).dag;
            if let Some(known) = find(dag, member, deciding, first.ballot) {
                must.push(known);
                continue;
            }
            let prev = find(dag, member, before, first.ballot);
            if !den.may_act() {
                return Err(Halt::Wait);
            }
            den.sign_as(member);
            let ix = den.reply(slot, reply, prev, &must, &[]).ok_or(Halt::Fail)?;
            must.push(ix);
            den.show(slot, ix, den.safe(), world);
        }
        Ok(())
    }
}
