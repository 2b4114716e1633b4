//! Reading graph and genesis files, with errors at their place.

use super::GraphFile;
use crate::show::ErrorInFile;
use anyhow::Context;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_learner_graph::file::{FILE_BYTES_MAX, FileError, read_bytes};
use hpaxos_ledger::{GENESIS_BYTES_MAX, Genesis};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

impl GraphFile {
    /// The graph.
    pub fn load(&self) -> anyhow::Result<LearnerGraph> {
        let bytes = read(&self.path, FILE_BYTES_MAX)?;
        read_bytes(&bytes).map_err(|error| in_file(&self.path, &bytes, error))
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
        let bytes = read(path, GENESIS_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes);
        let text = text.with_context(|| format!("{} is no UTF-8 text", path.display()))?;
        let genesis = Genesis::read(text, graph);
        genesis.map(Some).map_err(|error| in_file(path, &bytes, error))
    }
}

/// The file's bytes; of one that is too long, one more than the limit, whatever the file is.
fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    if path.as_os_str() == "-" {
        let stdin = io::stdin().lock();
        stdin.take(limit).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        file.take(limit).read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
    }
    Ok(bytes)
}

fn in_file(path: &Path, bytes: &[u8], error: FileError) -> anyhow::Error {
    let text = String::from_utf8_lossy(bytes).into_owned();
    ErrorInFile { path: path.display().to_string(), text, error }.into()
}
