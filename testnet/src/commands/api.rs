//! `hpaxos-testnet api`

use super::InFolder;
use anyhow::{Result, bail};
use clap::Args;
use hpaxos_testnet::show::line;

#[derive(Args)]
pub struct Arguments {
    /// The node.
    #[arg(value_name = "NODE")]
    name: String,
    #[command(flatten)]
    folder: InFolder,
}

impl Arguments {
    /// Whether the node has an API: one that is down has none.
    pub fn run(self) -> Result<bool> {
        let network = self.folder.open().network()?;
        let Some(node) = network.validators.iter().find(|node| node.name == self.name) else {
            let names: Vec<&str> =
                network.validators.iter().map(|node| node.name.as_str()).collect();
            bail!("there is no node `{}`; there are {}", self.name, names.join(", "));
        };
        match node.api {
            Some(api) => line(format_args!("http://{api}")),
            None => {
                use std::io::Write;
                let _ = writeln!(
                    anstream::stderr(),
                    "{} is down, or a traitor: it has no API",
                    self.name
                );
            }
        }
        Ok(node.api.is_some())
    }
}
