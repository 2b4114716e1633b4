//! Acts honestly, and announces rounds without end.

use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::{Round, Slot, Timer};
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Drag {
    puppet: Puppet,
    announced: BTreeMap<Slot, Round>,
}

impl Drag {
    pub fn new(den: &Den, world: &mut Surroundings) -> Self {
        Drag { puppet: Puppet::new(0, den, world), announced: BTreeMap::new() }
    }
}

impl Behaviour for Drag {
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
        for slot in den.slots() {
            let announced = self.announced.entry(slot).or_default();
            announced.0 += world.rng.random_range(1..4);
            let round = *announced;
            let to = den.safe();
            den.announce(slot, round, to, world);
        }
    }

    fn timer(&mut self, _: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.timer(timer, world);
        say(words, den.safe(), den, world);
    }
}
