//! Where a run takes place: a learner graph, with everything that is worked out once for all runs on it.

use crate::naive::random_graph;
use hpaxos_consensus::Epoch;
use hpaxos_consensus::{LogName, NetworkId, Place, Slot, Trust};
use hpaxos_learner_graph::analysis::{check_log, uncovered};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerId, file};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A learner graph and the log that runs on it.
pub struct Setting {
    /// How the graph is called: its file, or its name here.
    pub name: String,
    /// The graph.
    pub graph: LearnerGraph,
    /// The log with the most learners.
    pub trust: Arc<Trust>,
    /// The network.
    pub network: NetworkId,
    /// The acceptors of the log.
    pub acceptors: Vec<AcceptorId>,
    /// See [`uncovered`].
    pub uncovered: Vec<[LearnerId; 3]>,
    log: LogName,
}

impl Setting {
    /// The log of `graph` with the most learners.
    ///
    /// # Errors
    /// If the graph is too hard, has no log, or is not valid: then nothing is promised that could be watched.
    pub fn new(name: &str, graph: LearnerGraph) -> Result<Arc<Self>, String> {
        let log = graph.logs().into_iter().max_by_key(|log| log.learners().len());
        let log = log.ok_or("the graph has no log")?;
        let mut effort = Effort::steps(Effort::DEFAULT_STEPS);
        let checked = check_log(&graph, &log, &mut effort);
        if let Some(edge) = checked.edges.iter().find(|edge| edge.valid == Some(false)) {
            let between = edge.between.join("-");
            return Err(format!(
                "{between} is not valid (see `hpaxos graph check`): nothing is promised"
            ));
        }
        let trust = Arc::new(Trust::new(log).map_err(|error| error.to_string())?);
        let uncovered = uncovered(trust.log(), &mut effort).ok_or("the graph is too hard")?;
        Ok(Arc::new(Setting {
            name: name.to_owned(),
            network: NetworkId([7; 32]),
            acceptors: trust.acceptors().iter().collect(),
            log: LogName(trust.log().name().into()),
            uncovered,
            graph,
            trust,
        }))
    }

    /// The place of a slot.
    pub fn place(&self, slot: Slot) -> Place {
        Place { epoch: Epoch(0), log: self.log.clone(), slot }
    }

    /// The log's name.
    pub fn log(&self) -> &LogName {
        &self.log
    }
}

/// Graphs by which the project explains itself, and those that broke earlier rules.
const NAMED: &[(&str, &str)] = &[
    ("spec/graphs/seven-and-three.toml", include_str!("../../graphs/seven-and-three.toml")),
    ("spec/graphs/seven-level.toml", include_str!("../../graphs/seven-level.toml")),
    ("spec/graphs/four-and-one.toml", include_str!("../../graphs/four-and-one.toml")),
    ("spec/graphs/chain.toml", include_str!("../../graphs/chain.toml")),
    ("spec/graphs/drag.toml", include_str!("../../graphs/drag.toml")),
    ("spec/graphs/d4.toml", include_str!("../../graphs/d4.toml")),
    ("spec/graphs/r4.toml", include_str!("../../graphs/r4.toml")),
    ("spec/graphs/r5.toml", include_str!("../../graphs/r5.toml")),
    (
        "learner-graph/examples/two-chains.toml",
        include_str!("../../../learner-graph/examples/two-chains.toml"),
    ),
];

/// Those of the catalogue that broke earlier rules.
pub const FRAGILE: Range<usize> = 5..8;

/// Random graphs, beside the named ones.
const RANDOM: usize = 55;

/// How many graphs a seed draws from.
pub const CATALOGUE: usize = NAMED.len() + RANDOM;

/// The graph at `index` of the catalogue, worked out when it is first asked for.
pub fn catalogue(index: usize) -> Arc<Setting> {
    static SETTINGS: [OnceLock<Arc<Setting>>; CATALOGUE] = [const { OnceLock::new() }; CATALOGUE];
    let make = || match NAMED.get(index) {
        Some((name, text)) => {
            let graph = file::read(text).expect("the named graphs can be read");
            Setting::new(name, graph).expect("the named graphs are not hard")
        }
        None => random(index - NAMED.len()),
    };
    SETTINGS[index].get_or_init(make).clone()
}

/// `nodes` acceptors and `learners` learners, each of which leaves out one acceptor of its own: four sends, from two learners
/// on. Any third of a learner's members may fail.
///
/// # Errors
/// If the numbers do not go together.
pub fn uniform(nodes: usize, learners: usize) -> Result<Arc<Setting>, String> {
    if nodes < 2 || learners == 0 || learners > nodes {
        return Err(format!("{nodes} acceptors cannot serve {learners} learners"));
    }
    let mut text = String::from("version = 1\n");
    for node in 0..nodes {
        text += &format!("[acceptors.v{node:03}]\n");
    }
    for learner in 0..learners {
        let of: Vec<String> = (0..nodes)
            .filter(|node| learners == 1 || *node != learner)
            .map(|node| format!("\"v{node:03}\""))
            .collect();
        let quorum = of.len() - of.len().saturating_sub(1) / 3;
        let of = of.join(", ");
        text +=
            &format!("[learners.l{learner:02}]\nquorum = {{ at-least = {quorum}, of = [{of}] }}\n");
    }
    for one in 0..learners {
        for other in one + 1..learners {
            let of: Vec<String> = (0..nodes)
                .filter(|node| *node != one && *node != other)
                .map(|node| format!("\"v{node:03}\""))
                .collect();
            // Two quorums lack at most two thirds of these; one more, because an edge by way of a third learner must do.
            let safe = (2 * (nodes.saturating_sub(2) / 3) + 2).min(of.len());
            let of = of.join(", ");
            text += &format!(
                "[[edges]]\nbetween = [\"l{one:02}\", \"l{other:02}\"]\nsafe = {{ at-least = {safe}, of = [{of}] }}\n"
            );
        }
    }
    let graph = file::read(&text).map_err(|error| error.to_string())?;
    Setting::new(&format!("{nodes} acceptors, {learners} learners"), graph)
}

/// The `index`-th random graph: valid, with at least three acceptors in its log.
fn random(index: usize) -> Arc<Setting> {
    for attempt in 0u64.. {
        let mut rng = ChaCha8Rng::seed_from_u64((index as u64) << 32 | attempt);
        let text = random_graph::file(&random_graph::graph(&mut rng));
        let Ok(graph) = file::read(&text) else { continue };
        let Ok(setting) = Setting::new(&format!("random-{index}"), graph) else { continue };
        let learners = if index.is_multiple_of(4) { 1 } else { 2 };
        if setting.acceptors.len() >= 3 && setting.trust.learners().len() >= learners {
            return setting;
        }
    }
    unreachable!("there are valid random graphs")
}
