//! The trust model at the head of a trace: quorums and edges as lists of minimal sets, which any program can read.

use super::{VERSION, names};
use crate::ids::NetworkId;
use crate::trust::{Sends, Trust};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, Condition, LearnerGraph};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The trust model of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Graph {
    /// In full.
    Whole(Box<WholeGraph>),
    /// In a file: it is too large.
    File(GraphFile),
}

/// A trust model in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFile {
    /// The file.
    pub path: String,
}

/// Acceptors up to which a trace carries its graph in full: listing quorums takes time and room exponential in them.
pub const ACCEPTORS_MAX: usize = 24;

/// A trust model in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeGraph {
    /// Of the format; see [`VERSION`].
    pub version: u32,
    /// The node that wrote the trace, or `simulator`, or `model`.
    pub writer: String,
    /// The network.
    pub network: NetworkId,
    /// All acceptors, sorted.
    pub acceptors: Vec<String>,
    /// The minimal quorums of each learner.
    pub learners: BTreeMap<String, Vec<Vec<String>>>,
    /// The edges that exist, not condensed.
    pub edges: Vec<Edge>,
    /// Who is Byzantine; only a simulator knows, or a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byzantine: Option<Vec<String>>,
    /// The logs.
    pub logs: BTreeMap<String, Log>,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The two learners.
    pub between: [String; 2],
    /// The minimal safe sets.
    pub safe: Vec<Vec<String>>,
}

/// A log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Its learners, sorted.
    pub learners: Vec<String>,
    /// The members of each.
    pub members: BTreeMap<String, Vec<String>>,
    /// 3 or 4.
    pub sends: u8,
}

impl WholeGraph {
    /// The trust models of some logs of a graph, for a trace of `writer`. None if they are too large, or differ in the edges of
    /// learners that take part in several.
    pub fn new(
        graph: &LearnerGraph,
        trusts: &[&Trust],
        network: NetworkId,
        writer: &str,
    ) -> Option<Self> {
        let acceptors: Vec<_> = graph.acceptors().iter().collect();
        if acceptors.len() > ACCEPTORS_MAX {
            return None;
        }
        let name = |acceptor| graph.acceptor_name(acceptor).to_owned();
        let sets = |holds: &Condition| -> Vec<Vec<String>> {
            let minimal = minimal_sets(acceptors.len(), holds);
            minimal.iter().map(|set| set.iter().map(name).collect()).collect()
        };
        let learner_name = |learner| graph.learner_name(learner).to_owned();
        let (mut learners, mut logs) = (BTreeMap::new(), BTreeMap::new());
        let mut edges: BTreeMap<[String; 2], Vec<Vec<String>>> = BTreeMap::new();
        for trust in trusts {
            let log = trust.log();
            let members = log.learners().iter().map(|learner| {
                (learner_name(learner), log.members(learner).iter().map(name).collect())
            });
            let described = Log {
                learners: names(graph, log.learners()),
                members: members.collect(),
                sends: match trust.sends() {
                    Sends::Three => 3,
                    Sends::Four => 4,
                },
            };
            logs.insert(log.name().to_owned(), described);
            for link in log.links() {
                let between = [learner_name(link.between.0), learner_name(link.between.1)];
                let safe = sets(&link.condition);
                if edges.insert(between, safe.clone()).is_some_and(|before| before != safe) {
                    return None;
                }
            }
            learners.extend(log.learners().iter().map(|l| (learner_name(l), sets(log.quorum(l)))));
        }
        Some(WholeGraph {
            version: VERSION,
            writer: writer.to_owned(),
            network,
            acceptors: acceptors.iter().map(|acceptor| name(*acceptor)).collect(),
            learners,
            edges: edges.into_iter().map(|(between, safe)| Edge { between, safe }).collect(),
            byzantine: None,
            logs,
        })
    }
}

/// The minimal sets at which `condition` holds, by leaving out one member after the other in every way.
fn minimal_sets(acceptors: usize, condition: &Condition) -> Vec<AcceptorSet> {
    fn search(
        condition: &Condition,
        set: AcceptorSet,
        rest: &[AcceptorId],
        found: &mut Vec<AcceptorSet>,
    ) {
        // `set` without what is still in `rest` must not be left out: decide them in turn.
        if !condition.holds(&set) {
            return;
        }
        let Some((first, rest)) = rest.split_first() else {
            let minimal = set.iter().all(|member| {
                let mut less = set;
                less.remove(member);
                !condition.holds(&less)
            });
            if minimal {
                found.push(set);
            }
            return;
        };
        let mut without = set;
        without.remove(*first);
        search(condition, without, rest, found);
        search(condition, set, rest, found);
    }
    let support: Vec<_> = condition.support().iter().collect();
    debug_assert!(support.len() <= acceptors);
    let mut found = Vec::new();
    search(condition, condition.support(), &support, &mut found);
    found.sort_by_key(|set| set.iter().collect::<Vec<_>>());
    found
}
