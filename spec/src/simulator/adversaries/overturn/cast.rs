//! Who is to take part in a ballot, and what of it is there.

use super::super::{Den, Surroundings};
use hpaxos_consensus::dag::{Dag, Ix};
use hpaxos_consensus::message::{Kind, ReplyKind};
use hpaxos_consensus::rules::Draft;
use hpaxos_consensus::{Ballot, Slot};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use rand::seq::SliceRandom;

/// A ballot in which a quorum of a learner is to take part: members of the league, and safe acceptors that voted.
#[derive(Clone, Copy)]
pub struct Cast {
    pub ballot: Ballot,
    pub proposal: Ix,
    /// No more than needed.
    pub quorum: AcceptorSet,
}

impl Cast {
    /// One for this ballot, if the league and those who voted for the learner are enough.
    pub fn new(
        (slot, ballot): (Slot, Ballot),
        learner: LearnerId,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Option<Self> {
        let (league, safe) = (den.league(), den.safe());
        let dag = &den.view(slot).dag;
        let (trust, proposal) = (dag.trust(), *dag.proposals().get(&ballot)?);
        let is_quorum = |set: &AcceptorSet| trust.is_quorum(trust.class_of(learner), set);
        let voted = naming(dag, Kind::OneB, ballot, learner);
        let mut quorum = league.union(&voted.intersection(&safe));
        if !is_quorum(&quorum) {
            return None;
        }
        let mut members: Vec<AcceptorId> = quorum.iter().collect();
        members.shuffle(&mut world.rng);
        for member in members {
            quorum.remove(member);
            if !is_quorum(&quorum) {
                quorum.insert(member);
            }
        }
        Some(Cast { ballot, proposal, quorum })
    }

    /// What its members said of one kind, if all of them did.
    pub fn all(&self, kind: Kind, dag: &Dag) -> Option<Vec<Ix>> {
        self.quorum.iter().map(|member| find(dag, member, kind, self.ballot)).collect()
    }
}

/// The last reply of an acceptor of a kind to a ballot.
pub fn find(dag: &Dag, signer: AcceptorId, kind: Kind, ballot: Ballot) -> Option<Ix> {
    let found = dag.nodes().filter(|(_, node)| {
        node.kind() == kind && node.signer() == signer && node.facts.ballot == ballot
    });
    found.last().map(|(ix, _)| ix)
}

/// The signers of replies of a kind to a ballot that name a learner, or are fresh for it.
pub fn naming(dag: &Dag, kind: Kind, ballot: Ballot, learner: LearnerId) -> AcceptorSet {
    let class = dag.trust().class_of(learner);
    let found = dag.nodes().filter(|(_, node)| {
        node.kind() == kind && node.facts.ballot == ballot && node.facts.named.contains(class)
    });
    found.map(|(_, node)| node.signer()).collect()
}

/// Whether a vote that references these and its signer's last reply would be fresh for a learner.
pub fn is_fresh(
    dag: &Dag,
    signer: AcceptorId,
    prev: Option<Ix>,
    refs: impl IntoIterator<Item = Ix>,
    learner: LearnerId,
) -> bool {
    let mut refs: Vec<Ix> = prev.into_iter().chain(refs).collect();
    refs.sort_unstable_by_key(|ix| dag.node(*ix).message.id());
    refs.dedup();
    let draft = Draft { kind: ReplyKind::OneB, signer, prev, refs: refs.into() };
    let class = dag.trust().class_of(learner);
    dag.derive(&draft).is_ok_and(|facts| facts.named.contains(class))
}
