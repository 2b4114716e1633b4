//! What a person sees while a network runs.

use crate::figures::Figures;
use crate::fleet::Fleet;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use hpaxos_node::api::answers::Logs;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Writes a line to standard output. A reader that went away is no error.
pub fn line(text: impl fmt::Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Tells how it goes: on standard output, or on standard error where that is for the answer.
pub struct Screen {
    quiet: bool,
    terminal: bool,
    drawn: usize,
    last: Option<Instant>,
}

impl Screen {
    /// One for people, unless `json` is answered.
    pub fn new(json: bool) -> Self {
        let terminal = !json && std::io::stdout().is_terminal();
        Screen { quiet: json, terminal, drawn: 0, last: None }
    }

    /// Writes a line above the table.
    pub fn say(&mut self, text: impl fmt::Display) {
        self.wipe();
        match self.quiet {
            true => drop(writeln!(anstream::stderr(), "{text}")),
            false => line(text),
        }
    }

    /// Takes the table away.
    fn wipe(&mut self) {
        if self.drawn > 0 {
            let _ = write!(std::io::stdout(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }

    /// Shows how everybody is.
    pub fn draw(&mut self, fleet: &Fleet, seen: &BTreeMap<String, Logs>, figures: &Figures) {
        if self.terminal {
            let text = format!("{}\n{}", summary(figures), table(fleet, seen));
            self.wipe();
            self.drawn = text.lines().count();
            line(text);
        } else if self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last = Some(Instant::now());
            self.say(summary(figures));
        }
    }
}

/// A run in a line.
pub fn summary(figures: &Figures) -> String {
    let logs = figures.decisions.iter().map(|(log, learners)| {
        let learners = learners.iter().map(|(learner, decided)| format!("{learner} {decided}"));
        format!("{log}: {}", learners.collect::<Vec<_>>().join(" "))
    });
    let bundles = &figures.bundles;
    let mut text = format!(
        "{:.0} s · slots {} · bundles {} committed",
        figures.seconds,
        logs.collect::<Vec<_>>().join(", "),
        bundles.committed
    );
    for (count, word) in [
        (bundles.aborted, "aborted"),
        (bundles.expired, "expired"),
        (bundles.refused, "refused"),
        (bundles.open, "open"),
    ] {
        if count > 0 {
            text += &format!(", {count} {word}");
        }
    }
    if let (Some(p50), Some(p99)) = (figures.commit_ms.p50, figures.commit_ms.p99) {
        text += &format!(" · commit p50 {p50:.1} ms, p99 {p99:.1} ms");
    }
    text
}

/// A row for each node.
pub fn table(fleet: &Fleet, seen: &BTreeMap<String, Logs>) -> String {
    let rows = fleet.nodes.iter().map(|node| {
        let process = node.state.process();
        let usage = node.usage();
        [
            node.name.clone(),
            node.state.word().to_owned(),
            process
                .and_then(|process| process.addresses.api)
                .map_or(String::new(), |api| format!("http://{api}")),
            seen.get(&node.name).map_or(String::new(), heights),
            format!("{:.0} MB", usage.rss_bytes as f64 / 1e6),
            format!("{:.1} s", usage.cpu_ms as f64 / 1e3),
        ]
    });
    columns(["node", "", "API", "executed", "memory", "CPU"], rows)
}

/// How far a node's views are.
pub fn heights(logs: &Logs) -> String {
    let logs = logs.logs.iter().map(|(name, log)| {
        let learners = log.learners.iter();
        let heights = learners.map(|(learner, at)| match log.learners.len() {
            1 => at.height.to_string(),
            _ => format!("{learner} {}", at.height),
        });
        format!("{name}: {}", heights.collect::<Vec<_>>().join(" "))
    });
    logs.collect::<Vec<_>>().join("  ")
}

/// A table without lines.
pub fn columns<const N: usize>(
    titles: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles);
    for row in rows {
        table.add_row(row);
    }
    for place in 0..N {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
