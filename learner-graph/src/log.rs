//! A log: the restriction of the graph to the learners that commit together, and the questions that the engine asks.
//!
//! Condensation (closing the edges under composition) is never done symbolically: two learners are connected at a set of
//! acceptors iff a path of edges that hold there joins them.

use crate::acceptor_set::AcceptorSet;
use crate::condition::Condition;
use crate::learner_set::{LEARNERS_MAX, LearnerId, LearnerSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An edge that exists, with its safe sets as a condition.
#[derive(Clone, Debug)]
pub struct Link {
    /// The two learners, ascending; equal for a self-edge.
    pub between: (LearnerId, LearnerId),
    /// Holds at its safe sets.
    pub condition: Arc<Condition>,
}

/// The graph of one log.
#[derive(Clone, Debug)]
pub struct Log {
    name: String,
    learners: LearnerSet,
    quorums: Vec<Arc<Condition>>,
    links: Vec<Link>,
    everyone: AcceptorSet,
    relevant: AcceptorSet,
    levelled: bool,
}

impl Log {
    pub(crate) fn new(
        name: &str,
        learners: LearnerSet,
        quorums: &[Arc<Condition>],
        links: Vec<Link>,
        everyone: AcceptorSet,
    ) -> Self {
        let in_links = links.iter().map(|link| link.condition.support());
        let in_quorums = learners.iter().map(|learner| quorums[learner.index()].support());
        let relevant =
            in_links.chain(in_quorums).fold(AcceptorSet::EMPTY, |all, set| all.union(&set));
        let quorums = quorums.to_vec();
        Log { name: name.to_owned(), learners, quorums, links, everyone, relevant, levelled: false }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its learners.
    pub fn learners(&self) -> LearnerSet {
        self.learners
    }

    /// The edges among its learners, not condensed; sorted by `between`.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Whether each edge is what all edges have in common.
    pub fn is_levelled(&self) -> bool {
        self.levelled
    }

    /// This log with its edges levelled: each becomes what all of them have in common, self-edges included.
    #[must_use]
    pub fn levelled(&self) -> Log {
        let mut parts: Vec<Condition> =
            self.links.iter().flat_map(|link| link.condition.conjuncts()).cloned().collect();
        parts.sort();
        parts.dedup();
        if parts.is_empty() {
            return Log { levelled: true, ..self.clone() };
        }
        let common = Arc::new(Condition::at_least(parts.len(), parts));
        let links =
            self.links.iter().map(|link| Link { between: link.between, condition: common.clone() });
        Log { links: links.collect(), levelled: true, ..self.clone() }
    }

    /// Every acceptor of the graph: safe sets may name acceptors that are in no quorum of the log.
    pub fn everyone(&self) -> AcceptorSet {
        self.everyone
    }

    /// The acceptors that occur in a quorum of `learner`.
    pub fn members(&self, learner: LearnerId) -> AcceptorSet {
        self.quorum(learner).support()
    }

    /// The acceptors of the log: those that occur in a quorum of one of its learners.
    pub fn acceptors(&self) -> AcceptorSet {
        self.learners
            .iter()
            .fold(AcceptorSet::EMPTY, |all, learner| all.union(&self.members(learner)))
    }

    /// The condition that holds at the quorums of `learner`.
    pub fn quorum(&self, learner: LearnerId) -> &Arc<Condition> {
        debug_assert!(self.learners.contains(learner), "a question about a learner of the log");
        &self.quorums[learner.index()]
    }

    /// Whether `set` is a quorum of `learner`.
    pub fn is_quorum(&self, learner: LearnerId, set: &AcceptorSet) -> bool {
        self.quorum(learner).holds(set)
    }

    /// Whether `learner` has a quorum that is safe and not crashed; `down` are the acceptors that are not.
    pub fn is_live(&self, learner: LearnerId, down: &AcceptorSet) -> bool {
        self.is_quorum(learner, &self.everyone.difference(down))
    }

    /// For each link whether it holds at `safe`.
    pub(crate) fn holding(&self, safe: &AcceptorSet) -> Vec<bool> {
        let mut shared = SharedConditions::default();
        self.links.iter().map(|link| shared.ask(link, |condition| condition.holds(safe))).collect()
    }

    /// Whether edges connect all its learners, each to itself too, when everybody is safe.
    pub fn is_connected(&self) -> bool {
        let all_safe = self.connections(&AcceptorSet::EMPTY);
        self.learners.iter().all(|learner| all_safe.connected(learner) == self.learners)
    }

    /// Acceptors that some condition of the log looks at; the others make no difference.
    pub(crate) fn relevant(&self) -> AcceptorSet {
        self.relevant
    }

    // ANCHOR: connections
    /// Which learners are connected when `caught` are proven Byzantine (TLA+ `Con`; entangled, if `caught` are all the
    /// Byzantine ones). O(edges × n).
    pub fn connections(&self, caught: &AcceptorSet) -> Connections {
        let safe = self.everyone.difference(caught);
        let mut connections = Connections { connected: [LearnerSet::EMPTY; LEARNERS_MAX] };
        let mut shared = SharedConditions::default();
        for link in &self.links {
            let (a, b) = link.between;
            let joined_before = connections.connected[a.index()].contains(b);
            if joined_before || !shared.ask(link, |condition| condition.holds(&safe)) {
                continue;
            }
            let joined = [a, b].iter().fold(LearnerSet::from_iter([a, b]), |joined, learner| {
                joined.union(connections.connected[learner.index()])
            });
            joined.iter().for_each(|learner| connections.connected[learner.index()] = joined);
        }
        connections
    }
    // ANCHOR_END: connections
}

/// Asks a question of the links' conditions, in turn. The links of a levelled log share one condition: it is asked once.
#[derive(Default)]
pub(crate) struct SharedConditions<'a> {
    last: Option<(&'a Arc<Condition>, bool)>,
}

impl<'a> SharedConditions<'a> {
    /// The answer of `question`, the same in each call, for the condition of `link`.
    pub(crate) fn ask(&mut self, link: &'a Link, question: impl Fn(&Condition) -> bool) -> bool {
        let answer = match self.last {
            Some((condition, answer)) if Arc::ptr_eq(condition, &link.condition) => answer,
            _ => question(&link.condition),
        };
        self.last = Some((&link.condition, answer));
        answer
    }
}

/// Which learners are connected, for one set of caught acceptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    connected: [LearnerSet; LEARNERS_MAX],
}

impl Connections {
    /// The learners to which `learner` is connected; itself only if some edge at it holds.
    pub fn connected(&self, learner: LearnerId) -> LearnerSet {
        self.connected[learner.index()]
    }
}

/// Connections by caught set. Runs meet few caught sets and ask for the same one millions of times.
#[derive(Clone, Debug, Default)]
pub struct ConnectionsCache {
    known: BTreeMap<AcceptorSet, Arc<Connections>>,
}

impl ConnectionsCache {
    /// How many caught sets are remembered: evidence against a few acceptors, in any order, and 2 MiB at the most.
    pub const SETS_MAX: usize = 4_096;

    /// The connections of `log` when `caught` are proven Byzantine; see [`Log::connections`].
    pub fn connections(&mut self, log: &Log, caught: &AcceptorSet) -> &Arc<Connections> {
        if self.known.len() >= Self::SETS_MAX && !self.known.contains_key(caught) {
            self.known.clear();
        }
        self.known.entry(*caught).or_insert_with(|| Arc::new(log.connections(caught)))
    }
}
