//! What a network is to look like: `topology.toml`, or the default.

use anyhow::{Context, Result, bail};
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_learner_graph::file;
use hpaxos_ledger::Genesis;
use hpaxos_node::files::{read_genesis, read_graph};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Two chains of six validators each, four of them shared.
const DEFAULT_GRAPH: &str = include_str!("../../learner-graph/examples/two-chains.toml");

/// Followers have names of their own.
const FOLLOWERS_MAX: u32 = 16;

/// What a network is to look like.
pub struct Topology {
    /// Who trusts whom; keys and addresses are filled in.
    pub graph: LearnerGraph,
    /// What the chains start with; none if clients are to be funded.
    pub genesis: Option<GenesisFile>,
    /// Nodes that do not vote.
    pub followers: u32,
    /// The first port, of three for each node; 0 for any free ones.
    pub base_port: u16,
    /// Settings of all nodes.
    pub config: toml::Table,
    /// Settings of some.
    pub nodes: BTreeMap<String, toml::Table>,
}

/// A genesis that was brought.
pub struct GenesisFile {
    /// Its text.
    pub text: String,
    /// What it says.
    pub genesis: Genesis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    version: u32,
    graph: PathBuf,
    genesis: Option<PathBuf>,
    #[serde(default)]
    followers: u32,
    #[serde(default)]
    base_port: u16,
    #[serde(default)]
    config: toml::Table,
    #[serde(default)]
    validators: BTreeMap<String, toml::Table>,
}

impl Topology {
    /// The default: eight validators, red and blue.
    pub fn default_one() -> Self {
        Topology {
            graph: file::read(DEFAULT_GRAPH).expect("the example is a learner graph"),
            genesis: None,
            followers: 0,
            base_port: 0,
            config: toml::Table::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// Reads a topology. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the topology {}", path.display()))?;
        let file: File =
            toml::from_str(&text).with_context(|| format!("{} is no topology", path.display()))?;
        let wrong = |what: String| anyhow::anyhow!("{}: {what}", path.display());
        if file.version != 1 {
            return Err(wrong(format!(
                "`version` is {}; it should be 1: this program knows no other",
                file.version
            )));
        }
        if file.followers > FOLLOWERS_MAX {
            return Err(wrong(format!("`followers` should be at most {FOLLOWERS_MAX}")));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let graph = read_graph(&folder.join(&file.graph))?;
        let genesis = match &file.genesis {
            Some(path) => {
                let path = folder.join(path);
                let genesis = read_genesis(&path, &graph)?;
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Some(GenesisFile { text, genesis })
            }
            None => None,
        };
        for name in file.validators.keys() {
            let follows = follower_names(file.followers).any(|follower| follower == *name);
            if graph.acceptor(name).is_none() && !follows {
                return Err(wrong(format!("[validators.{name}]: the graph has no such acceptor")));
            }
        }
        if let Some(name) =
            follower_names(file.followers).find(|name| graph.acceptor(name).is_some())
        {
            bail!("{}: `{name}` is an acceptor, and would be a follower's name", path.display());
        }
        Ok(Topology {
            graph,
            genesis,
            followers: file.followers,
            base_port: file.base_port,
            config: file.config,
            nodes: file.validators,
        })
    }

    /// The names of all nodes: validators in the graph's order, then followers.
    pub fn names(&self) -> Vec<String> {
        let validators = self.graph.declarations().acceptors.iter();
        validators
            .map(|acceptor| acceptor.name.clone())
            .chain(follower_names(self.followers))
            .collect()
    }

    /// What makes it another network: a folder is for one.
    pub fn fingerprint(&self) -> String {
        let graph = file::write(self.graph.declarations());
        let genesis = self.genesis.as_ref().map_or("", |genesis| genesis.text.as_str());
        format!("# followers: {}\n{graph}\n{genesis}", self.followers)
    }
}

/// The names of followers.
pub fn follower_names(followers: u32) -> impl Iterator<Item = String> {
    (1..=followers).map(|number| format!("follower-{number}"))
}
