//! Makes a conflicting chain in secret, which it shows late.

use super::chain::Chain;
use super::honestly::Mischief;
use super::{Den, Surroundings};
use hpaxos_consensus::Slot;
use hpaxos_consensus::dag::Ix;
use rand::Rng;
use std::collections::BTreeMap;

pub struct LateReveal {
    secret: BTreeMap<Slot, Chain>,
    hidden: Vec<(Slot, Ix)>,
    patience: f64,
}

impl LateReveal {
    pub fn new(world: &mut Surroundings) -> Self {
        let patience = world.rng.random_range(1..=30) as f64 / 100.0;
        LateReveal { secret: BTreeMap::new(), hidden: Vec::new(), patience }
    }

    /// Makes what would be said had nothing been said before.
    fn plot(&mut self, slot: Slot, den: &mut Den) {
        let mut chain = self.secret.remove(&slot).unwrap_or_default();
        for ix in chain.grow(slot, den, |_| true) {
            let id = den.view(slot).dag.node(ix).message.id();
            den.view(slot).hidden.insert(id);
            self.hidden.push((slot, ix));
        }
        self.secret.insert(slot, chain);
    }
}

impl Mischief for LateReveal {
    fn news(&mut self, slot: Slot, den: &mut Den, _: &mut Surroundings) {
        self.plot(slot, den);
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if world.rng.random_bool(self.patience) && !self.hidden.is_empty() {
            let some = den.some_nodes(world);
            let to = if world.rng.random_bool(0.5) { den.safe() } else { some };
            for (slot, ix) in std::mem::take(&mut self.hidden) {
                den.show(slot, ix, to, world);
            }
        }
    }
}
