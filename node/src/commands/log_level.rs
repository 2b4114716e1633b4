//! `hpaxos log-level`.

use super::HomeFolder;
use crate::Outcome;
use crate::show::line;
use clap::Args;
use hpaxos_node::control::{Request, ask};
use hpaxos_node::logging;

pub const EXAMPLES: &str = "Examples:\n  hpaxos log-level --home /var/lib/hpaxos debug\n  \
    hpaxos log-level --home /var/lib/hpaxos info,hpaxos_node=trace\n\n\
    Exit code: 0 done, 2 no node runs with this home, or it is no filter.";

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    home: HomeFolder,
    /// What to log: error, warn, info, debug, trace or off, or by part of the program.
    #[arg(value_name = "FILTER")]
    filter: String,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        logging::filter(&self.filter)?;
        ask(&self.home.open()?.control_path(), &Request::LogLevel(self.filter.clone()))?;
        line(format_args!(
            "The node logs {} until it is told otherwise or restarted.",
            self.filter
        ));
        Ok(Outcome::Yes)
    }
}
