//! The commands, one file each.

pub mod act;
pub mod api;
pub mod down;
pub mod status;
pub mod traitor;
pub mod up;

use clap::Args;
use hpaxos_testnet::folder::Folder;
use std::path::PathBuf;

/// The network to work on.
#[derive(Args)]
pub struct InFolder {
    /// The folder of the network.
    #[arg(long = "folder", value_name = "DIR", default_value = ".testnet")]
    path: PathBuf,
}

impl InFolder {
    /// The folder.
    pub fn open(&self) -> Folder {
        Folder::new(&self.path)
    }
}
