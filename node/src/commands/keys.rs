//! `hpaxos keys`.

use super::HomeFolder;
use super::passphrase::{Change, Protect, Unlock};
use crate::Outcome;
use crate::show::{Columns, json, line};
use anyhow::Context;
use clap::{Args, Subcommand};
use hpaxos_node::home::Home;
use hpaxos_node::keys::{KeyFile, PublicKey, new_key};
use hpaxos_node::network::peer_id;
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Makes a key file of its own, as a client needs to sign bundles; prints the public key.
    #[command(
        after_help = "Examples:\n  hpaxos keys new client.json\n  hpaxos keys new client.json --passphrase\n\n\
        Exit code: 0 done, 2 nothing was done."
    )]
    New(New),
    /// Shows the public key.
    #[command(after_help = "Examples:\n  hpaxos keys show --home /var/lib/hpaxos\n  \
        hpaxos keys show --key client.json --json\n\n\
        Exit code: 0 done, 2 there is no key, or others could read it.")]
    Show(Show),
    /// Copies a key file into a home that has none.
    #[command(after_help = "Example:\n  hpaxos keys import backup.json --home /var/lib/hpaxos\n\n\
        The key keeps its passphrase, if it has one. Never run two nodes with one key: they contradict each other,\n\
        and the network catches them.\n\n\
        Exit code: 0 done, 2 nothing was done.")]
    Import(Import),
    /// Writes the key to a file, always encrypted.
    #[command(after_help = "Example:\n  hpaxos keys export backup.json --home /var/lib/hpaxos\n\n\
        A key that has a passphrase is exported under it; for one that has none, a passphrase is asked for.\n\n\
        Exit code: 0 done, 2 nothing was done.")]
    Export(Export),
    /// Sets, changes or removes the passphrase of a key.
    #[command(after_help = "Examples:\n  hpaxos keys passphrase --home /var/lib/hpaxos\n  \
        hpaxos keys passphrase --key client.json --passphrase-file old --new-passphrase-file new\n  \
        hpaxos keys passphrase --key client.json --remove\n\n\
        Exit code: 0 done, 2 nothing was changed.")]
    Passphrase(PassphraseOf),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Command::New(arguments) => arguments.run(),
            Command::Show(arguments) => arguments.run(),
            Command::Import(arguments) => arguments.run(),
            Command::Export(arguments) => arguments.run(),
            Command::Passphrase(arguments) => arguments.run(),
        }?;
        Ok(Outcome::Yes)
    }
}

/// A home's key, or a key file of its own.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// The key of this home.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The key in this file.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Place {
    fn path(&self) -> anyhow::Result<PathBuf> {
        match (&self.home, &self.key) {
            (Some(home), _) => Ok(Home::open(home)?.key_path()),
            (None, Some(key)) => Ok(key.clone()),
            (None, None) => unreachable!("one of the two is required"),
        }
    }
}

#[derive(Args)]
pub struct New {
    /// The file to make.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    protect: Protect,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl New {
    fn run(self) -> anyhow::Result<()> {
        let key = new_key()?;
        let file = KeyFile::new(&key, self.protect.read()?.as_ref())?;
        file.create(&self.file)?;
        if self.json {
            return describe_in_json(&file);
        }
        line(file.public_key());
        Ok(())
    }
}

#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    place: Place,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let file = KeyFile::read(&self.place.path()?)?;
        if self.json {
            return describe_in_json(&file);
        }
        let mut columns = Columns::new(&["", ""]);
        columns.row(["public key".to_owned(), file.public_key().to_string()]);
        columns.row(["libp2p peer".to_owned(), peer(file.public_key())?]);
        let passphrase = if file.is_encrypted() { "yes" } else { "no" };
        columns.row(["passphrase".to_owned(), passphrase.to_owned()]);
        columns.print();
        Ok(())
    }
}

fn describe_in_json(file: &KeyFile) -> anyhow::Result<()> {
    json(&json!({
        "public-key": file.public_key(),
        "peer": peer(file.public_key())?,
        "encrypted": file.is_encrypted(),
    }))
}

/// The key is the node's identity on the network, too.
fn peer(key: PublicKey) -> anyhow::Result<String> {
    let peer = peer_id(&key.0).with_context(|| format!("{key} is no ed25519 key"))?;
    Ok(peer.to_string())
}

#[derive(Args)]
pub struct Import {
    /// The key file, as `hpaxos keys export` makes them.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    home: HomeFolder,
    #[command(flatten)]
    unlock: Unlock,
}

impl Import {
    fn run(self) -> anyhow::Result<()> {
        let home = self.home.open()?;
        let _lock = home.lock()?;
        let file = KeyFile::read(&self.file)?;
        let passphrase = self.unlock.read(&file)?;
        file.unlock(passphrase.as_ref()).with_context(|| self.file.display().to_string())?;
        file.create(&home.key_path())?;
        line(file.public_key());
        Ok(())
    }
}

#[derive(Args)]
pub struct Export {
    /// The file to make.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    home: HomeFolder,
    #[command(flatten)]
    unlock: Unlock,
}

impl Export {
    fn run(self) -> anyhow::Result<()> {
        let path = self.home.open()?.key_path();
        let file = KeyFile::read(&path)?;
        let exported = match self.unlock.read(&file)? {
            // A backup whose passphrase nobody knows is none.
            Some(passphrase) => {
                file.unlock(Some(&passphrase)).with_context(|| path.display().to_string())?;
                file
            }
            None => {
                let passphrase = self.unlock.from().read_new("Passphrase for the exported key")?;
                KeyFile::new(&file.unlock(None)?, Some(&passphrase))?
            }
        };
        exported.create(&self.file)?;
        line(format_args!("Wrote {}, encrypted.", self.file.display()));
        Ok(())
    }
}

#[derive(Args)]
pub struct PassphraseOf {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    unlock: Unlock,
    #[command(flatten)]
    change: Change,
}

impl PassphraseOf {
    fn run(self) -> anyhow::Result<()> {
        let path = self.place.path()?;
        let file = KeyFile::read(&path)?;
        let old = self.unlock.read(&file)?;
        let key = file.unlock(old.as_ref()).with_context(|| path.display().to_string())?;
        let new = self.change.read()?;
        KeyFile::new(&key, new.as_ref())?.replace(&path)?;
        let now = if new.is_some() { "is encrypted" } else { "has no passphrase any more" };
        line(format_args!("The key in {} {now}.", path.display()));
        if old.is_none() && new.is_some() {
            line(
                "Without the passphrase the key is lost: keep it, and an export, in a safe place.",
            );
        }
        Ok(())
    }
}
