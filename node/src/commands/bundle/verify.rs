//! `hpaxos bundle verify`.

use super::file::read_at_most;
use super::outcome::say;
use crate::Outcome;
use crate::commands::node_address::id_of_files;
use crate::show::{BAD, Columns, GOOD, WARN, json, line, styled};
use anyhow::Context;
use clap::Args;
use hpaxos_ledger::{Checked, Receipt, ReceiptCheck};
use serde_json::json;
use std::path::PathBuf;

pub const HELP: &str = "\
Asks nobody: the receipt is all there is. Nothing covers what it says of state roots and atomicity.

Example:
  hpaxos bundle submit swap.json --wait 10s --json > receipt.json
  hpaxos bundle verify receipt.json --graph learner-graph.toml --genesis genesis.toml

Exit code: 1 it contradicts itself; 2 it does not, which proves what one node executed, not yet
what a quorum decided; or a file cannot be used. There is no 0 as long as there are no
certificates.";

/// The longest receipt: a bundle and a few hashes.
const RECEIPT_BYTES_MAX: usize = 16 << 20;

#[derive(Args)]
pub struct Arguments {
    /// The receipt; `-` for standard input.
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// The network's learner graph.
    #[arg(long, value_name = "FILE")]
    graph: PathBuf,
    /// Its genesis [default: genesis.toml beside the graph]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let network = id_of_files(&self.graph, self.genesis.as_deref())?;
        let bytes = read_at_most(&self.receipt, RECEIPT_BYTES_MAX)?;
        let receipt: Receipt = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no receipt", self.receipt.display()))?;
        let checks = receipt.checks(network);
        let consistent = checks.iter().all(|check| check.holds);
        if self.json {
            json(
                &json!({ "id": receipt.id, "consistent": consistent, "proven": false, "checks": checks }),
            )?;
        } else {
            print(&receipt, &checks);
            line(if consistent {
                styled(
                    WARN,
                    "It holds together. It proves what one node executed, not yet what a quorum decided.",
                )
            } else {
                styled(BAD, "It is forged or damaged, or of another network.")
            });
        }
        Ok(if consistent { Outcome::Open } else { Outcome::No })
    }
}

fn print(receipt: &Receipt, checks: &[ReceiptCheck]) {
    line(format_args!("receipt of bundle {} of log {}", receipt.id, receipt.log));
    receipt.chains.iter().for_each(|(name, chain)| line(say(name, chain)));
    let mut columns = Columns::new(&["", ""]);
    for check in checks {
        let holds = match (check.what, check.holds) {
            (Checked::Unproven, true) => styled(WARN, "cannot be proven"),
            (_, true) => styled(GOOD, "holds"),
            (_, false) => styled(BAD, "does not hold"),
        };
        let chain = check.chain.as_ref().map(|chain| format!("{chain}: ")).unwrap_or_default();
        columns.row([format!("{chain}{}", words(check.what)), holds]);
    }
    columns.print();
}

fn words(what: Checked) -> &'static str {
    match what {
        Checked::Id => "the id is the bundle's",
        Checked::Signatures => "everybody has signed",
        Checked::Chains => "the chains are the bundle's",
        Checked::Result => "the result is under its root",
        Checked::History => "the history follows",
        Checked::Unproven => "it was in no block",
    }
}
