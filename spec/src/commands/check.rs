//! `hpaxos-spec check`.

use super::{complain, line, setting};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use hpaxos_consensus::{Sends, Slot};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use hpaxos_spec::model::explore::{Limits, Report, explore};
use hpaxos_spec::model::setup::{self, Setup};
use hpaxos_spec::model::witness::{Found, Witness, search};
use hpaxos_spec::model::{Engines, State, Step, trace};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Examples:
  hpaxos-spec check
  hpaxos-spec check --graph spec/graphs/d4.toml --ballots 2
  hpaxos-spec check --ballots 3 --byzantine 2 --values vwv
  hpaxos-spec check --mode faithful --crashes 1
  hpaxos-spec check --graph spec/graphs/seven-level.toml --mode rounds --losses 2 --liveness
  hpaxos-spec check --values vwv --byzantine 2 --seconds 600 --memory 8000
  hpaxos-spec check --ballots 3 --witness last-ballot-decided --trace path.jsonl
  hpaxos-spec replay path.jsonl

Exit code: 0 every property holds in every state, or the witness was found; 1 a property does not hold,
or no state shows the witness; 2 not everything was explored, or a file or an argument cannot be used.";

/// Which steps the model has.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Each receipt is a step, and so is each answer.
    Faithful,
    /// A step takes in whatever makes a difference, and ends with a message.
    Reduced,
    /// What is said in one phase of a ballot arrives in the next, or never.
    Rounds,
}

/// What is explored.
#[derive(Args)]
pub struct World {
    /// The learner graph (TOML); else one chain with four validators.
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// How many ballots there are.
    #[arg(long, value_name = "N", default_value_t = 2)]
    ballots: usize,
    /// The values of the rounds' ballots, a letter each, or several with a plus between them: `v+wv` is v and w in round 0 and v
    /// in round 1. Else every way in which they may be equal or differ.
    #[arg(long, value_name = "LETTERS", conflicts_with = "ballots")]
    values: Option<String>,
    /// How many messages Byzantine acceptors sign, any that are well-formed.
    #[arg(long, value_name = "K", default_value_t = 0)]
    byzantine: usize,
    /// Who is Byzantine, separated by commas; else, with --byzantine, the last acceptor.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    traitors: Option<Vec<String>>,
    /// How often acceptors crash, and come back with what they have stored; in the faithful mode. In the reduced mode
    /// they do after each message.
    #[arg(long, value_name = "N", default_value_t = 0)]
    crashes: u8,
    /// How often acceptors lose their stores; in the faithful mode.
    #[arg(long, value_name = "N", default_value_t = 0)]
    amnesias: u8,
    /// How many messages are lost, each on its way to one acceptor; in lock step.
    #[arg(long, value_name = "N", default_value_t = 1)]
    losses: u8,
    /// Holds each message against the definitions, taken literally.
    #[arg(long)]
    definitions: bool,
    /// Which steps there are.
    #[arg(long, value_enum, default_value_t = Mode::Reduced)]
    mode: Mode,
    /// Asks of each state whether live learners decide in time if everything arrives from then on.
    #[arg(long)]
    liveness: bool,
    /// Honest acceptors that stop for good at that moment, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "liveness")]
    stopped: Vec<String>,
    /// Another number of sends than the graph needs: to see why it does.
    #[arg(long, value_name = "3|4", value_parser = clap::value_parser!(u8).range(3..=4))]
    sends: Option<u8>,
    /// A file with steps that are taken first, such as spec/prefixes/r5.txt, which explains itself.
    #[arg(long, value_name = "FILE", requires = "values")]
    prefix: Option<PathBuf>,
    /// The slot: it says who proposes in which round.
    #[arg(long, value_name = "N", default_value_t = 0)]
    slot: u64,
    /// A deliberate bug.
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
}

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    world: World,
    /// Threads; else as many as there are cores. Depths are exact with one only.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Gives up after so many states, those met again included.
    #[arg(long, value_name = "N")]
    states: Option<usize>,
    /// Gives up after so many seconds, and reports what was seen.
    #[arg(long, value_name = "N", conflicts_with = "witness")]
    seconds: Option<u64>,
    /// Gives up once the process has had so much memory, and reports what was seen.
    #[arg(long, value_name = "MB", conflicts_with = "witness")]
    memory: Option<u64>,
    /// Guards that have to let something pass, separated by commas: else the model is not of what it should be.
    #[arg(long, value_name = "GUARDS", value_delimiter = ',')]
    expect: Vec<String>,
    /// Writes the path to where a property does not hold, as JSON lines that `replay` reads.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Looks only for a state that shows something, and for a shortest path to it. One of first-ballot-decided,
    /// last-ballot-decided, caught, disconnected, allowed-disagreement.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["json", "threads"])]
    witness: Option<String>,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    complete: bool,
    states: usize,
    generated: usize,
    depth: usize,
    seconds: f64,
    rss_mb: u64,
    guards: BTreeMap<&'static str, u64>,
    witnesses: BTreeMap<&'static str, bool>,
    violations: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuations: Option<Continuations>,
}

/// What followed where everything arrived from some state on; with `--liveness`.
#[derive(Serialize)]
struct Continuations {
    /// How many states took so many periods until all was decided.
    periods: BTreeMap<u64, u64>,
    /// How many took so many ballots.
    ballots: BTreeMap<u64, u64>,
    /// How many were excused because learners are uncovered.
    excused: u64,
}

impl Continuations {
    fn of(report: &Report) -> Option<Self> {
        let met = report.model.continuations();
        let periods = met.periods.iter().map(|(periods, count)| (u64::from(*periods), *count));
        let periods: BTreeMap<u64, u64> = periods.collect();
        let ballots = met.ballots.iter().map(|(ballots, count)| (*ballots, *count)).collect();
        (!periods.is_empty()).then_some(Continuations { periods, ballots, excused: met.excused })
    }

    fn show(&self) {
        let listed = |counts: &BTreeMap<u64, u64>| {
            let each = counts.iter().map(|(what, count)| format!("{what}: {count}"));
            each.collect::<Vec<_>>().join(", ")
        };
        line(format_args!("states by periods until all is decided: {}", listed(&self.periods)));
        line(format_args!("states by ballots until then: {}", listed(&self.ballots)));
        line(format_args!("excused because learners are uncovered: {}", self.excused));
    }
}

#[derive(Serialize)]
struct Violation {
    property: &'static str,
    trace: Vec<String>,
}

impl World {
    /// What is to be explored.
    pub fn model(&self) -> Result<Engines> {
        let model = Engines::new(self.setup()?);
        let Some(file) = &self.prefix else { return Ok(model) };
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        model.from_prefix(&text).map_err(|error| anyhow!("{}: {error}", file.display()))
    }

    fn setup(&self) -> Result<Setup> {
        let setting = match &self.graph {
            Some(path) => setting(path)?,
            None => hpaxos_spec::simulator::setting::catalogue(2),
        };
        let mode = match self.mode {
            Mode::Faithful => setup::Mode::Faithful,
            Mode::Reduced => setup::Mode::Reduced,
            Mode::Rounds => setup::Mode::Rounds,
        };
        if self.ballots == 0 || self.ballots > 8 {
            bail!("--ballots is from 1 to 8");
        }
        let mut setup = Setup::new(setting, self.ballots, mode);
        if let Some(values) = &self.values {
            let letters: String = values.chars().filter(|one| *one != '+').collect();
            let named = !letters.is_empty() && letters.chars().all(|one| one.is_ascii_lowercase());
            if !named || letters.len() > 8 {
                bail!("--values is up to eight letters, such as vwv, or v+wv");
            }
            setup = setup.with_values(values);
        }
        if let Some(sends) = self.sends {
            setup = setup.with_sends(if sends == 3 { Sends::Three } else { Sends::Four });
        }
        setup.slot = Slot(self.slot);
        setup.crashes = self.crashes;
        setup.amnesias = self.amnesias;
        setup.losses = self.losses;
        setup.definitions = self.definitions;
        setup.liveness = self.liveness;
        let traitors = match &self.traitors {
            Some(names) => named(&setup, names)?,
            None if self.byzantine == 0 => AcceptorSet::EMPTY,
            None => setup.setting.acceptors.last().copied().into_iter().collect(),
        };
        setup.stopped = named(&setup, &self.stopped)?;
        setup = setup.with_byzantine(traitors, self.byzantine);
        #[cfg(feature = "mutants")]
        if let Some(name) = &self.mutant {
            setup.rules = super::mutant(name)?;
        }
        Ok(setup)
    }
}

/// The acceptors with these names.
fn named(setup: &Setup, names: &[String]) -> Result<AcceptorSet> {
    let acceptors = &setup.setting.acceptors;
    let declared = &setup.setting.graph.declarations().acceptors;
    let name = |one: &AcceptorId| declared[one.index()].name.as_str();
    let find = |wanted: &String| {
        let found = acceptors.iter().find(|one| name(one) == wanted).copied();
        let known = || acceptors.iter().map(name).collect::<Vec<_>>().join(", ");
        found.with_context(|| format!("no acceptor `{wanted}`; there are {}", known()))
    };
    names.iter().map(find).collect()
}

impl Arguments {
    /// Whether every property holds in every state; an error if not every state was seen.
    pub fn run(&self) -> Result<bool> {
        let model = self.world.model()?;
        if let Some(name) = &self.witness {
            return self.look_for(name, &model);
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let shown = std::io::stderr().is_terminal();
        let limits = Limits {
            generated: self.states,
            time: self.seconds.map(Duration::from_secs),
            memory_mb: self.memory,
        };
        let report = explore(model, self.threads.unwrap_or(cores), limits, |states, met| {
            if shown {
                complain(format_args!("{states} states, {met} generated"));
            }
        });
        // With states looked at by the thousand, the path that was found first need not be the shortest.
        let violated = match report.violations.is_empty() {
            true => None,
            false => match search(&report.model, None, None) {
                Found::Violated(property, path) => {
                    Some((property.name(), report.model.with_prefix(&path)))
                }
                _ => None,
            },
        };
        let answer = Answer {
            complete: report.complete,
            states: report.states,
            generated: report.generated,
            depth: report.depth,
            seconds: report.seconds,
            rss_mb: report.rss_mb,
            guards: report.guards.clone(),
            witnesses: report.witnesses.clone(),
            violations: violated
                .iter()
                .map(|(property, path)| Violation {
                    property,
                    trace: path
                        .iter()
                        .filter_map(|(_, step)| step.as_ref())
                        .map(|step| report.model.told(step))
                        .chain(path.last().and_then(|(state, _)| report.model.why(state)))
                        .collect(),
                })
                .collect(),
            continuations: Continuations::of(&report),
        };
        if self.json {
            line(serde_json::to_string_pretty(&answer)?);
        } else {
            show(&answer, &report);
        }
        if let Some((_, path)) = violated {
            self.write(&report.model, &path)?;
            return Ok(false);
        }
        if !answer.complete {
            bail!("not everything was explored; --states, --seconds and --memory allow more");
        }
        self.fired(&answer.guards)
    }

    /// Whether the guards that have to fire did.
    fn fired(&self, guards: &BTreeMap<&'static str, u64>) -> Result<bool> {
        let mut all = true;
        for guard in &self.expect {
            let known = || guards.keys().copied().collect::<Vec<_>>().join(", ");
            let count = guards.get(guard.as_str());
            let count =
                count.with_context(|| format!("no guard `{guard}`; there are {}", known()))?;
            if *count == 0 {
                complain(format_args!("{guard} never let anything pass"));
                all = false;
            }
        }
        Ok(all)
    }

    /// Whether some state shows what is looked for; an error if not every state was seen.
    fn look_for(&self, name: &str, model: &Engines) -> Result<bool> {
        let witness = Witness::ALL.into_iter().find(|witness| witness.name() == name);
        let known = || Witness::ALL.map(Witness::name).join(", ");
        let witness =
            witness.with_context(|| format!("no witness `{name}`; there are {}", known()))?;
        let (title, path, shown) = match search(model, Some(witness), self.states) {
            Found::Shown(path) => (name.to_owned(), path, true),
            Found::Violated(property, path) => {
                (format!("VIOLATED {}", property.name()), path, false)
            }
            Found::Nowhere => {
                line(format_args!("no state shows {name}"));
                return Ok(false);
            }
            Found::NotYet => bail!("not everything was explored; --states allows more"),
        };
        let path = model.with_prefix(&path);
        line(title);
        for step in path.iter().filter_map(|(_, step)| step.as_ref()) {
            line(format_args!("  {}", model.told(step)));
        }
        self.write(model, &path)?;
        Ok(shown)
    }

    /// Writes a path where it is wanted.
    fn write(&self, model: &Engines, path: &[(State, Option<Step>)]) -> Result<()> {
        let Some(file) = &self.trace else { return Ok(()) };
        let write = || -> std::io::Result<usize> {
            let mut to = BufWriter::new(File::create(file)?);
            let lines = trace::write(model, path, &mut to)?;
            to.flush()?;
            Ok(lines)
        };
        let lines = write().with_context(|| file.display().to_string())?;
        if !self.json {
            line(format_args!("{}: {lines} lines", file.display()));
        }
        Ok(())
    }
}

fn show(answer: &Answer, report: &Report) {
    for violation in &answer.violations {
        line(format_args!("VIOLATED {}", violation.property));
        violation.trace.iter().for_each(|step| line(format_args!("  {step}")));
    }
    let end = if answer.complete { "complete" } else { "not complete" };
    line(format_args!(
        "{end}: {} states, {} generated, depth {}, {:.1} s ({:.0} generated/s), {} MB",
        answer.states,
        answer.generated,
        answer.depth,
        answer.seconds,
        answer.generated as f64 / answer.seconds,
        answer.rss_mb
    ));
    line(format_args!(
        "{} different states of acceptors, {} different messages, {} observations",
        report.model.locals().len(),
        report.model.universe().len(),
        report.model.observer().all().len()
    ));
    let fired = answer.guards.iter().filter(|(_, count)| **count > 0);
    let fired: Vec<String> = fired.map(|(name, count)| format!("{name} {count}")).collect();
    line(format_args!("guards: {}", fired.join(", ")));
    if let Some(continuations) = &answer.continuations {
        continuations.show();
    }
    let met = answer.witnesses.iter().filter(|(_, met)| **met).map(|(name, _)| *name);
    line(format_args!("witnesses: {}", met.collect::<Vec<_>>().join(", ")));
}
