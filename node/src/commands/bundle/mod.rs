//! `hpaxos bundle`: atomic transactions, from the first word to the receipt.

mod claim;
mod file;
mod language;
mod new;
mod outcome;
mod sign;
mod submit;
mod validity;
mod verify;

use crate::Outcome;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Command {
    /// Writes a bundle: what it does to each chain, and who has to sign.
    #[command(after_help = new::HELP)]
    New(new::Arguments),
    /// Signs a bundle, completely or in part.
    #[command(after_help = sign::HELP)]
    Sign(sign::Arguments),
    /// Submits a bundle that everybody has signed; with --wait, waits for what becomes of it.
    #[command(after_help = submit::HELP)]
    Submit(submit::Arguments),
    /// Shows what becomes of a bundle, chain by chain, until all have an outcome.
    #[command(after_help = submit::WATCH_HELP)]
    Watch(submit::Watch),
    /// Makes a bundle that claims what another bundle released.
    #[command(after_help = claim::HELP)]
    Claim(claim::Arguments),
    /// Checks a receipt, without asking anybody.
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Command::New(arguments) => arguments.run(),
            Command::Sign(arguments) => arguments.run(),
            Command::Submit(arguments) => arguments.run(),
            Command::Watch(arguments) => arguments.run(),
            Command::Claim(arguments) => arguments.run(),
            Command::Verify(arguments) => arguments.run(),
        }
    }
}
