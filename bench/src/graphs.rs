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

/// The graph of `validators`, whose first log is that of all chains, as text.
fn text(validators: usize, chains: &[Chain], edges: &Edges) -> String {
    let mut text = String::from("version = 1\n");
    for index in 0..validators {
        let public = hex::encode(key(index).verifying_key().to_bytes());
        let _ = writeln!(text, "[acceptors.{}]\npublic-key = \"{public}\"", validator(index));
    }
    for (index, chain) in chains.iter().enumerate() {
        let _ = writeln!(text, "[learners.{}]\nquorum = {}", name(index), condition(chain));
    }
    for one in 0..chains.len() {
        for other in one + 1..chains.len() {
            let safe = match edges {
                Edges::Overlap | Edges::Levelled => "\"overlap\"".to_owned(),
                Edges::Between(safe) => condition(safe),
            };
            let (one, other) = (name(one), name(other));
            let _ = writeln!(text, "[[edges]]\nbetween = [\"{one}\", \"{other}\"]\nsafe = {safe}");
        }
    }
    text
}

/// The trust model of the log of all chains, and its graph.
pub fn trust(validators: usize, chains: &[Chain], edges: &Edges) -> (LearnerGraph, Arc<Trust>) {
    let graph = file::read(&text(validators, chains, edges)).expect("a graph of thresholds");
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

fn name(index: usize) -> String {
    format!("chain{:02}", index + 1)
}

fn condition(chain: &Chain) -> String {
    let of: Vec<String> =
        chain.of.iter().map(|index| format!("\"{}\"", validator(*index))).collect();
    format!("{{ at-least = {}, of = [{}] }}", chain.at_least, of.join(", "))
}
