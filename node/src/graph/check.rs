//! `hpaxos graph check`.

use super::{GraphFile, Limit, names, title};
use crate::Outcome;
use crate::show::{BAD, Bar, Columns, FAINT, GOOD, WARN, json, line, styled};
use clap::Args;
use hpaxos_learner_graph::analysis::{CheckAnswer, CheckedLog, EdgeAnswer, check};
use hpaxos_learner_graph::search::Effort;
use hpaxos_ledger::network_id;
use std::path::PathBuf;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    file: GraphFile,
    /// The genesis of the network, for its id [default: genesis.toml beside FILE, where there is one]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limit: Limit,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let graph = self.file.load()?;
        let genesis = self.file.genesis(self.genesis.as_deref(), &graph)?;
        let mut answer = {
            let mut bar = Bar::new();
            check(&graph, &mut Effort::steps(self.limit.steps()).reporting(&mut bar))
        };
        let network = genesis.and_then(|genesis| network_id(&graph, &genesis));
        answer.network = network.map(|network| network.to_string());
        if self.json {
            json(&answer)?;
        } else {
            print(&answer);
        }
        let settled = answer.logs.iter().all(|log| log.sends.is_some() && log.uncovered.is_some());
        Ok(match answer.valid {
            Some(true) if settled => Outcome::Yes,
            Some(false) => Outcome::No,
            _ => Outcome::Open,
        })
    }
}

fn print(answer: &CheckAnswer) {
    for log in &answer.logs {
        print_log(log);
        line("");
    }
    if let Some(network) = &answer.network {
        line(format_args!("network {network}"));
    }
    line(match answer.valid {
        Some(true) => styled(GOOD, "The graph is valid."),
        Some(false) => styled(BAD, "The graph is not valid."),
        None => styled(WARN, "Whether the graph is valid was not settled; try a larger --effort."),
    });
}

fn print_log(log: &CheckedLog) {
    line(title(&log.log, log.sends));
    let mut columns = Columns::new(&["edge", "", "valid"]);
    for edge in &log.edges {
        let origin = match (edge.declared, edge.between[0] == edge.between[1]) {
            (true, _) => "declared",
            (false, true) => "by default",
            (false, false) => "implied",
        };
        let valid = match edge.valid {
            Some(true) => styled(GOOD, "yes"),
            Some(false) => styled(BAD, "no"),
            None => styled(WARN, "not settled"),
        };
        columns.row([edge.between.join(" - "), origin.to_owned(), valid]);
    }
    columns.print();
    log.edges.iter().for_each(print_counterexample);
    match log.uncovered.as_deref() {
        None => line(styled(
            WARN,
            "  Which triples are uncovered was not settled; try a larger --effort.",
        )),
        Some([]) => {}
        Some(triples) => print_uncovered(triples),
    }
}

fn print_counterexample(edge: &EdgeAnswer) {
    let Some(counterexample) = &edge.counterexample else { return };
    let [a, b] = &edge.between;
    line("");
    let promise = match a == b {
        true => format!("{a} may fork: these three sets have nobody in common."),
        false => format!("{a} and {b} may disagree: these three sets have nobody in common."),
    };
    line(format_args!("  {}", styled(BAD, promise)));
    let mut columns = Columns::new(&["", "", ""]);
    let meaning = match (a == b, edge.declared) {
        (true, _) => format!("while these are safe, {a} must not fork"),
        (false, true) => format!("while these are safe, {a} and {b} must agree"),
        (false, false) => format!("while these are safe, a chain of edges makes {a} and {b} agree"),
    };
    columns.row(["safe".to_owned(), names(&counterexample.safe), styled(FAINT, meaning)]);
    for quorum in &counterexample.quorums {
        let name = format!("quorum of {}", quorum.learner);
        columns.row([name, names(&quorum.acceptors), styled(FAINT, "these decide")]);
    }
    columns.print();
}

fn print_uncovered(triples: &[[String; 3]]) {
    const SHOWN: usize = 6;
    line("");
    let count = triples.len();
    line(format_args!(
        "  {} {count} uncovered {}: a validator that lies, and is found out too late, can leave a chain undecided in a slot",
        styled(WARN, "warning:"),
        if count == 1 { "triple" } else { "triples" },
    ));
    for [l, k, m] in triples.iter().take(SHOWN) {
        line(format_args!(
            "    {l}, {k}, {m}: not every safe set of {l} - {k} is one of {k} - {m}"
        ));
    }
    if count > SHOWN {
        line(format_args!("    and {} more", count - SHOWN));
    }
    line(styled(
        FAINT,
        "  Removed by widening the last edge of each line to the safe sets of the first, or by edges = \"level\" in the log.",
    ));
}
