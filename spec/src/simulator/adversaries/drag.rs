//! Announces rounds without end.

use super::honestly::Mischief;
use super::{Den, Surroundings};
use hpaxos_consensus::{Round, Slot};
use rand::Rng;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Drag {
    announced: BTreeMap<Slot, Round>,
}

impl Mischief for Drag {
    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        for slot in den.slots() {
            let announced = self.announced.entry(slot).or_default();
            announced.0 += world.rng.random_range(1..4);
            let round = *announced;
            let to = den.safe();
            den.announce(slot, round, to, world);
        }
    }
}
