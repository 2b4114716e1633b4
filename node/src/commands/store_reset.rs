//! `hpaxos store reset`.

use super::HomeFolder;
use crate::Outcome;
use crate::show::{WARN, json, line, styled};
use anyhow::Context;
use hpaxos_node::files::sync_folder;
use hpaxos_node::guard::Guard;
use hpaxos_node::home::Home;
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  hpaxos store reset --home /var/lib/hpaxos
  hpaxos store reset --home /var/lib/hpaxos --json

For a store that is damaged or lost, and for a new home with a key that has signed before. The store is moved aside, not
deleted, and the guard beside it remembers that there was one. With the next run the node begins with an empty store: it gets
from the others what was decided, and signs nothing until that is safe. Until then it counts as one that is away.

The node must not run. Doing it twice does no more than doing it once.

Exit code: 0 done, 2 it could not be done, or a node runs with this home.";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    home: HomeFolder,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let home = self.home.open()?;
        let _lock = home.lock()?;
        // First: without a guard an empty store would be taken for that of a new node.
        let guard = home.guard_path();
        let kept = matches!(Guard::read(&guard), Ok(Some(_)));
        if !kept {
            Guard::default().write(&guard)?;
        }
        let moved = move_aside(&home)?;
        if self.json {
            json(&json!({
                "moved_to": moved,
                "guard": if kept { "kept" } else { "made" },
                "next_run": "silent",
            }))?;
            return Ok(Outcome::Yes);
        }
        let store = home.store_path();
        match &moved {
            Some(to) => line(format_args!("Moved {} to {}.", store.display(), to.display())),
            None => line(format_args!("There is nothing at {}.", store.display())),
        }
        line(format_args!(
            "{} With the next run the node begins with an empty store, and signs nothing until quorums of all learners have\n\
             said how far each log is, nor in the slots that may have been open before. `hpaxos status` says until when. It\n\
             waits for chains that are dead for good, too, unless `consensus.waived` in config.toml names them; read there\n\
             what that risks.",
            styled(WARN, "note:")
        ));
        Ok(Outcome::Yes)
    }
}

/// Gives the store another name, the first that is free.
fn move_aside(home: &Home) -> anyhow::Result<Option<PathBuf>> {
    let store = home.store_path();
    let aside = |number: u32| home.path().join(format!("store.{number}"));
    let free = (1..).map(aside).find(|path| fs::symlink_metadata(path).is_err());
    let free = free.context("all names are taken")?;
    match fs::rename(&store, &free) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| {
                format!("cannot rename {} to {}", store.display(), free.display())
            });
        }
    }
    sync_folder(&free).with_context(|| format!("cannot write {}", home.path().display()))?;
    Ok(Some(free))
}
