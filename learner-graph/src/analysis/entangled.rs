//! What is left of the promises in one situation.

use super::pairs;
use crate::acceptor_set::AcceptorSet;
use crate::graph::LearnerGraph;
use serde::Serialize;

/// Which acceptors have failed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation {
    /// These do anything.
    pub byzantine: AcceptorSet,
    /// These do nothing any more.
    pub crashed: AcceptorSet,
}

/// The answer of `hpaxos graph entangled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntangledAnswer {
    /// One for each log.
    pub logs: Vec<EntangledLog>,
    /// The learners of which some quorum is safe and not crashed, sorted.
    pub live: Vec<String>,
    /// Whether all pairs that are connected when all are safe still are, and all learners live.
    #[serde(skip)]
    pub unharmed: bool,
}

/// The answer for one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntangledLog {
    /// Its name.
    pub log: String,
    /// The pairs that are entangled; a learner with itself if it is accurate. Sorted.
    pub entangled: Vec<[String; 2]>,
}

/// Which learners are entangled and live in `situation`.
pub fn entangled(graph: &LearnerGraph, situation: Situation) -> EntangledAnswer {
    let down = situation.byzantine.union(&situation.crashed);
    let live = |learner: &_| graph.quorum(*learner).holds(&graph.acceptors().difference(&down));
    let live: Vec<_> = graph.learners().filter(live).collect();
    let mut unharmed = live.len() == graph.learners().count();
    let mut logs = Vec::new();
    for log in graph.logs() {
        let (now, all_safe) =
            (log.connections(&situation.byzantine), log.connections(&AcceptorSet::EMPTY));
        let entangled: Vec<_> =
            pairs(&log).filter(|(a, b)| now.connected(*a).contains(*b)).collect();
        unharmed &= entangled.len()
            == pairs(&log).filter(|(a, b)| all_safe.connected(*a).contains(*b)).count();
        let named =
            |(a, b): &(_, _)| [*a, *b].map(|learner| graph.learner_name(learner).to_owned());
        logs.push(EntangledLog {
            log: log.name().to_owned(),
            entangled: entangled.iter().map(named).collect(),
        });
    }
    let live = live.iter().map(|learner| graph.learner_name(*learner).to_owned()).collect();
    EntangledAnswer { logs, live, unharmed }
}
