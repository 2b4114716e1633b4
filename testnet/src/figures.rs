//! What a network did, in figures.

use crate::counters::Counters;
use crate::fleet::Fleet;
use crate::load::Counts;
use hpaxos_node::api::answers::{Log, Logs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Figures, as `--json` has them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// How long it ran.
    pub seconds: f64,
    /// Slots decided meanwhile: of each log and learner, at the node that is furthest.
    pub decisions: BTreeMap<String, BTreeMap<String, u64>>,
    /// What became of the load's bundles.
    pub bundles: Bundles,
    /// Bundles committed on all chains, a second, while there was load.
    pub committed_per_second: f64,
    /// From the time at which a bundle was due to its commit on all chains.
    pub commit_ms: Percentiles,
    /// From a proposal to each learner's decision at each node.
    pub decision_ms: Percentiles,
    /// Memory of each node, in MB, at the end.
    pub rss_mb: BTreeMap<String, f64>,
    /// What a decision cost, where the system tells: decisions of all logs together, each counted once.
    pub per_decision: PerDecision,
}

/// What became of bundles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bundles {
    /// On all chains.
    pub committed: u64,
    /// On all chains.
    pub aborted: u64,
    /// On all chains.
    pub expired: u64,
    /// Taken, and without an outcome.
    pub open: u64,
    /// Not taken.
    pub refused: u64,
}

/// Percentiles in milliseconds; null where nothing was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: Option<f64>,
    /// Nine tenths are.
    pub p90: Option<f64>,
    /// All but a hundredth are.
    pub p99: Option<f64>,
}

/// What a decision cost; null where the system or the nodes do not tell, as when one was restarted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PerDecision {
    /// CPU time of all nodes together, in milliseconds.
    pub cpu_ms: Option<f64>,
    /// Bytes written to the disk, by each node on average.
    pub write_bytes: Option<f64>,
    /// Messages that nodes sent, one for each peer.
    pub messages: Option<f64>,
    /// Bytes of these.
    pub sent_bytes: Option<f64>,
    /// Batches of records that were written down, each with a sync, by all nodes together.
    pub syncs: Option<f64>,
    /// Signatures that were checked, by all nodes together.
    pub signatures_checked: Option<f64>,
}

impl Figures {
    /// Slots decided, each counted once.
    pub fn decided(&self) -> u64 {
        total(&self.decisions)
    }
}

/// How far each node was.
pub type Heights = BTreeMap<String, BTreeMap<String, u64>>;

/// Measures a run.
pub struct Meter {
    started: Instant,
    from: Heights,
    cpu_ms: u64,
    write_bytes: u64,
    counters: Counters,
}

impl Meter {
    /// Begins to measure, at what the nodes say now.
    pub fn start(fleet: &Fleet, seen: &BTreeMap<String, Logs>, counters: Counters) -> Self {
        let (cpu_ms, write_bytes) = used(fleet);
        Meter { started: Instant::now(), from: furthest(seen), cpu_ms, write_bytes, counters }
    }

    /// Since when.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The figures up to now.
    pub fn read(&self, fleet: &Fleet, seen: &BTreeMap<String, Logs>, counts: &Counts) -> Figures {
        let mut decisions = furthest(seen);
        for (log, learners) in &mut decisions {
            for (learner, height) in learners {
                let before = self.from.get(log).and_then(|of| of.get(learner)).copied();
                *height -= before.unwrap_or(0).min(*height);
            }
        }
        let total = total(&decisions);
        let (cpu_ms, write_bytes) = used(fleet);
        let per = |amount: u64| (total > 0).then(|| amount as f64 / total as f64);
        let nodes = fleet.nodes.len().max(1) as f64;
        let rss = fleet.nodes.iter().filter(|node| node.state.process().is_some());
        Figures {
            seconds: rounded(self.elapsed().as_secs_f64()),
            bundles: Bundles {
                committed: counts.committed,
                aborted: counts.aborted,
                expired: counts.expired,
                open: counts.open.len() as u64,
                refused: counts.refused,
            },
            committed_per_second: rounded(counts.committed as f64 / self.elapsed().as_secs_f64()),
            commit_ms: percentiles(&counts.latencies_us),
            rss_mb: rss
                .map(|node| (node.name.clone(), rounded(node.usage().rss_bytes as f64 / 1e6)))
                .collect(),
            per_decision: PerDecision {
                cpu_ms: per(cpu_ms.saturating_sub(self.cpu_ms)).map(rounded),
                write_bytes: per(write_bytes.saturating_sub(self.write_bytes))
                    .map(|bytes| (bytes / nodes).round()),
                ..PerDecision::default()
            },
            decision_ms: Percentiles::default(),
            decisions,
        }
    }

    /// Adds what the nodes count themselves to figures of the same moment.
    pub fn count(&self, figures: &mut Figures, now: &Counters) {
        let total = figures.decided();
        let Some(since) = now.since(&self.counters).filter(|_| total > 0) else { return };
        let per = |amount: f64| Some(rounded(amount / total as f64));
        let of = &mut figures.per_decision;
        of.messages = per(since.sum("hpaxos_network_messages_total", "direction=\"out\""));
        of.sent_bytes = per(since.sum("hpaxos_bytes_total", "direction=\"out\""));
        of.syncs = per(since.sum("hpaxos_store_commit_seconds_count", ""));
        of.signatures_checked = per(since.sum("hpaxos_signatures_checked_total", ""));
        let at = |share| {
            since.percentile("hpaxos_decision_seconds", share).map(|seconds| rounded(seconds * 1e3))
        };
        figures.decision_ms = Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
    }
}

/// Slots decided, each counted once.
fn total(decisions: &Heights) -> u64 {
    decisions.values().filter_map(|learners| learners.values().max()).sum()
}

fn used(fleet: &Fleet) -> (u64, u64) {
    let usages = fleet.nodes.iter().map(|node| node.usage());
    usages.fold((0, 0), |(cpu, bytes), one| (cpu + one.cpu_ms, bytes + one.write_bytes))
}

/// How far each learner of each log is at the node where it is furthest.
pub fn furthest(seen: &BTreeMap<String, Logs>) -> Heights {
    let mut heights = Heights::new();
    for logs in seen.values() {
        for (name, log) in &logs.logs {
            let of_log = heights.entry(name.clone()).or_default();
            for (learner, at) in &log.learners {
                let height = of_log.entry(learner.clone()).or_default();
                *height = at.decided.max(*height);
            }
        }
    }
    heights
}

/// Slots that a node may be behind the furthest and still be with the others: it has opened the slots where they vote, and
/// knows soon what became of a bundle.
pub const BEHIND_MAX: u64 = 100;

/// Whether a node that said this of a log is with the others: it has executed, for all learners, nearly as much as is decided.
pub fn keeps_up(log: &Log, furthest: &BTreeMap<String, u64>) -> bool {
    let decided = |learner| furthest.get(learner).copied().unwrap_or(0);
    log.learners.iter().all(|(learner, at)| at.height + BEHIND_MAX >= decided(learner))
}

/// Percentiles of latencies in microseconds.
pub fn percentiles(latencies_us: &[u32]) -> Percentiles {
    let mut sorted = latencies_us.to_vec();
    sorted.sort_unstable();
    // The smallest value that so much of all is not above.
    let at = |share: f64| {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let value = sorted.get(rank.checked_sub(1)?)?;
        Some(rounded(f64::from(*value) / 1e3))
    };
    Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latencies: Vec<u32> = (1..=100).rev().map(|ms| ms * 1_000).collect();
        let Percentiles { p50, p90, p99 } = percentiles(&latencies);
        assert_eq!((p50, p90, p99), (Some(50.0), Some(90.0), Some(99.0)));
        assert_eq!(percentiles(&[]).p50, None);
        assert_eq!(percentiles(&[7_000]).p99, Some(7.0));
    }
}
