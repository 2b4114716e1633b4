//! The `hpaxos-testnet` program: a local multi-chain network of real validators.
//!
//! Exit codes: 0 yes or done, 1 the answer is no, 2 could not answer, 101 our bug.

mod commands;

use clap::{Parser, Subcommand};
use commands::{act, api, down, status, traitor, up};
use std::io::Write;
use std::process::ExitCode;

/// A local network of several chains: real validators, load, faults and a verdict.
#[derive(Parser)]
#[command(name = "hpaxos-testnet", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a network, tells its story, makes load, and ends with a verdict.
    #[command(after_help = up::EXAMPLES)]
    Up(Box<up::Arguments>),
    /// Shows where the nodes are, and how far.
    #[command(
        after_help = "Examples:\n  hpaxos-testnet status\n  hpaxos-testnet status --json\n  \
        hpaxos-testnet status --wait 60s    after an `up` in the background\n\n\
        Exit code: 0 every node answers, 1 one does not, 2 there is no network."
    )]
    Status(status::Arguments),
    /// Prints the address of a node's API, for `hpaxos … --api` and curl.
    #[command(after_help = "Examples:\n  hpaxos status --api $(hpaxos-testnet api v3)\n  \
        curl $(hpaxos-testnet api v3)/v1/logs\n\n\
        Exit code: 0 there it is, 1 the node is down, 2 there is no such node, or no network.")]
    Api(api::Arguments),
    /// Ends the running network, also one whose `up` died.
    #[command(after_help = "Example:\n  hpaxos-testnet down\n\n\
        Exit code: 0 nothing runs any more, 2 something still does.")]
    Down(down::Arguments),
    /// Kills a node, as a power cut does.
    #[command(after_help = "Example:\n  hpaxos-testnet kill v1\n\nExit code: 0 done, 2 not done.")]
    Kill(act::Node),
    /// Stops a node in its tracks; `restart` lets it go on.
    #[command(after_help = "Example:\n  hpaxos-testnet pause v1\n\nExit code: 0 done, 2 not done.")]
    Pause(act::Node),
    /// Lets a paused node go on; stops any other, if it runs, and starts it.
    #[command(
        after_help = "Example:\n  hpaxos-testnet restart v1\n\nExit code: 0 done, 2 not done."
    )]
    Restart(act::Node),
    /// Cuts the network into groups that do not hear of each other.
    #[command(
        after_help = "Example:\n  hpaxos-testnet partition \"v1,v2,v3 | v4,v5,v6,v7,v8\"\n  \
        hpaxos-testnet heal\n\nExit code: 0 done, 2 not done."
    )]
    Partition(act::Partition),
    /// Ends a partition.
    Heal(act::Heal),
    /// Makes a node a traitor with the same key, until it is restarted.
    #[command(after_help = "Example:\n  hpaxos-testnet byzantine v5 equivocate\n\n\
        What it signs stays signed: whoever caught it never trusts it again.\n\nExit code: 0 done, 2 not done.")]
    Byzantine(act::Byzantine),
    /// Runs a traitor; `byzantine` does so.
    #[command(hide = true)]
    Traitor(traitor::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Up(arguments) => arguments.run(),
        Command::Status(arguments) => arguments.run(),
        Command::Api(arguments) => arguments.run(),
        Command::Down(arguments) => arguments.run().map(|()| true),
        Command::Kill(arguments) => arguments.kill().map(|()| true),
        Command::Pause(arguments) => arguments.pause().map(|()| true),
        Command::Restart(arguments) => arguments.restart().map(|()| true),
        Command::Partition(arguments) => arguments.run().map(|()| true),
        Command::Heal(arguments) => arguments.run().map(|()| true),
        Command::Byzantine(arguments) => arguments.run().map(|()| true),
        Command::Traitor(arguments) => arguments.run().map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}
