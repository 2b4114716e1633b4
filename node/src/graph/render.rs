//! `hpaxos graph render`.

use super::{GraphFile, Limit};
use crate::Outcome;
use crate::show::Bar;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use hpaxos_learner_graph::picture::Picture;
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{LearnerGraph, Log};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: GraphFile,
    /// Where to write it: a file ending in .svg or .dot, or `-` for standard output.
    #[arg(short, long, value_name = "PICTURE")]
    output: PathBuf,
    /// What to write, where the output's name does not say it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only this log, rather than all: a declared one, or a chain for its base log.
    #[arg(long, value_name = "NAME")]
    log: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture, as browsers show it.
    Svg,
    /// A text for Graphviz, as in dot -Tpdf.
    Dot,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let format = self.format()?;
        let graph = self.file.load()?;
        let logs = self.logs(&graph)?;
        let picture = {
            let mut bar = Bar::new();
            let mut effort = Effort::steps(self.limit.steps()).reporting(&mut bar);
            Picture::new(&graph, &logs, &mut effort)
        };
        let text = match format {
            Format::Svg => picture.svg(),
            Format::Dot => picture.dot(),
        };
        write(&self.output, &text)?;
        Ok(if picture.is_settled() { Outcome::Yes } else { Outcome::Open })
    }

    fn format(&self) -> anyhow::Result<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let path = self.output.display();
        match self.output.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Format::Svg),
            Some("dot" | "gv") => Ok(Format::Dot),
            _ if is_stdout(&self.output) => {
                bail!("-o - does not say what to write: add --format svg or --format dot")
            }
            _ => bail!("{path} ends neither in .svg nor in .dot: name it so, or add --format"),
        }
    }

    fn logs(&self, graph: &LearnerGraph) -> anyhow::Result<Vec<Log>> {
        let Some(name) = &self.log else { return Ok(graph.logs()) };
        let Some(log) = graph.log(name) else {
            let known = graph.logs();
            let known: Vec<&str> = known.iter().map(Log::name).collect();
            bail!(
                "--log: the graph has no log `{}`; it has {}, and one of each chain by its name",
                name.escape_debug(),
                known.join(", ")
            );
        };
        Ok(vec![log])
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if !is_stdout(path) {
        return fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // A reader that went away, as `head` does, is no error.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
