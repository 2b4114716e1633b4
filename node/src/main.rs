//! The `hpaxos` program: one binary for validators and for those who design their chains.
//!
//! Exit codes: 0 yes or done, 1 the answer is no, 2 could not answer, 101 our bug.

mod commands;
mod graph;
mod show;

use clap::{Parser, Subcommand};
use commands::{
    bundle, config, init, keys, log_level, parked_bytes_max, query, run, status, store,
};
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
    /// Makes the home of a node: its key, its settings, and the lines for the learner graph.
    #[command(after_help = init::EXAMPLES)]
    Init(init::Arguments),
    /// Runs the node, until SIGTERM or Ctrl-C.
    #[command(after_help = run::EXAMPLES)]
    Run(run::Arguments),
    /// Checks a home as a node does at its start, and shows the settings that are in force.
    #[command(after_help = config::EXAMPLES)]
    Config(config::Arguments),
    /// Shows, makes and moves keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Changes what a running node logs.
    #[command(after_help = log_level::EXAMPLES)]
    LogLevel(log_level::Arguments),
    /// Changes how much a running node keeps of slots that wait for a chain.
    #[command(after_help = parked_bytes_max::EXAMPLES)]
    ParkedBytesMax(parked_bytes_max::Arguments),
    /// Writes, signs, submits and watches bundles; verifies receipts.
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Asks a node what it knows: objects, balances, slots, receipts.
    #[command(subcommand)]
    Query(query::Command),
    /// Shows how a node is: peers, logs, slots, rounds, lag, who was caught.
    #[command(after_help = status::EXAMPLES)]
    Status(status::Arguments),
    /// Looks into the store of a node that does not run, and after it.
    #[command(subcommand)]
    Store(store::Command),
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
        Command::Init(arguments) => arguments.run(),
        Command::Run(arguments) => arguments.run(),
        Command::Config(arguments) => arguments.run(),
        Command::Keys(command) => command.run(),
        Command::LogLevel(arguments) => arguments.run(),
        Command::ParkedBytesMax(arguments) => arguments.run(),
        Command::Bundle(command) => command.run(),
        Command::Query(command) => command.run(),
        Command::Status(arguments) => arguments.run(),
        Command::Store(command) => command.run(),
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
