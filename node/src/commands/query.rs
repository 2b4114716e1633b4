//! `hpaxos query`: what a node knows.

use super::node_address::NodeAddress;
use super::person::person;
use super::refusal_is_no;
use crate::Outcome;
use crate::show::{Columns, FAINT, json, line, styled};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use hpaxos_ledger::BundleId;
use hpaxos_node::api::answers::{Balances, Object, Slot};
use hpaxos_node::waiting;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Subcommand)]
pub enum Command {
    /// An object: its value, owner, version and home.
    #[command(after_help = "Examples:\n  hpaxos query object red red+blue:seat/12A\n  \
        hpaxos query object red red+blue:seat/12A --home /var/lib/hpaxos --json\n\n\
        Exit code: 0 there it is, 1 there is none, 2 no node answers.")]
    Object(ObjectOf),
    /// What somebody has on a chain.
    #[command(after_help = "Examples:\n  hpaxos query balance blue alice.json\n  \
        hpaxos query balance blue 8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394 --json\n\n\
        Exit code: 0 answered, also if it is nothing; 1 the node runs no log of the chain; 2 no node\n\
        answers.")]
    Balance(BalanceOf),
    /// A slot: what each learner decided, and what it executed.
    #[command(after_help = "Example:\n  hpaxos query slot red+blue 7\n\n\
        Exit code: 0 there it is, 1 it is not decided here, 2 no node answers.")]
    Slot(SlotOf),
    /// The certificates of a slot, of each learner whose quorum attests it.
    #[command(after_help = "Example:\n  hpaxos query certificate red+blue 7\n\n\
        One for a later slot proves it too: its path leads there by hashing.\n\n\
        Exit code: 0 there is one, 1 there is none yet, 2 no node answers.")]
    Certificate(SlotOf),
    /// The receipt of a bundle, as `hpaxos bundle verify` takes it.
    #[command(after_help = "Example:\n  \
        hpaxos query receipt d8504582e1fff4be3c6164a4902e71e3d18963a8fdcf47ca953622579dfbef9e --wait 10s\n\n\
        Exit code: 0 there it is, 1 nobody here knows the bundle, 2 no node answers.")]
    Receipt(ReceiptOf),
}

#[derive(Args)]
pub struct ObjectOf {
    /// The chain.
    chain: String,
    /// The key in full, like red+blue:seat/12A.
    key: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct BalanceOf {
    /// The chain.
    chain: String,
    /// A public key, or a key file.
    person: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct SlotOf {
    /// The log.
    log: String,
    /// The slot.
    slot: u64,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub struct ReceiptOf {
    /// The bundle's id.
    id: BundleId,
    #[command(flatten)]
    node: NodeAddress,
    /// Wait so long until a quorum of each of its chains attests it, as in 10s or 500ms.
    #[arg(long, value_name = "TIME", value_parser = waiting::read, default_value = "0s")]
    wait: Duration,
    /// Answer in JSON: a receipt has no other form.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct How {
    #[command(flatten)]
    node: NodeAddress,
    /// Answer in JSON: what the node says.
    #[arg(long)]
    json: bool,
}

impl How {
    fn answer<T: Serialize>(&self, answer: &T, print: impl FnOnce(&T)) -> anyhow::Result<Outcome> {
        if self.json {
            json(answer)?;
        } else {
            print(answer);
        }
        Ok(Outcome::Yes)
    }
}

impl Command {
    pub fn run(self) -> anyhow::Result<Outcome> {
        refusal_is_no(|| match self {
            Command::Object(ObjectOf { chain, key, how }) => {
                how.answer(&how.node.client()?.object(&chain, &key)?, print_object)
            }
            Command::Balance(BalanceOf { chain, person: whose, how }) => {
                let owner = person(&whose)?;
                how.answer(&how.node.client()?.balances(&chain, &owner)?, print_balances)
            }
            Command::Slot(SlotOf { log, slot, how }) => {
                how.answer(&how.node.client()?.slot(&log, slot)?, print_slot)
            }
            Command::Certificate(SlotOf { log, slot, how }) => {
                let found = how.node.client()?.slot(&log, slot)?;
                let learners = found.learners.into_iter();
                let certificates: BTreeMap<String, serde_json::Value> = learners
                    .filter_map(|(name, decision)| Some((name, decision.certificate?)))
                    .collect();
                if certificates.is_empty() {
                    crate::show::error(&anyhow::anyhow!(
                        "nobody has attested slot {slot} of `{log}` yet"
                    ));
                    return Ok(Outcome::No);
                }
                how.answer(&certificates, print_certificates)
            }
            Command::Receipt(ReceiptOf { id, node, wait, json: _ }) => {
                let client = node.client()?;
                let Some(receipt) = client.certified_receipt(&id, wait)? else {
                    let url = client.url();
                    crate::show::error(&anyhow::anyhow!(
                        "{url} knows no bundle {id}: was it submitted?"
                    ));
                    return Ok(Outcome::No);
                };
                json(&receipt)?;
                Ok(Outcome::Yes)
            }
        })
    }
}

fn print_object(object: &Object) {
    let mut columns = Columns::new(&["", ""]);
    let value = BASE64_STANDARD.decode(&object.value).unwrap_or_default();
    let value = match String::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text,
        _ => format!("{} (base64)", object.value),
    };
    for (name, said) in [
        ("object", object.key.clone()),
        ("value", value),
        ("owner", object.owner.clone()),
        ("version", object.version.to_string()),
        ("home", object.home.clone()),
        ("after slots", object.height.to_string()),
    ] {
        columns.row([name.to_owned(), said]);
    }
    columns.print();
}

fn print_balances(answer: &Balances) {
    if answer.balances.is_empty() {
        line(styled(FAINT, "nothing"));
        return;
    }
    let mut columns = Columns::new(&["amount", "asset", "log"]);
    for balance in &answer.balances {
        columns.row([balance.amount.clone(), balance.asset.clone(), balance.log.clone()]);
    }
    columns.print();
}

fn print_certificates(certificates: &BTreeMap<String, serde_json::Value>) {
    let mut columns = Columns::new(&["learner", "certified slot", "signers"]);
    for (learner, certificate) in certificates {
        let signers = certificate["signers"].as_array().into_iter().flatten();
        let signers: Vec<&str> = signers.filter_map(|signer| signer.as_str()).collect();
        columns.row([learner.clone(), certificate["slot"].to_string(), signers.join(", ")]);
    }
    columns.print();
}

fn print_slot(slot: &Slot) {
    let mut columns = Columns::new(&["learner", "ballot", "history"]);
    for (learner, decision) in &slot.learners {
        let executed = decision.executed.as_ref();
        let history = executed.map_or("not executed yet".to_owned(), |it| it.history.clone());
        columns.row([learner.clone(), decision.ballot.clone(), history]);
    }
    columns.print();
    line(match &slot.bundles {
        None => "The block is not here yet.".to_owned(),
        Some(bundles) if bundles.len() == 1 => "1 bundle".to_owned(),
        Some(bundles) => format!("{} bundles", bundles.len()),
    });
}
