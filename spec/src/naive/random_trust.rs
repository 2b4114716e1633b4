//! Random logs on which a random run gets far: enough acceptors to lose some, quorums that are soon there, and edges that
//! differ. Also the graphs on which rules have failed before.

use super::learner_graph::{Expression, Graph, Learner, Quorum, Safe};
use super::random_graph;
use super::trust::Trust;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeSet;

/// A log of a graph.
#[derive(Clone, Debug)]
pub struct RandomLog {
    /// The graph.
    pub graph: Graph,
    /// Its learners.
    pub learners: BTreeSet<Learner>,
    /// Whether its edges are levelled.
    pub level: bool,
}

impl RandomLog {
    /// Its trust model.
    pub fn trust(&self) -> Trust {
        Trust::new(&self.graph, &self.learners, self.level)
    }

    /// Whether all its edges are valid.
    pub fn is_valid(&self) -> bool {
        let log = self.graph.condensed(&self.learners, self.level);
        let positions = 0..log.learners.len();
        let mut pairs = positions.clone().flat_map(|a| positions.clone().map(move |b| (a, b)));
        pairs.all(|(a, b)| self.graph.is_valid(&log, a, b).unwrap_or(true))
    }

    /// Its name in the file.
    pub fn name(&self) -> String {
        if self.graph.logs.is_empty() {
            "all".to_owned()
        } else {
            random_graph::log_name(&self.learners)
        }
    }
}

/// A log of two to four learners and four to seven acceptors.
pub fn log(rng: &mut impl Rng) -> RandomLog {
    loop {
        let mut graph = match rng.random_range(0..20) {
            0..4 => counted(rng),
            4..8 => with_equals(rng),
            8..11 => uniform(rng),
            11..13 => careless(rng),
            13..15 => listed(rng),
            15..17 => random_graph::graph(rng),
            _ => failed_before(rng),
        };
        let everybody = 0..graph.learners.len();
        let (mut learners, mut level) = (everybody.clone().collect::<BTreeSet<_>>(), false);
        if graph.logs.is_empty() && rng.random_bool(0.15) {
            let some = everybody.filter(|_| rng.random_bool(0.8)).collect();
            graph.logs.push((some, rng.random_bool(0.7)));
        }
        if let Some(declared) = graph.logs.choose(rng) {
            (learners, level) = declared.clone();
        }
        let fits = (4..=7).contains(&graph.acceptors) && learners.len() >= 2 && is_usable(&graph);
        if fits {
            return RandomLog { graph, learners, level };
        }
    }
}

/// Few of the graphs that cannot be used are worth the search for why.
fn is_usable(graph: &Graph) -> bool {
    graph.logs.iter().all(|(learners, _)| learners.len() >= 2) && graph.is_usable()
}

/// Counts of some acceptors; edges between most, `largest` where that exists.
fn counted(rng: &mut impl Rng) -> Graph {
    let acceptors = rng.random_range(5..=7);
    let learners = rng.random_range(2..=4);
    let quorums = (0..learners).map(|_| Quorum::Expression(majority(rng, acceptors))).collect();
    let mut graph = Graph { acceptors, learners: quorums, edges: Vec::new(), logs: Vec::new() };
    let density = *[0.4, 0.7, 0.95].choose(rng).expect("there are some");
    for a in 0..learners {
        for b in a..learners {
            if rng.random_bool(if a == b { 0.3 } else { density }) {
                let safe = safe(rng, &graph, a, b);
                graph.edges.push((a, b, safe));
            }
        }
    }
    graph
}

/// More than half of at least three acceptors.
fn majority(rng: &mut impl Rng, acceptors: usize) -> Expression {
    let members = some(rng, acceptors, 3);
    let least = (members.len() / 2 + 1).max(2);
    Expression::AtLeast(rng.random_range(least..=(least + 1).min(members.len())), members)
}

fn some(rng: &mut impl Rng, acceptors: usize, least: usize) -> Vec<Expression> {
    let mut members: Vec<usize> = (0..acceptors).collect();
    let count = rng.random_range(least..=acceptors.min(5));
    while members.len() > count {
        members.remove(rng.random_range(0..members.len()));
    }
    members.into_iter().map(Expression::Acceptor).collect()
}

/// An edge that exists.
fn safe(rng: &mut impl Rng, graph: &Graph, a: Learner, b: Learner) -> Safe {
    let edges = vec![(a, b, Safe::Largest)];
    if rng.random_bool(0.5) && (Graph { edges, ..graph.clone() }).is_usable() {
        return Safe::Largest;
    }
    let few = some(rng, graph.acceptors, 2);
    let count = few.len();
    Safe::Expression(match rng.random_range(0..3) {
        0 => Expression::AllOf(few),
        1 => Expression::AtLeast(count - 1, few),
        _ => Expression::AtLeast(rng.random_range(1..=count), few),
    })
}

/// Four learners of two kinds: edges depend on the kinds; those within a kind may be missing.
fn with_equals(rng: &mut impl Rng) -> Graph {
    let acceptors = rng.random_range(5..=7);
    let kinds: [Quorum; 2] = std::array::from_fn(|_| Quorum::Expression(majority(rng, acceptors)));
    let kind_of: Vec<usize> = match rng.random_range(0..3) {
        0 => vec![0, 0, 1],
        1 => vec![0, 1, 0, 1],
        _ => vec![0, 1, 1, 0],
    };
    let learners = kind_of.iter().map(|kind| kinds[*kind].clone()).collect();
    let mut graph = Graph { acceptors, learners, edges: Vec::new(), logs: Vec::new() };
    let mut between = || rng.random_bool(0.75).then(|| safe(rng, &graph, 0, 1));
    let (within, across, own) = ([between(), between()], between(), [between(), between()]);
    for (a, one) in kind_of.iter().enumerate() {
        for (b, other) in kind_of.iter().enumerate().skip(a) {
            let safe = match (a == b, one == other) {
                (true, _) => &own[*one],
                (false, true) => &within[*one],
                (false, false) => &across,
            };
            graph.edges.extend(safe.clone().map(|safe| (a, b, safe)));
        }
    }
    if rng.random_bool(0.4) && !graph.edges.is_empty() {
        // Equal at first sight only.
        let at = rng.random_range(0..graph.edges.len());
        let (a, b, _) = graph.edges.remove(at);
        if rng.random_bool(0.6) {
            let safe = safe(rng, &graph, a, b);
            graph.edges.insert(at, (a, b, safe));
        }
    }
    graph
}

/// One condition for all edges: three sends.
fn uniform(rng: &mut impl Rng) -> Graph {
    let mut graph = counted(rng);
    let safe = safe(rng, &graph, 0, 0);
    let learners = graph.learners.len();
    let pairs = (0..learners).flat_map(|a| (a..learners).map(move |b| (a, b)));
    graph.edges = pairs.map(|(a, b)| (a, b, safe.clone())).collect();
    graph
}

/// Quorums that do not meet, and edges that do not care: locks are overtaken without anybody's fault.
fn careless(rng: &mut impl Rng) -> Graph {
    let acceptors = rng.random_range(5..=6);
    let learners = rng.random_range(2..=4);
    let pair = |rng: &mut _| Expression::AtLeast(2, some(rng, acceptors, 3));
    let quorums = (0..learners).map(|_| Quorum::Expression(pair(rng))).collect();
    let mut graph = Graph { acceptors, learners: quorums, edges: Vec::new(), logs: Vec::new() };
    for a in 0..learners {
        for b in a..learners {
            if rng.random_bool(0.85) {
                graph.edges.push((a, b, Safe::Expression(pair(rng))));
            }
        }
    }
    graph
}

/// Listed quorums, and edges in a row: most learners are joined by composition only.
fn listed(rng: &mut impl Rng) -> Graph {
    let acceptors = rng.random_range(5..=6);
    let learners = rng.random_range(3..=4);
    let quorum = |rng: &mut _| {
        let lists = (0..3).map(|_| Expression::AllOf(some(rng, acceptors, 2)));
        Quorum::Expression(Expression::AnyOf(lists.collect()))
    };
    let learners = (0..learners).map(|_| quorum(rng)).collect();
    let mut graph = Graph { acceptors, learners, edges: Vec::new(), logs: Vec::new() };
    for a in 1..graph.learners.len() {
        let safe = safe(rng, &graph, a - 1, a);
        graph.edges.push((a - 1, a, safe));
    }
    graph
}

/// D4, in its two variants, R4 and R5; acceptors in the order of their letters.
fn failed_before(rng: &mut impl Rng) -> Graph {
    match rng.random_range(0..4) {
        // p q r s
        0 | 1 => {
            let between = if rng.random_bool(0.5) { all_safe(&[2]) } else { Safe::Largest };
            Graph {
                acceptors: 4,
                learners: vec![
                    any_of(&[&[0, 2, 3], &[0, 1, 2]]),
                    any_of(&[&[1, 2, 3], &[0, 1, 2]]),
                ],
                edges: vec![(0, 0, Safe::Largest), (1, 1, Safe::Largest), (0, 1, between)],
                logs: Vec::new(),
            }
        }
        2 => Graph {
            acceptors: 4,
            learners: vec![
                any_of(&[&[0, 1, 2], &[0, 2, 3]]),
                any_of(&[&[1, 3]]),
                any_of(&[&[1, 2]]),
            ],
            edges: vec![
                (0, 0, any_safe(&[&[0], &[2]])),
                (0, 1, all_safe(&[1, 2, 3])),
                (0, 2, all_safe(&[2])),
                (1, 1, any_safe(&[&[1], &[3]])),
                (1, 2, all_safe(&[1, 3])),
                (2, 2, any_safe(&[&[1], &[2]])),
            ],
            logs: Vec::new(),
        },
        // i p q s t
        _ => Graph {
            acceptors: 5,
            learners: vec![
                any_of(&[&[0, 1, 3], &[1, 3, 4], &[0, 1, 2, 4]]),
                any_of(&[&[2, 3]]),
                any_of(&[&[0, 2, 4]]),
            ],
            edges: vec![
                (0, 2, all_safe(&[0, 1, 4])),
                (1, 2, all_safe(&[2, 3])),
                (0, 1, all_safe(&[0, 1, 2, 3, 4])),
                (0, 0, any_safe(&[&[1], &[0, 3, 4]])),
            ],
            logs: Vec::new(),
        },
    }
}

fn any_of(quorums: &[&[usize]]) -> Quorum {
    Quorum::Expression(any(quorums))
}

fn any_safe(sets: &[&[usize]]) -> Safe {
    Safe::Expression(any(sets))
}

fn all_safe(set: &[usize]) -> Safe {
    Safe::Expression(all(set))
}

fn any(sets: &[&[usize]]) -> Expression {
    Expression::AnyOf(sets.iter().map(|set| all(set)).collect())
}

fn all(set: &[usize]) -> Expression {
    Expression::AllOf(set.iter().copied().map(Expression::Acceptor).collect())
}
