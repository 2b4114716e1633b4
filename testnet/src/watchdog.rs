//! Watches what must be true all the time: somebody gets on, everybody comes back, and nobody's memory grows without end.

use crate::fleet::Fleet;
use hpaxos_learner_graph::AcceptorSet;
use hpaxos_spec::verdict::Judged;
use std::time::{Duration, Instant};

/// How long nothing may be committed, while every learner is live.
const STILL_MAX: Duration = Duration::from_secs(5);

/// How long a node may take, once what struck it is mended, until it votes where the others do.
const BACK_MAX: Duration = Duration::from_secs(60);

/// What a node may grow from the first third of a run to the last, beside a tenth of it.
const GROWTH_MAX_MB: f64 = 40.0;

/// How long something lasted at most.
#[derive(Default)]
struct Longest {
    since: Option<Instant>,
    longest: Duration,
}

impl Longest {
    /// Whether it lasts now.
    fn look(&mut self, lasts: bool) {
        match lasts {
            true => {
                let since = *self.since.get_or_insert_with(Instant::now);
                self.longest = self.longest.max(since.elapsed());
            }
            false => self.since = None,
        }
    }
}

/// Watches a run under load.
pub struct Watchdog {
    started: Instant,
    settled: u64,
    /// Every learner is live and nothing is settled.
    still: Longest,
    /// Somebody is away whom nothing keeps.
    away: Longest,
    /// The memory of the largest node, now and then.
    memory_mb: Vec<f64>,
}

impl Watchdog {
    /// One that begins now.
    pub fn start() -> Self {
        Watchdog {
            started: Instant::now(),
            settled: 0,
            still: Longest::default(),
            away: Longest::default(),
            memory_mb: Vec::new(),
        }
    }

    /// Takes a look: so many bundles are settled, and these acceptors are away; some of them because they are `struck`, or all of
    /// them on their way back.
    pub fn look(&mut self, fleet: &Fleet, settled: u64, away: &AcceptorSet, struck: bool) {
        let logs = fleet.prepared.graph.every_log();
        let is_live =
            logs.iter().all(|log| log.learners().iter().all(|learner| log.is_live(learner, away)));
        if settled > self.settled {
            self.settled = settled;
            self.still.look(false);
        }
        self.still.look(is_live);
        self.away.look(!struck && !away.is_empty());
        let largest = fleet.nodes.iter().map(|node| node.usage().rss_bytes).max();
        self.memory_mb.push(largest.unwrap_or(0) as f64 / 1e6);
    }

    /// What it saw.
    pub fn judged(&self) -> [Judged; 3] {
        let third = self.memory_mb.len().div_ceil(3).max(1);
        let of_third = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        let thirds: Vec<f64> = self.memory_mb.chunks(third).map(of_third).collect();
        let (first, last) = (thirds.first().unwrap_or(&0.0), thirds.last().unwrap_or(&0.0));
        let memory: Vec<String> = thirds.iter().map(|mb| format!("{mb:.0}")).collect();
        [
            Judged {
                name: "alive".into(),
                holds: self.still.longest <= STILL_MAX,
                detail: format!(
                    "at most {:.1} s without a commit while every learner was live, in {:.0} s",
                    self.still.longest.as_secs_f64(),
                    self.started.elapsed().as_secs_f64()
                ),
            },
            Judged {
                name: "back".into(),
                holds: self.away.longest <= BACK_MAX,
                detail: format!(
                    "at most {:.1} s from the end of a blow until everybody voted again",
                    self.away.longest.as_secs_f64()
                ),
            },
            Judged {
                name: "memory".into(),
                holds: *last <= first * 1.1 + GROWTH_MAX_MB,
                detail: format!("the largest node had {} MB in each third", memory.join(", ")),
            },
        ]
    }
}
