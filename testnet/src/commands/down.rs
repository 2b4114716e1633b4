//! `hpaxos-testnet down`

use super::InFolder;
use super::act::tell;
use anyhow::{Result, bail};
use clap::Args;
use hpaxos_node::control::{ControlError, ask};
use hpaxos_node::home::{Home, HomeError};
use hpaxos_testnet::control::Request;
use hpaxos_testnet::process::{Signal, send};
use hpaxos_testnet::show::line;
use std::time::{Duration, Instant};

/// How long a network may take to stop.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    folder: InFolder,
}

impl Arguments {
    pub fn run(self) -> Result<()> {
        let folder = self.folder.open();
        let network = folder.network()?;
        let deadline = Instant::now() + PATIENCE;
        match ask(&folder.control_path(), &Request::Down) {
            Ok(answer) => {
                line(answer);
                // It stops its nodes itself, when the last bundles are accounted for.
                while let Err(HomeError::Locked(..)) = Home::open(folder.path())?.lock() {
                    if Instant::now() > deadline {
                        bail!("`hpaxos-testnet up` still runs in {}", folder.path().display());
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
            }
            // Its `up` is gone; its nodes need not be.
            Err(ControlError::NotRunning(_)) => {}
            Err(_) => return tell(&folder, &Request::Down),
        }
        let mut told = std::collections::BTreeSet::new();
        for node in &network.validators {
            let Ok(home) = Home::open(&node.home) else { continue };
            // Whoever holds the lock is the node, whatever else has its number now.
            while let Err(HomeError::Locked(_, pid)) = home.lock() {
                let pid = pid.and_then(|pid| pid.parse().ok());
                if let Some(pid) = pid
                    && Some(pid) == node.pid
                    && told.insert(pid)
                {
                    let _ = send(pid, Signal::CONT);
                    send(pid, Signal::TERM)?;
                    line(format_args!("stopping {}", node.name));
                }
                if Instant::now() > deadline {
                    bail!("{} still runs: {}", node.name, node.home.display());
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        line("Nothing runs any more.");
        Ok(())
    }
}
