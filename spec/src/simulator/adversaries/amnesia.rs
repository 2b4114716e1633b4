//! Restarts with an empty store now and then, and signs as if it had never signed anything.

use super::chain::Chain;
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::{Judgement, Round, Slot};
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
pub struct Amnesia {
    chains: BTreeMap<Slot, Chain>,
    proposed: BTreeSet<(Slot, Round)>,
}

impl Amnesia {
    fn answer(&mut self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let round = den.view(slot).round;
        let mine = den.setting().trust.schedule().proposer(slot, round) == den.me();
        if mine && self.proposed.insert((slot, round)) {
            let value = world.new_value(Judgement::Valid);
            if let Some(ix) = den.propose(slot, round, value) {
                den.show(slot, ix, den.safe(), world);
            }
        }
        let mut chain = self.chains.remove(&slot).unwrap_or_default();
        for ix in chain.grow(slot, den, |_| true) {
            den.show(slot, ix, den.safe(), world);
        }
        self.chains.insert(slot, chain);
    }
}

impl Behaviour for Amnesia {
    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        if let Some(slot) = den.absorb(from, wire, world) {
            self.answer(slot, den, world);
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if world.rng.random_bool(0.1) {
            self.chains.clear();
            self.proposed.clear();
        }
        for slot in den.slots() {
            self.answer(slot, den, world);
        }
    }
}
