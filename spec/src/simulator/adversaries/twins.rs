//! Two honest replicas with one key, each talking to a part of the network.

use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::Timer;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::Rng;
use std::sync::Arc;

pub struct Twins {
    twins: [(Puppet, AcceptorSet); 2],
}

impl Twins {
    pub fn new(den: &Den, world: &mut Surroundings) -> Self {
        let one = den.some_nodes(world);
        let other = den.safe().difference(&one);
        let puppet = |number| Puppet::new(number, den, world);
        Twins { twins: [(puppet(0), one), (puppet(1), other)] }
    }
}

impl Behaviour for Twins {
    fn connected(&mut self, peer: AcceptorId, den: &mut Den, world: &mut Surroundings) {
        for (twin, friends) in &mut self.twins {
            if friends.contains(peer) {
                let words = twin.connected(peer, world);
                say(words, *friends, den, world);
            }
        }
    }

    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        for (twin, friends) in &mut self.twins {
            if friends.contains(from) {
                let words = twin.hear(from, wire, world);
                say(words, *friends, den, world);
            }
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        for (twin, friends) in &mut self.twins {
            let words = twin.open(world);
            say(words, *friends, den, world);
        }
        if world.rng.random_bool(0.05) {
            let one = den.some_nodes(world);
            self.twins[1].1 = den.safe().difference(&one);
            self.twins[0].1 = one;
        }
    }

    fn timer(&mut self, puppet: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let (twin, friends) = &mut self.twins[puppet as usize];
        let words = twin.timer(timer, world);
        say(words, *friends, den, world);
    }
}
