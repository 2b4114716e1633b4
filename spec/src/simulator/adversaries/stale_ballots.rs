//! Comes up with proposals of old rounds, and with votes for old ballots.

use super::honestly::Mischief;
use super::{Den, Surroundings};
use hpaxos_consensus::message::ReplyKind;
use hpaxos_consensus::{Judgement, Round, Slot};
use rand::Rng;
use rand::seq::IndexedRandom;

pub struct StaleBallots;

impl StaleBallots {
    fn propose(slot: Slot, den: &mut Den, world: &mut Surroundings) {
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

    fn vote(slot: Slot, den: &mut Den, world: &mut Surroundings) {
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

impl Mischief for StaleBallots {
    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        let Some(slot) = den.some_slot(world) else { return };
        if world.rng.random_bool(0.5) {
            Self::propose(slot, den, world);
        } else {
            Self::vote(slot, den, world);
        }
    }
}
