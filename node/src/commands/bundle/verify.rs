//! `hpaxos bundle verify`.

use super::file::read_at_most;
use super::outcome::say;
use crate::Outcome;
use crate::commands::node_address::network_of_files;
use crate::show::{BAD, Columns, GOOD, WARN, json, line, styled};
use anyhow::Context;
use clap::Args;
use hpaxos_ledger::{Checked, Receipt, ReceiptCheck, Verdict, Verified};
use serde_json::json;
use std::path::{Path, PathBuf};

pub const HELP: &str = "\
Asks nobody: receipt, learner graph and genesis are all there is. Nothing covers what the receipt
says of atomicity: that is `hpaxos graph analyze`.

Example:
  hpaxos bundle submit swap.json --wait 10s --json > receipt.json
  hpaxos bundle verify receipt.json --graph learner-graph.toml --genesis genesis.toml

Exit code: 0 a quorum of each of its chains attests that it committed; 1 it did not, or the
receipt is forged, damaged or of another network; 2 nobody attests it yet (ask the node again),
or a file cannot be used.";

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
        let (network, graph) = network_of_files(&self.graph, self.genesis.as_deref())?;
        let receipt = read(&self.receipt)?;
        let Verified { verdict, checks } = receipt.verify(network, &graph);
        if self.json {
            json(&json!({ "id": receipt.id, "verdict": verdict, "checks": checks }))?;
        } else {
            print(&receipt, &checks);
            line(match verdict {
                Verdict::Committed => {
                    styled(GOOD, "It committed: a quorum of each of its chains attests it.")
                }
                Verdict::NotCommitted => styled(BAD, "It did not commit."),
                Verdict::Open => styled(
                    WARN,
                    "Nothing is wrong, but not all of it is attested yet: ask the node again.",
                ),
                Verdict::Forged => styled(BAD, "It is forged or damaged, or of another network."),
            });
        }
        Ok(match verdict {
            Verdict::Committed => Outcome::Yes,
            Verdict::NotCommitted | Verdict::Forged => Outcome::No,
            Verdict::Open => Outcome::Open,
        })
    }
}

/// Reads a receipt; `-` is standard input.
pub fn read(path: &Path) -> anyhow::Result<Receipt> {
    let bytes = read_at_most(path, RECEIPT_BYTES_MAX)?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no receipt", path.display()))
}

fn print(receipt: &Receipt, checks: &[ReceiptCheck]) {
    line(format_args!("receipt of bundle {} of log {}", receipt.id, receipt.log));
    receipt.chains.iter().for_each(|(name, chain)| line(say(name, chain)));
    let mut columns = Columns::new(&["", ""]);
    for check in checks {
        let holds = match (check.what, check.holds, &check.flaw) {
            (Checked::Unproven, true, _) => styled(WARN, "cannot be proven"),
            (_, true, _) => styled(GOOD, "holds"),
            (_, false, Some(flaw)) if !check.contradicts() => styled(WARN, flaw),
            (_, false, Some(flaw)) => styled(BAD, format_args!("does not hold: {flaw}")),
            (_, false, None) => styled(BAD, "does not hold"),
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
        Checked::Certificate => "a quorum attests the history",
        Checked::Unproven => "it was in no block",
    }
}
