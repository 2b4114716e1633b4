//! What the league signs, by whose hand it may be.

use super::super::{Den, Surroundings};
use super::cast::find;
use super::plot::{Halt, Plot};
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::message::{Kind, ReplyKind};
use hpaxos_consensus::{Ballot, Judgement, Round, ValueHash};
use hpaxos_learner_graph::AcceptorId;

/// How far ahead a round is looked for in which the right one proposes.
const ROUNDS_AHEAD: u64 = 64;

impl Plot {
    /// The next round above one in which nobody has proposed, and a proposer will do.
    pub(super) fn next_round(
        &self,
        above: Round,
        den: &mut Den,
        will_do: impl Fn(AcceptorId) -> bool,
    ) -> Option<Round> {
        let setting = den.setting().clone();
        let proposals = den.view(self.slot).dag.proposals();
        let mut rounds = (above.0 + 1..above.0 + ROUNDS_AHEAD).map(Round);
        rounds.find(|round| {
            will_do(setting.trust.schedule().proposer(self.slot, *round))
                && proposals.keys().all(|ballot| ballot.round != *round)
        })
    }

    /// Makes a proposal that nobody may see yet.
    pub(super) fn propose(
        &mut self,
        round: Round,
        value: Option<ValueHash>,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(Ballot, Ix), Halt> {
        let value = value.unwrap_or_else(|| world.new_value(Judgement::Valid));
        den.sign_as(den.setting().trust.schedule().proposer(self.slot, round));
        let ix = den.propose(self.slot, round, value).ok_or(Halt::Wait)?;
        self.hide(ix, den);
        Ok((Ballot { round, value }, ix))
    }

    /// Proposes in the round in which the safe acceptors are, if it is the league's turn: a value above a round, or a new
    /// one. Then their votes are waited for.
    pub(super) fn propose_openly(
        &mut self,
        wanted: Option<(Round, ValueHash)>,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(), Halt> {
        let slot = self.slot;
        let round = den.view(slot).round;
        let proposer = den.setting().trust.schedule().proposer(slot, round);
        let proposed = den.view(slot).dag.proposals().keys().any(|one| one.round == round);
        let above = wanted.is_none_or(|(floor, _)| round > floor);
        if !proposed && above && den.league().contains(proposer) {
            let (_, ix) = self.propose(round, wanted.map(|(_, value)| value), den, world)?;
            den.show(slot, ix, den.safe(), world);
        }
        Err(Halt::Wait)
    }

    /// Makes a reply, unless it is there, and shows it if that can be.
    pub(super) fn say(
        &mut self,
        member: AcceptorId,
        kind: ReplyKind,
        ballot: Ballot,
        must: &[Ix],
        den: &mut Den,
        world: Option<&mut Surroundings>,
    ) -> Result<(), Halt> {
        let slot = self.slot;
        let (of, may) = match kind {
            ReplyKind::OneB => (Kind::OneB, &self.overtakers[..]),
            ReplyKind::TwoA => (Kind::TwoA, &[][..]),
            ReplyKind::TwoB => (Kind::TwoB, &[][..]),
        };
        if find(&den.view(slot).dag, member, of, ballot).is_some() {
            return Ok(());
        }
        if !den.may_act() {
            return Err(Halt::Wait);
        }
        den.sign_as(member);
        let prev = self.tips.get(&member).copied();
        let ix = den.reply(slot, kind, prev, must, may).ok_or(Halt::Fail)?;
        self.tips.insert(member, ix);
        match world {
            Some(world) => den.show(slot, ix, den.safe(), world),
            None => self.hide(ix, den),
        }
        Ok(())
    }

    fn hide(&self, ix: Ix, den: &mut Den) {
        let view = den.view(self.slot);
        view.hidden.insert(view.dag.node(ix).message.id());
    }
}
