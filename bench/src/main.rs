//! The `hpaxos-bench` program: measures hpaxos on this machine, and compares a run with an earlier one.
//!
//! Exit codes: 0 done or fine, 1 something is worse, 2 could not answer, 101 our bug.

mod arithmetic;
mod case;
mod check;
mod crossing;
mod graphs;
mod machine;
mod neighbours;
mod network;
mod percentiles;
mod plot;
mod power_law;
mod primitives;
mod progress;
mod ratio;
mod report;
mod section;
mod sections;
mod setting;
mod world;

use anyhow::{Context, Result, bail};
use check::Finding;
use clap::{Args, Parser, Subcommand};
use machine::Machine;
use neighbours::Watch;
use progress::{answer, say};
use report::Report;
use section::Section;
use sections::{bundles, floor, growth, node, wan};
use setting::Setting;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// A section, and what runs it.
struct Entry {
    name: &'static str,
    run: fn(&Setting) -> Result<Section>,
}

/// All sections, in the order of the report.
const SECTIONS: [Entry; 6] = [
    Entry { name: "floor", run: floor::run },
    Entry { name: "node", run: node::run },
    Entry { name: "bundles", run: bundles::run },
    Entry { name: "growth", run: growth::run },
    Entry { name: "wan", run: wan::run },
    Entry { name: "crossing", run: sections::crossing::run },
];

const RUN_EXAMPLES: &str = "\
Examples:
  hpaxos-bench run
  hpaxos-bench run --quick
  hpaxos-bench run --section floor --section node --programs target/release --out /tmp/report

Sections: floor, node, bundles, growth, wan, crossing. What is asked for is measured in this order, whatever the order of the options.

Figures of a machine that does something else, too, are worth little; the report says what else ran.

Exit code: 0 the report is written, 2 it could not be made.";

const CHECK_EXAMPLES: &str = "\
Examples:
  hpaxos-bench check
  hpaxos-bench check --report /tmp/report/report.json --against docs/bench/report.json

Compared are ratios of things that were measured side by side. More is worse. Noise is what both reports measured.

Exit code: 0 nothing is worse, 1 something is, 2 could not compare.";

/// Measures hpaxos on this machine.
#[derive(Parser)]
#[command(name = "hpaxos-bench", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, and writes report.md, report.json and plots.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArguments),
    /// Compares the ratios of a run with those of an earlier report.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
}

#[derive(Args)]
struct RunArguments {
    /// A section to run; else all of them.
    #[arg(long = "section", value_name = "NAME", value_parser = SECTIONS.map(|entry| entry.name))]
    sections: Vec<String>,
    /// Short runs: some minutes, and more noise.
    #[arg(long)]
    quick: bool,
    /// The folder of `hpaxos` and `hpaxos-testnet`; else that of this program.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Where the report is written, and networks on disk run.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
    /// The date that the report shows.
    #[arg(long, value_name = "DATE", default_value = "an unknown date")]
    date: String,
}

#[derive(Args)]
struct CheckArguments {
    /// The run.
    #[arg(long, value_name = "FILE", default_value = "target/bench/report.json")]
    report: PathBuf,
    /// The earlier report.
    #[arg(long, value_name = "FILE", default_value = "docs/bench/report.json")]
    against: PathBuf,
}

impl RunArguments {
    fn run(self) -> Result<()> {
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let programs = match self.programs {
            Some(folder) => folder,
            None => own.parent().context("this program is in no folder")?.to_owned(),
        };
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        let machine = Machine::look(&self.out);
        let setting = Setting::new(programs, self.quick, self.out.clone());
        let mut sections = Vec::new();
        for Entry { name, run } in SECTIONS {
            if !self.sections.is_empty() && !self.sections.iter().any(|asked| asked == name) {
                continue;
            }
            say(format_args!("{name} …"));
            let watch = Watch::start();
            let section = run(&setting).with_context(|| format!("section {name}"))?;
            let seen = watch.stop();
            say(format_args!("{name} took {:.0} s", seen.seconds));
            sections.push((section, seen));
        }
        let report = Report { machine, date: self.date, quick: self.quick, sections };
        report.write(&self.out)?;
        answer(report.markdown());
        say(format_args!("The report is in {}.", self.out.display()));
        Ok(())
    }
}

impl CheckArguments {
    /// Whether nothing is worse.
    fn run(self) -> Result<bool> {
        let (then, now) = (report::read(&self.against)?, report::read(&self.report)?);
        let compared = check::compare(&then, &now);
        if compared.iter().all(|one| one.then.is_none()) {
            bail!("{} has no section that {} has", self.report.display(), self.against.display());
        }
        answer(check::table(&compared).markdown());
        let worse = compared.iter().filter(|one| one.finding == Finding::Worse).count();
        answer(match worse {
            0 => "Nothing is worse.".to_owned(),
            count => format!("{count} of {} ratios are worse.", compared.len()),
        });
        Ok(worse == 0)
    }
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Run(arguments) => arguments.run().map(|()| true),
        Command::Check(arguments) => arguments.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
