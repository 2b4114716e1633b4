//! Deliberate protocol bugs, each of which the simulator must catch. Run with the feature `mutants`.
//!
//! `spec/mutants.txt` says which seed kills which. The search afresh, `--ignored`, prints a new table; `HPAXOS_MUTANT_SEED` is
//! where it starts.
#![cfg(feature = "mutants")]

use hpaxos_consensus::rules::{Mutant, Rules};
use hpaxos_spec::properties::Violation;
use hpaxos_spec::simulator::faults::Faults;
use hpaxos_spec::simulator::run;
use hpaxos_spec::simulator::scenario::{ACTS, Wanted};
use std::time::{Duration, Instant};

/// Time for the search for one seed that kills, on one core.
const SEARCH: Duration = Duration::from_secs(60);

/// Bugs that need an attack of many steps which no adversary of the simulator plays. The naive twin finds them
/// (`dag_twin`, `broken_rules_are_found`).
const LEFT_TO_THE_TWIN: &[Mutant] = &[Mutant::HardLetsGoSoftly, Mutant::SameValueOvertakes];

struct Kill {
    mutant: Mutant,
    seed: u64,
}

/// The table: name, seed, property, and seconds that the search took.
fn known() -> Vec<Kill> {
    let lines = include_str!("../mutants.txt").lines();
    let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let mutant = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        let seed = words.next().and_then(|seed| seed.parse().ok());
        Kill {
            mutant: *mutant.unwrap_or_else(|| panic!("there is no mutant `{name}`")),
            seed: seed.unwrap_or_else(|| panic!("`{line}` has no seed")),
        }
    };
    entries.map(read).collect()
}

fn violation(seed: u64, rules: Rules) -> Option<Violation> {
    let wanted = Wanted { seed, setting: None, faults: Faults::ALL, slots: None, acts: ACTS };
    run(&wanted, rules, None).violation
}

fn reproduce(kill: &Kill) -> String {
    format!("hpaxos-spec simulate --seed {} --mutant {}", kill.seed, kill.mutant.name())
}

#[test]
fn known_seeds_kill_and_spare_the_protocol() {
    let known = known();
    for mutant in Mutant::ALL.iter().filter(|mutant| !LEFT_TO_THE_TWIN.contains(mutant)) {
        assert!(known.iter().any(|kill| kill.mutant == *mutant), "no seed for {}", mutant.name());
    }
    for kill in &known {
        assert!(
            violation(kill.seed, Rules::with(kill.mutant)).is_some(),
            "{} survives: {}",
            kill.mutant.name(),
            reproduce(kill)
        );
        let sound = violation(kill.seed, Rules::default());
        assert!(sound.is_none(), "seed {} fails without a bug: {sound:?}", kill.seed);
    }
}

#[test]
#[ignore = "takes up to a minute for each mutant; part of `make long`"]
fn a_fresh_search_kills_each() {
    let from = std::env::var("HPAXOS_MUTANT_SEED").map_or(1, |text| text.parse().expect("a seed"));
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL.iter().filter(|mutant| !LEFT_TO_THE_TWIN.contains(mutant)) {
        let start = Instant::now();
        let mut seeds = (from..).take_while(|_| start.elapsed() < SEARCH);
        let found = seeds.find_map(|seed| Some((seed, violation(seed, Rules::with(*mutant))?)));
        let seconds = start.elapsed().as_secs_f64();
        match found {
            Some((seed, violation)) => {
                println!(
                    "{:28} {seed:6} {:15} {seconds:.1}",
                    mutant.name(),
                    violation.property.name()
                );
            }
            None => survivors.push(mutant.name()),
        }
    }
    assert!(survivors.is_empty(), "survivors: {survivors:?}");
}
