//! The `hpaxos-spec` program: is it true? Simulates, checks and replays.
//!
//! Exit codes: 0 yes, 1 a property does not hold, 2 could not answer, 101 our bug.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What must be true of hpaxos, executable.
#[derive(Parser)]
#[command(name = "hpaxos-spec", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explores every order of messages, every delay and every lie, with the engine itself.
    #[command(after_help = commands::check::EXAMPLES)]
    Check(commands::check::Arguments),
    /// Shows the states that `check` explores, in a browser.
    #[command(after_help = commands::explore::EXAMPLES)]
    Explore(commands::explore::Arguments),
    /// Runs the engine through storms of faults, each drawn from a seed.
    #[command(after_help = commands::simulate::EXAMPLES)]
    Simulate(commands::simulate::Arguments),
    /// Runs a recorded trace again, and says where engine or definitions first differ from it.
    #[command(after_help = commands::replay::EXAMPLES)]
    Replay(commands::replay::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Check(arguments) => arguments.run(),
        Command::Explore(arguments) => arguments.run(),
        Command::Simulate(arguments) => arguments.run(),
        Command::Replay(arguments) => arguments.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            commands::complain(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
