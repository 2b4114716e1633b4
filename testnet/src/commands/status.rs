//! `hpaxos-testnet status`

use super::InFolder;
use anyhow::Result;
use clap::Args;
use hpaxos_node::client::Client;
use hpaxos_node::control::ask;
use hpaxos_node::waiting;
use hpaxos_testnet::control::Request;
use hpaxos_testnet::folder::Folder;
use hpaxos_testnet::show::{columns, heights, line};
use serde_json::json;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    folder: InFolder,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
    /// Waits until the network has started and told its story, at most so long, as in 60s.
    #[arg(long, value_name = "TIME", value_parser = waiting::read)]
    wait: Option<Duration>,
}

/// Between two looks whether there is a network.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until the network of a folder has started, or the time is over.
fn wait(folder: &Folder, patience: Duration) {
    let (say, said) = mpsc::channel();
    let socket = folder.control_path();
    thread::spawn(move || {
        while ask(&socket, &Request::Ready).is_err() {
            thread::sleep(LOOK_EVERY);
        }
        let _ = say.send(());
    });
    let _ = said.recv_timeout(patience);
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
