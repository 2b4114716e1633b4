//! Makes a failing run smaller: fewer slots, fewer faults, fewer Byzantine acts, while the same property still fails.

use super::scenario::Wanted;
use super::{Outcome, run};
use crate::properties::Property;
use hpaxos_consensus::rules::Rules;

/// The smallest failing run that was found, and how it ends.
pub fn shrink(wanted: &Wanted, rules: Rules, property: Property) -> (Wanted, Outcome) {
    let mut best = wanted.clone();
    let mut outcome = run(&best, rules, None);
    loop {
        let smaller = candidates(&best, &outcome).into_iter().find_map(|candidate| {
            let outcome = run(&candidate, rules, None);
            let fails = outcome.violation.as_ref().is_some_and(|one| one.property == property);
            fails.then_some((candidate, outcome))
        });
        match smaller {
            Some(found) => (best, outcome) = found,
            None => return (best, outcome),
        }
    }
}

/// Runs that are smaller in one respect, the largest steps first.
fn candidates(wanted: &Wanted, outcome: &Outcome) -> Vec<Wanted> {
    let mut candidates = Vec::new();
    for fault in wanted.faults.iter() {
        candidates.push(Wanted { faults: wanted.faults.without(fault), ..wanted.clone() });
    }
    let slots = wanted.slots.unwrap_or(outcome.slots);
    for fewer in [1, slots / 2, slots.saturating_sub(1)] {
        if (1..slots).contains(&fewer) {
            candidates.push(Wanted { slots: Some(fewer), ..wanted.clone() });
        }
    }
    for fewer in [0, wanted.acts / 2, wanted.acts.saturating_sub(1)] {
        if fewer < wanted.acts {
            candidates.push(Wanted { acts: fewer, ..wanted.clone() });
        }
    }
    candidates
}
