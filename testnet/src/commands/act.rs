//! What is done to a running network: `kill`, `pause`, `restart`, `partition`, `heal`, `byzantine`.

use super::InFolder;
use anyhow::{Result, anyhow};
use clap::Args;
use hpaxos_node::control::{ControlError, ask};
use hpaxos_testnet::control::{Request, groups_of};
use hpaxos_testnet::folder::Folder;
use hpaxos_testnet::show::line;
use hpaxos_testnet::traitor::Behaviour;

#[derive(Args)]
pub struct Node {
    /// The node.
    #[arg(value_name = "NODE")]
    name: String,
    #[command(flatten)]
    folder: InFolder,
}

impl Node {
    pub fn kill(self) -> Result<()> {
        tell(&self.folder.open(), &Request::Kill(self.name))
    }

    pub fn pause(self) -> Result<()> {
        tell(&self.folder.open(), &Request::Pause(self.name))
    }

    pub fn restart(self) -> Result<()> {
        tell(&self.folder.open(), &Request::Restart(self.name))
    }
}

#[derive(Args)]
pub struct Partition {
    /// Groups of nodes, as in "v1,v2 | v3,v4": nobody of one reaches anybody of another. Who is in none reaches everybody.
    #[arg(value_name = "GROUPS", required = true, num_args = 1..)]
    groups: Vec<String>,
    #[command(flatten)]
    folder: InFolder,
}

impl Partition {
    pub fn run(self) -> Result<()> {
        let groups = groups_of(&self.groups.join(" ")).map_err(|error| anyhow!(error))?;
        tell(&self.folder.open(), &Request::Partition(groups))
    }
}

#[derive(Args)]
pub struct Heal {
    #[command(flatten)]
    folder: InFolder,
}

impl Heal {
    pub fn run(self) -> Result<()> {
        tell(&self.folder.open(), &Request::Partition(Vec::new()))
    }
}

#[derive(Args)]
pub struct Byzantine {
    /// The node.
    #[arg(value_name = "NODE")]
    name: String,
    /// What it does from now on.
    #[arg(value_enum)]
    behaviour: Behaviour,
    #[command(flatten)]
    folder: InFolder,
}

impl Byzantine {
    pub fn run(self) -> Result<()> {
        let behaviour = self.behaviour.word().to_owned();
        tell(&self.folder.open(), &Request::Byzantine(self.name, behaviour))
    }
}

/// Tells the running network, and says what it says.
pub fn tell(folder: &Folder, request: &Request) -> Result<()> {
    let answer = ask(&folder.control_path(), request).map_err(|error| match error {
        ControlError::NotRunning(_) => anyhow!(
            "no network runs in {}: `hpaxos-testnet up` starts one",
            folder.path().display()
        ),
        error => error.into(),
    })?;
    line(answer);
    Ok(())
}
