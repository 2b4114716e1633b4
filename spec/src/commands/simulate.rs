//! `hpaxos-spec simulate`.

use super::{complain, line, setting};
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_consensus::rules::Rules;
use hpaxos_spec::properties::Property;
use hpaxos_spec::simulator::faults::Faults;
use hpaxos_spec::simulator::scenario::{ACTS, Wanted};
use hpaxos_spec::simulator::setting::uniform;
use hpaxos_spec::simulator::shrink::shrink;
use hpaxos_spec::simulator::{Outcome, in_a_run, run};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub const EXAMPLES: &str = "Examples:
  hpaxos-spec simulate --seed 1 --seeds 1000
  hpaxos-spec simulate --seed 17 --graph spec/graphs/d4.toml --faults delay,drop,equivocate
  hpaxos-spec simulate --seed 17 --faults all,-crash --slots 3 --trace run.jsonl
  hpaxos-spec simulate --seed 17 --shrink

Exit code: 0 every property held in every run, 1 one did not, 2 the arguments or a file cannot be used.";

#[derive(Args)]
pub struct Arguments {
    /// The first seed; the same seed gives the same run, on every machine.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// The learner graph (TOML); else each seed draws one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "learners"])]
    graph: Option<PathBuf>,
    /// So many acceptors, of which any third may fail; else each seed draws a graph.
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// So many learners, each of which leaves out an acceptor of its own; goes with --nodes.
    #[arg(long, value_name = "L", requires = "nodes", default_value_t = 3)]
    learners: usize,
    /// Faults that may happen: all, none, byzantine, or names, separated by commas; -NAME takes one away.
    #[arg(long, value_name = "LIST", default_value = "all", allow_hyphen_values = true)]
    faults: Faults,
    /// Slots to be decided; else each seed draws a number.
    #[arg(long, value_name = "N")]
    slots: Option<u64>,
    /// Messages that each Byzantine acceptor makes up at most.
    #[arg(long, value_name = "N", default_value_t = ACTS)]
    acts: u32,
    /// A deliberate bug.
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Writes what happens to a file, as JSON lines; goes with one seed.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Looks for a smaller run that fails in the same way.
    #[arg(long)]
    shrink: bool,
    /// Seeds at a time; else as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Says what each seed drew and how it ended, on standard error.
    #[arg(long)]
    verbose: bool,
    /// Answers in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    seeds: u64,
    passed: u64,
    failures: Vec<Failure>,
    virtual_seconds: f64,
    real_seconds: f64,
    trace_hash: String,
}

#[derive(Serialize)]
struct Failure {
    seed: u64,
    step: u64,
    property: &'static str,
    reproduce: String,
}

/// What is kept of the runs.
#[derive(Default)]
struct Tally {
    hashes: BTreeMap<u64, [u8; 32]>,
    failed: Vec<Outcome>,
    virtual_time: Duration,
    steps: u64,
    decisions: usize,
    /// Runs in which something had to be decided, and the largest share of the time allowed that one took.
    settled: u64,
    slowest: f64,
}

impl Arguments {
    /// Whether every property held.
    pub fn run(&self) -> anyhow::Result<bool> {
        let started = Instant::now();
        let wanted = self.wanted()?;
        let rules = self.rules()?;
        let last = self.seed.checked_add(self.seeds).context("--seed and --seeds are too large")?;
        if self.trace.is_some() && self.seeds != 1 {
            bail!("--trace goes with one seed, not with --seeds {}", self.seeds);
        }
        // What an assertion of the engine says is reported with its seed.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !in_a_run() {
                usual(panic);
            }
        }));
        let tally = self.run_all(&wanted, rules, last)?;
        let failures: Vec<Failure> =
            tally.failed.iter().map(|outcome| self.failure(&wanted, rules, outcome)).collect();
        let mut hash = Sha256::new();
        tally.hashes.values().for_each(|one| hash.update(one));
        let hash: [u8; 32] = match tally.hashes.len() {
            1 => tally.hashes.values().next().copied().unwrap_or_default(),
            _ => hash.finalize().into(),
        };
        let answer = Answer {
            seeds: self.seeds,
            passed: self.seeds - failures.len() as u64,
            virtual_seconds: tally.virtual_time.as_secs_f64(),
            real_seconds: started.elapsed().as_secs_f64(),
            trace_hash: hex::encode(hash),
            failures,
        };
        if self.json {
            line(serde_json::to_string_pretty(&answer)?);
        } else {
            self.show(&answer, &tally);
        }
        Ok(answer.failures.is_empty())
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let setting = match (&self.graph, self.nodes) {
            (Some(path), _) => Some(setting(path)?),
            (None, Some(nodes)) => Some(uniform(nodes, self.learners).map_err(anyhow::Error::msg)?),
            (None, None) => None,
        };
        let (faults, slots, acts) = (self.faults, self.slots, self.acts);
        Ok(Wanted { seed: self.seed, setting, faults, slots, acts })
    }

    #[cfg(feature = "mutants")]
    fn rules(&self) -> anyhow::Result<Rules> {
        self.mutant.as_deref().map_or(Ok(Rules::default()), super::mutant)
    }

    #[cfg(not(feature = "mutants"))]
    fn rules(&self) -> anyhow::Result<Rules> {
        Ok(Rules::default())
    }

    fn run_all(&self, wanted: &Wanted, rules: Rules, last: u64) -> anyhow::Result<Tally> {
        let mut trace = match &self.trace {
            Some(path) => Some(File::create(path).with_context(|| path.display().to_string())?),
            None => None,
        };
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = self.threads.unwrap_or(cores).min(self.seeds as usize).max(1);
        let next = AtomicU64::new(self.seed);
        let mut tally = Tally::default();
        let (results, outcomes) = mpsc::sync_channel(64);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let trace = trace.take();
                let (results, next) = (results.clone(), &next);
                scope.spawn(move || {
                    let mut trace = trace;
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= last {
                            return;
                        }
                        let wanted = Wanted { seed, ..wanted.clone() };
                        let to = trace.take().map(|file| Box::new(BufWriter::new(file)) as _);
                        if results.send(run(&wanted, rules, to)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(results);
            let mut shown = Instant::now();
            for outcome in outcomes {
                self.count(&mut tally, outcome);
                if std::io::stderr().is_terminal() && shown.elapsed() > Duration::from_secs(2) {
                    shown = Instant::now();
                    let (done, failed) = (tally.hashes.len(), tally.failed.len());
                    complain(format_args!("{done} of {} seeds, {failed} failed", self.seeds));
                }
            }
        });
        tally.failed.sort_by_key(|outcome| outcome.seed);
        Ok(tally)
    }

    fn count(&self, tally: &mut Tally, outcome: Outcome) {
        if self.verbose {
            let end = outcome.violation.as_ref().map_or("passed", |one| one.property.name());
            complain(format_args!(
                "seed {} {end}: {}; {} steps, {:?}, {} decisions, settled {:?}",
                outcome.seed,
                outcome.story,
                outcome.steps,
                outcome.virtual_time,
                outcome.decisions,
                outcome.settled
            ));
        }
        tally.hashes.insert(outcome.seed, outcome.trace_hash);
        tally.virtual_time += outcome.virtual_time;
        tally.steps += outcome.steps;
        tally.decisions += outcome.decisions;
        if let Some((took, allowed)) = outcome.settled {
            tally.settled += 1;
            tally.slowest = tally.slowest.max(took.as_secs_f64() / allowed.as_secs_f64());
        }
        if outcome.violation.is_some() {
            tally.failed.push(outcome);
        }
    }

    /// A failure, with the line that reproduces it, or a shorter one.
    fn failure(&self, wanted: &Wanted, rules: Rules, outcome: &Outcome) -> Failure {
        let property = outcome.violation.as_ref().map_or(Property::Assertions, |one| one.property);
        let mut wanted = Wanted { seed: outcome.seed, ..wanted.clone() };
        let mut step = outcome.steps;
        if self.shrink {
            let (smaller, end) = shrink(&wanted, rules, property);
            (wanted, step) = (smaller, end.steps);
        }
        let reproduce = self.command(&wanted);
        Failure { seed: outcome.seed, step, property: property.name(), reproduce }
    }

    /// The command that does exactly this run.
    fn command(&self, wanted: &Wanted) -> String {
        let mut command = format!("hpaxos-spec simulate --seed {}", wanted.seed);
        if let Some(path) = &self.graph {
            command += &format!(" --graph {}", path.display());
        }
        if let Some(nodes) = self.nodes {
            command += &format!(" --nodes {nodes} --learners {}", self.learners);
        }
        command += &format!(" --faults {}", wanted.faults);
        if let Some(slots) = wanted.slots {
            command += &format!(" --slots {slots}");
        }
        if wanted.acts != ACTS {
            command += &format!(" --acts {}", wanted.acts);
        }
        #[cfg(feature = "mutants")]
        if let Some(mutant) = &self.mutant {
            command += &format!(" --mutant {mutant}");
        }
        command
    }

    fn show(&self, answer: &Answer, tally: &Tally) {
        for (failure, outcome) in answer.failures.iter().zip(&tally.failed) {
            let violation = outcome.violation.as_ref();
            let detail = violation.map_or("", |one| one.detail.as_str());
            let sentence = violation.map_or("", |one| one.property.sentence());
            line(format_args!(
                "FAILED {}: {}\n  {sentence}\n  step {}: {detail}\n  {}",
                failure.property, failure.reproduce, failure.step, outcome.story
            ));
        }
        let (virtual_time, real) = (answer.virtual_seconds, answer.real_seconds);
        line(format_args!(
            "{} of {} seeds passed; {} steps, {} decisions, {virtual_time:.0} virtual seconds in {real:.1} real ones \
             ({:.0} : 1), {:.1} seeds/s",
            answer.passed,
            answer.seeds,
            tally.steps,
            tally.decisions,
            virtual_time / real,
            answer.seeds as f64 / real
        ));
        line(format_args!(
            "{} runs had to decide, and took at most {:.0} % of the time allowed; trace hash {}",
            tally.settled,
            tally.slowest * 100.0,
            answer.trace_hash
        ));
    }
}
