//! `hpaxos-testnet status`

use super::InFolder;
use anyhow::Result;
use clap::Args;
use hpaxos_node::client::Client;
use hpaxos_node::waiting;
use hpaxos_testnet::folder::Folder;
use hpaxos_testnet::show::{columns, heights, line};
use serde_json::json;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    folder: InFolder,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
    /// Waits until every node is ready, at most so long, as in 60s.
    #[arg(long, value_name = "TIME", value_parser = waiting::read)]
    wait: Option<Duration>,
}

/// Between two looks whether everybody is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until all nodes of the network are ready, or the time is over.
fn wait(folder: &Folder, patience: Duration) {
    let deadline = Instant::now() + patience;
    let is_ready = || {
        let network = folder.network().ok()?;
        let ready = network.validators.iter().all(|node| {
            node.api.is_some_and(|api| Client::new(&api.to_string()).is_ready().unwrap_or(false))
        });
        ready.then_some(())
    };
    while is_ready().is_none() && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
}

impl Arguments {
    /// Whether every node is up.
    pub fn run(self) -> Result<bool> {
        let folder = self.folder.open();
        if let Some(patience) = self.wait {
            wait(&folder, patience);
        }
        let network = folder.network()?;
        let asked = network.validators.iter().map(|node| {
            let client = node.api.map(|api| Client::new(&api.to_string()));
            (node, client.and_then(|client| client.logs().ok()))
        });
        let asked: Vec<_> = asked.collect();
        let all = asked.iter().all(|(_, logs)| logs.is_some());
        if self.json {
            let nodes = asked.iter().map(|(node, logs)| {
                json!({
                    "name": node.name, "pid": node.pid, "api": node.api, "p2p": node.p2p, "home": node.home,
                    "up": logs.is_some(), "logs": logs.as_ref().map(|logs| &logs.logs),
                })
            });
            let nodes: Vec<_> = nodes.collect();
            line(serde_json::to_string_pretty(
                &json!({ "network": network.network, "nodes": nodes }),
            )?);
            return Ok(all);
        }
        let rows = asked.iter().map(|(node, logs)| {
            [
                node.name.clone(),
                if logs.is_some() { "up" } else { "no answer" }.to_owned(),
                node.api.map_or(String::new(), |api| format!("http://{api}")),
                logs.as_ref().map_or(String::new(), heights),
            ]
        });
        line(columns(["node", "", "API", "executed"], rows));
        Ok(all)
    }
}
