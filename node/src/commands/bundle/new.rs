//! `hpaxos bundle new`.

use super::validity::Validity;
use super::{file, language};
use crate::Outcome;
use crate::commands::node_address::NetworkFrom;
use crate::commands::passphrase::Unlock;
use crate::commands::person::person;
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_ledger::{Body, Bundle, Condition, Operation, Part, Release};
use hpaxos_node::api::answers::{Log, Object};
use hpaxos_node::client::{Client, ClientError};
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
  release KEY to LOG
  release AMOUNT ASSET from PERSON to LOG
A KEY is written in full, like red+blue:seat/12A. A PERSON is a public key, or a key file as
`hpaxos keys new` makes them. A VALUE is a text, in quotes if it has spaces, or @FILE. What is
released in one log is claimed in another, with `hpaxos bundle claim`.

Who pays, who owns what is made, and whoever the node says owns what is changed, has to sign. With
--offline, --signer says who owns what is changed.

Examples:
  hpaxos bundle new 'red: transfer red+blue:seat/12A to bob.json' \\
      'blue: pay 10 gold from bob.json to alice.json' -o swap.json
  hpaxos bundle new 'red: pay 1 gold from alice.json to bob.json' --sign alice.json |
      hpaxos bundle submit - --wait 10s
  hpaxos bundle new 'red: pay 1 gold from alice.json to bob.json' --offline --log red \\
      --valid-until 5000

Exit code: 0 done, 2 nothing was made.";

#[derive(Args)]
pub struct Arguments {
    /// What happens to each chain.
    #[arg(value_name = "PART", required = true)]
    parts: Vec<String>,
    /// The log that is to decide it [default: that of the objects, or the one that joins just these chains]
    #[arg(long)]
    log: Option<String>,
    #[command(flatten)]
    validity: Validity,
    /// Somebody else who has to sign; may be given several times.
    #[arg(long = "signer", value_name = "PERSON")]
    signers: Vec<String>,
    /// Sign with this key file; may be given several times.
    #[arg(long = "sign", value_name = "KEYFILE")]
    sign: Vec<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
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
        let node = if self.validity.offline { None } else { Some(self.network.node.client()?) };
        let log = self.find_log(&parts, node.as_ref())?;
        let valid_until = self.validity.last_slot(&log, node.as_ref())?;
        let mut signers: BTreeSet<[u8; 32]> =
            keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
        for text in &self.signers {
            signers.insert(person(text)?);
        }
        let others_are_named = !self.signers.is_empty();
        for part in &parts {
            find_signers(part, node.as_ref(), others_are_named, &mut signers)?;
        }
        let salt = self.validity.salt();
        let signers = signers.into_iter().collect();
        let mut bundle = Bundle::unsigned(Body { log, valid_until, salt, signers, parts });
        if !keys.is_empty() {
            let network = match self.network.known()? {
                None if self.validity.offline => {
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
        let mut homes = BTreeSet::new();
        for part in parts {
            for key in part.operations.iter().filter_map(key_of) {
                homes.extend(home_of(&part.chain, key, node)?);
            }
        }
        let homes: Vec<&str> = homes.iter().map(String::as_str).collect();
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
}

/// The object that an operation is about.
fn key_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Create { key, .. }
        | Operation::Update { key, .. }
        | Operation::Transfer { key, .. }
        | Operation::Delete { key, .. }
        | Operation::Require(Condition::Object { key, .. })
        | Operation::Release(Release::Object { key, .. }) => Some(key),
        _ => None,
    }
}

/// The log in which an object lives, as far as is known here: else that of its birth.
fn home_of(chain: &str, key: &str, node: Option<&Client>) -> anyhow::Result<Option<String>> {
    let found = object(chain, key, node)?.map(|object| object.home);
    Ok(found.or_else(|| Some(key.split_once(':')?.0.to_owned())))
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
            Operation::Pay { from, .. } | Operation::Release(Release::Balance { from, .. }) => {
                signers.insert(*from);
            }
            Operation::Update { key, .. }
            | Operation::Transfer { key, .. }
            | Operation::Delete { key, .. }
            | Operation::Release(Release::Object { key, .. }) => {
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
    object(chain, key, node)?.map(|object| person(&object.owner)).transpose()
}

fn object(chain: &str, key: &str, node: Option<&Client>) -> anyhow::Result<Option<Object>> {
    let Some(node) = node else { return Ok(None) };
    match node.object(chain, key) {
        Ok(object) => Ok(Some(object)),
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
