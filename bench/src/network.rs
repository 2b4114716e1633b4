//! A network of real validators on loopback, and one run of it.

use crate::progress::say;
use crate::setting::{Place, Setting};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::process::{Command, Stdio};

/// Names of chains; there are no more.
pub const LEARNERS: [&str; 4] = ["red", "blue", "green", "gold"];

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

/// What a run was like, as `hpaxos-testnet up --json` says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How long it was measured.
    pub seconds: f64,
    /// Slots decided, by log and learner.
    pub decisions: BTreeMap<String, BTreeMap<String, u64>>,
    /// Bundles committed a second while there was load.
    pub committed_per_second: f64,
    /// From submission to the commit on all chains.
    pub commit_ms: Percentiles,
    /// From a proposal to a decision.
    pub decision_ms: Percentiles,
    /// Memory of each node at the end.
    pub rss_mb: BTreeMap<String, f64>,
    /// What a decision cost.
    pub per_decision: PerDecision,
}

/// Percentiles in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: Option<f64>,
    /// Nine tenths are.
    pub p90: Option<f64>,
    /// All but a hundredth are.
    pub p99: Option<f64>,
}

/// What a decision cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PerDecision {
    /// CPU time of all nodes.
    pub cpu_ms: Option<f64>,
    /// Written to the disk, by each node.
    pub write_bytes: Option<f64>,
    /// Messages on the network.
    pub messages: Option<f64>,
    /// Their bytes.
    pub sent_bytes: Option<f64>,
    /// Syncs of all nodes.
    pub syncs: Option<f64>,
    /// Signatures checked by all nodes.
    pub signatures_checked: Option<f64>,
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

impl Figures {
    /// Decisions a second, those of all logs.
    pub fn decisions_per_second(&self) -> f64 {
        let decided = self.decisions.values().filter_map(|learners| learners.values().max());
        decided.sum::<u64>() as f64 / self.seconds
    }

    /// The largest node's memory.
    pub fn rss_mb_max(&self) -> f64 {
        self.rss_mb.values().copied().fold(0.0, f64::max)
    }
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
        let names: Vec<String> =
            (1..=self.validators).map(|number| format!("\"v{number}\"")).collect();
        let all = names.join(", ");
        let mut text = String::from("version = 1\n");
        for number in 1..=self.validators {
            let _ = writeln!(text, "[acceptors.v{number}]");
        }
        let learners = &LEARNERS[..self.learners];
        for learner in learners {
            let quorum = self.quorum();
            let _ = writeln!(
                text,
                "[learners.{learner}]\nquorum = {{ at-least = {quorum}, of = [{all}] }}"
            );
        }
        let safe = match self.sends {
            Sends::Three => "\"overlap\"".to_owned(),
            Sends::Four => format!("{{ at-least = {}, of = [{all}] }}", self.validators),
        };
        for (place, one) in learners.iter().enumerate() {
            for other in &learners[place + 1..] {
                let _ =
                    writeln!(text, "[[edges]]\nbetween = [\"{one}\", \"{other}\"]\nsafe = {safe}");
            }
        }
        if learners.len() > 1 {
            let _ = writeln!(text, "[logs.shared]\nlearners = {learners:?}");
        }
        text
    }

    /// With its settings: each chain's own log stays empty.
    fn topology(&self) -> String {
        let idle_ms = match (self.pace, self.learners) {
            (Pace::Fast, _) => 0,
            (Pace::OnDemand, _) => 3_600_000,
        };
        format!(
            "version = 1\ngraph = \"graph.toml\"\n\
            [config.consensus]\nslot_ms_min = 0\nidle_slot_ms = {idle_ms}\n"
        )
    }

    /// Runs it for so long.
    ///
    /// # Errors
    /// If it cannot be run, or its verdict is that something is wrong.
    pub fn run(&self, setting: &Setting, seconds: u32, load: Option<Load>) -> Result<Figures> {
        let folder = setting.folder(self.place)?;
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok::<_, anyhow::Error>(path)
        };
        write("graph.toml", self.graph())?;
        let topology = write("topology.toml", self.topology())?;
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
            figures.decisions_per_second(),
            figures.committed_per_second,
            figures.per_decision.cpu_ms.unwrap_or(f64::NAN),
        ));
        Ok(figures)
    }
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
