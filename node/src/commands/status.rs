//! `hpaxos status`.

use super::node_address::NodeAddress;
use crate::Outcome;
use crate::show::{BAD, Columns, GOOD, TITLE, WARN, error, is_read, json, line, styled};
use clap::Args;
use hpaxos_node::api::answers::{Graph, Logs, Silent, Snapshot, Stopped, Sync};
use hpaxos_node::client::Client;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Examples:
  hpaxos status
  hpaxos status --home /var/lib/hpaxos --watch
  hpaxos status --api 127.0.0.1:8645 --json

Exit code: 0 it is ready; 1 it answers and is not ready, since too few validators are connected;
2 no node answers.";

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    node: NodeAddress,
    /// Look again every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Answer in JSON; with --watch, a line each time.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let client = self.node.client()?;
        if !self.watch {
            let status = Status::ask(&client)?;
            if self.json {
                json(&status.json())?
            } else {
                status.print()
            }
            return Ok(status.outcome());
        }
        loop {
            let status = Status::ask(&client);
            let read = match &status {
                Ok(status) if self.json => is_read(status.json()),
                _ if self.json => true,
                _ => is_read(before()),
            };
            if !read {
                return Ok(status.map_or(Outcome::Open, |status| status.outcome()));
            }
            match status {
                Ok(status) if !self.json => status.print(),
                Ok(_) => {}
                // It may come back.
                Err(gone) => error(&gone),
            }
            thread::sleep(EVERY);
        }
    }
}

/// What makes room for the next look: on a terminal an empty screen, else an empty line.
fn before() -> &'static str {
    if io::stdout().is_terminal() { "\x1b[2J\x1b[H" } else { "" }
}

/// How a node is.
struct Status {
    ready: bool,
    logs: Logs,
    graph: Graph,
}

impl Status {
    fn ask(client: &Client) -> anyhow::Result<Self> {
        let (ready, logs, graph) = (client.is_ready()?, client.logs()?, client.graph()?);
        Ok(Status { ready, logs, graph })
    }

    fn outcome(&self) -> Outcome {
        if self.ready { Outcome::Yes } else { Outcome::No }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "node": self.logs.node,
            "network": self.logs.network,
            "ready": self.ready,
            "peers": self.graph.peers,
            "unreachable": self.graph.unreachable,
            "refused": self.graph.refused,
            "caught": self.graph.caught,
            "logs": self.logs.logs,
        })
    }

    fn print(&self) {
        let ready = match self.ready {
            true => styled(GOOD, "ready"),
            false => styled(BAD, "not ready: no quorum of validators is connected"),
        };
        let Logs { node, network, logs } = &self.logs;
        line(format_args!("{} of network {network}: {ready}", styled(TITLE, node)));
        self.print_peers();

        let mut columns = Columns::new(&[
            "log", "learner", "decided", "executed", "lag", "open", "parked", "round", "leader",
            "waiting",
        ]);
        for (name, log) in logs {
            let mut of_log = [
                log.open.to_string(),
                log.parked.to_string(),
                log.round.to_string(),
                if log.leader.is_empty() { "-".to_owned() } else { log.leader.clone() },
                log.mempool.to_string(),
            ];
            let mut title = name.clone();
            for (learner, at) in &log.learners {
                let lag = at.decided.saturating_sub(at.height);
                let mut row = vec![
                    std::mem::take(&mut title),
                    learner.clone(),
                    at.decided.to_string(),
                    at.height.to_string(),
                    lag.to_string(),
                ];
                row.extend(of_log.each_mut().map(std::mem::take));
                columns.row(row);
            }
        }
        columns.print();

        for (name, log) in logs {
            let Some(Sync { slots_left, slots_per_second, seconds_left, snapshot }) = &log.sync
            else {
                continue;
            };
            let in_seconds =
                |left: &Option<f64>| left.map_or(String::new(), |left| format!(", {left} s left"));
            if let Some(Snapshot { slot, percent, leaves, seconds_left, .. }) = snapshot {
                line(format_args!(
                    "{} {name}: fetching a snapshot of the state after slot {slot}: {percent} %, {leaves} leaves{}",
                    styled(WARN, "catching up"),
                    in_seconds(seconds_left)
                ));
                continue;
            }
            let left = in_seconds(seconds_left);
            line(format_args!(
                "{} {name}: {slots_left} slots behind, {slots_per_second} slots a second{left}",
                styled(WARN, "catching up")
            ));
        }
        for (name, log) in logs {
            let Some(Silent { why, through }) = &log.silent else { continue };
            let until = match through {
                Some(slot) => format!("up to slot {slot}"),
                None => "until quorums of all its learners have said how far the log is".to_owned(),
            };
            line(format_args!(
                "{} {name}: the node signs nothing {until}, because its store was lost: {why}",
                styled(WARN, "silent")
            ));
        }
        for (name, log) in logs.iter().filter(|(_, log)| !log.waits_for.is_empty()) {
            let chains = log.waits_for.join(", ");
            line(format_args!(
                "{} {name}: opens no new slot: {} slots, {} bytes on disk, wait for {chains} to decide them; \
                 `hpaxos parked-bytes-max` lets more wait",
                styled(BAD, "full"),
                log.parked,
                log.parked_bytes
            ));
        }
        for (name, log) in logs {
            for (learner, at) in &log.learners {
                let Some(Stopped { slot, why }) = &at.stopped else { continue };
                let why = match why.as_str() {
                    "root-mismatch" => "a quorum attests another outcome than this node's",
                    _ => "it decided another block than the others",
                };
                line(format_args!(
                    "{} {name}: the view of {learner} goes no further: of slot {slot}, {why}; /v1/evidence has what there is",
                    styled(BAD, "stopped")
                ));
            }
        }
        for acceptor in &self.graph.caught {
            let why = "it signed messages that conflict; /v1/evidence has the proof";
            line(format_args!("{} {acceptor}: {why}", styled(BAD, "caught")));
        }
    }

    fn print_peers(&self) {
        let Graph { peers, unreachable, refused, .. } = &self.graph;
        if peers.is_empty() && unreachable.is_empty() {
            return;
        }
        let mut columns = Columns::new(&["peer", "", "round trip", "address"]);
        for peer in peers {
            let trip = peer.rtt_ms.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
            columns.row([peer.name.clone(), styled(GOOD, "up"), trip, peer.address.clone()]);
        }
        for peer in unreachable {
            let how = if refused.contains_key(peer) { "refused" } else { "down" };
            columns.row([peer.clone(), styled(BAD, how), "-".to_owned(), String::new()]);
        }
        columns.print();
        for (peer, why) in refused {
            line(format_args!("{} {peer}: {why}", styled(BAD, "refused")));
        }
    }
}
