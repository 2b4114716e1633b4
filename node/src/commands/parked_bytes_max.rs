//! `hpaxos parked-bytes-max`.

use super::HomeFolder;
use crate::Outcome;
use crate::show::line;
use anyhow::Context;
use clap::Args;
use hpaxos_node::control::{Request, ask};

pub const EXAMPLES: &str = "Examples:\n  hpaxos parked-bytes-max --home /var/lib/hpaxos 4294967296\n\n\
    A log that is full opens no new slot: `hpaxos status` says which chain it waits for. So that the node remembers it, set \
    consensus.parked_bytes_max, too.\n\n\
    Exit code: 0 done, 2 no node runs with this home, or it is no number of bytes.";

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    home: HomeFolder,
    /// Bytes on disk of the slots of a log that one of its chains has not decided; at least 1 MiB.
    #[arg(value_name = "BYTES")]
    bytes: String,
}

/// The least that a log can work with.
const BYTES_MIN: u64 = 1 << 20;

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let bytes = self.bytes.parse().ok().filter(|bytes| *bytes >= BYTES_MIN);
        let bytes = bytes.with_context(|| {
            format!("`{}` is no number of bytes from {BYTES_MIN} on, as in 1073741824", self.bytes)
        })?;
        ask(&self.home.open()?.control_path(), &Request::ParkedBytesMax(bytes))?;
        line(format_args!(
            "The node keeps up to {bytes} bytes of slots that wait for a chain, in each log, until it is told otherwise or \
             restarted."
        ));
        Ok(Outcome::Yes)
    }
}
