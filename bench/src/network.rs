//! A network of real validators on loopback, and one run of it.

use crate::graphs;
use crate::progress::say;
use crate::setting::{Place, Setting};
use anyhow::{Context, Result, bail};
pub use hpaxos_testnet::figures::Figures;
use serde::Deserialize;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of chains; there are no more.
pub const LEARNERS: [&str; 4] = ["red", "blue", "green", "gold"];

/// Slots come only where bundles wait.
pub const IDLE_MS_FOR_EVER: u32 = 3_600_000;

/// One network: one log of some chains, which all validators run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// 3 f + 1 of them; a quorum is all but f.
    pub validators: usize,
    /// Chains of the log, with the same quorums.
    pub learners: usize,
    /// What a decision takes.
    pub sends: Sends,
    /// Where the stores are.
    pub place: Place,
    /// When there are slots.
    pub pace: Pace,
}

/// Messages after one another until a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Chains ask no more of each other than each of itself.
    Three,
    /// They do: all validators must be safe for two chains to agree. Needs two chains.
    Four,
}

/// When there are slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One after another, as fast as they go.
    Fast,
    /// Where a bundle waits.
    OnDemand,
}

/// Bundles that are sent meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// So many a second; what is beyond its powers, the network gets as fast as it takes it.
    pub per_second: u32,
    /// Signatures of each.
    pub signatures: u32,
    /// Bytes that each stores.
    pub payload: u32,
}

#[derive(Deserialize)]
struct Answer {
    verdict: String,
    figures: Figures,
}

impl Sends {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Sends::Three => 3,
            Sends::Four => 4,
        }
    }
}

/// Decisions a second, those of all logs.
pub fn decisions_per_second(figures: &Figures) -> f64 {
    figures.decided() as f64 / figures.seconds
}

/// The largest node's memory.
pub fn rss_mb_max(figures: &Figures) -> f64 {
    figures.rss_mb.values().copied().fold(0.0, f64::max)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { validators, learners, sends, place, .. } = self;
        let learners = match learners {
            1 => "1 learner".to_owned(),
            count => format!("{count} learners"),
        };
        write!(f, "n = {validators}, {} sends, {learners}, {place}", sends.count())
    }
}

impl Network {
    /// How many make a quorum.
    pub fn quorum(&self) -> usize {
        self.validators - (self.validators - 1) / 3
    }

    /// Who trusts whom.
    fn graph(&self) -> String {
        assert!((1..=LEARNERS.len()).contains(&self.learners), "each chain has a name");
        assert!(self.sends == Sends::Three || self.learners > 1, "four sends take two chains");
        let names: Vec<String> = (1..=self.validators).map(|number| format!("v{number}")).collect();
        let quorum = graphs::at_least(self.quorum(), &names);
        let learners = &LEARNERS[..self.learners];
        let safe = match self.sends {
            Sends::Three => graphs::OVERLAP.to_owned(),
            Sends::Four => graphs::at_least(self.validators, &names),
        };
        let validators = names.iter().map(|name| (name.clone(), String::new()));
        let chains: Vec<_> =
            learners.iter().map(|learner| ((*learner).to_owned(), quorum.clone())).collect();
        let mut text = graphs::text(validators, &chains, &safe);
        if learners.len() > 1 {
            let _ = writeln!(text, "[logs.shared]\nlearners = {learners:?}");
        }
        text
    }

    /// Runs it for so long.
    ///
    /// # Errors
    /// If it cannot be run, or its verdict is that something is wrong.
    pub fn run(&self, setting: &Setting, seconds: u32, load: Option<Load>) -> Result<Figures> {
        let folder = setting.folder(self.place)?;
        let idle_ms = match self.pace {
            Pace::Fast => 0,
            Pace::OnDemand => IDLE_MS_FOR_EVER,
        };
        let topology = write_topology(folder.path(), &self.graph(), idle_ms)?;
        let mut command = Command::new(setting.program("hpaxos-testnet")?);
        command.arg("up").arg("--folder").arg(folder.path().join("network"));
        command.arg("--topology").arg(topology).args(["--direct", "--no-story", "--json"]);
        command.arg("--for").arg(format!("{seconds}s"));
        if let Some(Load { per_second, signatures, payload }) = load {
            command.arg("--load").arg(per_second.to_string());
            command.arg("--signatures").arg(signatures.to_string());
            command.arg("--payload").arg(payload.to_string());
        }
        let output = command.stdin(Stdio::null()).output().context("cannot run a network")?;
        let failed = || {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("a network of {self}:\n{said}")
        };
        let answer: Answer = serde_json::from_slice(&output.stdout).with_context(failed)?;
        if answer.verdict != "pass" {
            bail!("{}{}", failed(), String::from_utf8_lossy(&output.stdout));
        }
        let figures = answer.figures;
        say(format_args!(
            "  {self}: {:.0} decisions/s, {:.1} bundles/s, CPU {:.2} ms",
            decisions_per_second(&figures),
            figures.committed_per_second,
            figures.per_decision.cpu_ms.unwrap_or(f64::NAN),
        ));
        Ok(figures)
    }
}

/// Writes a graph and its topology down, whose logs have slots as fast as they go, without bundles one in so many milliseconds.
/// Where the topology is.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_topology(folder: &Path, graph: &str, idle_ms: u32) -> Result<PathBuf> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    write("graph.toml", graph)?;
    let topology = format!(
        "version = 1\ngraph = \"graph.toml\"\n\
        [config.consensus]\nslot_ms_min = 0\nidle_slot_ms = {idle_ms}\n"
    );
    write("topology.toml", &topology)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_of_each_kind() {
        let network = |validators, learners, sends| Network {
            validators,
            learners,
            sends,
            place: Place::Disk,
            pace: Pace::Fast,
        };
        let one = network(4, 1, Sends::Three).graph();
        assert!(one.contains("at-least = 3") && !one.contains("edges") && !one.contains("logs"));
        let four = network(7, 3, Sends::Four);
        assert_eq!(four.quorum(), 5);
        let text = four.graph();
        assert_eq!(text.matches("at-least = 5").count(), 3);
        assert_eq!(text.matches("at-least = 7").count(), 3);
        assert!(text.contains("learners = [\"red\", \"blue\", \"green\"]"));
        assert_eq!(network(10, 2, Sends::Three).quorum(), 7);
    }
}
