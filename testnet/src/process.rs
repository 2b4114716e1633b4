//! One process of a network: started, waited for, measured, stopped.

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, kill_process, prlimit};
use serde::Deserialize;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a node may take until it listens, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks whether it listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Lines of its log that are shown when it fails.
const LINES_SHOWN: usize = 8;

/// Where a process listens.
#[derive(Clone, Debug, Deserialize)]
pub struct Addresses {
    /// The HTTP API; a traitor has none.
    pub api: Option<SocketAddr>,
    /// Its metrics; a traitor has none.
    pub metrics: Option<SocketAddr>,
    /// Other nodes.
    pub p2p: Vec<String>,
}

/// A running process.
pub struct Process {
    child: Child,
    /// Its number.
    pub pid: u32,
    /// Where it listens.
    pub addresses: Addresses,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Milliseconds of CPU time.
    pub cpu_ms: u64,
    /// Memory that is resident.
    pub rss_bytes: u64,
    /// Bytes that went to the disk.
    pub write_bytes: u64,
}

impl Process {
    /// Starts a program, which writes its log to `log`, and where it listens to `addresses`; waits until it does.
    ///
    /// # Errors
    /// If it does not: with the end of its log.
    pub async fn start(mut command: Command, log: &Path, addresses: &Path) -> Result<Self> {
        match fs::remove_file(addresses) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| addresses.display().to_string());
            }
            _ => {}
        }
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        // A group of its own: Ctrl-C is for whoever runs the network, who stops it in order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().with_context(|| {
            format!("cannot start {}", command.as_std().get_program().display())
        })?;
        let pid = child.id().context("it ended at once")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(text) = fs::read_to_string(addresses) {
                let addresses = serde_json::from_str(&text)
                    .with_context(|| format!("{} is damaged", addresses.display()))?;
                return Ok(Process { child, pid, addresses });
            }
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}:\n{}", end_of(log));
            }
            if Instant::now() > deadline {
                bail!("it does not listen after {} s:\n{}", PATIENCE.as_secs(), end_of(log));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.pid, signal)
    }

    /// Lets no file that it writes grow beyond so many bytes.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn limit_files(&self, bytes: u64) -> Result<()> {
        let limit = Rlimit { current: Some(bytes), maximum: None };
        prlimit(Some(number(self.pid)?), Resource::Fsize, limit)?;
        Ok(())
    }

    /// Lets it stop in order, and waits until it has.
    ///
    /// # Errors
    /// If it takes too long, and had to be killed.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        // It may have ended by itself.
        let _ = self.signal(Signal::CONT);
        let _ = self.signal(Signal::TERM);
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                bail!("it did not stop within {} s and was killed", PATIENCE.as_secs())
            }
        }
    }

    /// Ends it at once, as a crash does, and waits until it is gone.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
    }

    /// What it has used so far; zeros where the system does not tell.
    pub fn usage(&self) -> Usage {
        usage(self.pid).unwrap_or_default()
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// If it is not there.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill_process(number(pid)?, signal)?)
}

fn number(pid: u32) -> Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process number")
}

/// The end of a log, for people.
pub fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

/// What Linux tells of a process.
pub fn usage(pid: u32) -> Option<Usage> {
    let read = |name: &str| {
        fs::read_to_string(PathBuf::from("/proc").join(pid.to_string()).join(name)).ok()
    };
    let stat = read("stat")?;
    // The name in parentheses may have anything in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let number = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Usage {
        // A tick is a hundredth of a second on every Linux that Rust runs on.
        cpu_ms: (ticks(11)? + ticks(12)?) * 10,
        rss_bytes: number(&read("status")?, "VmRSS:")? * 1024,
        write_bytes: number(&read("io")?, "write_bytes:")?,
    })
}
