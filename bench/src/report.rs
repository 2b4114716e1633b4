//! The report: sections in one file for people, one for programs, and plots beside them.

use crate::machine::Machine;
use crate::neighbours::Neighbours;
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A run, and what it was made on.
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// When, as it was passed in.
    pub date: String,
    /// Short runs: more noise.
    pub quick: bool,
    /// What was measured, and what else ran meanwhile.
    pub sections: Vec<(Section, Neighbours)>,
}

/// Of a report that was written, what is compared.
#[derive(Deserialize)]
pub struct Written {
    /// The sections, by name.
    pub sections: BTreeMap<String, Ratios>,
}

/// A section of a report that was written.
#[derive(Deserialize)]
pub struct Ratios {
    /// By name.
    pub ratios: BTreeMap<String, Ratio>,
}

/// The file for programs.
pub const JSON: &str = "report.json";

impl Report {
    /// Writes `report.md`, `report.json` and the plots into a folder, which is made.
    ///
    /// # Errors
    /// If a plot cannot be drawn, or a file not written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        for plot in self.sections.iter().flat_map(|(section, _)| &section.plots) {
            write(&format!("{}.svg", plot.name), plot.svg()?)?;
        }
        write(JSON, serde_json::to_string_pretty(&self.json())? + "\n")?;
        write("report.md", self.markdown())
    }

    fn json(&self) -> Value {
        let sections = self.sections.iter().map(|(section, neighbours)| {
            let value = json!({
                "neighbours": neighbours, "ratios": section.ratios, "figures": section.figures,
            });
            (section.name.to_owned(), value)
        });
        json!({
            "version": 1,
            "date": self.date,
            "quick": self.quick,
            "machine": self.machine,
            "sections": sections.collect::<Map<_, _>>(),
        })
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let Machine { processor, cores, memory_gb, kernel, file_system, rustc, commit } =
            &self.machine;
        let mut text = format!(
            "# What hpaxos does on this machine\n\n\
            `make bench` wrote this on {}. {}`make bench-check` compares a run with it.\n\n\
            | | |\n|---|---|\n\
            | processor | {processor}, {cores} cores |\n\
            | memory | {memory_gb} GB |\n\
            | kernel | {kernel} |\n\
            | file system | {file_system} |\n\
            | compiler | {rustc} |\n\
            | commit | {commit} |\n\n",
            self.date,
            if self.quick { "The runs were short (`--quick`). " } else { "" },
        );
        let mut table = Table::new(
            "What else ran, in cores used on average, by processes that the benchmark did not start:",
            ["section", "seconds", "load average", "others", "stolen", "the busiest"],
        );
        for (section, seen) in &self.sections {
            let busiest = seen.cores.iter().map(|(name, cores)| format!("{name} {cores:.2}"));
            let load = format!("{:.1} … {:.1}", seen.load.0, seen.load.1);
            let busiest = busiest.collect::<Vec<_>>().join(", ");
            table.row([
                &section.name,
                &format!("{:.0}", seen.seconds),
                &load,
                &format!("{:.2}", seen.total),
                &format!("{:.2}", seen.stolen),
                &busiest,
            ]);
        }
        text += &table.markdown();
        for (section, _) in &self.sections {
            let _ = write!(text, "\n## {}\n\n{}\n", section.title, section.text.trim());
            for table in &section.tables {
                let _ = write!(text, "\n{}", table.markdown());
            }
            for plot in &section.plots {
                let _ = write!(text, "\n![{}]({}.svg)\n", plot.title, plot.name);
            }
            if !section.ratios.is_empty() {
                let _ = write!(text, "\n{}", ratios(&section.ratios).markdown());
            }
        }
        text
    }
}

/// What `check` compares.
fn ratios(ratios: &BTreeMap<String, Ratio>) -> Table {
    let mut table =
        Table::new("Ratios of runs side by side, which are compared:", ["ratio", "value", "noise"]);
    for (name, Ratio { value, noise }) in ratios {
        table.row([name, &figure(*value), &format!("± {:.1} %", noise * 100.0)]);
    }
    table
}

/// Reads `report.json` back.
///
/// # Errors
/// If it cannot be read, or is no report.
pub fn read(path: &Path) -> Result<Written> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the report {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no report", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Plot, Series};

    fn report() -> Report {
        let series = Series { name: "s".into(), points: vec![(1.0, 2.0), (2.0, 3.0)] };
        let section = Section {
            name: "sums",
            title: "Sums",
            text: "What one and one are.".into(),
            tables: vec![Table::new("", ["what", "how many"])],
            plots: vec![Plot {
                name: "sums-plot".into(),
                title: "Sums".into(),
                x: Axis::linear("x"),
                y: Axis::linear("y"),
                series: vec![series],
            }],
            ratios: BTreeMap::from([("two to one".into(), Ratio { value: 2.0, noise: 0.05 })]),
            figures: json!({ "sum": 2 }),
        };
        let neighbours = Neighbours {
            seconds: 3.0,
            cores: vec![("cc".into(), 0.5)],
            total: 0.5,
            stolen: 0.0,
            load: (0.1, 0.2),
        };
        Report {
            machine: Machine::look(Path::new("/")),
            date: "2026-01-02".into(),
            quick: true,
            sections: vec![(section, neighbours)],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        report().write(folder.path()).unwrap();
        let written = read(&folder.path().join(JSON)).unwrap();
        assert_eq!(written.sections["sums"].ratios["two to one"].value, 2.0);
        assert!(folder.path().join("sums-plot.svg").is_file());
        let text = fs::read_to_string(folder.path().join("report.md")).unwrap();
        for part in [
            "2026-01-02",
            "short",
            "| sums | 3 | 0.1 … 0.2 | 0.50 | 0.00 | cc 0.50 |",
            "## Sums\n\nWhat one and one are.\n",
            "![Sums](sums-plot.svg)",
            "| two to one | 2 | ± 5.0 % |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
