//! One replica, as a process.

use crate::progress::Answer;
use anyhow::{Context, Result, anyhow};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Killed when dropped.
pub struct Process {
    child: Child,
    asking: ChildStdin,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
}

/// What a process has used since it started.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub cpu_ms: u64,
    pub write_bytes: u64,
    pub rss_bytes: u64,
}

/// Lines of a dead replica's log that are shown.
const LOG_LINES: usize = 12;

impl Process {
    /// Starts this very program as a replica, with its standard error in `FOLDER.log`.
    pub fn start(index: usize, ports: &str, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let log = folder.with_extension("log");
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--replica", &index.to_string(), "--ports", ports, "--folder"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let asking = child.stdin.take().context("it was piped")?;
        let answers = BufReader::new(child.stdout.take().context("it was piped")?);
        Ok(Process { child, asking, answers, log })
    }

    /// How far it is.
    pub fn ask(&mut self) -> Result<Answer> {
        let mut line = String::new();
        let asked = self.asking.write_all(b"\n").and_then(|()| self.answers.read_line(&mut line));
        match asked {
            Ok(bytes) if bytes > 0 => Ok(serde_json::from_str(&line)?),
            _ => Err(anyhow!("a replica stopped:\n{}", self.end_of_log())),
        }
    }

    /// The last lines of its log.
    pub fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// What it has used.
    pub fn usage(&self) -> Result<Usage> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.child.id()));
        let stat = read("stat")?;
        // The name, in parentheses, may hold anything.
        let after_name = stat.rsplit_once(')').context("/proc/PID/stat has a name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |field: usize| -> Result<u64> {
            Ok(fields.get(field).context("/proc/PID/stat is short")?.parse()?)
        };
        Ok(Usage {
            // A tick is a hundredth of a second on every Linux that Rust runs on.
            cpu_ms: (ticks(11)? + ticks(12)?) * 10,
            write_bytes: number(&read("io")?, "write_bytes:")?,
            rss_bytes: number(&read("status")?, "VmRSS:")? * 1024,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.with_context(|| format!("/proc has no {name}"))?.parse()?)
}
