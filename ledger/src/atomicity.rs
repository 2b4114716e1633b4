//! What the atomicity of a bundle rests on.

use hpaxos_learner_graph::analysis::{Breaking, LogAnswer};
use serde::{Deserialize, Serialize};

/// What it takes for two chains of a log to decide different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atomicity {
    /// The chains, sorted.
    pub between: [String; 2],
    /// A smallest set of acceptors that must be Byzantine for it; none if nothing does it.
    pub disagree_if: Option<Breaks>,
}

/// A smallest set of acceptors, or what is known of its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Breaks {
    /// This one; empty if the chains may disagree anyway.
    Set {
        /// How many.
        size: usize,
        /// Their names.
        acceptors: Vec<String>,
    },
    /// The analysis took too long: the number lies between these.
    Unsettled {
        /// No set has fewer.
        at_least: usize,
        /// Some set has so many.
        at_most: usize,
    },
}

/// For each two chains of a log, what it takes for them to disagree, of what it takes to break the log (acceptors counted, not
/// stake); sorted.
pub fn atomicity(analysis: &LogAnswer) -> Vec<Atomicity> {
    let connected = &analysis.pairs;
    let mut chains: Vec<&str> =
        analysis.learners.iter().map(|learner| learner.id.as_str()).collect();
    chains.sort_unstable();
    let mut pairs = Vec::new();
    for (index, a) in chains.iter().enumerate() {
        for b in &chains[index + 1..] {
            let between = [(*a).to_owned(), (*b).to_owned()];
            let answer = connected.iter().find(|pair| pair.between == between);
            let disagree_if = match answer {
                Some(pair) => breaks(&pair.disagree_if),
                // Not connected even when all are safe.
                None => Some(Breaks::Set { size: 0, acceptors: Vec::new() }),
            };
            pairs.push(Atomicity { between, disagree_if });
        }
    }
    pairs
}

fn breaks(breaking: &Breaking) -> Option<Breaks> {
    match breaking {
        Breaking::Never => None,
        Breaking::Set { size, acceptors, .. } => {
            Some(Breaks::Set { size: *size, acceptors: acceptors.clone() })
        }
        Breaking::Unsettled { at_least, at_most } => {
            Some(Breaks::Unsettled { at_least: *at_least, at_most: *at_most })
        }
        Breaking::UnsettledStake { .. } => unreachable!("acceptors were counted, not stake"),
    }
}
