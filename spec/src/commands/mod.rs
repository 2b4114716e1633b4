//! The commands.

pub mod check;
pub mod explore;
pub mod replay;
pub mod simulate;

use anyhow::{Context, Result};
use hpaxos_learner_graph::file;
use hpaxos_spec::simulator::setting::Setting;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Writes a line to standard output. A reader that went away, as `head` does, is no error.
fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a line to standard error.
pub fn complain(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The log with the most learners of the learner graph in a file.
fn setting(path: &Path) -> Result<Arc<Setting>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    let graph = file::read(&text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    Setting::new(&name, graph).map_err(|error| anyhow::anyhow!("{name}: {error}"))
}

/// The protocol's rules with a deliberate bug.
#[cfg(feature = "mutants")]
fn mutant(name: &str) -> Result<hpaxos_consensus::rules::Rules> {
    use hpaxos_consensus::rules::{Mutant, Rules};
    let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
    let known = || Mutant::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    Ok(Rules::with(*found.with_context(|| format!("no mutant `{name}`; there are {}", known()))?))
}
