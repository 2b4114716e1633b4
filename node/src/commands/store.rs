//! `hpaxos store`.

use super::{HomeFolder, store_reset, with_way_back};
use crate::Outcome;
use crate::show::{BAD, Bar, Columns, GOOD, TITLE, json, line, styled};
use anyhow::Context;
use clap::{Args, Subcommand};
use hpaxos_consensus::Trust;
use hpaxos_learner_graph::search::Progress;
use hpaxos_node::audit::{Finding, Report, audit};
use hpaxos_node::home::{Home, Lock, Network};
use hpaxos_node::inspection::{Inspection, inspect};
use hpaxos_node::node::logs_of;
use hpaxos_node::store::Store;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

#[derive(Subcommand)]
pub enum Command {
    /// Counts what is in a store.
    #[command(after_help = "Examples:\n  hpaxos store inspect --home /var/lib/hpaxos\n  \
        hpaxos store inspect --home /var/lib/hpaxos --json\n\n\
        Nothing is changed. The node must not run.\n\n\
        Exit code: 0 done, 2 the store cannot be read, or a node runs with this home.")]
    Inspect(Arguments),
    /// Checks every hash, signature, reference, decision and history in a store again.
    #[command(after_help = "Example:\n  hpaxos store verify --home /var/lib/hpaxos\n\n\
        Nothing is changed. The node must not run. A damaged store is not to be used again: a node must\n\
        not forget what it has signed. `hpaxos store reset` lets it begin with an empty one.\n\n\
        Exit code: 0 all is right, 1 something is wrong, 2 the store cannot be opened, or a node runs\n\
        with this home.")]
    Verify(Arguments),
    /// Puts a store's files in order, and gives back room.
    #[command(after_help = "Example:\n  hpaxos store compact --home /var/lib/hpaxos\n\n\
        The node must not run.\n\n\
        Exit code: 0 done, 2 the store cannot be opened, or a node runs with this home.")]
    Compact(Arguments),
    /// Moves a store aside that is damaged or lost: the node begins with an empty one.
    #[command(after_help = store_reset::EXAMPLES)]
    Reset(store_reset::Arguments),
}

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    home: HomeFolder,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Command::Inspect(arguments) => arguments.inspect(),
            Command::Verify(arguments) => arguments.verify(),
            Command::Compact(arguments) => arguments.compact(),
            Command::Reset(arguments) => arguments.run(),
        }
    }
}

/// A home that no node runs with, as far as its store is concerned.
struct Resting {
    home: Home,
    _lock: Lock,
    network: Network,
    owner: [u8; 32],
    /// Whether the node is a validator.
    signs: bool,
    logs: Vec<Arc<Trust>>,
    depth: u64,
}

impl Resting {
    fn open(folder: &HomeFolder) -> anyhow::Result<Self> {
        let home = folder.open()?;
        let lock = home.lock()?;
        let config = home.config()?;
        let network = home.network(&config)?;
        let key = home.key()?.public_key();
        let me = home.me(&config, &network.graph, key)?;
        let logs = logs_of(&network.graph, me, &config)?;
        let depth = config.consensus.depth;
        let signs = me.is_some();
        Ok(Resting { home, _lock: lock, network, owner: key.0, signs, logs, depth })
    }

    fn store(&self) -> anyhow::Result<Store> {
        let guard = self.signs.then(|| self.home.guard_path());
        let folder = self.home.store_path();
        let store = Store::open_to_read(&folder, guard.as_deref(), self.network.id, &self.owner);
        store.map_err(|error| with_way_back(&self.home, error))
    }
}

impl Arguments {
    fn inspect(&self) -> anyhow::Result<Outcome> {
        let home = Resting::open(&self.home)?;
        let store = home.store()?;
        let found = inspect(&store, &home.network, &home.owner, &home.logs, home.depth);
        let found = found.map_err(|error| with_way_back(&home.home, error))?;
        let bytes = size(&home.home.store_path())?;
        if self.json {
            let mut answer = serde_json::to_value(&found)?;
            answer["disk_bytes"] = bytes.into();
            json(&answer)?;
        } else {
            print(&found, bytes);
        }
        Ok(Outcome::Yes)
    }

    fn verify(&self) -> anyhow::Result<Outcome> {
        let home = Resting::open(&self.home)?;
        let store = home.store()?;
        let total = store.rows_about()?;
        let report = {
            let mut bar = Bar::new();
            let mut progress = |what: &str, rows: u64| {
                bar.progress(what, rows as usize, total.max(rows) as usize, rows)
            };
            audit(&store, &home.network, &home.logs, &mut progress)?
        };
        if self.json {
            json(&report)?;
        } else {
            print_report(&report);
        }
        Ok(if report.is_clean() { Outcome::Yes } else { Outcome::No })
    }

    fn compact(&self) -> anyhow::Result<Outcome> {
        let home = Resting::open(&self.home)?;
        let path = home.home.store_path();
        // Opening what is not there would make it.
        drop(home.store()?);
        let before = size(&path)?;
        let store = Store::open(&path, home.network.id, &home.owner)?;
        store.compact();
        // Files that are not needed any more go when it is closed.
        drop(store);
        let after = size(&path)?;
        if self.json {
            json(&json!({ "bytes_before": before, "bytes_after": after }))?;
        } else {
            line(format_args!("{} before, {} now", readable(before), readable(after)));
        }
        Ok(Outcome::Yes)
    }
}

fn print(found: &Inspection, bytes: u64) {
    let mut columns = Columns::new(&["", ""]);
    columns.row(["network".to_owned(), found.network.clone()]);
    columns.row(["owner".to_owned(), found.owner.clone()]);
    columns.row(["version".to_owned(), found.version.to_string()]);
    columns.row(["on disk".to_owned(), readable(bytes)]);
    columns.print();
    for (name, log) in &found.logs {
        line(format_args!("\nlog {}", styled(TITLE, name)));
        let mut columns = Columns::new(&["learner", "decisions", "decided", "executed"]);
        for (learner, at) in &log.learners {
            let numbers = [at.decisions, at.decided, at.height].map(|number| number.to_string());
            columns.row([learner.clone()].into_iter().chain(numbers));
        }
        columns.print();
        let mut columns = Columns::new(&["", "", ""]);
        let messages = format!("{}, with {} messages", log.records, log.messages);
        columns.row(["records".to_owned(), messages, readable(log.record_bytes)]);
        columns.row(["blocks".to_owned(), log.blocks.to_string(), readable(log.block_bytes)]);
        columns.row([
            "rows of the view".to_owned(),
            log.view_rows.to_string(),
            readable(log.view_bytes),
        ]);
        let slots = format!("{} open, {} parked", log.open, log.parked);
        columns.row(["slots".to_owned(), slots, String::new()]);
        if log.begins > 0 {
            let begins = format!("from {} on", log.begins);
            columns.row(["history".to_owned(), begins, String::new()]);
        }
        columns.row(["evidence".to_owned(), log.evidence.to_string(), String::new()]);
        columns.print();
        if log.lost {
            line(format_args!("  {}", styled(BAD, "The store was lost once.")));
        }
    }
}

fn print_report(report: &Report) {
    let Report { messages, decisions, blocks, executed, evidence, begins, findings, more } = report;
    line(format_args!(
        "{messages} messages, {decisions} decisions, {blocks} blocks, {executed} executed slots, {evidence} proofs of misbehaviour"
    ));
    for (log, slot) in begins.iter().filter(|(_, slot)| **slot > 0) {
        line(format_args!(
            "log {log} begins with slot {slot}: that rests on what quorums certified, and is not derived again"
        ));
    }
    for Finding { log, slot, what } in findings {
        let log = if log.is_empty() { String::new() } else { format!("log {log}, ") };
        let slot = slot.map(|slot| format!("slot {slot}, ")).unwrap_or_default();
        line(format_args!("{} {log}{slot}{what}", styled(BAD, "wrong:")));
    }
    if *more > 0 {
        line(format_args!("… and {more} more"));
    }
    if report.is_clean() {
        line(styled(GOOD, "All is right."));
    }
}

/// The bytes of a folder's files.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        bytes += entry.and_then(|entry| entry.metadata()).with_context(unreadable)?.len();
    }
    Ok(bytes)
}

fn readable(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
