//! What else ran on the machine while something was measured.
//!
//! The figures of a machine with neighbours are theirs, too. Processes are told by their names only.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two looks. What lives shorter is not seen; the load average has it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Linux counts in hundredths of a second, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Names that are shown.
const SHOWN: usize = 5;

/// Less of a core than this is not worth a name.
const LEAST: f64 = 0.01;

/// What else ran.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbours {
    /// Seconds of watching.
    pub seconds: f64,
    /// Cores that were used by processes that this one did not start, on average; by name, the busiest first.
    pub cores: Vec<(String, f64)>,
    /// Cores that they used all together.
    pub total: f64,
    /// Cores that a hypervisor gave to somebody else, on average.
    pub stolen: f64,
    /// The load average of a minute, at the beginning and at the end.
    pub load: (f64, f64),
}

/// Watches until it is told to stop.
pub struct Watch {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    started: Instant,
    stolen: f64,
    load: f64,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    ticks: Mutex<BTreeMap<String, u64>>,
}

impl Watch {
    /// Begins to watch.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = shared.clone();
            thread::spawn(move || shared.watch())
        };
        Watch { shared, thread, started: Instant::now(), stolen: stolen(), load: load() }
    }

    /// What was seen.
    pub fn stop(self) -> Neighbours {
        let seconds = self.started.elapsed().as_secs_f64();
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("watching does not panic");
        let ticks = self.shared.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        let per_second = |ticks: f64| ticks / TICKS_PER_SECOND / seconds;
        let total = per_second(ticks.values().sum::<u64>() as f64);
        let mut cores: Vec<_> =
            ticks.iter().map(|(name, ticks)| (name.clone(), per_second(*ticks as f64))).collect();
        cores.retain(|(_, cores)| *cores >= LEAST);
        cores.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        cores.truncate(SHOWN);
        let stolen = per_second(stolen() - self.stolen);
        Neighbours { seconds, cores, total, stolen, load: (self.load, load()) }
    }
}

impl Shared {
    fn watch(&self) {
        let mut before: BTreeMap<u32, Process> = processes();
        loop {
            thread::park_timeout(LOOK_EVERY);
            let now = processes();
            let ours = descendants(&now, std::process::id());
            let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
            for (pid, process) in now.iter().filter(|(pid, _)| !ours.contains(pid)) {
                let since = before.get(pid).filter(|old| old.started == process.started);
                let more = process.ticks - since.map_or(0, |old| old.ticks.min(process.ticks));
                if more > 0 {
                    *ticks.entry(process.name.clone()).or_default() += more;
                }
            }
            drop(ticks);
            before = now;
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// A process, as `/proc/…/stat` has it.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    name: String,
    parent: u32,
    ticks: u64,
    started: u64,
}

fn processes() -> BTreeMap<u32, Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, process(&stat)?))
    })
    .collect()
}

/// The name may contain anything, also what looks like its end.
fn process(stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Process {
        name: name.to_owned(),
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        started: number(19)?,
    })
}

/// A process, its children, and theirs.
fn descendants(all: &BTreeMap<u32, Process>, root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        let children = all.iter().filter(|(_, process)| found.contains(&process.parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
}

/// Ticks that a hypervisor gave to somebody else, since the start of the system.
fn stolen() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let all = stat.lines().next().unwrap_or_default();
    all.split_whitespace().nth(8).and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0)
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_name() {
        let stat = "7 (a) b) S 3 1 1 0 -1 0 1 2 3 4 50 7 0 0 20 0 1 0 1234 5";
        let wanted = Process { name: "a) b".into(), parent: 3, ticks: 57, started: 1_234 };
        assert_eq!(process(stat), Some(wanted));
    }

    #[test]
    fn children_of_children_are_ours() {
        let one = |parent| Process { name: String::new(), parent, ticks: 0, started: 0 };
        let all = BTreeMap::from([(2, one(9)), (5, one(1)), (9, one(5)), (11, one(1))]);
        assert_eq!(descendants(&all, 5), BTreeSet::from([2, 5, 9]));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_no_neighbour() {
        let watch = Watch::start();
        assert!(processes().contains_key(&std::process::id()));
        let seen = watch.stop();
        assert!(seen.load.0 >= 0.0 && seen.seconds > 0.0);
    }
}
