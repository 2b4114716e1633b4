//! connected(l, x): who may have to agree with l, as far as x knows (TLA+ `Con`).

use super::{Mutant, Rules};
use crate::trust::Trust;
use hpaxos_learner_graph::{AcceptorSet, Connections, LearnerId, LearnerSet};
use std::borrow::Cow;

/// Who is connected to whom, for one set of caught acceptors.
pub(crate) struct Connected<'a> {
    trust: &'a Trust,
    rules: Rules,
    caught: &'a AcceptorSet,
    connections: Cow<'a, Connections>,
}

impl<'a> Connected<'a> {
    pub fn new(trust: &'a Trust, rules: Rules, caught: &'a AcceptorSet) -> Self {
        let connections = if caught.is_empty() {
            Cow::Borrowed(trust.all_safe())
        } else {
            Cow::Owned(trust.log().connections(caught))
        };
        Connected { trust, rules, caught, connections }
    }

    // ANCHOR: connected
    /// The learners k with a safe set of S(l,k) free of `caught`.
    pub fn to(&self, l: LearnerId) -> LearnerSet {
        if self.rules.breaks(Mutant::SkipCondensation) {
            return self.directly(l);
        }
        self.connections.connected(l)
    }
    // ANCHOR_END: connected

    /// What a mutant takes for it: one edge at a time.
    fn directly(&self, l: LearnerId) -> LearnerSet {
        let safe = self.trust.log().everyone().difference(self.caught);
        let links = self.trust.log().links().iter();
        links
            .filter(|link| link.condition.holds(&safe))
            .filter_map(|link| match link.between {
                (a, b) if a == l => Some(b),
                (a, b) if b == l => Some(a),
                _ => None,
            })
            .collect()
    }
}
