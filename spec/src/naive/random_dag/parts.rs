//! Acceptors in two parts, each of which gets somewhere by itself: then those in both need not even lie for two values to
//! be locked.

use super::some_of;
use crate::naive::learner_graph::Set;
use crate::naive::trust::Trust;
use rand::Rng;
use rand::seq::IteratorRandom;

/// Of a few pairs of quorums one that shares few acceptors.
pub fn nearly_disjoint_quorums(rng: &mut impl Rng, trust: &Trust) -> [Set; 2] {
    let mut pair = || [small_quorum(rng, trust), small_quorum(rng, trust)];
    let pairs = [pair(), pair(), pair()];
    let shared = |[one, other]: &[Set; 2]| (one & other).count_ones();
    pairs.into_iter().min_by_key(shared).expect("there are three")
}

/// A minimal quorum of some learner.
fn small_quorum(rng: &mut impl Rng, trust: &Trust) -> Set {
    let learner = trust.learners().iter().choose(rng).expect("a log has learners");
    let mut quorum = trust.acceptors().into_iter().fold(0, |all, acceptor| all | 1 << acceptor);
    for acceptor in some_of(rng, set_of(quorum), usize::MAX) {
        if trust.contain_quorum(*learner, quorum & !(1 << acceptor)) {
            quorum &= !(1 << acceptor);
        }
    }
    quorum
}

/// The members of a set.
pub fn set_of(mask: Set) -> impl Iterator<Item = usize> {
    (0..usize::BITS as usize).filter(move |acceptor| mask >> acceptor & 1 == 1)
}
