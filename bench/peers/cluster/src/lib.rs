//! Runs four replicas of a peer, each a process of its own, as our validators are, and measures them from outside.
//!
//! A peer's program calls [`main`] with what it is and with a function that runs one replica. Started by a person it is the
//! supervisor: it starts itself four times with `--replica`, waits until all decide, and prints one line of JSON about the
//! seconds after that. A replica says by [`Progress`] what it proposed and decided; CPU time, memory and what is written to
//! the disk the supervisor reads from `/proc`, so this needs Linux.

mod arguments;
mod journal;
mod process;
mod progress;
mod report;
mod supervisor;

pub use journal::Journal;
pub use progress::Progress;
pub use report::Peer;

use std::path::PathBuf;
use std::process::ExitCode;

/// Replicas of every peer: as many as it takes for one to be Byzantine.
pub const REPLICAS: usize = 4;

/// Bytes of each value that is decided.
pub const VALUE_BYTES: usize = 10;

/// One of the replicas.
pub struct Replica {
    /// Which: 0, 1, …
    pub index: usize,
    /// Where each of them listens, on 127.0.0.1.
    pub ports: [u16; REPLICAS],
    /// Its own folder, which exists and is empty.
    pub folder: PathBuf,
    /// Whom to tell.
    pub progress: Progress,
}

/// The value that a replica proposes at a height: no two are alike.
pub fn value(index: usize, height: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    value[0] = u8::try_from(index).expect("there are four replicas");
    value[2..].copy_from_slice(&height.to_be_bytes());
    value
}

/// The seed of a replica's key: all replicas can work out all public keys. Nothing here is a secret.
pub fn seed(index: usize) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[0] = u8::try_from(index).expect("there are four replicas");
    seed
}

/// What a peer's `main` does. `replica` runs one replica until it is killed.
pub fn main(peer: &Peer, replica: impl FnOnce(Replica) -> anyhow::Result<()>) -> ExitCode {
    let done = arguments::read(peer).and_then(|role| match role {
        arguments::Role::Supervisor(run) => supervisor::run(peer, &run),
        arguments::Role::Replica(settings) => {
            let progress = Progress::default();
            progress.answer_at_stdin();
            replica(Replica {
                index: settings.index,
                ports: settings.ports,
                folder: settings.folder,
                progress,
            })
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("{}: {error:#}", peer.name));
            ExitCode::FAILURE
        }
    }
}
