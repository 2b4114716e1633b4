//! Validity: for every edge of the condensed graph, every safe set X and quorums A and B, is X ∩ A ∩ B inhabited?

use super::tie::{Tie, TieSearch, Wanted};
use super::{covers, pairs};
use crate::acceptor_set::AcceptorSet;
use crate::condition::Condition;
use crate::graph::LearnerGraph;
use crate::learner_set::LearnerId;
use crate::log::Log;
use crate::search::{Answer, Effort, Question};
use serde::Serialize;

/// The answer of `hpaxos graph check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckAnswer {
    /// Whether every log is valid; none if that was not settled.
    pub valid: Option<bool>,
    /// One for each log.
    pub logs: Vec<CheckedLog>,
    /// The network id in hex, where keys and genesis are there; filled in by who has read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// The answer for one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedLog {
    /// Its name.
    pub log: String,
    /// Whether all its edges are valid; none if that was not settled.
    pub valid: Option<bool>,
    /// 3 if the graph is level, else 4; none if that was not settled.
    pub sends: Option<u8>,
    /// Triples (l, k, m) with S(l,k) ⊄ S(k,m), sorted; none if some was not settled.
    pub uncovered: Option<Vec<[String; 3]>>,
    /// One for each edge of the condensed graph, sorted.
    pub edges: Vec<EdgeAnswer>,
}

/// The answer for one edge of the condensed graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeAnswer {
    /// The learners, sorted.
    pub between: [String; 2],
    /// Whether the edge stands in the file, rather than being implied or a default.
    pub declared: bool,
    /// None if it was not settled.
    pub valid: Option<bool>,
    /// Three sets that nobody is in at once, if it is invalid.
    pub counterexample: Option<Counterexample>,
}

/// A safe set and two quorums without a common acceptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// A set that connects the two learners.
    pub safe: Vec<String>,
    /// A quorum of each.
    pub quorums: [NamedQuorum; 2],
}

/// A quorum of a learner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedQuorum {
    /// The learner.
    pub learner: String,
    /// The quorum.
    pub acceptors: Vec<String>,
}

/// Checks every log of `graph`.
pub fn check(graph: &LearnerGraph, effort: &mut Effort) -> CheckAnswer {
    let logs: Vec<CheckedLog> =
        graph.logs().iter().map(|log| check_log(graph, log, effort)).collect();
    CheckAnswer { valid: all(logs.iter().map(|log| log.valid)), logs, network: None }
}

/// Yes if all are, no if one is not, else open.
fn all(parts: impl Iterator<Item = Option<bool>> + Clone) -> Option<bool> {
    if parts.clone().any(|part| part == Some(false)) {
        return Some(false);
    }
    parts.clone().all(|part| part == Some(true)).then_some(true)
}

/// Checks `log`, a log of `graph` as given or levelled.
pub fn check_log(graph: &LearnerGraph, log: &Log, effort: &mut Effort) -> CheckedLog {
    let all_safe = log.connections(&AcceptorSet::EMPTY);
    let exists = |a: LearnerId, b: LearnerId| {
        all_safe.connected(a).contains(b) || (a == b && graph.disjoint_quorums(a).is_some())
    };
    let rows: Vec<(LearnerId, LearnerId)> = pairs(log).filter(|(a, b)| exists(*a, *b)).collect();
    let mut edges = Vec::new();
    for (index, (a, b)) in rows.iter().enumerate() {
        let what = || {
            format!("{}: edge {}-{}", log.name(), graph.learner_name(*a), graph.learner_name(*b))
        };
        effort.begin(what, index, rows.len());
        edges.push(check_edge(graph, log, (*a, *b), effort));
    }
    effort.begin(|| format!("{}: level and covered", log.name()), rows.len(), rows.len());
    let name = |learner: &LearnerId| graph.learner_name(*learner).to_owned();
    let uncovered = covers::uncovered(log, effort);
    CheckedLog {
        log: log.name().to_owned(),
        valid: all(edges.iter().map(|edge| edge.valid)),
        sends: covers::sends(log, effort),
        uncovered: uncovered
            .map(|triples| triples.iter().map(|triple| triple.each_ref().map(name)).collect()),
        edges,
    }
}

fn check_edge(
    graph: &LearnerGraph,
    log: &Log,
    between: (LearnerId, LearnerId),
    effort: &mut Effort,
) -> EdgeAnswer {
    let (a, b) = between;
    let found = match graph.disjoint_quorums(a).filter(|_| a == b) {
        // The default self-edge does not exist: with everybody safe, two quorums have nobody in common.
        Some((of_a, of_b)) => Ok(Some(Sets { safe: log.everyone(), quorums: [of_a, of_b] })),
        None => disjoint(graph, log, between, effort),
    };
    let names = |set: &AcceptorSet| {
        set.iter().map(|acceptor| graph.acceptor_name(acceptor).to_owned()).collect()
    };
    EdgeAnswer {
        between: [a, b].map(|learner| graph.learner_name(learner).to_owned()),
        declared: graph.is_declared(between),
        valid: found.as_ref().ok().map(Option::is_none),
        counterexample: found.ok().flatten().map(|sets| Counterexample {
            safe: names(&sets.safe),
            quorums: [(a, sets.quorums[0]), (b, sets.quorums[1])].map(|(learner, quorum)| {
                NamedQuorum {
                    learner: graph.learner_name(learner).to_owned(),
                    acceptors: names(&quorum),
                }
            }),
        }),
    }
}

struct Sets {
    safe: AcceptorSet,
    quorums: [AcceptorSet; 2],
}

/// The effort was spent before the question was settled.
struct Unsettled;

/// A safe set of the condensed edge and two quorums with nobody in common, each as small as can be.
fn disjoint(
    graph: &LearnerGraph,
    log: &Log,
    (a, b): (LearnerId, LearnerId),
    effort: &mut Effort,
) -> Result<Option<Sets>, Unsettled> {
    // Everybody outside A ∩ B may as well be safe: roles A, B and H, of which each acceptor has two.
    const A: usize = 0;
    const B: usize = 1;
    const H: usize = 2;
    const OPTIONS: &[u8] = &[1 << A | 1 << H, 1 << B | 1 << H, 1 << A | 1 << B];
    let template = Question {
        acceptors: log.relevant(),
        options: OPTIONS,
        requirements: vec![(A, log.quorum(a).clone()), (B, log.quorum(b).clone())],
        cost: None,
    };
    let tie = Tie::between(a, b);
    let wanted = Wanted { hold: Some((H, tie)), fail: None };
    let mut search = TieSearch::new(log, template);
    valid_by_definition(graph, log, (a, b)).iter().for_each(|edge| search.exclude_holding(edge));
    match search.find(wanted, effort) {
        Answer::Impossible => Ok(None),
        Answer::Undecided { .. } => Err(Unsettled),
        Answer::Found(witness) => {
            let of_a = shrunk(witness.sets[A], |set| log.is_quorum(a, set));
            let of_b = shrunk(witness.sets[B], |set| log.is_quorum(b, set));
            let safe = log.everyone().difference(&of_a.intersection(&of_b));
            let safe = shrunk(safe, |set| tie.holds(log, set));
            Ok(Some(Sets { safe, quorums: [of_a, of_b] }))
        }
    }
}

/// Edges of which each safe set meets every intersection of a quorum of `a` and one of `b`, by arithmetic: a search could
/// not tell, since it often is by the last unit of the stake.
///
/// The `overlap` edge of `a` and `b` is defined to be so. That of `a` and `k` is for two quorums of `a`, too, if `a`
/// leaves out no more than `k`: a safe set leaves out less than Σ min − slack(a) − slack(k) of the smaller shares, and
/// two quorums of `a` have at least Σ min − 2·slack(a) of them in common.
fn valid_by_definition(
    graph: &LearnerGraph,
    log: &Log,
    (a, b): (LearnerId, LearnerId),
) -> Vec<Condition> {
    let no_more = |k: LearnerId| {
        let shares = graph.shares(a).zip(graph.shares(k));
        shares.is_some_and(|(of_a, of_k)| of_a.leaves_out_no_more_than(&of_k))
    };
    let partners = log.learners().iter().filter(|k| *k == b || (a == b && no_more(*k)));
    partners.filter_map(|k| graph.overlap(a, k)).collect()
}

/// A minimal subset at which the monotone `holds` does.
fn shrunk(mut set: AcceptorSet, holds: impl Fn(&AcceptorSet) -> bool) -> AcceptorSet {
    debug_assert!(holds(&set), "there is something to shrink");
    for acceptor in set.iter() {
        set.remove(acceptor);
        if !holds(&set) {
            set.insert(acceptor);
        }
    }
    set
}
