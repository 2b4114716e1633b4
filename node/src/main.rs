//! The `hpaxos` program: one binary for validators and for those who design their chains.
//!
//! Exit codes: 0 yes or done, 1 the answer is no, 2 could not answer, 101 our bug.

mod graph;
mod show;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

const _: () = assert!(
    !hpaxos_consensus::MUTANTS,
    "a validator has no deliberate bugs: build it without `mutants`"
);

/// Byzantine consensus in which every chain keeps its own trust model.
#[derive(Parser)]
#[command(name = "hpaxos", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Study a learner graph: what each chain is promised, and what breaks it.
    #[command(subcommand)]
    Graph(graph::Command),
}

/// How a command ended, when it ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Yes, or done.
    Yes,
    /// The answer is no.
    No,
    /// The question was not settled.
    Open,
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Graph(command) => command.run(),
    };
    match result {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Ok(Outcome::Open) => ExitCode::from(2),
        Err(error) => {
            show::error(&error);
            ExitCode::from(2)
        }
    }
}
