//! A league that has a learner decide one value, and then lures the acceptors to decide another.
//!
//! Its members hold each other's keys, and one of them acts for all. In each slot it helps a value through until only the
//! league's own last messages are missing. Then it makes, in secret, what could let acceptors go of that value: votes and 2a's
//! of higher ballots, for learners of which it can bring a quorum together. At last it proposes another value, in a message
//! that comes with all of that at once; and if the acceptors follow, it comes out with what completes the first decision.

mod cast;
mod hands;
mod lure;
mod overtake;
mod plot;

use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_consensus::Slot;
use hpaxos_consensus::message::Packet;
use hpaxos_learner_graph::AcceptorId;
use plot::Plot;
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Overturn {
    /// Whether it is the one that acts.
    leads: bool,
    plots: BTreeMap<Slot, Plot>,
}

impl Overturn {
    pub fn new(den: &Den, world: &Surroundings) -> Self {
        let league = den.league();
        let leader = world.scenario.seed % league.len() as u64;
        let leads = league.iter().nth(leader as usize) == Some(den.me());
        Overturn { leads, plots: BTreeMap::new() }
    }

    fn plot(&mut self, slot: Slot, den: &mut Den, world: &mut Surroundings) -> &mut Plot {
        self.plots.entry(slot).or_insert_with(|| Plot::new(slot, den, world))
    }

    fn go_on(&mut self, slot: Slot, den: &mut Den, world: &mut Surroundings) {
        if slot.0 < world.scenario.slots {
            self.plot(slot, den, world).go_on(den, world);
            den.sign_as(den.me());
        }
    }
}

impl Behaviour for Overturn {
    fn arrival(
        &mut self,
        from: AcceptorId,
        wire: &Arc<Wire>,
        den: &mut Den,
        world: &mut Surroundings,
    ) {
        if !self.leads {
            return;
        }
        if let Wire::Packet(Packet::Announcement(one)) = &**wire
            && one.signer() == from
            && one.place.slot.0 < world.scenario.slots
        {
            self.plot(one.place.slot, den, world).hear(from, one.round);
        }
        if let Some(slot) = den.absorb(from, wire, world) {
            self.go_on(slot, den, world);
        }
    }

    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if self.leads {
            for slot in den.slots() {
                self.go_on(slot, den, world);
            }
        }
    }
}
