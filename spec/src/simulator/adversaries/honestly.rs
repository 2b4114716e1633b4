//! An honest replica that speaks to all, and beside it some mischief.

use super::puppet::{Puppet, say};
use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::{Slot, Timer};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;

/// What a Byzantine acceptor does beside acting honestly.
pub trait Mischief: Send {
    /// There is news in a slot.
    fn news(&mut self, _slot: Slot, _den: &mut Den, _world: &mut Surroundings) {}

    /// It thinks of something, now and then.
    fn whim(&mut self, den: &mut Den, world: &mut Surroundings);
}

/// Acts honestly, and makes mischief.
pub struct Honestly<M> {
    puppet: Puppet,
    mischief: M,
}

impl<M> Honestly<M> {
    pub fn new(mischief: M, den: &Den, world: &Surroundings) -> Self {
        Honestly { puppet: Puppet::new(0, den, world), mischief }
    }
}

impl<M: Mischief> Behaviour for Honestly<M> {
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
            self.mischief.news(slot, den, world);
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.open(world);
        say(words, den.safe(), den, world);
        self.mischief.whim(den, world);
    }

    fn timer(&mut self, _: u32, timer: (Timer, u64), den: &mut Den, world: &mut Surroundings) {
        let words = self.puppet.timer(timer, world);
        say(words, den.safe(), den, world);
    }
}
