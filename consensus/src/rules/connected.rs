//! connected(l, x): who may have to agree with l, as far as x knows (TLA+ `Con`).

use super::{Mutant, Rules};
use crate::trust::Trust;
use hpaxos_learner_graph::{AcceptorSet, ConnectionsCache, LearnerId, LearnerSet};

/// The learners k with a safe set of S(l,k) free of `caught`.
pub(crate) fn connected(
    trust: &Trust,
    rules: Rules,
    cache: &mut ConnectionsCache,
    caught: &AcceptorSet,
    l: LearnerId,
) -> LearnerSet {
    if rules.breaks(Mutant::SkipCondensation) {
        return directly(trust, caught, l);
    }
    if caught.is_empty() {
        return trust.all_safe().connected(l);
    }
    cache.connections(trust.log(), caught).connected(l)
}

/// What a mutant takes for it: one edge at a time.
fn directly(trust: &Trust, caught: &AcceptorSet, l: LearnerId) -> LearnerSet {
    let safe = trust.log().everyone().difference(caught);
    let links = trust.log().links().iter();
    links
        .filter(|link| link.condition.holds(&safe))
        .filter_map(|link| match link.between {
            (a, b) if a == l => Some(b),
            (a, b) if b == l => Some(a),
            _ => None,
        })
        .collect()
}
