//! Clocks that jump: libfaketime stands between a node and the system's wall clock.
//!
//! The monotonic clock stays the system's, as it does where somebody sets the time. A process sees its clock jump once: the
//! library looks for news by the clock that it shows, and a clock that went back has none for long.

use anyhow::{Context, Result};
use hpaxos_node::files::write_whole;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What the library is called, for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// How to make clocks jump on this machine.
#[derive(Clone, Debug)]
pub struct Clocks {
    library: PathBuf,
}

impl Clocks {
    /// None where libfaketime is not installed.
    pub fn find() -> Option<Self> {
        let of_machines = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let folders = of_machines.map(|entry| entry.path());
        let mut folders = folders.chain(["/usr/lib".into(), "/usr/lib64".into()]);
        let library =
            folders.find_map(|folder| Some(folder.join(LIBRARY)).filter(|it| it.is_file()))?;
        Some(Clocks { library })
    }

    /// Lets a program that is about to start go by the clock that `file` [sets](set).
    pub fn equip(&self, command: &mut Command, file: &Path) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", file);
        command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("NO_FAKE_STAT", "1");
    }
}

/// Sets a clock so many seconds before or behind the system's.
///
/// # Errors
/// If the file cannot be written.
pub fn set(file: &Path, seconds: i64) -> Result<()> {
    let folder = file.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Ok(write_whole(file, &format!("{seconds:+}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use std::time::{Duration, Instant, SystemTime};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    /// A program that runs sees its clock jump.
    #[tokio::test]
    async fn a_clock_jumps() {
        let Some(clocks) = Clocks::find() else {
            println!("libfaketime is not installed: `make test` installs it where that is allowed");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clocks/bash");
        for jump in [100_000, -100_000] {
            set(&file, 0).unwrap();
            let mut bash = Command::new("/bin/bash");
            bash.args(["-c", "while read; do printf '%(%s)T\\n' -1; done"]).kill_on_drop(true);
            clocks.equip(&mut bash, &file);
            let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut ask = bash.stdin.take().unwrap();
            let mut answers = BufReader::new(bash.stdout.take().unwrap()).lines();
            let deadline = Instant::now() + Duration::from_secs(30);
            for offset in [0, jump] {
                set(&file, offset).unwrap();
                loop {
                    ask.write_all(b"\n").await.unwrap();
                    let answer: i64 = answers.next_line().await.unwrap().unwrap().parse().unwrap();
                    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
                    if (answer - now - offset).abs() < 10 {
                        break;
                    }
                    assert!(Instant::now() < deadline, "{offset}: {answer} at {now}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}
