//! Acceptors that may be exchanged.

use hpaxos_consensus::Trust;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};

/// A permutation of acceptors: where each goes, by index.
pub type Permutation = Vec<AcceptorId>;

/// More are not used: each state is looked at once for each.
const PERMUTATIONS_MAX: usize = 120;

/// Permutations of the honest acceptors of a log that change no quorum and no edge, the identity first. They all keep the
/// Byzantine ones where they are.
pub fn permutations(trust: &Trust, byzantine: &AcceptorSet) -> Vec<Permutation> {
    let honest: Vec<AcceptorId> = trust.acceptors().difference(byzantine).iter().collect();
    let everyone = trust.log().everyone().iter().last().map_or(0, |last| last.index() + 1);
    let identity: Permutation = (0..everyone).map(AcceptorId::new).collect();
    let mut found = vec![identity.clone()];
    let mut order = honest.clone();
    // Beyond seven acceptors trying all orders takes longer than they save.
    if honest.len() <= 7 {
        each_order(&mut order, 0, &mut |order| {
            let mut permutation = identity.clone();
            for (from, to) in honest.iter().zip(order) {
                permutation[from.index()] = *to;
            }
            if permutation != identity
                && found.len() < PERMUTATIONS_MAX
                && keeps(trust, &permutation)
            {
                found.push(permutation);
            }
        });
    }
    found
}

/// Where the members of a set go.
pub fn moved(set: &AcceptorSet, permutation: &Permutation) -> AcceptorSet {
    set.iter().map(|one| permutation[one.index()]).collect()
}

fn each_order(order: &mut [AcceptorId], from: usize, look: &mut impl FnMut(&[AcceptorId])) {
    if from == order.len() {
        look(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        each_order(order, from + 1, look);
        order.swap(from, at);
    }
}

/// Whether a permutation changes no quorum and no edge.
fn keeps(trust: &Trust, permutation: &Permutation) -> bool {
    let acceptors: Vec<AcceptorId> = trust.acceptors().iter().collect();
    (0u32..1 << acceptors.len()).all(|bits| {
        let chosen = acceptors.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        let set: AcceptorSet = chosen.map(|(_, acceptor)| *acceptor).collect();
        let moved = moved(&set, permutation);
        let mut learners = trust.learners().iter();
        learners.all(|one| trust.log().is_quorum(one, &set) == trust.log().is_quorum(one, &moved))
            && trust
                .log()
                .links()
                .iter()
                .all(|link| link.condition.holds(&set) == link.condition.holds(&moved))
    })
}
