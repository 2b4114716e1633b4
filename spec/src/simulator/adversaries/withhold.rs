//! Acts honestly, towards some only; and does not always hand out what others need.

use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::Timer;
use hpaxos_consensus::message::Packet;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::Rng;
use std::sync::Arc;

pub struct Withhold {
    puppet: Puppet,
    friends: AcceptorSet,
}

impl Withhold {
    pub fn new(den: &Den, world: &mut Surroundings) -> Self {
        Withhold { puppet: Puppet::new(0, den, world), friends: den.some_nodes(world) }
    }
}

impl Behaviour for Withhold {
    fn connected(&mut self, peer: AcceptorId, den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.connected(peer, world);
        say(words, self.friends, den, world);
    }

    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        let asked = matches!(&**wire, Wire::Packet(Packet::Ask { .. }) | Wire::AskValue { .. });
        if asked && world.rng.random_bool(0.7) {
            return;
        }
        let words = self.puppet.hear(from, wire, world);
        let to = if asked { AcceptorSet::from_iter([from]) } else { self.friends };
        say(words, to, den, world);
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if world.rng.random_bool(0.2) {
            self.friends = den.some_nodes(world);
        }
        let words = self.puppet.open(world);
        say(words, self.friends, den, world);
    }

    fn timer(&mut self, _: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.timer(timer, world);
        say(words, self.friends, den, world);
    }
}
