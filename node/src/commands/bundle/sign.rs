//! `hpaxos bundle sign`.

use super::{file, language};
use crate::Outcome;
use crate::commands::node_address::NetworkFrom;
use crate::commands::passphrase::Unlock;
use crate::show::{Columns, GOOD, WARN, json, line, styled};
use anyhow::bail;
use clap::Args;
use hpaxos_ledger::Bundle;
use serde_json::json;
use std::path::PathBuf;

pub const HELP: &str = "\
Whoever signs consents to all parts, on all chains: what is signed is shown. Signers may sign one
after the other, each on their own machine; a signature that is not there yet stands in the file
as zeros, which no node takes.

The signature is for one network, whose id should come from somebody you trust.

Examples:
  hpaxos bundle sign swap.json --key alice.json
  hpaxos bundle sign swap.json --key alice.json --key bob.json --graph learner-graph.toml
  hpaxos bundle sign - --key alice.json --home /var/lib/hpaxos < swap.json > signed.json

Exit code: 0 signed, also if others have to sign yet; 2 nothing was signed.";

#[derive(Args)]
pub struct Arguments {
    /// The bundle; `-` for standard input, and then for standard output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Sign with this key file; may be given several times.
    #[arg(long = "key", value_name = "KEYFILE", required = true)]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
    #[command(flatten)]
    network: NetworkFrom,
    /// Write to this file instead.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let mut bundle = file::read(&self.file)?;
        let keys = file::keys(&self.keys, &self.unlock)?;
        let network = self.network.id()?;
        for (key, path) in keys.iter().zip(&self.keys) {
            if !bundle.sign(network, key) {
                let signers: Vec<String> = bundle.body.signers.iter().map(hex::encode).collect();
                bail!(
                    "{}: its key is none of those who have to sign, {}",
                    path.display(),
                    signers.join(", ")
                );
            }
        }
        let missing: Vec<String> = bundle.unsigned_by(network).iter().map(hex::encode).collect();
        let output = self.output.as_ref().unwrap_or(&self.file);
        file::write(output, &bundle)?;
        // Whoever reads the bundle from standard output wants nothing else there.
        if output.as_os_str() != "-" {
            if self.json {
                json(&json!({ "id": bundle.id(network), "missing": missing }))?;
            } else {
                print(&bundle, &bundle.id(network).to_string(), &missing);
            }
        }
        Ok(Outcome::Yes)
    }
}

fn print(bundle: &Bundle, id: &str, missing: &[String]) {
    let body = &bundle.body;
    line(format_args!("bundle {id} of log {}, until slot {}", body.log, body.valid_until));
    let mut columns = Columns::new(&["", ""]);
    for part in &body.parts {
        for operation in &part.operations {
            columns.row([part.chain.clone(), language::write(operation)]);
        }
    }
    columns.print();
    if missing.is_empty() {
        line(styled(GOOD, "Everybody has signed: it can be submitted."));
    }
    for signer in missing {
        line(format_args!("{} {signer}", styled(WARN, "still to sign:")));
    }
}
