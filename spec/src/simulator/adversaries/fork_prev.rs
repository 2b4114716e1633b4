//! Replies at random: from any own earlier message, to any ballot, referencing anything, to anybody.

use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::Slot;
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::message::ReplyKind;
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::sync::Arc;

pub struct ForkPrev;

impl ForkPrev {
    fn fork(&self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let own = den.own_replies(slot);
        let prev = if world.rng.random_bool(0.2) { None } else { own.choose(&mut world.rng) };
        let prev = prev.copied();
        let proposals = den.view(slot).dag.proposals().clone();
        let proposals: Vec<_> = proposals.into_iter().collect();
        let Some((ballot, proposal)) = proposals.choose(&mut world.rng).copied() else { return };
        let kinds = [ReplyKind::OneB, ReplyKind::TwoA, ReplyKind::TwoB];
        let kind = kinds[world.rng.random_range(0..3)];
        let must = if kind == ReplyKind::OneB { vec![proposal] } else { Vec::new() };
        let mut may: Vec<Ix> = den.replies_to(slot, ballot);
        if kind == ReplyKind::OneB {
            may = den.view(slot).dag.nodes().map(|(ix, _)| ix).collect();
        }
        let share = [0.1, 0.5, 1.0][world.rng.random_range(0..3)];
        may.retain(|_| world.rng.random_bool(share));
        may.truncate(12);
        if let Some(ix) = den.reply(slot, kind, prev, &must, &may) {
            let to = den.some_nodes(world);
            den.show(slot, ix, to, world);
        }
    }
}

impl Behaviour for ForkPrev {
    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        if let Some(slot) = den.absorb(from, wire, world)
            && world.rng.random_bool(0.3)
        {
            self.fork(slot, den, world);
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if let Some(slot) = den.some_slot(world) {
            self.fork(slot, den, world);
        }
    }
}
