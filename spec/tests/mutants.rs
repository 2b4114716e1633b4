//! Deliberate protocol bugs, each of which the simulator must catch: a property does not hold, or the run's trace differs from
//! what the definitions say; or else the model. Run with the feature `mutants`.
//!
//! `spec/mutants.txt` says which seed kills which. The search afresh, `--ignored`, prints a new table; `HPAXOS_MUTANT` names
//! one, and `HPAXOS_MUTANT_SEED` is where it starts.
#![cfg(feature = "mutants")]

use hpaxos_consensus::rules::{Mutant, Rules};
use hpaxos_spec::replay::replay;
use hpaxos_spec::simulator::faults::Faults;
use hpaxos_spec::simulator::run;
use hpaxos_spec::simulator::scenario::{ACTS, Wanted};
use hpaxos_spec::simulator::shrink::shrink;
use rustix::time::{ClockId, clock_gettime};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// CPU time for the search for one seed that kills.
const SEARCH: Duration = Duration::from_secs(60);

struct Kill {
    mutant: Mutant,
    seed: Option<u64>,
    /// Property, steps, and arguments of `hpaxos-spec check`.
    model: Option<(&'static str, usize, &'static str)>,
}

/// The table: name, seed, property, and seconds that the search took; and what the model finds.
fn known() -> Vec<Kill> {
    let lines = include_str!("../mutants.txt").lines();
    let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &'static str| {
        let (line, model) = line.split_once(" | ").expect("the simulator's part, and the model's");
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let mutant = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        let seed = words.next().unwrap_or_else(|| panic!("`{line}` has no seed"));
        let seed = (seed != "-").then(|| seed.parse().expect("a seed"));
        Kill {
            mutant: *mutant.unwrap_or_else(|| panic!("there is no mutant `{name}`")),
            seed,
            model: model.trim().split_once(' ').map(|(property, rest)| {
                let (steps, arguments) = rest.trim().split_once(' ').expect("arguments");
                (property, steps.parse().expect("steps"), arguments)
            }),
        }
    };
    entries.map(read).collect()
}

/// What does not hold, by the name of its property; `definitions` if the trace differs from what they say.
fn violation(seed: u64, rules: Rules) -> Option<&'static str> {
    let wanted = Wanted { seed, setting: None, faults: Faults::ALL, slots: None, acts: ACTS };
    let trace = Shared::default();
    let outcome = run(&wanted, rules, Some(Box::new(trace.clone())));
    if let Some(violation) = outcome.violation {
        return Some(violation.property.name());
    }
    let bytes = trace.0.lock().expect("nobody panicked with it").clone();
    let answer = replay(&bytes[..], Path::new(".")).expect("a trace can be read");
    answer.difference.map(|_| "definitions")
}

/// Bytes that somebody else writes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked with it").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn reproduce(seed: u64, mutant: Mutant) -> String {
    let name = mutant.name();
    let simulate = format!("hpaxos-spec simulate --seed {seed} --mutant {name} --trace run.jsonl");
    format!("{simulate}; hpaxos-spec replay run.jsonl")
}

/// What this thread has used so far.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a thread does not run backwards")
}

#[test]
fn known_seeds_kill_and_spare_the_protocol() {
    let known = known();
    for mutant in Mutant::ALL {
        let found = known.iter().find(|kill| kill.mutant == *mutant);
        let killed = found.is_some_and(|kill| kill.seed.is_some() || kill.model.is_some());
        assert!(killed, "nothing kills {}", mutant.name());
    }
    let mut wrong = Vec::new();
    for Kill { mutant, seed, .. } in &known {
        let Some(seed) = *seed else { continue };
        if violation(seed, Rules::with(*mutant)).is_none() {
            wrong.push(format!("{} survives: {}", mutant.name(), reproduce(seed, *mutant)));
        }
        if let Some(found) = violation(seed, Rules::default()) {
            wrong.push(format!("seed {seed} fails without a bug: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is left of a run that fails is smaller, fails in the same way each time, and needs all that is left of it.
#[test]
fn what_known_seeds_find_shrinks() {
    let known = known();
    for name in ["always-fresh", "same-value-overtakes", "votes-of-any-ballot"] {
        let kill = known.iter().find(|kill| kill.mutant.name() == name).expect("a mutant");
        let (seed, rules) = (kill.seed.expect("a seed kills it"), Rules::with(kill.mutant));
        let wanted = Wanted { seed, setting: None, faults: Faults::ALL, slots: None, acts: ACTS };
        let found = run(&wanted, rules, None);
        let property = found.violation.expect("a property fails").property;
        let (smaller, end) = shrink(&wanted, rules, property);
        let left = format!(
            "{name}: seed {seed}, --faults {}, slots {:?}, --acts {}",
            smaller.faults, smaller.slots, smaller.acts
        );
        let fails = |wanted: &Wanted| {
            let violation = run(wanted, rules, None).violation;
            violation.is_some_and(|one| one.property == property)
        };
        assert!(fails(&smaller), "{left}");
        assert_eq!(run(&smaller, rules, None).trace_hash, end.trace_hash, "{left}");
        let slots = smaller.slots.unwrap_or(found.slots);
        assert!(slots <= found.slots, "{left}");
        assert!(smaller.faults.iter().count() < Faults::ALL.iter().count(), "{left}");
        for fault in smaller.faults.iter() {
            let faults = smaller.faults.without(fault);
            assert!(
                !fails(&Wanted { faults, ..smaller.clone() }),
                "{left}: {fault:?} is not needed"
            );
        }
        if slots > 1 {
            assert!(!fails(&Wanted { slots: Some(slots - 1), ..smaller.clone() }), "{left}");
        }
        if smaller.acts > 0 {
            assert!(!fails(&Wanted { acts: smaller.acts - 1, ..smaller.clone() }), "{left}");
        }
    }
}

#[test]
fn known_worlds_kill() {
    let known = known();
    let mut wrong = Vec::new();
    for Kill { mutant, model, .. } in &known {
        let Some((property, steps, arguments)) = model else { continue };
        let output = Command::new(env!("CARGO_BIN_EXE_hpaxos-spec"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["check", "--json", "--mutant", mutant.name()])
            .args(arguments.split(' '))
            .output()
            .expect("the program starts");
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
        let violation = &answer["violations"][0];
        // The last line says what is wrong.
        let found = violation["trace"].as_array().map(|trace| trace.len() - 1);
        if violation["property"] != *property || found != Some(*steps) {
            let name = mutant.name();
            let reproduce = format!("hpaxos-spec check --mutant {name} {arguments}");
            wrong.push(format!("{name}: {violation}, not {property} after {steps}: {reproduce}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let survivors = known.iter().filter(|kill| kill.model.is_none());
    let survivors: Vec<&str> = survivors.map(|kill| kill.mutant.name()).collect();
    assert!(survivors.is_empty(), "the model kills all but {survivors:?}");
}

#[test]
#[ignore = "takes up to a minute for a mutant; part of `make long`"]
fn a_fresh_search_kills_each() {
    let from = std::env::var("HPAXOS_MUTANT_SEED").map_or(1, |text| text.parse().expect("a seed"));
    let only = std::env::var("HPAXOS_MUTANT").ok();
    let known = known();
    let by_model =
        |mutant: &Mutant| known.iter().any(|kill| kill.mutant == *mutant && kill.seed.is_none());
    let wanted = |mutant: &&Mutant| match &only {
        Some(only) => only == mutant.name(),
        None => !by_model(mutant),
    };
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL.iter().filter(wanted) {
        let start = cpu_time();
        let mut seeds = (from..).take_while(|_| cpu_time() - start < SEARCH);
        let found = seeds.find_map(|seed| {
            let found = violation(seed, Rules::with(*mutant))?;
            violation(seed, Rules::default()).is_none().then_some((seed, found))
        });
        let seconds = (cpu_time() - start).as_secs_f64();
        match found {
            Some((seed, property)) => {
                println!("{:28} {seed:6} {property:15} {seconds:.1}", mutant.name());
            }
            None => survivors.push(mutant.name()),
        }
    }
    assert!(survivors.is_empty(), "survivors: {survivors:?}");
}
