//! Networks that run in turn, again and again: each run has others beside it, and what it is made of was measured around it.

use crate::network::{Figures, Load, Network};
use crate::primitives::Primitives;
use crate::progress::say;
use crate::ratio::{Ratio, median};
use crate::setting::{Place, Setting};
use anyhow::Result;
use serde_json::{Value, json};

/// How exactly primitives are measured in each round.
const EFFORT: usize = 5;

/// A network and its load.
pub struct Case {
    /// The network.
    pub network: Network,
    /// Its load.
    pub load: Option<Load>,
    /// One of each round.
    pub runs: Vec<Run>,
}

/// One run.
pub struct Run {
    /// What was measured.
    pub figures: Figures,
    /// What things cost in its round, where its stores are.
    pub cost: Primitives,
}

/// How often, and for how long.
#[derive(Clone, Copy)]
pub struct Rounds {
    /// Runs of each case.
    pub count: usize,
    /// Of each run.
    pub seconds: u32,
}

/// Runs all cases once in each round, every other round from the last to the first.
///
/// # Errors
/// If one cannot be run.
pub fn measure(setting: &Setting, cases: &mut [Case], rounds: Rounds) -> Result<()> {
    for round in 0..rounds.count {
        say(format_args!("  round {} of {}", round + 1, rounds.count));
        let cost = |place| Primitives::measure(setting.folder(place)?.path(), EFFORT);
        let (disk, memory) = (cost(Place::Disk)?, cost(Place::Memory)?);
        let mut order: Vec<&mut Case> = cases.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for case in order {
            let figures = case.network.run(setting, rounds.seconds, case.load)?;
            let cost = match case.network.place {
                Place::Disk => disk,
                Place::Memory => memory,
            };
            case.runs.push(Run { figures, cost });
        }
    }
    Ok(())
}

impl Case {
    /// One that has not run yet.
    pub fn new(network: Network, load: Option<Load>) -> Self {
        Case { network, load, runs: Vec::new() }
    }

    /// The median of its runs.
    pub fn median(&self, of: impl Fn(&Run) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.runs.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        median(&values)
    }

    /// One thing to another one of the same run.
    pub fn ratio(
        &self,
        one: impl Fn(&Run) -> Option<f64>,
        other: impl Fn(&Run) -> Option<f64>,
    ) -> Option<Ratio> {
        let pairs: Option<Vec<_>> =
            self.runs.iter().map(|run| Some((one(run)?, other(run)?))).collect();
        Ratio::of_pairs(pairs?)
    }

    /// A thing to the same one of another case in the same round.
    pub fn ratio_to(&self, base: &Case, of: impl Fn(&Run) -> Option<f64>) -> Option<Ratio> {
        let runs = self.runs.iter().zip(&base.runs);
        let pairs: Option<Vec<_>> = runs.map(|(run, base)| Some((of(run)?, of(base)?))).collect();
        Ratio::of_pairs(pairs?)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let load = self.load.map(|load| {
            json!({
                "per_second": load.per_second, "signatures": load.signatures, "payload": load.payload,
            })
        });
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|run| json!({ "figures": run.figures, "cost_us": run.cost }))
            .collect();
        json!({ "network": self.network.to_string(), "load": load, "runs": runs })
    }
}
