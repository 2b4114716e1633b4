//! Learner graphs that are measured.

use ed25519_dalek::SigningKey;
use hpaxos_consensus::Trust;
use hpaxos_learner_graph::{LearnerGraph, file};
use std::fmt::Write as _;
use std::sync::Arc;

/// The secret key of a validator of a graph that only lives in memory.
pub fn key(index: usize) -> SigningKey {
    SigningKey::from_bytes(&[index as u8 + 1; 32])
}

/// The least quorum of `validators` of which any two meet in an honest one, while fewer than a third are Byzantine.
pub fn two_thirds(validators: usize) -> usize {
    validators * 2 / 3 + 1
}

/// A chain: so many of some of the validators decide.
pub struct Chain {
    /// How many.
    pub at_least: usize,
    /// Of whom, by index.
    pub of: Vec<usize>,
}

impl Chain {
    /// Two thirds of these validators decide.
    pub fn of(of: impl IntoIterator<Item = usize>) -> Self {
        let of: Vec<usize> = of.into_iter().collect();
        Chain { at_least: two_thirds(of.len()), of }
    }
}

/// The condition of the edges.
pub enum Edges {
    /// What the quorums have in common.
    Overlap,
    /// The same, but for all edges what all of them have in common: three sends decide.
    Levelled,
    /// Of different chains; each with itself has what its quorums have in common.
    Between(Chain),
}

/// The condition of an edge: what the quorums have in common.
pub const OVERLAP: &str = "\"overlap\"";

/// So many of these validators.
pub fn at_least(count: usize, of: &[String]) -> String {
    format!("{{ at-least = {count}, of = {of:?} }}")
}

/// A graph as text, without logs of its own: validators with what else is said of them, chains with their quorums, and between
/// any two chains an edge with the same condition.
pub fn text(
    validators: impl IntoIterator<Item = (String, String)>,
    chains: &[(String, String)],
    safe: &str,
) -> String {
    let mut text = String::from("version = 1\n");
    for (name, more) in validators {
        let _ = writeln!(text, "[acceptors.{name}]\n{more}");
    }
    for (name, quorum) in chains {
        let _ = writeln!(text, "[learners.{name}]\nquorum = {quorum}");
    }
    for (place, (one, _)) in chains.iter().enumerate() {
        for (other, _) in &chains[place + 1..] {
            let _ = writeln!(text, "[[edges]]\nbetween = [\"{one}\", \"{other}\"]\nsafe = {safe}");
        }
    }
    text
}

/// The graph of `validators` with keys, whose first log is that of all chains.
fn in_memory(validators: usize, chains: &[Chain], edges: &Edges) -> String {
    let validators = (0..validators).map(|index| {
        let public = hex::encode(key(index).verifying_key().to_bytes());
        (validator(index), format!("public-key = \"{public}\""))
    });
    let chains: Vec<_> = chains
        .iter()
        .enumerate()
        .map(|(index, chain)| (format!("chain{:02}", index + 1), condition(chain)))
        .collect();
    let safe = match edges {
        Edges::Overlap | Edges::Levelled => OVERLAP.to_owned(),
        Edges::Between(safe) => condition(safe),
    };
    text(validators, &chains, &safe)
}

/// The trust model of the log of all chains, and its graph.
pub fn trust(validators: usize, chains: &[Chain], edges: &Edges) -> (LearnerGraph, Arc<Trust>) {
    let graph = file::read(&in_memory(validators, chains, edges)).expect("a graph of thresholds");
    let log = graph.log(graph.logs()[0].name()).expect("it has a log");
    let log = match edges {
        Edges::Levelled => log.levelled(),
        Edges::Overlap | Edges::Between(_) => log,
    };
    let trust = Trust::new(log).expect("thresholds are easy to compare");
    (graph, Arc::new(trust))
}

fn validator(index: usize) -> String {
    format!("v{:03}", index + 1)
}

fn condition(chain: &Chain) -> String {
    let of: Vec<String> = chain.of.iter().map(|index| validator(*index)).collect();
    at_least(chain.at_least, &of)
}
