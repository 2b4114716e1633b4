//! For how long a bundle is valid: options that commands share.

use anyhow::{Context, bail};
use clap::Args;
use hpaxos_ledger::limits::NUMBER_MAX;
use hpaxos_node::client::Client;
use rand::Rng;

/// For how many slots a bundle is valid, if nothing else is said.
const VALID_FOR_SLOTS: u64 = 1_000;

#[derive(Args)]
pub struct Validity {
    /// The last slot in which it may be executed.
    #[arg(long, value_name = "SLOT", conflicts_with = "valid_for")]
    valid_until: Option<u64>,
    /// The same, counted from the node's present slot [default: 1000]
    #[arg(long, value_name = "SLOTS", conflicts_with = "offline")]
    valid_for: Option<u64>,
    /// A number that tells it from other bundles that do the same [default: a random one]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=NUMBER_MAX))]
    salt: Option<u64>,
    /// Ask no node: then --valid-until is needed.
    #[arg(long)]
    pub offline: bool,
}

impl Validity {
    /// The last slot of `log` in which the bundle may be executed.
    pub fn last_slot(&self, log: &str, node: Option<&Client>) -> anyhow::Result<u64> {
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

    /// The bundle's salt.
    pub fn salt(&self) -> u64 {
        self.salt.unwrap_or_else(|| rand::rng().random_range(0..=NUMBER_MAX))
    }
}
