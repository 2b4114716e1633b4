//! Reading graph and genesis files.

use super::GraphFile;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_ledger::Genesis;
use hpaxos_node::files::{read_genesis, read_graph};
use std::path::Path;

impl GraphFile {
    /// The graph.
    pub fn load(&self) -> anyhow::Result<LearnerGraph> {
        Ok(read_graph(&self.path)?)
    }

    /// The genesis at `path`, or else the one beside the graph, where there is one.
    pub fn genesis(
        &self,
        path: Option<&Path>,
        graph: &LearnerGraph,
    ) -> anyhow::Result<Option<Genesis>> {
        let beside = self.path.with_file_name("genesis.toml");
        let path = match path {
            Some(path) => path,
            None if self.path.as_os_str() != "-" && beside.is_file() => &beside,
            None => return Ok(None),
        };
        Ok(Some(read_genesis(path, graph)?))
    }
}
