//! `hpaxos init`.

use super::passphrase::Protect;
use crate::Outcome;
use crate::show::{FAINT, WARN, json, line, styled};
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_learner_graph::file::is_name;
use hpaxos_node::config::Config;
use hpaxos_node::files::{read_genesis, read_graph};
use hpaxos_node::home::Home;
use hpaxos_node::keys::{KeyFile, PublicKey, new_key};
use libp2p::Multiaddr;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:\n  \
    hpaxos init --home /var/lib/hpaxos --name alice --address /ip4/203.0.113.7/udp/4001/quic-v1\n  \
    hpaxos init --home /var/lib/hpaxos --name alice --graph learner-graph.toml --genesis genesis.toml\n\n\
    Exit code: 0 done, 2 nothing was done.";

#[derive(Args)]
pub struct Arguments {
    /// The folder to make; it must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The node's name: that of its acceptor in the learner graph, unless it is to follow.
    #[arg(long)]
    name: String,
    /// Copy this learner graph into the home.
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Copy this genesis into the home.
    #[arg(long, value_name = "FILE", requires = "graph")]
    genesis: Option<PathBuf>,
    /// Where other nodes reach this one, for the lines to paste; may be given several times.
    #[arg(long = "address", value_name = "MULTIADDR")]
    addresses: Vec<Multiaddr>,
    /// Use the key of this key file, as `hpaxos keys export` makes them, rather than a new one.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    protect: Protect,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        // Everything that can be wrong is looked at before anything is made.
        if !is_name(&self.name) {
            bail!(
                "--name is `{}`; it should be 1 to 32 of the characters a-z 0-9 . _ -, beginning with a letter or digit",
                self.name.escape_debug()
            );
        }
        let graph = self.graph.as_deref().map(read_graph).transpose()?;
        if let (Some(path), Some(graph)) = (&self.genesis, &graph) {
            read_genesis(path, graph)?;
        }
        let key = self.key()?;
        if let (Some(path), Some(graph)) = (&self.graph, &graph) {
            self.check_key(path, graph, key.public_key())?;
        }

        let home = Home::create(&self.home)?;
        key.create(&home.key_path())?;
        write_new(&home.config_path(), Config::text(&self.name).as_bytes())?;
        for (from, name) in [(&self.graph, Home::GRAPH), (&self.genesis, Home::GENESIS)] {
            if let Some(from) = from {
                let bytes =
                    fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
                write_new(&home.path().join(name), &bytes)?;
            }
        }
        self.answer(&home, &key)?;
        Ok(Outcome::Yes)
    }

    fn key(&self) -> anyhow::Result<KeyFile> {
        let Some(path) = &self.key else {
            return Ok(KeyFile::new(&new_key()?, self.protect.read()?.as_ref())?);
        };
        let file = KeyFile::read(path)?;
        if !file.is_encrypted() {
            return Ok(KeyFile::new(&file.unlock(None)?, self.protect.read()?.as_ref())?);
        }
        // It stays under its passphrase; but one that nobody knows is better found out about now.
        let passphrase = self.protect.read_old()?;
        file.unlock(Some(&passphrase)).with_context(|| path.display().to_string())?;
        Ok(file)
    }

    fn check_key(&self, path: &Path, graph: &LearnerGraph, key: PublicKey) -> anyhow::Result<()> {
        let acceptors = graph.declarations().acceptors.iter();
        let mine = acceptors.filter(|acceptor| acceptor.name == self.name);
        let known = mine.filter_map(|acceptor| acceptor.public_key).map(PublicKey).next();
        match known {
            Some(known) if known != key => {
                let name = &self.name;
                let path = path.display();
                if self.key.is_some() {
                    bail!("{path}: the key of `{name}` is {known}, and that of --key is {key}")
                }
                bail!(
                    "{path}: `{name}` has the key {known} already, and a new key would be another; give the one it has \
                     with --key FILE, or take `public-key` out of the graph"
                )
            }
            _ => Ok(()),
        }
    }

    fn answer(&self, home: &Home, key: &KeyFile) -> anyhow::Result<()> {
        let addresses: Vec<String> = self.addresses.iter().map(Multiaddr::to_string).collect();
        if self.json {
            return json(&json!({
                "home": home.path(),
                "name": self.name,
                "public-key": key.public_key(),
                "encrypted": key.is_encrypted(),
                "addresses": addresses,
            }));
        }
        line(format_args!("Made {} with config.toml and key.json.", home.path().display()));
        if !key.is_encrypted() {
            line(format_args!(
                "{} The key has no passphrase: whoever reads the disk can sign. `hpaxos keys passphrase` sets one.",
                styled(WARN, "note:")
            ));
        }
        if self.key.is_some() {
            line(format_args!(
                "{} If the key has signed in this network before: `hpaxos store reset --home {}` before the first run.",
                styled(WARN, "note:"),
                home.path().display()
            ));
        }
        line("\nFor the learner graph, which everybody in the network has to have:\n");
        line(format_args!("[acceptors.{}]", quoted_if_needed(&self.name)));
        line(format_args!("public-key = \"{}\"", key.public_key()));
        line(format_args!("addresses = {}", serde_json::to_string(&addresses)?));
        if addresses.is_empty() {
            line(styled(
                FAINT,
                "# addresses: where others reach you, as in \"/ip4/203.0.113.7/udp/4001/quic-v1\"",
            ));
        }
        Ok(())
    }
}

/// A name with a dot is two keys in TOML, unless it is quoted.
fn quoted_if_needed(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .with_context(|| format!("cannot write {}", path.display()))
}
