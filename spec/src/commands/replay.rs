//! `hpaxos-spec replay`

use super::line;
use anyhow::{Context, Result};
use clap::Args;
use hpaxos_spec::replay::replay;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  hpaxos-spec simulate --seed 17 --trace run.jsonl
  hpaxos-spec replay run.jsonl

Exit code: 0 engine and definitions say what the trace says, 1 they differ, 2 the file cannot be
used.";

#[derive(Args)]
pub struct Arguments {
    /// The trace, as JSON lines.
    file: PathBuf,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Whether the trace is as engine and definitions say.
    pub fn run(&self) -> Result<bool> {
        let file = File::open(&self.file).with_context(|| self.file.display().to_string())?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let answer = replay(BufReader::new(file), folder)
            .with_context(|| self.file.display().to_string())?;
        if self.json {
            line(serde_json::to_string_pretty(&answer)?);
            return Ok(answer.difference.is_none());
        }
        line(format_args!(
            "{} lines: {} messages derived anew, {} sends and {} decisions of safe nodes made again",
            answer.lines, answer.messages, answer.replies, answer.decisions
        ));
        if !answer.definitions {
            line("too many acceptors for the definitions: only the engine was asked");
        }
        match &answer.difference {
            None => line("no difference"),
            Some(difference) => line(format_args!(
                "{}:{}: {}",
                self.file.display(),
                difference.line,
                difference.what
            )),
        }
        Ok(answer.difference.is_none())
    }
}
