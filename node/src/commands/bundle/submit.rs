//! `hpaxos bundle submit` and `watch`.

use super::file;
use super::outcome::{print_atomicity, say, settled, wait};
use crate::Outcome;
use crate::commands::node_address::NodeAddress;
use crate::commands::refusal_is_no;
use crate::show::{FAINT, error, json, line, styled};
use clap::Args;
use hpaxos_ledger::{BundleId, Receipt, Status};
use hpaxos_node::client::Client;
use hpaxos_node::waiting;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Examples:
  hpaxos bundle submit swap.json --wait 10s
  hpaxos bundle submit - --api 127.0.0.1:8645 --json < swap.json

Exit code: 0 taken, or with --wait committed on all its chains; 1 refused, or not committed;
2 no node answers, or no outcome within the wait.";

pub const WATCH_HELP: &str = "\
Example, with the id that `hpaxos bundle submit` prints:
  hpaxos bundle watch d8504582e1fff4be3c6164a4902e71e3d18963a8fdcf47ca953622579dfbef9e --wait 5s

With --json each change is one line, the receipt.

Exit code: 0 committed on all its chains; 1 not committed, or unknown; 2 no node answers, or no
outcome within the wait.";

#[derive(Args)]
pub struct Arguments {
    /// The bundle; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    node: NodeAddress,
    /// Wait so long for an outcome on all its chains, as in 10s or 500ms.
    #[arg(long, value_name = "TIME", value_parser = waiting::read)]
    wait: Option<Duration>,
    /// Answer in JSON: what the node says, and with --wait the receipt.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let bundle = file::read(&self.file)?;
        let client = self.node.client()?;
        refusal_is_no(|| {
            let submitted = client.submit(&bundle)?;
            let id: BundleId = submitted.id.parse()?;
            if !self.json {
                line(id);
                if submitted.duplicate {
                    line(styled(FAINT, "the node had it already"));
                }
            } else if self.wait.is_none() {
                json(&submitted)?;
            }
            let Some(patience) = self.wait else { return Ok(Outcome::Yes) };
            let receipt = wait(&client, &id, patience, |_| Ok(()))?;
            let Some(receipt) = receipt else {
                // It was taken, and is neither executed nor waiting any more.
                let last = bundle.body.valid_until;
                error(&anyhow::anyhow!("bundle {id} expired: slot {last} has passed without it"));
                return Ok(Outcome::No);
            };
            if self.json {
                json(&receipt)?;
            } else {
                receipt.chains.iter().for_each(|(name, chain)| line(say(name, chain)));
                print_atomicity(&receipt.atomicity);
            }
            Ok(settled(&receipt))
        })
    }
}

#[derive(Args)]
pub struct Watch {
    /// The bundle's id, as `submit` prints it.
    #[arg(value_name = "ID")]
    id: BundleId,
    #[command(flatten)]
    node: NodeAddress,
    /// For how long, as in 10s or 500ms.
    #[arg(long, value_name = "TIME", value_parser = waiting::read, default_value = "60s")]
    wait: Duration,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let client = self.node.client()?;
        refusal_is_no(|| self.watch(&client))
    }

    fn watch(&self, client: &Client) -> anyhow::Result<Outcome> {
        let mut shown: BTreeMap<String, Status> = BTreeMap::new();
        let receipt = wait(client, &self.id, self.wait, |receipt: &Receipt| {
            let chains = receipt.chains.iter();
            let changed: Vec<_> =
                chains.filter(|(name, chain)| shown.get(*name) != Some(&chain.status)).collect();
            if self.json && !changed.is_empty() {
                line(serde_json::to_string(receipt)?);
            } else {
                changed.iter().for_each(|(name, chain)| line(say(name, chain)));
            }
            shown.extend(changed.into_iter().map(|(name, chain)| (name.clone(), chain.status)));
            Ok(())
        })?;
        let Some(receipt) = receipt else {
            error(&anyhow::anyhow!(
                "{} knows no bundle {}: was it submitted, and did it expire?",
                client.url(),
                self.id
            ));
            return Ok(Outcome::No);
        };
        if !self.json {
            print_atomicity(&receipt.atomicity);
        }
        Ok(settled(&receipt))
    }
}
