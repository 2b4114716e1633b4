//! `hpaxos graph entangled`.

use super::GraphFile;
use crate::Outcome;
use crate::show::{BAD, Columns, GOOD, TITLE, json, line, styled};
use anyhow::bail;
use clap::Args;
use hpaxos_learner_graph::analysis::{EntangledAnswer, Situation, entangled};
use hpaxos_learner_graph::{AcceptorSet, LearnerGraph};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: GraphFile,
    /// Validators that do anything, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    byzantine: Vec<String>,
    /// Validators that do nothing any more, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    crashed: Vec<String>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let graph = self.file.load()?;
        let situation = Situation {
            byzantine: set(&graph, "--byzantine", &self.byzantine)?,
            crashed: set(&graph, "--crashed", &self.crashed)?,
        };
        let answer = entangled(&graph, situation);
        if self.json {
            json(&answer)?;
        } else {
            print(&graph, &answer);
        }
        Ok(if answer.unharmed { Outcome::Yes } else { Outcome::No })
    }
}

fn set(graph: &LearnerGraph, option: &str, names: &[String]) -> anyhow::Result<AcceptorSet> {
    let mut set = AcceptorSet::EMPTY;
    for name in names.iter().filter(|name| !name.is_empty()) {
        match graph.acceptor(name) {
            Some(acceptor) => set.insert(acceptor),
            None => bail!("{option}: the graph has no acceptor `{}`", name.escape_debug()),
        }
    }
    Ok(set)
}

fn print(graph: &LearnerGraph, answer: &EntangledAnswer) {
    let all_safe = entangled(graph, Situation::default());
    let verdict =
        |holds: bool, yes: &str, no: &str| if holds { styled(GOOD, yes) } else { styled(BAD, no) };
    let mut columns = Columns::new(&["chain", "goes on?"]);
    for learner in graph.learners() {
        let name = graph.learner_name(learner);
        columns.row([
            name.to_owned(),
            verdict(answer.live.iter().any(|live| live == name), "yes", "no: it halts"),
        ]);
    }
    columns.print();
    for (log, before) in answer.logs.iter().zip(&all_safe.logs) {
        line("");
        line(styled(TITLE, format_args!("log {}", log.log)));
        let mut columns = Columns::new(&["", "still promised?"]);
        for pair in &before.entangled {
            let [a, b] = pair;
            let (promise, broken) = match a == b {
                true => (format!("{a} does not fork"), "no: it may fork"),
                false => (format!("{a} and {b} agree"), "no: they may disagree"),
            };
            columns.row([promise, verdict(log.entangled.contains(pair), "yes", broken)]);
        }
        columns.print();
    }
}
