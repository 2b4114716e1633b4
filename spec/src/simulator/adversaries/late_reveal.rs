//! Acts honestly, and makes a conflicting chain in secret, which it shows late.

use super::chain::Chain;
use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::{Slot, Timer};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct LateReveal {
    puppet: Puppet,
    secret: BTreeMap<Slot, Chain>,
    hidden: Vec<(Slot, Ix)>,
    patience: f64,
}

impl LateReveal {
    pub fn new(den: &Den, world: &mut Surroundings) -> Self {
        let patience = world.rng.random_range(1..=30) as f64 / 100.0;
        let puppet = Puppet::new(0, den, world);
        LateReveal { puppet, secret: BTreeMap::new(), hidden: Vec::new(), patience }
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

impl Behaviour for LateReveal {
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
        let news = den.absorb(from, wire, world);
        let words = self.puppet.hear(from, wire, world);
        say(words, den.safe(), den, world);
        if let Some(slot) = news {
            self.plot(slot, den);
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.open(world);
        say(words, den.safe(), den, world);
        if world.rng.random_bool(self.patience) && !self.hidden.is_empty() {
            let some = den.some_nodes(world);
            let to = if world.rng.random_bool(0.5) { den.safe() } else { some };
            for (slot, ix) in std::mem::take(&mut self.hidden) {
                den.show(slot, ix, to, world);
            }
        }
    }

    fn timer(&mut self, _: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.timer(timer, world);
        let to: AcceptorSet = den.safe();
        say(words, to, den, world);
    }
}
