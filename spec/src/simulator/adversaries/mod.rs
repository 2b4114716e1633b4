//! Byzantine acceptors. Each sees everything that is sent to it, and signs whatever it likes with its own key, never with
//! another's.
//!
//! What they have in common is the [`Den`]: a DAG of each slot in which any reply can be forged and tried.

mod amnesia;
mod chain;
mod den;
mod drag;
mod equivocate;
mod fork_prev;
mod honestly;
mod late_reveal;
mod overturn;
mod puppet;
mod silent;
mod spam;
mod stale_ballots;
mod twins;
mod withhold;

pub use den::Den;

use super::faults::Fault;
use super::queue::Awaited;
use super::surroundings::Surroundings;
use super::wire::Wire;
use honestly::Honestly;
use hpaxos_consensus::Timer;
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;

/// How a Byzantine acceptor behaves.
trait Behaviour: Send {
    /// A link came up.
    fn connected(&mut self, _peer: AcceptorId, _den: &mut Den, _world: &mut Surroundings) {}

    /// Something came.
    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    );

    /// It thinks of something, now and then.
    fn whim(&mut self, _den: &mut Den, _world: &mut Surroundings) {}

    /// All is decided.
    fn last_words(&mut self, den: &mut Den, world: &mut Surroundings) {
        den.contradict(world);
    }

    /// A timer of one of its puppets ended.
    fn timer(
        &mut self,
        _puppet: u32,
        _timer: (Timer, u64),
        _den: &mut Den,
        _world: &mut Surroundings,
    ) {
    }
}

/// A Byzantine acceptor.
pub struct Traitor {
    den: Den,
    behaviour: Box<dyn Behaviour>,
}

impl Traitor {
    /// One that behaves so.
    pub fn new(me: AcceptorId, behaviour: Fault, world: &mut Surroundings) -> Self {
        let mut den = Den::new(me, world);
        let behaviour: Box<dyn Behaviour> = match behaviour {
            Fault::Equivocate => Box::new(equivocate::Equivocate::new(world)),
            Fault::ForkPrev => Box::new(fork_prev::ForkPrev),
            Fault::Withhold => Box::new(withhold::Withhold::new(&den, world)),
            Fault::LateReveal => {
                Box::new(Honestly::new(late_reveal::LateReveal::new(world), &den, world))
            }
            Fault::Amnesia => Box::new(amnesia::Amnesia::default()),
            Fault::StaleBallots => {
                Box::new(Honestly::new(stale_ballots::StaleBallots, &den, world))
            }
            Fault::Spam => Box::new(Honestly::new(spam::Spam, &den, world)),
            Fault::Twins => Box::new(twins::Twins::new(&den, world)),
            Fault::Drag => Box::new(Honestly::new(drag::Drag::default(), &den, world)),
            Fault::Overturn => Box::new(overturn::Overturn::new(&den, world)),
            _ => Box::new(silent::Silent),
        };
        den.rest(world);
        Traitor { den, behaviour }
    }

    /// A link came up.
    pub fn connected(&mut self, peer: AcceptorId, world: &mut Surroundings) {
        self.behaviour.connected(peer, &mut self.den, world);
    }

    /// Something came.
    pub fn arrival(&mut self, from: AcceptorId, wire: &Arc<Wire>, world: &mut Surroundings) {
        self.behaviour.arrival(from, wire, &mut self.den, world);
    }

    /// All is decided.
    pub fn last_words(&mut self, world: &mut Surroundings) {
        self.behaviour.last_words(&mut self.den, world);
    }

    /// Something that it waited for is there.
    pub fn awaited(&mut self, puppet: u32, what: Awaited, world: &mut Surroundings) {
        match what {
            Awaited::Timer(timer, armed) => {
                self.behaviour.timer(puppet, (timer, armed), &mut self.den, world);
            }
            Awaited::Whim => {
                self.den.rest(world);
                self.behaviour.whim(&mut self.den, world);
                let pause = Duration::from_millis(world.rng.random_range(20..250));
                world.plan(self.den.me(), 0, pause, Awaited::Whim);
            }
            _ => {}
        }
    }
}
