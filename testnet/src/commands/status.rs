//! `hpaxos-testnet status`

use super::InFolder;
use anyhow::Result;
use clap::Args;
use hpaxos_node::client::Client;
use hpaxos_testnet::show::{columns, heights, line};
use serde_json::json;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    folder: InFolder,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Whether every node is up.
    pub fn run(self) -> Result<bool> {
        let network = self.folder.open().network()?;
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
