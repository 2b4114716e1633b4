//! Acts honestly, and comes up with proposals of old rounds, and with votes for old ballots.

use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::message::ReplyKind;
use hpaxos_consensus::{Judgement, Round, Slot, Timer};
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::sync::Arc;

pub struct StaleBallots {
    puppet: Puppet,
}

impl StaleBallots {
    pub fn new(den: &Den, world: &mut Surroundings) -> Self {
        StaleBallots { puppet: Puppet::new(0, den, world) }
    }

    fn propose(&self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let highest = den.view(slot).round;
        let schedule = den.setting().trust.schedule();
        let mine =
            (0..=highest.0).map(Round).filter(|round| schedule.proposer(slot, *round) == den.me());
        let mine: Vec<Round> = mine.collect();
        let Some(round) = mine.choose(&mut world.rng).copied() else { return };
        let judgement =
            if world.rng.random_bool(0.8) { Judgement::Valid } else { Judgement::Invalid };
        let value = world.new_value(judgement);
        if let Some(ix) = den.propose(slot, round, value) {
            let to = den.some_nodes(world);
            den.show(slot, ix, to, world);
        }
    }

    fn vote(&self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let own = den.own_replies(slot);
        let prev = if world.rng.random_bool(0.3) { None } else { own.choose(&mut world.rng) };
        let prev = prev.copied();
        let proposals: Vec<_> = den.view(slot).dag.proposals().values().copied().collect();
        let Some(proposal) = proposals.first().copied() else { return };
        if let Some(ix) = den.reply(slot, ReplyKind::OneB, prev, &[proposal], &[]) {
            let to = den.some_nodes(world);
            den.show(slot, ix, to, world);
        }
    }
}

impl Behaviour for StaleBallots {
    fn connected(&mut self, peer: AcceptorId, den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.connected(peer, world);
        say(words, den.safe(), den, world);
    }

    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        den.absorb(from, wire, world);
        let words = self.puppet.hear(from, wire, world);
        say(words, den.safe(), den, world);
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.open(world);
        say(words, den.safe(), den, world);
        let Some(slot) = den.some_slot(world) else { return };
        if world.rng.random_bool(0.5) {
            self.propose(slot, den, world);
        } else {
            self.vote(slot, den, world);
        }
    }

    fn timer(&mut self, _: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.timer(timer, world);
        say(words, den.safe(), den, world);
    }
}
