//! `hpaxos-testnet traitor`: what `byzantine` starts.

use anyhow::Result;
use clap::Args;
use hpaxos_node::config::Config;
use hpaxos_node::logging;
use hpaxos_testnet::traitor::{Behaviour, run};
use std::path::PathBuf;

#[derive(Args)]
pub struct Arguments {
    /// What it does.
    #[arg(value_enum)]
    behaviour: Behaviour,
    /// The home of the node whose key it has.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Where it says where it listens.
    #[arg(long, value_name = "FILE")]
    addresses: PathBuf,
}

impl Arguments {
    pub fn run(self) -> Result<()> {
        let config = Config::read(&self.home.join("config.toml"))?;
        let _level = logging::start(&config.log.level, config.log.format)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(&self.home, self.behaviour, &self.addresses))
    }
}
