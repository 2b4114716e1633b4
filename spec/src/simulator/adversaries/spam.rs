//! Floods the others with whatever comes to its mind, well- and ill-formed.

use super::honestly::Mischief;
use super::{Den, Surroundings, Wire};
use crate::simulator::wire::Attestation;
use hpaxos_consensus::message::{Acceptor, Answer, Body, Packet, Refs, Reply, ReplyKind};
use hpaxos_consensus::{Judgement, MessageId, Round, Slot, ValueHash};
use rand::Rng;
use rand::seq::IndexedRandom;
use std::sync::Arc;

pub struct Spam;

impl Spam {
    /// Messages, some of which nobody has.
    fn some_ids(slot: Slot, den: &mut Den, world: &mut Surroundings) -> Vec<MessageId> {
        let known: Vec<MessageId> =
            den.view(slot).dag.nodes().map(|(_, node)| node.message.id()).collect();
        let count = world.rng.random_range(1..12);
        (0..count)
            .map(|_| match known.choose(&mut world.rng) {
                Some(id) if world.rng.random_bool(0.8) => *id,
                _ => MessageId(world.rng.random()),
            })
            .collect()
    }

    /// A reply of any shape, for one slot, referencing messages of another.
    fn nonsense(slot: Slot, of: Slot, den: &mut Den, world: &mut Surroundings) -> Wire {
        let ids = Self::some_ids(of, den, world);
        let prev = world.rng.random_bool(0.5).then(|| ids[0]);
        let kind =
            [ReplyKind::OneB, ReplyKind::TwoA, ReplyKind::TwoB][world.rng.random_range(0..3)];
        let refs = Refs::new(ids);
        let body = Body::Reply(Reply { kind, acceptor: Acceptor(den.me()), prev, refs });
        Wire::Packet(Packet::Message(den.sign(slot, body), Refs::default()))
    }

    fn burst(slot: Slot, den: &mut Den, world: &mut Surroundings) {
        let to = den.some_nodes(world);
        let kind = world.rng.random_range(0..7);
        for _ in 0..world.rng.random_range(1..20) {
            if !den.may_act() {
                return;
            }
            let place = den.setting().place(slot);
            let wire = match kind {
                0 => Self::nonsense(slot, slot, den, world),
                1 => {
                    let round = Round(den.view(slot).round.0 + world.rng.random_range(0..6));
                    let value = world.new_value(Judgement::Valid);
                    if let Some(ix) = den.propose(slot, round, value) {
                        den.show(slot, ix, to, world);
                    }
                    continue;
                }
                2 => {
                    let round = Round(world.rng.random_range(0..1 << 40));
                    den.announce(slot, round, to, world);
                    continue;
                }
                3 => {
                    let tips = Refs::new(Self::some_ids(slot, den, world));
                    Wire::Packet(Packet::Tips { place, tips, answer: Answer::Wanted })
                }
                4 => {
                    let want = Refs::new(Self::some_ids(slot, den, world));
                    Wire::Packet(Packet::Ask { place, want, have: Refs::default() })
                }
                5 => {
                    let far = Slot(world.rng.random_range(0..1 << 40));
                    Self::nonsense(far, slot, den, world)
                }
                _ => {
                    let learner = den.setting().trust.learners().iter().next();
                    let Some(learner) = learner else { return };
                    let value = ValueHash(world.rng.random());
                    Wire::Attest(vec![Attestation { slot, learner, value }])
                }
            };
            den.send(to, &Arc::new(wire), world);
        }
    }
}

impl Mischief for Spam {
    fn whim(&mut self, den: &mut Den, world: &mut Surroundings) {
        if let Some(slot) = den.some_slot(world) {
            Self::burst(slot, den, world);
        }
    }
}
