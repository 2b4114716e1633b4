//! The trust model of one log by brute force: every condition is the list of all sets of acceptors at which it holds.

use super::learner_graph::{Expression, Graph, Learner, Quorum, Set};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, Condition, LearnerId, Log};
use std::collections::{BTreeMap, BTreeSet};

/// Sets of acceptors: quorums, or safe sets.
pub type Sets = BTreeSet<Set>;

/// What the protocol asks of a log.
#[derive(Clone, Debug)]
pub struct Trust {
    learners: BTreeSet<Learner>,
    quorums: BTreeMap<Learner, Sets>,
    members: BTreeMap<Learner, BTreeSet<usize>>,
    /// The condensed edge of each two learners; no sets if there is none.
    edges: BTreeMap<(Learner, Learner), Sets>,
    everyone: Set,
    sends: u8,
}

impl Trust {
    /// The log of `learners`; `level` if its edges are levelled.
    pub fn new(graph: &Graph, learners: &BTreeSet<Learner>, level: bool) -> Self {
        let sets = |table: &[bool]| graph.sets().filter(|set| table[*set]).collect::<Sets>();
        let condensed = graph.condensed(learners, level);
        let mut edges = BTreeMap::new();
        for (l, row) in condensed.learners.iter().zip(&condensed.edges) {
            for (k, table) in condensed.learners.iter().zip(row) {
                edges.insert((*l, *k), sets(table));
            }
        }
        let quorums = learners.iter().map(|l| (*l, sets(&graph.quorums(*l))));
        let members = learners.iter().map(|l| (*l, members(&graph.learners[*l])));
        let mut trust = Trust {
            learners: learners.clone(),
            quorums: quorums.collect(),
            members: members.collect(),
            edges,
            everyone: graph.sets().end - 1,
            sends: 4,
        };
        trust.sends = if trust.is_level() { 3 } else { 4 };
        trust
    }

    /// That of a log of the product, whose conditions are asked about every set of `log.everyone()`.
    pub fn of_log(log: &Log) -> Self {
        let acceptors = log.everyone().len();
        let all = || 0..1 << acceptors;
        let as_set = |bits: Set| -> AcceptorSet {
            (0..acceptors).filter(|one| bits >> one & 1 == 1).map(AcceptorId::new).collect()
        };
        let sets = |condition: &Condition| -> Sets {
            all().filter(|bits| condition.holds(&as_set(*bits))).collect()
        };
        let learners: BTreeSet<Learner> = log.learners().iter().map(LearnerId::index).collect();
        let mut edges: BTreeMap<(Learner, Learner), Sets> = BTreeMap::new();
        for l in &learners {
            edges.extend(learners.iter().map(|k| ((*l, *k), Sets::new())));
        }
        for link in log.links() {
            let (a, b) = (link.between.0.index(), link.between.1.index());
            edges.insert((a, b), sets(&link.condition));
            edges.insert((b, a), sets(&link.condition));
        }
        condense(&learners, &mut edges);
        let quorums = log.learners().iter().map(|l| (l.index(), sets(log.quorum(l))));
        let members = log
            .learners()
            .iter()
            .map(|l| (l.index(), log.members(l).iter().map(AcceptorId::index).collect()));
        let mut trust = Trust {
            quorums: quorums.collect(),
            members: members.collect(),
            learners,
            edges,
            everyone: all().end - 1,
            sends: 4,
        };
        trust.sends = if trust.is_level() { 3 } else { 4 };
        trust
    }

    /// The learners of the log.
    pub fn learners(&self) -> &BTreeSet<Learner> {
        &self.learners
    }

    /// The acceptors of the log: those named, with weight, in a quorum condition of one of its learners.
    pub fn acceptors(&self) -> BTreeSet<usize> {
        self.members.values().flatten().copied().collect()
    }

    // ANCHOR: contain_quorum
    /// Whether `signers` contain a quorum of `l`.
    pub fn contain_quorum(&self, l: Learner, signers: Set) -> bool {
        self.quorums[&l].iter().any(|quorum| quorum & !signers == 0)
    }
    // ANCHOR_END: contain_quorum

    /// S(l,k): the safe sets of the condensed edge; empty if there is none.
    pub fn safe_sets(&self, l: Learner, k: Learner) -> &Sets {
        &self.edges[&(l, k)]
    }

    /// Whether l and k have an edge: everybody is a safe set.
    fn has_edge(&self, l: Learner, k: Learner) -> bool {
        self.safe_sets(l, k).contains(&self.everyone)
    }

    // ANCHOR: connected
    /// The learners k with a safe set of S(l,k) free of `caught`.
    pub fn connected(&self, l: Learner, caught: Set) -> BTreeSet<Learner> {
        let free = |k: &Learner| self.safe_sets(l, *k).iter().any(|safe| safe & caught == 0);
        self.learners.iter().copied().filter(free).collect()
    }
    // ANCHOR_END: connected

    // ANCHOR: covers
    /// covers(l, k): the learners m such that every safe set of S(l,k) is also one of S(k,m); none without an edge l–k.
    pub fn covers(&self, l: Learner, k: Learner) -> BTreeSet<Learner> {
        if !self.has_edge(l, k) {
            return BTreeSet::new();
        }
        let covered =
            |m: &Learner| self.safe_sets(l, k).iter().all(|x| self.safe_sets(k, *m).contains(x));
        self.learners.iter().copied().filter(covered).collect()
    }
    // ANCHOR_END: covers

    /// The same with another number of sends.
    #[must_use]
    pub fn with_sends(self, sends: u8) -> Self {
        Trust { sends, ..self }
    }

    /// How many sends a decision takes.
    pub fn sends(&self) -> u8 {
        self.sends
    }

    // ANCHOR: is_level
    /// Whether every pair has an edge and all edges, self-edges included, are the same; always so for one learner.
    fn is_level(&self) -> bool {
        let pairs = || self.learners.iter().flat_map(|l| self.learners.iter().map(|k| (*l, *k)));
        let joined = pairs().all(|(l, k)| self.has_edge(l, k));
        let same = pairs().all(|one| pairs().all(|other| self.edges[&one] == self.edges[&other]));
        self.learners.len() == 1 || (joined && same)
    }
    // ANCHOR_END: is_level

    // ANCHOR: proposer
    /// i = slot + round; target = learners[i mod L]; proposer = members(target)[(i / L) mod |members(target)|].
    pub fn proposer(&self, slot: u64, round: u64) -> usize {
        let (i, learners) = (slot + round, Vec::from_iter(&self.learners));
        let turns = i as usize / learners.len();
        let members = Vec::from_iter(&self.members[learners[i as usize % learners.len()]]);
        *members[turns % members.len()]
    }
    // ANCHOR_END: proposer
}

fn members(quorum: &Quorum) -> BTreeSet<usize> {
    match quorum {
        Quorum::Stake { stake, .. } => weighty(stake),
        Quorum::Expression(expression) => named(expression),
    }
}

fn named(expression: &Expression) -> BTreeSet<usize> {
    match expression {
        Expression::Acceptor(acceptor) => BTreeSet::from([*acceptor]),
        Expression::AtLeast(_, parts) | Expression::AllOf(parts) | Expression::AnyOf(parts) => {
            parts.iter().flat_map(named).collect()
        }
        Expression::Stake(_, stake) => weighty(stake),
    }
}

fn weighty(stake: &[u64]) -> BTreeSet<usize> {
    (0..stake.len()).filter(|acceptor| stake[*acceptor] > 0).collect()
}

// ANCHOR: condense
/// Closes the edges under composition: a safe set of a–b and of b–c is one of a–c.
fn condense(learners: &BTreeSet<Learner>, edges: &mut BTreeMap<(Learner, Learner), Sets>) {
    loop {
        let mut grown = false;
        for a in learners {
            for b in learners {
                for c in learners {
                    let both: Sets =
                        edges[&(*a, *b)].intersection(&edges[&(*b, *c)]).copied().collect();
                    let edge = edges.entry((*a, *c)).or_default();
                    let before = edge.len();
                    edge.extend(both);
                    grown |= edge.len() > before;
                }
            }
        }
        if !grown {
            return;
        }
    }
}
// ANCHOR_END: condense
