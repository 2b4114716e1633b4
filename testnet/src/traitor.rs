//! Traitors: Byzantine validators, made of the product's own engine and somebody's key.
//!
//! The product has no traitor's code. One that equivocates is two honest nodes with one key: each tells its half of the others a
//! story that is sound in itself.

use anyhow::{Context, Result};
use clap::ValueEnum;
use hpaxos_learner_graph::{LearnerGraph, LearnerSet};
use hpaxos_node::config::Config;
use hpaxos_node::files::write_whole;
use hpaxos_node::guard::Mark;
use hpaxos_node::home::{Home, Network};
use hpaxos_node::keys::PublicKey;
use hpaxos_node::node::{Running, Setup};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// What a traitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Behaviour {
    /// Tells half of the others one thing, and the other half another.
    Equivocate,
}

impl Behaviour {
    /// As it is called.
    pub fn word(self) -> &'static str {
        match self {
            Behaviour::Equivocate => "equivocate",
        }
    }
}

/// Which of a traitor's faces each of the others sees: those called `names`, without the traitor's own.
pub fn faces<'a>(names: impl Iterator<Item = &'a str>, faces: usize) -> Vec<(&'a str, usize)> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.into_iter().enumerate().map(|(place, name)| (name, place % faces)).collect()
}

/// Runs a traitor with the home of the node whose key it has, until it is told to stop. Where it listens goes to `addresses`.
///
/// # Errors
/// If the home cannot be used, or is in use.
pub async fn run(home: &Path, behaviour: Behaviour, addresses: &Path) -> Result<()> {
    let home = Home::open(home)?;
    let config = home.config()?;
    let _lock = home.lock()?;
    let key = home.key()?.unlock(None)?;
    let network = home.network(&config)?;
    let me = home.me(&config, &network.graph, PublicKey::of(&key))?;
    let me = me.context("a follower signs nothing: there is nothing to betray")?;
    let Behaviour::Equivocate = behaviour;

    let other_store = home.path().join("store-of-the-other-face");
    if other_store.exists() {
        fs::remove_dir_all(&other_store)?;
    }
    copy_folder(&home.store_path(), &other_store)?;
    let other_guard = home.path().join("guard-of-the-other-face");
    for (from, to) in [
        (home.guard_path(), other_guard.clone()),
        (Mark::path(&home.guard_path()), Mark::path(&other_guard)),
    ] {
        match fs::copy(&from, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let names = network.graph.declarations().acceptors.iter();
    let names = names.map(|one| one.name.as_str()).filter(|name| *name != config.name);
    let seen = faces(names, 2);
    let mut running = Vec::new();
    let memories = [(home.store_path(), home.guard_path()), (other_store, other_guard)];
    for (face, (store, guard)) in memories.into_iter().enumerate() {
        let mine = |name: &str| seen.contains(&(name, face));
        let setup = Setup {
            store,
            guard,
            waived: LearnerSet::EMPTY,
            graph_path: home.graph_path(&config),
            trace: None,
            config: Config {
                p2p: hpaxos_node::config::P2p {
                    listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
                    ..config.p2p.clone()
                },
                ..config.clone()
            },
            network: Network { graph: knowing(&network.graph, mine)?, ..network.clone() },
            me: Some(me),
            key: key.clone(),
        };
        running.push(Running::start(setup).await?);
    }
    let p2p: Vec<String> =
        running.iter().filter_map(|face| face.listening.first().map(ToString::to_string)).collect();
    write_whole(addresses, &json!({ "p2p": p2p }).to_string())?;

    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    for face in running {
        face.stop().await?;
    }
    Ok(())
}

/// The graph, with the addresses of some only: the others are waited for.
fn knowing(graph: &LearnerGraph, mine: impl Fn(&str) -> bool) -> Result<LearnerGraph> {
    let mut declarations = graph.declarations().clone();
    for acceptor in &mut declarations.acceptors {
        if !mine(&acceptor.name) {
            acceptor.addresses.clear();
        }
    }
    Ok(LearnerGraph::new(declarations)?)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    if !from.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        fs::copy(&path, to.join(name))
            .with_context(|| format!("cannot copy {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_who_sees_which_face() {
        let one = faces(["v3", "v1", "v10"].into_iter(), 2);
        assert_eq!(one, [("v1", 0), ("v10", 1), ("v3", 0)]);
    }
}
