//! The learner graph of a trace's first line.

use anyhow::{Context, Result, bail};
use hpaxos_consensus::trace::{Graph, VERSION, WholeGraph};
use hpaxos_learner_graph::{LearnerGraph, file};
use std::fmt::Write;
use std::path::Path;

/// The learner graph that a trace starts with. A path is relative to `folder`, the trace's own.
pub fn learner_graph(line: &Graph, folder: &Path) -> Result<LearnerGraph> {
    match line {
        Graph::File(file) => {
            let path = folder.join(&file.path);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("the trace's graph, {}", path.display()))?;
            Ok(file::read(&text).with_context(|| format!("in {}", path.display()))?)
        }
        Graph::Whole(whole) if whole.version != VERSION => {
            bail!("the trace has version {}; this program reads version {VERSION}", whole.version)
        }
        Graph::Whole(whole) => Ok(file::read(&toml(whole)).context("the trace's graph")?),
    }
}

/// The graph as its file would say it.
fn toml(graph: &WholeGraph) -> String {
    let sets = |sets: &[Vec<String>]| {
        let lists = sets.iter().map(|set| format!("{set:?}")).collect::<Vec<_>>();
        format!("{{ any-of = [{}] }}", lists.join(", "))
    };
    let mut text = String::from("version = 1\n");
    let mut add = |line: String| text.write_str(&line).expect("writing to memory does not fail");
    for name in &graph.acceptors {
        add(format!("[acceptors.{name}]\n"));
    }
    for (name, quorums) in &graph.learners {
        // All members together are a quorum too: that names those who are in no minimal one, and propose all the same.
        let members = graph.logs.values().filter_map(|log| log.members.get(name)).take(1).cloned();
        let quorums: Vec<_> = quorums.iter().cloned().chain(members).collect();
        add(format!("[learners.{name}]\nquorum = {}\n", sets(&quorums)));
    }
    for edge in &graph.edges {
        add(format!("[[edges]]\nbetween = {:?}\nsafe = {}\n", edge.between, sets(&edge.safe)));
    }
    let declared = graph.logs.iter().filter(|(name, _)| !graph.learners.contains_key(*name));
    for (name, log) in declared.filter(|(name, _)| *name != "all") {
        add(format!("[logs.{name:?}]\nlearners = {:?}\n", log.learners));
    }
    text
}
