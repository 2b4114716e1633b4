//! `hpaxos graph`: what a learner graph promises, and what breaks it.

mod analyze;
mod check;
mod entangled;
mod load;
mod render;

use crate::Outcome;
use crate::show::{FAINT, TITLE, styled};
use clap::{Args, Subcommand};
use hpaxos_learner_graph::search::Effort;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// Is the graph valid? A counterexample for each edge that is not.
    #[command(after_help = "Example:\n  hpaxos graph check learner-graph.toml\n\n\
        Exit code: 0 valid, 1 not valid, 2 the file cannot be used or the question was not settled.")]
    Check(check::Arguments),
    /// What does it take to break it? Smallest sets of validators, exact.
    #[command(after_help = "Examples:\n  hpaxos graph analyze learner-graph.toml\n  \
        hpaxos graph analyze learner-graph.toml --by stake=red --json\n\n\
        Exit code: 0, also for an invalid graph; 2 the file cannot be used or an answer was not settled.")]
    Analyze(analyze::Arguments),
    /// What still holds when some validators fail?
    #[command(
        after_help = "Example:\n  hpaxos graph entangled learner-graph.toml --byzantine alice,bob --crashed carol\n\n\
        Exit code: 0 if all that are entangled when everybody is safe still are and all are live, else 1; 2 the file\n\
        cannot be used."
    )]
    Entangled(entangled::Arguments),
    /// Draws the graph: chains with what breaks them, and who validates where.
    #[command(after_help = "Examples:\n  hpaxos graph render learner-graph.toml -o graph.svg\n  \
        hpaxos graph render learner-graph.toml -o graph.dot\n  \
        hpaxos graph render learner-graph.toml --log red+blue -o - --format dot | dot -Tpdf > graph.pdf\n\n\
        Exit code: 0, also for an invalid graph; 2 the file cannot be used, or a number was not settled\n\
        and is drawn as a range.")]
    Render(render::Arguments),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Command::Check(arguments) => arguments.run(),
            Command::Analyze(arguments) => arguments.run(),
            Command::Entangled(arguments) => arguments.run(),
            Command::Render(arguments) => arguments.run(),
        }
    }
}

/// The file to read.
#[derive(Args)]
pub struct GraphFile {
    /// The learner graph (TOML); `-` for standard input.
    #[arg(value_name = "FILE")]
    pub path: PathBuf,
}

/// How hard to try.
#[derive(Args)]
pub struct Limit {
    /// Give up on what is not settled after so many million steps; 200 take some fifteen seconds.
    #[arg(long, value_name = "MILLIONS", default_value_t = Effort::DEFAULT_STEPS / 1_000_000)]
    effort: u64,
}

impl Limit {
    pub fn steps(&self) -> u64 {
        self.effort.saturating_mul(1_000_000)
    }
}

/// The line above the answer for a log.
fn title(log: &str, sends: Option<u8>) -> String {
    let sends = sends.map_or("sends not settled".to_owned(), |sends| format!("{sends} sends"));
    format!("{} {}", styled(TITLE, format_args!("log {log}")), styled(FAINT, sends))
}

/// A few names, and how many more there are.
fn names(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "nobody".to_owned(),
        count if count <= SHOWN + 1 => names.join(", "),
        count => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}
