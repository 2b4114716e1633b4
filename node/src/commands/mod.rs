//! The commands of those who run a node, one file each.

pub mod config;
pub mod init;
pub mod keys;
pub mod log_level;
mod passphrase;
pub mod run;

use clap::Args;
use hpaxos_node::home::{Home, HomeError};
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
