//! The whole picture as a Graphviz file.

use super::facts::{Acceptor, Facts, LogFacts, Pair, Seat, Validity};
use super::words::{Promise, count, instance};
use std::fmt::Write;

/// More acceptors than these share nodes.
const NODES_MAX: usize = 40;

/// Letters of an example.
const EXAMPLE: usize = 24;

/// Writes `facts`: a cluster for each log, and below them the acceptors.
pub(super) fn dot(facts: &Facts) -> String {
    let mut out = String::from("graph {\n");
    let mut line = |text: String| {
        writeln!(out, "  {text}").expect("a string takes everything");
    };
    line("graph [ranksep=1.2, nodesep=0.4, fontname=\"sans-serif\", bgcolor=white]".into());
    line("node [fontname=\"sans-serif\", fontsize=11, shape=box, style=rounded]".into());
    line("edge [fontname=\"sans-serif\", fontsize=10, color=\"#7a7a7a\"]".into());
    for (index, log) in facts.logs.iter().enumerate() {
        line(format!("subgraph {} {{", quoted(&format!("cluster {index}"))));
        line(format!("  label={}; color=\"#bbbbbb\"", quoted(&log.title)));
        for member in 0..log.members.len() {
            line(format!("  {}", learner(facts, index, member)));
        }
        line("}".into());
        for text in edges(index, log) {
            line(text);
        }
    }
    for text in acceptors(facts) {
        line(text);
    }
    out.push_str("}\n");
    out
}

fn learner(facts: &Facts, log: usize, index: usize) -> String {
    let member = &facts.logs[log].members[index];
    let learner = &facts.learners[member.learner];
    let mut lines = vec![
        learner.name.clone(),
        format!("decides with {}", learner.quorum),
        Promise::Goes.broken_if(&member.halts),
        Promise::Holds.broken_if(&member.forks),
    ];
    let invalid = matches!(member.validity, Validity::Invalid(_));
    if invalid {
        lines.push("not valid: it may fork anyway".to_owned());
    }
    format!(
        "{} [label={}, color={}, penwidth=2]",
        learner_node(log, member.learner),
        quoted(&lines.join("\n")),
        quoted(if invalid { "#b00020" } else { learner.ink.hue }),
    )
}

fn edges(index: usize, log: &LogFacts) -> Vec<String> {
    let edge = |pair: &Pair| {
        let node = |member: usize| learner_node(index, log.members[member].learner);
        let invalid = matches!(pair.validity, Validity::Invalid(_));
        let mut label = Promise::Agree.broken_if(&pair.disagree);
        if invalid {
            label = "not valid".to_owned();
        } else if let Some(example) = instance(&pair.disagree, EXAMPLE) {
            label.push_str(&format!("\ne.g. {example}"));
        }
        let style = if pair.declared { "solid" } else { "dashed" };
        let color = if invalid { ", color=\"#b00020\", fontcolor=\"#b00020\"" } else { "" };
        format!(
            "{} -- {} [label={}, style={style}, penwidth=2{color}]",
            node(pair.ends.0),
            node(pair.ends.1),
            quoted(&label)
        )
    };
    log.pairs.iter().map(edge).collect()
}

/// How acceptors become nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nodes {
    /// One each.
    Single,
    /// One for those of the same learners.
    ByLearners,
    /// One for those of equally many learners.
    ByCount,
}

/// The acceptors, at the bottom, and thin lines to their learners.
fn acceptors(facts: &Facts) -> Vec<String> {
    let (nodes, runs) = runs(facts);
    let mut lines = Vec::new();
    let mut names = Vec::new();
    for (index, run) in runs.into_iter().enumerate() {
        let (label, shape) = match nodes {
            Nodes::Single => (run[0].name.clone(), "shape=ellipse, style=filled"),
            Nodes::ByLearners | Nodes::ByCount => {
                (group(facts, run, nodes), "style=\"rounded,filled\"")
            }
        };
        let name = quoted(&format!("validator {index}"));
        lines.push(format!("{name} [label={}, {shape}, fillcolor=\"#f3f3f3\"]", quoted(&label)));
        for learner in 0..facts.learners.len() {
            if run.iter().all(|acceptor| acceptor.seats[learner] == Seat::None) {
                continue;
            }
            for (log, of) in facts.logs.iter().enumerate() {
                if of.members.iter().any(|member| member.learner == learner) {
                    let width =
                        if nodes == Nodes::Single { width(run[0].seats[learner]) } else { 1.0 };
                    let hue = facts.learners[learner].ink.hue;
                    let node = learner_node(log, learner);
                    lines.push(format!("{node} -- {name} [color=\"{hue}\", penwidth={width:.1}]"));
                }
            }
        }
        names.push(name);
    }
    lines.push(format!("{{ rank=sink; {} }}", names.join("; ")));
    lines
}

/// The acceptors of each node: as many nodes as can be looked at.
fn runs(facts: &Facts) -> (Nodes, Vec<&[Acceptor]>) {
    if facts.acceptors.len() <= NODES_MAX {
        return (Nodes::Single, facts.acceptors.chunks(1).collect());
    }
    let by_learners = facts.acceptors.chunk_by(|a, b| a.membership() == b.membership());
    let by_learners: Vec<_> = by_learners.collect();
    if by_learners.len() <= NODES_MAX {
        return (Nodes::ByLearners, by_learners);
    }
    let by_count = facts.acceptors.chunk_by(|a, b| a.membership().len() == b.membership().len());
    (Nodes::ByCount, by_count.collect())
}

/// As in "12 validators\nin blue, red".
fn group(facts: &Facts, run: &[Acceptor], nodes: Nodes) -> String {
    let many = count(run.len(), "validator");
    let membership = run[0].membership();
    let all = facts.learners.len();
    let names: Vec<&str> =
        membership.iter().map(|learner| facts.learners[*learner].name.as_str()).collect();
    match names.len() {
        0 => format!("{many}\nin no chain"),
        of if of == all && all > 2 => format!("{many}\nin all {all} chains"),
        of if nodes == Nodes::ByCount => format!("{many}\neach in {of} of the chains"),
        1 => format!("{many}\nonly in {}", names[0]),
        _ => format!("{many}\nin {}", names.join(", ")),
    }
}

/// A line is thicker the larger the share is.
fn width(seat: Seat) -> f64 {
    match seat {
        Seat::Share(share) => 0.5 + 5.0 * share,
        Seat::Vote | Seat::None => 1.0,
    }
}

fn learner_node(log: usize, learner: usize) -> String {
    quoted(&format!("chain {learner} in log {log}"))
}

/// A double-quoted string of the DOT language; a line break is written as Graphviz wants it in labels.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
