//! Random small learner graphs, and their files.

use super::learner_graph::{Expression, Graph, Quorum, Safe};
use rand::Rng;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Acceptors' names, in order.
pub const ACCEPTORS: [&str; 8] = ["p", "q", "r", "s", "t", "u", "v", "w"];
/// Learners' names, in order.
pub const LEARNERS: [&str; 4] = ["blue", "green", "red", "teal"];

/// A graph of mixed kinds: thresholds, stakes, nested and listed conditions; declared, default, missing and implied
/// edges; with and without logs. Many are invalid, some cannot be used.
pub fn graph(rng: &mut impl Rng) -> Graph {
    let acceptors = rng.random_range(1..=8);
    let learners = rng.random_range(1..=4);
    // Often all learners are of one kind, since mixtures have few overlap edges.
    let kind = rng.random_range(0..6);
    let quorums = (0..learners)
        .map(|_| if kind < 3 { quorum(rng, acceptors, kind) } else { any_quorum(rng, acceptors) });
    let quorums: Vec<Quorum> = quorums.collect();
    let density = [0.2, 0.6, 0.9][rng.random_range(0..3)];
    let mut edges = Vec::new();
    for a in 0..learners {
        for b in a..learners {
            let probability = if a == b { 0.25 } else { density };
            if rng.random_bool(probability) {
                edges.push((a, b, safe(rng, acceptors)));
            }
        }
    }
    let mut logs: Vec<(BTreeSet<usize>, bool)> = Vec::new();
    for _ in 0..[0, 0, 1, 2][rng.random_range(0..4)] {
        let members: BTreeSet<usize> = (0..learners).filter(|_| rng.random_bool(0.7)).collect();
        if members.len() > 1 && !logs.iter().any(|(known, _)| *known == members) {
            logs.push((members, rng.random_bool(0.3)));
        }
    }
    Graph { acceptors, learners: quorums, edges, logs }
}

fn any_quorum(rng: &mut impl Rng, acceptors: usize) -> Quorum {
    let kind = rng.random_range(0..5);
    quorum(rng, acceptors, kind)
}

fn quorum(rng: &mut impl Rng, acceptors: usize, kind: u32) -> Quorum {
    match kind {
        0 => Quorum::Expression(threshold(rng, acceptors, 0.7)),
        1 | 2 => {
            let (above, fraction) = [
                (true, (2, 3)),
                (true, (2, 3)),
                (true, (1, 2)),
                (false, (2, 3)),
                (false, (1, 2)),
                (true, (4, 5)),
            ][rng.random_range(0..6)];
            Quorum::Stake { stake: stake(rng, acceptors), above, fraction }
        }
        _ => Quorum::Expression(expression(rng, acceptors, 2)),
    }
}

fn safe(rng: &mut impl Rng, acceptors: usize) -> Safe {
    match rng.random_range(0..6) {
        0 | 1 => Safe::Overlap,
        2 | 3 => Safe::Largest,
        4 => Safe::Expression(threshold(rng, acceptors, 0.6)),
        _ => Safe::Expression(expression(rng, acceptors, 2)),
    }
}

fn stake(rng: &mut impl Rng, acceptors: usize) -> Vec<u64> {
    let mut stake: Vec<u64> = (0..acceptors)
        .map(|_| match rng.random_range(0..4) {
            0 => 0,
            1 => 1,
            2 => rng.random_range(1..10),
            _ => rng.random_range(1..100),
        })
        .collect();
    if stake.iter().all(|stake| *stake == 0) {
        stake[0] = 1;
    }
    stake
}

fn some_acceptors(rng: &mut impl Rng, acceptors: usize, most: usize) -> Vec<Expression> {
    let mut chosen: Vec<usize> = (0..acceptors).collect();
    while chosen.len() > 1 && (chosen.len() > most || rng.random_bool(0.3)) {
        chosen.remove(rng.random_range(0..chosen.len()));
    }
    chosen.into_iter().map(Expression::Acceptor).collect()
}

/// Somewhere between a third and all of some acceptors.
fn threshold(rng: &mut impl Rng, acceptors: usize, at_least: f64) -> Expression {
    let of = some_acceptors(rng, acceptors, 8);
    let least = ((of.len() as f64 * at_least) as usize).clamp(1, of.len());
    Expression::AtLeast(rng.random_range(least..=of.len()), of)
}

fn expression(rng: &mut impl Rng, acceptors: usize, depth: usize) -> Expression {
    match rng.random_range(0..if depth == 0 { 2 } else { 6 }) {
        0 => Expression::Acceptor(rng.random_range(0..acceptors)),
        1 => threshold(rng, acceptors, 0.4),
        2 => {
            let sets = rng.random_range(1..=4);
            Expression::AnyOf(
                (0..sets).map(|_| Expression::AllOf(some_acceptors(rng, acceptors, 5))).collect(),
            )
        }
        3 => {
            let stake = stake(rng, acceptors);
            let total: u64 = stake.iter().sum();
            Expression::Stake(rng.random_range(1..=total), stake)
        }
        kind => {
            let mut parts: Vec<Expression> = Vec::new();
            for _ in 0..rng.random_range(1..=4) {
                let part = expression(rng, acceptors, depth - 1);
                // The same acceptor twice in one list is an error of the file.
                if !(matches!(part, Expression::Acceptor(_)) && parts.contains(&part)) {
                    parts.push(part);
                }
            }
            match kind {
                4 => Expression::AllOf(parts),
                _ => Expression::AtLeast(rng.random_range(1..=parts.len()), parts),
            }
        }
    }
}

/// The name of a declared log.
pub fn log_name(learners: &BTreeSet<usize>) -> String {
    learners.iter().map(|learner| LEARNERS[*learner]).collect::<Vec<_>>().join("+") + "+log"
}

/// The file that declares `graph`.
pub fn file(graph: &Graph) -> String {
    let mut text = String::from("version = 1\n");
    let mut line =
        |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("strings take everything");
    for name in &ACCEPTORS[..graph.acceptors] {
        line(format_args!("[acceptors.{name}]"));
    }
    for (index, quorum) in graph.learners.iter().enumerate() {
        line(format_args!("[learners.{}]", LEARNERS[index]));
        match quorum {
            Quorum::Expression(expression) => {
                line(format_args!("quorum = {}", expression_text(expression)))
            }
            Quorum::Stake { stake, above, fraction } => {
                line(format_args!("stake = {}", stake_text(stake)));
                let sign = if *above { ">" } else { ">=" };
                line(format_args!("quorum = \"{sign} {}/{}\"", fraction.0, fraction.1));
            }
        }
    }
    for (a, b, safe) in &graph.edges {
        line(format_args!("[[edges]]\nbetween = [\"{}\", \"{}\"]", LEARNERS[*a], LEARNERS[*b]));
        match safe {
            Safe::Overlap => line(format_args!("safe = \"overlap\"")),
            Safe::Largest => line(format_args!("safe = \"largest\"")),
            Safe::Expression(expression) => {
                line(format_args!("safe = {}", expression_text(expression)))
            }
        }
    }
    for (learners, level) in &graph.logs {
        let names: Vec<String> =
            learners.iter().map(|learner| format!("\"{}\"", LEARNERS[*learner])).collect();
        line(format_args!("[logs.\"{}\"]\nlearners = [{}]", log_name(learners), names.join(", ")));
        line(format_args!("edges = \"{}\"", if *level { "level" } else { "as-given" }));
    }
    text
}

fn expression_text(expression: &Expression) -> String {
    let list =
        |parts: &[Expression]| parts.iter().map(expression_text).collect::<Vec<_>>().join(", ");
    match expression {
        Expression::Acceptor(acceptor) => format!("\"{}\"", ACCEPTORS[*acceptor]),
        Expression::AtLeast(least, parts) => {
            format!("{{ at-least = {least}, of = [{}] }}", list(parts))
        }
        Expression::AllOf(parts) => format!("[{}]", list(parts)),
        Expression::AnyOf(parts) => format!("{{ any-of = [{}] }}", list(parts)),
        Expression::Stake(least, stake) => {
            format!("{{ at-least = {least}, stake = {} }}", stake_text(stake))
        }
    }
}

fn stake_text(stake: &[u64]) -> String {
    let entries =
        stake.iter().enumerate().map(|(index, stake)| format!("{} = {stake}", ACCEPTORS[index]));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}
