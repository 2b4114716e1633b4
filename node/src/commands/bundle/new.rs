//! `hpaxos bundle new`.

use super::{file, language};
use crate::Outcome;
use crate::commands::node_address::NetworkFrom;
use crate::commands::passphrase::Unlock;
use crate::commands::person::person;
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_ledger::limits::NUMBER_MAX;
use hpaxos_ledger::{Body, Bundle, Operation, Part};
use hpaxos_node::api::answers::Log;
use hpaxos_node::client::{Client, ClientError};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub const HELP: &str = "\
A PART says what happens to one chain: its name, a colon, and operations with semicolons between.
  create KEY owner PERSON [value VALUE]
  update KEY value VALUE [if-version N]
  transfer KEY to PERSON [if-version N]
  delete KEY [if-version N]
  require KEY [version N] [owner PERSON] [present] [absent]
  require AMOUNT ASSET of PERSON
  pay AMOUNT ASSET from PERSON to PERSON
A KEY is written in full, like red+blue:seat/12A. A PERSON is a public key, or a key file as
`hpaxos keys new` makes them. A VALUE is a text, in quotes if it has spaces, or @FILE.

Who pays, who owns what is made, and whoever the node says owns what is changed, has to sign.

Examples:
  hpaxos bundle new 'red: transfer red+blue:seat/12A to bob.json' \\
      'blue: pay 10 gold from bob.json to alice.json' -o swap.json
  hpaxos bundle new 'red: pay 1 gold from alice.json to bob.json' --sign alice.json |
      hpaxos bundle submit - --wait 10s
  hpaxos bundle new 'red: pay 1 gold from alice.json to bob.json' --offline --log red \\
      --valid-until 5000

Exit code: 0 done, 2 nothing was made.";

/// For how many slots a bundle is valid, if nothing else is said.
const VALID_FOR_SLOTS: u64 = 1_000;

#[derive(Args)]
pub struct Arguments {
    /// What happens to each chain.
    #[arg(value_name = "PART", required = true)]
    parts: Vec<String>,
    /// The log that is to decide it [default: that of the objects, or the one that joins just these chains]
    #[arg(long)]
    log: Option<String>,
    /// The last slot in which it may be executed.
    #[arg(long, value_name = "SLOT", conflicts_with = "valid_for")]
    valid_until: Option<u64>,
    /// The same, counted from the node's present slot [default: 1000]
    #[arg(long, value_name = "SLOTS")]
    valid_for: Option<u64>,
    /// A number that tells it from other bundles that do the same [default: a random one]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=NUMBER_MAX))]
    salt: Option<u64>,
    /// Somebody else who has to sign; may be given several times.
    #[arg(long = "signer", value_name = "PERSON")]
    signers: Vec<String>,
    /// Sign with this key file; may be given several times.
    #[arg(long = "sign", value_name = "KEYFILE")]
    sign: Vec<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
    /// Ask no node: then --valid-until is needed, and --signer for owners of what is changed.
    #[arg(long, conflicts_with = "valid_for")]
    offline: bool,
    #[command(flatten)]
    network: NetworkFrom,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    output: PathBuf,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let parts = self.read_parts()?;
        let keys = file::keys(&self.sign, &self.unlock)?;
        let node = if self.offline { None } else { Some(self.network.node.client()?) };
        let log = self.find_log(&parts, node.as_ref())?;
        let valid_until = self.last_slot(&log, node.as_ref())?;
        let mut signers: BTreeSet<[u8; 32]> =
            keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
        for text in &self.signers {
            signers.insert(person(text)?);
        }
        let others_are_named = !self.signers.is_empty();
        for part in &parts {
            find_signers(part, node.as_ref(), others_are_named, &mut signers)?;
        }
        let salt = self.salt.unwrap_or_else(|| rand::rng().random_range(0..=NUMBER_MAX));
        let signers = signers.into_iter().collect();
        let mut bundle = Bundle::unsigned(Body { log, valid_until, salt, signers, parts });
        if !keys.is_empty() {
            let network = match self.network.known()? {
                None if self.offline => {
                    bail!(
                        "--sign with --offline needs --network, or --graph and --genesis: a signature is for one network"
                    )
                }
                Some(network) => network,
                None => self.network.id()?,
            };
            keys.iter().for_each(|key| assert!(bundle.sign(network, key), "who signs is a signer"));
        }
        file::write(&self.output, &bundle)?;
        Ok(Outcome::Yes)
    }

    /// The parts, sorted by chain, those of one chain together.
    fn read_parts(&self) -> anyhow::Result<Vec<Part>> {
        let mut chains: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for (index, text) in self.parts.iter().enumerate() {
            let part = language::read(text).map_err(|error| {
                anyhow::anyhow!("part {}, `{}`: {error}", index + 1, text.escape_debug())
            })?;
            chains.entry(part.chain).or_default().extend(part.operations);
        }
        Ok(chains.into_iter().map(|(chain, operations)| Part { chain, operations }).collect())
    }

    fn find_log(&self, parts: &[Part], node: Option<&Client>) -> anyhow::Result<String> {
        if let Some(log) = &self.log {
            return Ok(log.clone());
        }
        // What cannot move lives in the log of its birth.
        let keys = parts.iter().flat_map(|part| &part.operations).filter_map(key_of);
        let homes: BTreeSet<&str> = keys.filter_map(|key| Some(key.split_once(':')?.0)).collect();
        let homes: Vec<&str> = homes.into_iter().collect();
        match homes.as_slice() {
            [] => {}
            [home] => return Ok((*home).to_owned()),
            [one, other, ..] => bail!(
                "the objects live in several logs, {one} and {other}: a bundle is of one log, and can use what lives there"
            ),
        }
        let node = node.context("with --offline, --log should say the log")?;
        let logs = node.logs()?.logs;
        let chains: BTreeSet<&String> = parts.iter().map(|part| &part.chain).collect();
        let joins = |log: &Log| log.learners.keys().collect::<BTreeSet<_>>() == chains;
        let mut fitting = logs.iter().filter(|(_, log)| joins(log)).map(|(name, _)| name);
        match (fitting.next(), fitting.next()) {
            (Some(log), None) => Ok(log.clone()),
            _ => {
                let known: Vec<&str> = logs.keys().map(String::as_str).collect();
                bail!(
                    "no single log joins just these chains: choose one with --log, of {}",
                    known.join(", ")
                )
            }
        }
    }

    fn last_slot(&self, log: &str, node: Option<&Client>) -> anyhow::Result<u64> {
        if let Some(slot) = self.valid_until {
            return Ok(slot);
        }
        let node = node.context("with --offline, --valid-until should say the last slot")?;
        let logs = node.logs()?.logs;
        let Some(found) = logs.get(log) else {
            let known: Vec<&str> = logs.keys().map(String::as_str).collect();
            bail!("the node runs no log `{}`; it runs {}", log.escape_debug(), known.join(", "));
        };
        let present = found.learners.values().map(|learner| learner.height).max().unwrap_or(0);
        Ok(present.saturating_add(self.valid_for.unwrap_or(VALID_FOR_SLOTS)))
    }
}

/// The object that an operation is about.
fn key_of(operation: &Operation) -> Option<&str> {
    use hpaxos_ledger::Condition;
    match operation {
        Operation::Create { key, .. }
        | Operation::Update { key, .. }
        | Operation::Transfer { key, .. }
        | Operation::Delete { key, .. }
        | Operation::Require(Condition::Object { key, .. }) => Some(key),
        _ => None,
    }
}

/// Adds those who have to sign a part.
fn find_signers(
    part: &Part,
    node: Option<&Client>,
    others_are_named: bool,
    signers: &mut BTreeSet<[u8; 32]>,
) -> anyhow::Result<()> {
    // Whom an object belongs to in the middle of the bundle.
    let mut owners: BTreeMap<&str, [u8; 32]> = BTreeMap::new();
    for operation in &part.operations {
        match operation {
            Operation::Create { key, owner, .. } => {
                signers.insert(*owner);
                owners.insert(key, *owner);
            }
            Operation::Pay { from, .. } => {
                signers.insert(*from);
            }
            Operation::Update { key, .. }
            | Operation::Transfer { key, .. }
            | Operation::Delete { key, .. } => {
                let owner = match owners.get(key.as_str()) {
                    Some(owner) => Some(*owner),
                    None => owner_of(&part.chain, key, node)?,
                };
                match owner {
                    Some(owner) => drop(signers.insert(owner)),
                    None if others_are_named => {}
                    None => bail!(
                        "chain {} has no object `{}` as far as is known here: --signer should say who owns it",
                        part.chain,
                        key.escape_debug()
                    ),
                }
                if let Operation::Transfer { to, .. } = operation {
                    owners.insert(key, *to);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn owner_of(chain: &str, key: &str, node: Option<&Client>) -> anyhow::Result<Option<[u8; 32]>> {
    let Some(node) = node else { return Ok(None) };
    match node.object(chain, key) {
        Ok(object) => Ok(Some(person(&object.owner)?)),
        Err(ClientError::Refused(refused)) if refused.status == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::HELP;
    use crate::commands::bundle::language::FORMS;

    #[test]
    fn the_help_has_every_form() {
        let lines: Vec<&str> = HELP.lines().map(str::trim).collect();
        assert!(FORMS.iter().all(|form| lines.contains(form)), "{HELP}");
    }
}
