//! `hpaxos graph analyze`.

use super::{GraphFile, Limit, names, title};
use crate::Outcome;
use crate::show::{Bar, Columns, FAINT, WARN, json, line, styled};
use anyhow::{Context, bail};
use clap::Args;
use hpaxos_learner_graph::analysis::{AnalyzeAnswer, Breaking, By, LogAnswer, analyze_log};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{LearnerGraph, Log};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: GraphFile,
    /// Find the sets with the least stake in a chain instead of the fewest validators.
    #[arg(long, value_name = "stake=CHAIN")]
    by: Option<String>,
    /// Answer as if every log had edges = "level".
    #[arg(long)]
    level: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limit: Limit,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let graph = self.file.load()?;
        let by = self.by(&graph)?;
        let mut bar = Bar::new();
        let mut effort = Effort::steps(self.limit.steps()).reporting(&mut bar);
        let logs: Vec<Log> = graph
            .logs()
            .into_iter()
            .map(|log| if self.level && log.is_connected() { log.levelled() } else { log })
            .collect();
        let answer = AnalyzeAnswer {
            logs: logs.iter().map(|log| analyze_log(&graph, log, &by, &mut effort)).collect(),
        };
        let prices: Vec<Option<LogAnswer>> = if self.json {
            Vec::new()
        } else {
            let level = |(log, answer): (&Log, &LogAnswer)| {
                let offered = answer.sends == Some(4) && log.is_connected();
                offered.then(|| analyze_log(&graph, &log.levelled(), &by, &mut effort))
            };
            logs.iter().zip(&answer.logs).map(level).collect()
        };
        drop(effort);
        drop(bar);
        if self.json {
            json(&answer)?;
        } else {
            for (log, level) in answer.logs.iter().zip(&prices) {
                print_log(log, level.as_ref());
            }
        }
        Ok(if answer.is_settled() { Outcome::Yes } else { Outcome::Open })
    }

    fn by(&self, graph: &LearnerGraph) -> anyhow::Result<By> {
        let Some(by) = &self.by else { return Ok(By::Count) };
        let chain = by
            .strip_prefix("stake=")
            .with_context(|| format!("--by is `{by}`; it should be like stake=red"))?;
        let with_stake = || {
            graph
                .learners()
                .filter(|learner| By::stake_of(graph, *learner).is_some())
                .map(|id| graph.learner_name(id))
        };
        let stake = graph.learner(chain).and_then(|learner| By::stake_of(graph, learner));
        let Some(stake) = stake else {
            let known: Vec<&str> = with_stake().collect();
            match known.as_slice() {
                [] => bail!("--by stake={chain}: no chain of this graph has a stake"),
                known => {
                    bail!("--by stake={chain}: the chains with a stake are {}", known.join(", "))
                }
            }
        };
        Ok(stake)
    }
}

fn print_log(log: &LogAnswer, level: Option<&LogAnswer>) {
    line(title(&log.log, log.sends));
    let mut columns = Columns::new(&["", "breaks if", "", "for instance"]);
    for learner in &log.learners {
        columns.row(row(&format!("{} halts", learner.id), &learner.halts_if, "crash"));
        columns.row(row(&format!("{} forks", learner.id), &learner.forks_if, "are Byzantine"));
    }
    for pair in &log.pairs {
        columns.row(row(
            &format!("{} disagree", pair.between.join(" and ")),
            &pair.disagree_if,
            "are Byzantine",
        ));
    }
    columns.print();
    if let Some(level) = level {
        line("");
        line(styled(
            FAINT,
            "  With edges = \"level\", 3 sends instead of 4 decide, for this price:",
        ));
        let mut columns = Columns::new(&["", "as given", "level"]);
        for (given, level) in log.learners.iter().zip(&level.learners) {
            columns.row([
                format!("{} forks", given.id),
                amount(&given.forks_if),
                amount(&level.forks_if),
            ]);
        }
        for (given, level) in log.pairs.iter().zip(&level.pairs) {
            let pair = format!("{} disagree", given.between.join(" and "));
            columns.row([pair, amount(&given.disagree_if), amount(&level.disagree_if)]);
        }
        columns.print();
    }
    line("");
}

fn row(what: &str, breaking: &Breaking, how: &str) -> [String; 4] {
    let instance = match breaking {
        Breaking::Set { acceptors, .. } => names(acceptors),
        _ => String::new(),
    };
    [what.to_owned(), amount(breaking), how.to_owned(), styled(FAINT, instance)]
}

fn amount(breaking: &Breaking) -> String {
    match breaking {
        Breaking::Set { size: 0, .. } => styled(WARN, "nobody: it is so already"),
        Breaking::Set { size, stake: None, .. } => size.to_string(),
        Breaking::Set { size, stake: Some(stake), .. } => format!("{size} with a stake of {stake}"),
        Breaking::Unsettled { at_least, at_most } => styled(
            WARN,
            format_args!("{at_least} to {at_most}, not settled; try a larger --effort"),
        ),
        Breaking::UnsettledStake { at_least, at_most } => styled(
            WARN,
            format_args!("a stake of {at_least} to {at_most}, not settled; try a larger --effort"),
        ),
        Breaking::Never => "never".to_owned(),
    }
}
