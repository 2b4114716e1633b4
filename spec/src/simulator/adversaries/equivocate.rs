//! Tells two parts of the network two stories: in each, it is honest.
//!
//! Those in league cut the network the same way: by learners where they have different members, so that one learner is to
//! decide what one part hears, and another what the other does. A proposer among them proposes a value to each part.

use super::chain::Chain;
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::{Ballot, Judgement, Round, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
pub struct Equivocate {
    plot: u64,
    chains: BTreeMap<Slot, [Chain; 2]>,
    proposed: BTreeSet<(Slot, Round)>,
}

impl Equivocate {
    pub fn new(world: &Surroundings) -> Self {
        Equivocate { plot: world.scenario.seed, ..Equivocate::default() }
    }

    /// Which nodes hear each story. Some hear both.
    fn parts(&self, slot: Slot, den: &Den) -> [AcceptorSet; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(self.plot);
        rng.set_stream(1_000 + slot.0);
        let trust = &den.setting().trust;
        let learners: Vec<_> = trust.learners().iter().collect();
        let mut parts = [den.league(), den.league()];
        let by_learner = rng.random_bool(0.5);
        let one = learners[rng.random_range(0..learners.len())];
        let both = [0.0, 0.1, 0.3][rng.random_range(0..3)];
        for node in den.safe().iter() {
            let side = if by_learner && rng.random_bool(0.8) {
                usize::from(trust.log().members(one).contains(node))
            } else {
                rng.random_range(0..2)
            };
            parts[side].insert(node);
            if rng.random_bool(both) {
                parts[1 - side].insert(node);
            }
        }
        parts
    }

    /// The story that a ballot belongs to.
    fn side(ballot: Ballot) -> usize {
        usize::from(ballot.value.0[0] & 1)
    }

    fn propose(&mut self, slot: Slot, round: Round, den: &mut Den, world: &mut Surroundings) {
        let schedule = den.setting().trust.schedule();
        if schedule.proposer(slot, round) != den.me() || !self.proposed.insert((slot, round)) {
            return;
        }
        let parts = self.parts(slot, den);
        for (side, part) in parts.into_iter().enumerate() {
            let known = |value: &ValueHash| {
                let ballot = Ballot { round, value: *value };
                Self::side(ballot) == side && world.judge(value) == Judgement::Valid
            };
            let mut old = den.view(slot).dag.proposals().keys().rev().map(|ballot| ballot.value);
            let old = old.find(known);
            let value = old.unwrap_or_else(|| {
                loop {
                    let value = world.new_value(Judgement::Valid);
                    if Self::side(Ballot { round, value }) == side {
                        return value;
                    }
                }
            });
            if let Some(ix) = den.propose(slot, round, value) {
                den.show(slot, ix, part, world);
            }
        }
    }

    fn tell(&mut self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let parts = self.parts(slot, den);
        let mut chains = self.chains.remove(&slot).unwrap_or_default();
        for (side, (chain, part)) in chains.iter_mut().zip(parts).enumerate() {
            for ix in chain.grow(slot, den, |ballot| Self::side(ballot) == side) {
                den.show(slot, ix, part, world);
            }
        }
        self.chains.insert(slot, chains);
    }
}

impl Behaviour for Equivocate {
    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        let Some(slot) = den.absorb(from, wire, world) else { return };
        let round = den.view(slot).round;
        self.propose(slot, round, den, world);
        self.tell(slot, den, world);
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        let next = den.slots().last().map_or(Slot(0), |slot| slot.next());
        if next.0 < world.scenario.slots {
            self.propose(next, Round(0), den, world);
        }
        for slot in den.slots() {
            self.tell(slot, den, world);
        }
    }
}
