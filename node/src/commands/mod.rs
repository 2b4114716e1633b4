//! The commands of those who run a node or use one, one file each.

pub mod bundle;
pub mod config;
pub mod init;
pub mod keys;
pub mod log_level;
mod memory;
mod node_address;
pub mod parked_bytes_max;
mod passphrase;
mod person;
pub mod query;
pub mod run;
pub mod status;
pub mod store;
mod store_reset;

use crate::{Outcome, show};
use anyhow::anyhow;
use clap::Args;
use hpaxos_node::client::ClientError;
use hpaxos_node::home::{Home, HomeError};
use hpaxos_node::node::NodeError;
use hpaxos_node::store::StoreError;
use std::path::PathBuf;

/// The home to work on.
#[derive(Args)]
pub struct HomeFolder {
    /// The node's home: the folder that `hpaxos init` made.
    #[arg(long = "home", value_name = "DIR")]
    pub path: PathBuf,
}

impl HomeFolder {
    /// The home, which nobody else can enter.
    pub fn open(&self) -> Result<Home, HomeError> {
        Home::open(&self.path)
    }
}

/// What a damaged store ends with, with the way back; any other error as it is.
fn with_way_back(home: &Home, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    let of_node = error.downcast_ref().and_then(|error| match error {
        NodeError::Store(error) => Some(error),
        _ => None,
    });
    match of_node.or_else(|| error.downcast_ref()) {
        Some(StoreError::Damaged(_)) => anyhow!(
            "{error}; `hpaxos store reset --home {}` moves it aside: the node then begins with an empty one, and signs \
             nothing until that is safe",
            home.path().display()
        ),
        _ => error,
    }
}

/// A node that refuses has answered: that is a no, not a failure.
fn refusal_is_no(ask: impl FnOnce() -> anyhow::Result<Outcome>) -> anyhow::Result<Outcome> {
    let result = ask();
    if let Err(error) = &result
        && let Some(ClientError::Refused(_)) = error.downcast_ref()
    {
        show::error(error);
        return Ok(Outcome::No);
    }
    result
}
