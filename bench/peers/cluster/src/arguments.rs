//! The command line: of a person, and of the supervisor to its replicas.

use crate::{Peer, REPLICAS};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What this process is to be.
pub enum Role {
    Supervisor(Run),
    Replica(Settings),
}

/// What a person wants.
pub struct Run {
    /// How long to measure.
    pub seconds: u64,
    /// Where the replicas' folders are made; on the disk that is to be measured.
    pub folder: PathBuf,
}

/// What the supervisor tells a replica.
pub struct Settings {
    pub index: usize,
    pub ports: [u16; REPLICAS],
    pub folder: PathBuf,
}

/// Reads `--seconds N --folder PATH`, or `--replica I --ports P,P,P,P --folder PATH`.
pub fn read(peer: &Peer) -> Result<Role> {
    let (mut seconds, mut folder, mut index, mut ports) = (10, None, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seconds" => seconds = next()?.parse().context("--seconds is a whole number")?,
            "--folder" => folder = Some(PathBuf::from(next()?)),
            "--replica" => index = Some(next()?.parse().context("--replica is a number")?),
            "--ports" => ports = Some(parse_ports(&next()?)?),
            _ => bail!("usage: peer-{} --folder PATH [--seconds N]", peer.name),
        }
    }
    let folder = folder.context("--folder is missing: where may the replicas write?")?;
    Ok(match (index, ports) {
        (Some(index), Some(ports)) if index < REPLICAS => {
            Role::Replica(Settings { index, ports, folder })
        }
        (None, None) if seconds > 0 => Role::Supervisor(Run { seconds, folder }),
        _ => bail!("--seconds is at least 1; --replica is below {REPLICAS}, and needs --ports"),
    })
}

fn parse_ports(list: &str) -> Result<[u16; REPLICAS]> {
    let ports: Vec<u16> = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
    ports.try_into().ok().with_context(|| format!("--ports are {REPLICAS} numbers"))
}
