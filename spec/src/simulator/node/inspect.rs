//! What those who watch want to know of a node.

use super::Node;
use crate::properties::Property;
use crate::simulator::surroundings::Surroundings;
use hpaxos_consensus::{Round, Slot};
use hpaxos_learner_graph::{AcceptorId, LearnerId};

impl Node {
    /// Messages that nobody needs, of one signer, in one slot: what admission allows, and some that are under way; and as many
    /// again for each other acceptor, which may have named what it had been sent, and not referenced it.
    pub(super) fn check_memory(&self, world: &mut Surroundings) {
        let Some(replica) = &self.replica else { return };
        let learners = world.setting.trust.learners().len();
        let acceptors = world.setting.acceptors.len();
        let unneeded_max = (64.max(4 * (1 + 2 * learners)) + 2) * acceptors;
        let waiting_max = acceptors * hpaxos_consensus::WAITING_BYTES_MAX / 256;
        for slot in replica.open_slots() {
            let Some(instance) = replica.instance(slot) else { continue };
            for acceptor in world.setting.acceptors.iter().filter(|one| **one != self.me) {
                let unneeded = instance.dag().unneeded(*acceptor);
                let bounded = unneeded <= unneeded_max && instance.waiting() <= waiting_max;
                world.properties.check(Property::BoundedMemory, bounded, || {
                    format!(
                        "{:?} holds {unneeded} messages of {acceptor:?} that nobody needs",
                        self.me
                    )
                });
            }
        }
    }

    /// Whether each fork in its open slots was proven.
    pub fn check_evidence(&self, world: &mut Surroundings) {
        let Some(replica) = &self.replica else { return };
        for slot in replica.open_slots() {
            let forked = replica.instance(slot).map(|instance| *instance.dag().forked());
            let byzantine = world.scenario.traitors();
            let right = forked.is_none_or(|forked| forked.is_subset(&byzantine));
            world.properties.check(Property::OneChain, right, || {
                format!("at {:?} in {slot:?}, {forked:?} forked", self.me)
            });
        }
    }

    /// Which acceptor it is.
    pub fn me(&self) -> AcceptorId {
        self.me
    }

    /// Who forked, as this node can prove, in each slot that is open here.
    pub fn forks(&self) -> impl Iterator<Item = (Slot, AcceptorId)> + '_ {
        let replica = self.replica.iter();
        let open = replica.flat_map(|replica| replica.open_slots().map(move |at| (replica, at)));
        open.flat_map(|(replica, slot)| {
            let instance = replica.instance(slot).into_iter();
            instance.flat_map(move |it| it.dag().forked().iter().map(move |who| (slot, who)))
        })
    }

    /// Whether this node can prove that `acceptor` forked in a slot; none if the slot is not in its window: for one that is parked
    /// a single message of each peer waits, and evidence is two.
    pub fn knows_fork(&self, slot: Slot, acceptor: AcceptorId) -> Option<bool> {
        let replica = self.replica.as_ref()?;
        let (learners, depth) = (replica.config().trust.learners(), replica.config().depth);
        let frontier = learners.iter().map(|learner| replica.next_undecided(learner)).max()?;
        if slot.0 + depth < frontier.0 {
            return None;
        }
        Some(replica.instance(slot)?.dag().forked().contains(acceptor))
    }

    /// What a slot looks like here, for people.
    pub fn describe(&self, slot: Slot) -> String {
        let Some(replica) = &self.replica else { return "down".into() };
        match replica.instance(slot) {
            None => format!(
                "{:?}: not open, parked {:?}, next {:?}, silence {:?}, lost {}",
                self.me,
                replica.parked_slots().collect::<Vec<_>>(),
                replica.next_undecided(LearnerId::new(0)),
                replica.silence(),
                self.lost
            ),
            Some(instance) => format!(
                "{:?}: round {}, {} messages, {} waiting, silent {}",
                self.me,
                instance.round(),
                instance.dag().len(),
                instance.waiting(),
                replica.is_silent_in(slot)
            ),
        }
    }

    /// The round of a slot, if it is open.
    pub fn round(&self, slot: Slot) -> Option<Round> {
        Some(self.replica.as_ref()?.instance(slot)?.round())
    }
}
