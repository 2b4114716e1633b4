//! `hpaxos bundle claim`.

use super::validity::Validity;
use super::{file, language, verify};
use crate::Outcome;
use crate::commands::node_address::{NodeAddress, network_of_files};
use crate::show::line;
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_ledger::limits::BUNDLE_BYTES_MAX;
use hpaxos_ledger::{Body, Bundle, Operation, Part, Receipt, Released};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub const HELP: &str = "\
What a bundle released is in no log until somebody claims it, for its owner: anybody, at any time,
once. Nobody has to sign that. Each chain whose thing it is has to have certified the receipt.

Example:
  hpaxos bundle new 'red: release red:hat to red+blue' --sign alice.json |
      hpaxos bundle submit - --wait 10s
  hpaxos query receipt d8504582e1fff4be3c6164a4902e71e3d18963a8fdcf47ca953622579dfbef9e \\
      --wait 10s > receipt.json
  hpaxos bundle claim receipt.json --graph learner-graph.toml | hpaxos bundle submit - --wait 10s

Exit code: 0 done, 2 nothing was made.";

#[derive(Args)]
pub struct Arguments {
    /// The receipt of the bundle that released it; `-` for standard input.
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// The network's learner graph.
    #[arg(long, value_name = "FILE")]
    graph: PathBuf,
    /// Its genesis [default: genesis.toml beside the graph]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Claim what goes to this log [default: the one to which everything goes]
    #[arg(long)]
    log: Option<String>,
    /// Claim only what this operation of a chain released, counted from 1, like red:2; may be given several times.
    #[arg(long = "only", value_name = "CHAIN:N", value_parser = place)]
    only: Vec<(String, u32)>,
    #[command(flatten)]
    validity: Validity,
    #[command(flatten)]
    node: NodeAddress,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    output: PathBuf,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let (network, graph) = network_of_files(&self.graph, self.genesis.as_deref())?;
        let receipt = verify::read(&self.receipt)?;
        let (log, released) = self.choose(&receipt)?;
        let mut chains: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for it in &released {
            let of = (it.chain.as_str(), it.operation);
            let operation = Operation::claim_of(network, &graph, &receipt, of)
                .with_context(|| format!("{} cannot be claimed", said(it)))?;
            chains.entry(it.chain.clone()).or_default().push(operation);
        }
        let node = if self.validity.offline { None } else { Some(self.node.client()?) };
        let valid_until = self.validity.last_slot(&log, node.as_ref())?;
        let parts = chains.into_iter().map(|(chain, operations)| Part { chain, operations });
        let (salt, signers, parts) = (self.validity.salt(), Vec::new(), parts.collect());
        let bundle = Bundle::unsigned(Body { log, valid_until, salt, signers, parts });
        let size = bundle.to_bytes().len();
        if size > BUNDLE_BYTES_MAX {
            let which: Vec<String> = released.iter().map(said).collect();
            bail!(
                "the claims of {} make a bundle of {size} bytes, of at most {BUNDLE_BYTES_MAX}: claim them one by one, with --only",
                which.join(", ")
            );
        }
        file::write(&self.output, &bundle)?;
        if self.output.as_os_str() != "-" {
            let claimed =
                |it: &Released| format!("{}: claim {}", it.chain, language::thing(&it.thing));
            released.iter().for_each(|it| line(claimed(it)));
        }
        Ok(Outcome::Yes)
    }

    /// What is to be claimed, and in which log.
    fn choose(&self, receipt: &Receipt) -> anyhow::Result<(String, Vec<Released>)> {
        let of_chains = receipt.chains.iter().flat_map(|(name, chain)| {
            // Each chain lists everything, and speaks for itself.
            chain.released.iter().filter(move |it| it.chain == *name)
        });
        let wanted = |it: &&Released| {
            let only = |(chain, number): &(String, u32)| {
                it.chain == *chain && it.operation.checked_add(1) == Some(*number)
            };
            (self.only.is_empty() || self.only.iter().any(only))
                && self.log.as_ref().is_none_or(|log| it.to_log == *log)
        };
        let released: Vec<Released> = of_chains.filter(wanted).cloned().collect();
        let logs: BTreeSet<&str> = released.iter().map(|it| it.to_log.as_str()).collect();
        match logs.into_iter().collect::<Vec<_>>().as_slice() {
            [] => bail!("{}: nothing of that kind was released", self.receipt.display()),
            [log] => Ok(((*log).to_owned(), released.clone())),
            logs => bail!("it goes to several logs, {}: choose one with --log", logs.join(", ")),
        }
    }
}

/// Which operation released something, as `--only` has it.
fn said(it: &Released) -> String {
    format!("{}:{}", it.chain, u64::from(it.operation) + 1)
}

/// Reads a chain and the number of an operation.
fn place(text: &str) -> Result<(String, u32), String> {
    let parsed = text.split_once(':').and_then(|(chain, number)| {
        let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
        Some((chain.to_owned(), number))
    });
    parsed.ok_or_else(|| "should be a chain and the number of an operation, like red:2".to_owned())
}
