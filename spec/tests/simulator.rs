//! The engine in storms of faults: every property holds in every run, and a run is a function of its seed.
//!
//! `HPAXOS_SIMULATOR_SEEDS=100000` for a long one; `HPAXOS_SIMULATOR_SEED` is the first of the fresh seeds.

use hpaxos_consensus::rules::Rules;
use hpaxos_learner_graph::file;
use hpaxos_spec::simulator::faults::{Fault, Faults};
use hpaxos_spec::simulator::scenario::{ACTS, Wanted};
use hpaxos_spec::simulator::setting::{Setting, uniform};
use hpaxos_spec::simulator::{Outcome, run};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn wanted(seed: u64) -> Wanted {
    Wanted { seed, setting: None, faults: Faults::ALL, slots: None, acts: ACTS }
}

fn passes(wanted: &Wanted) -> Outcome {
    let outcome = run(wanted, Rules::default(), None);
    if let Some(violation) = &outcome.violation {
        panic!(
            "{}: {}\nseed {}, step {}: {}\nhpaxos-spec simulate --seed {} --faults {}",
            violation.property.name(),
            violation.detail,
            outcome.seed,
            outcome.steps,
            outcome.story,
            outcome.seed,
            wanted.faults
        );
    }
    outcome
}

/// Runs all of `seeds`, on all cores.
fn all_pass(seeds: std::ops::Range<u64>, of: impl Fn(u64) -> Wanted + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    passes(&of(seed));
                }
            });
        }
    });
}

#[test]
fn every_property_holds_in_every_storm() {
    let count = number("HPAXOS_SIMULATOR_SEEDS", 1_600);
    all_pass(1..1 + count, wanted);
}

/// One in ten thousand storms found these: whoever a decision was withheld from waited for ever; a node that crashed before
/// its first write kept what it had not stored; what proposers name besides was not counted; an acceptor in every quorum
/// dragged the others through the rounds at full speed; nodes with many parked slots called each other's back for ever; an
/// acceptor that alone had not decided said so only once; and a certificate stayed with its owner, whose rounds had ended with
/// it, where another node could not decide by messages of a caught signer; and of those who have decided, each believed to be
/// alone with one that cannot decide by what they did.
#[test]
fn storms_that_once_found_something() {
    let seeds = [
        1_009_230,
        1_010_989,
        1_031_481,
        1_045_258,
        1_055_857,
        1_059_795,
        1_061_704,
        1_064_353,
        1_082_068,
        1_093_921,
        3_043_101,
        3_095_090,
        6_027_860,
        7_000_180,
        8_039_285,
        8_052_368,
        9_052_211,
        50_009_688,
        130_022_292,
    ];
    all_pass(0..seeds.len() as u64, |index| wanted(seeds[index as usize]));
}

#[test]
fn and_on_every_named_graph() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let graphs = ["spec/graphs", "learner-graph/examples"].map(|folder| root.join(folder));
    for path in graphs.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder")) {
        let path = path.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // One is invalid on purpose, one is too large for many runs.
        if !name.ends_with(".toml") || name == "invalid.toml" || name.starts_with("three-stake") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let graph = file::read(&text).expect("it is a graph");
        let setting = Setting::new(&path.display().to_string(), graph).expect("it is valid");
        let slots = if name == "federation.toml" { 1 } else { 3 };
        let count = if name == "federation.toml" { 2 } else { 12 };
        all_pass(1..1 + count, |seed| Wanted {
            setting: Some(setting.clone()),
            slots: Some(slots),
            ..wanted(seed)
        });
    }
}

#[test]
fn fresh_seeds() {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let first = number("HPAXOS_SIMULATOR_SEED", now << 16);
    all_pass(first..first + 400, wanted);
}

/// The same seed twice, the same trace; and every fault happens in some of them.
#[test]
fn a_run_is_a_function_of_its_seed() {
    let mut seen = Faults::NONE;
    for seed in 1..40 {
        let (one, other) = (passes(&wanted(seed)), passes(&wanted(seed)));
        assert_eq!(one.trace_hash, other.trace_hash, "seed {seed}");
        assert_eq!(one.steps, other.steps, "seed {seed}");
        let scenario = hpaxos_spec::simulator::scenario::Scenario::draw(&wanted(seed));
        seen = scenario.faults.iter().fold(seen, Faults::with);
    }
    let missing: Vec<&Fault> = Fault::ALL.iter().filter(|fault| !seen.has(**fault)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Without faults every slot is decided at the first attempt.
#[test]
fn nothing_goes_wrong_without_faults() {
    let setting: Arc<Setting> = uniform(7, 3).expect("it is a graph");
    for seed in 1..10 {
        let setting = Some(setting.clone());
        let slots = Some(20);
        let outcome = passes(&Wanted { setting, slots, faults: Faults::NONE, ..wanted(seed) });
        assert_eq!(outcome.decisions, 60, "seed {seed}: {}", outcome.story);
    }
}

/// The lines of a trace are those of the format, and the run does not depend on somebody writing them down.
#[test]
fn a_trace_can_be_read() {
    use hpaxos_consensus::trace::{self, Line};
    let path = std::env::temp_dir().join(format!("hpaxos-trace-{}.jsonl", std::process::id()));
    let file = std::fs::File::create(&path).expect("a temporary file");
    let traced = run(&wanted(9), Rules::default(), Some(Box::new(std::io::BufWriter::new(file))));
    assert_eq!(traced.trace_hash, passes(&wanted(9)).trace_hash);
    let file = std::fs::File::open(&path).expect("the trace");
    let lines: Result<Vec<Line>, _> = trace::read(std::io::BufReader::new(file)).collect();
    std::fs::remove_file(&path).expect("the trace");
    let lines = lines.expect("every line reads back");
    assert!(matches!(lines[0], Line::Graph(_)));
    assert!(lines.iter().any(|line| matches!(line, Line::Decide { .. })));
}
