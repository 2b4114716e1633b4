//! Exploring a model to the end, and what is said of that.

use super::{Engines, State, Step};
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What came of an exploration.
pub struct Report {
    /// Whether everything was seen.
    pub complete: bool,
    /// Different states.
    pub states: usize,
    /// States met, those met before included.
    pub generated: usize,
    /// States on the longest of the shortest paths.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// The most memory that the process has had so far.
    pub rss_mb: u64,
    /// In how many different steps of acceptors, and looks of the observer, each guard let something pass.
    pub guards: BTreeMap<&'static str, u64>,
    /// Whether what makes the properties mean something occurred.
    pub witnesses: BTreeMap<&'static str, bool>,
    /// Properties that do not hold, each with a path to where it does not.
    pub violations: Vec<(&'static str, Path<State, Step>)>,
    /// The model.
    pub model: Engines,
}

/// When an exploration gives up; never, where nothing is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so many states, those met again included.
    pub generated: Option<usize>,
    /// After so long.
    pub time: Option<Duration>,
    /// Once the process has had so many MB.
    pub memory_mb: Option<u64>,
}

/// Explores a model, breadth first, with `threads` threads, until all is seen or a limit is reached; `progress` is
/// told every two seconds how many different states there are, and how many were met. With one thread, depths are exact.
/// [`search`](super::witness::search) finds shortest paths.
pub fn explore(
    model: Engines,
    threads: usize,
    limits: Limits,
    mut progress: impl FnMut(usize, usize),
) -> Report {
    let started = Instant::now();
    let mut builder = model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(most) = limits.generated {
        builder = builder.target_state_count(most);
    }
    let mut checker = builder.spawn_bfs();
    let handles = checker.handles();
    let mut said = Instant::now();
    let mut given_up = false;
    while handles.iter().any(|handle| !handle.is_finished()) {
        std::thread::park_timeout(Duration::from_millis(5));
        if said.elapsed() > Duration::from_secs(2) {
            said = Instant::now();
            progress(checker.unique_state_count(), checker.state_count());
            given_up |= limits.memory_mb.is_some_and(|most| rss_mb() >= most);
        }
        given_up |= limits.time.is_some_and(|most| started.elapsed() >= most);
        checker.model().end_here(given_up);
    }
    for handle in handles {
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    // Paths are found by taking their steps once more.
    checker.model().end_here(false);
    let mut violations: Vec<_> = checker.discoveries().into_iter().collect();
    violations.sort_by_key(|(name, _)| *name);
    let cut = limits.generated.is_some_and(|most| checker.state_count() >= most);
    let model = checker.model().clone();
    Report {
        complete: !cut && !given_up && violations.is_empty(),
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        depth: checker.max_depth(),
        seconds: started.elapsed().as_secs_f64(),
        rss_mb: rss_mb(),
        guards: (model.locals().fired().zip(model.observer().fired()))
            .map(|((name, acting), looking)| (name, acting + looking))
            .collect(),
        witnesses: model.witnesses(),
        violations,
        model,
    }
}

/// The most memory that this process has had, in MB; 0 where that cannot be told.
fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        peak.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
