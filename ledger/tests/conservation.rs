//! Random bundles in two base logs and the log that joins them: nothing is doubled, and nothing is lost but what is in
//! flight.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::logs::*;
use common::*;
use hpaxos_ledger::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One operation, as far as it can be chosen without knowing what there is.
#[derive(Clone, Debug)]
enum Step {
    Pay(u8, u8, u128),
    /// To a log, or to the one other log of the chain.
    Release(u8, u128, Option<&'static str>),
    ReleaseObject(usize, Option<&'static str>),
    Create(usize, u8),
    Transfer(usize, u8),
    Delete(usize),
    /// Something in flight to this log and chain.
    Claim(prop::sample::Index),
    /// Something that was ever in flight there.
    Again(prop::sample::Index),
    /// The same, with one byte of the proof changed.
    Forged(prop::sample::Index, prop::sample::Index, u8),
}

/// Objects by the log of their birth.
const NAMES: [&str; 3] = ["blue:first", "red:first", "red+blue:first"];

fn steps() -> impl Strategy<Value = Step> {
    let wrong = || prop_oneof![Just("blue"), Just("red"), Just(LOG), Just("green")];
    let logs = move || prop_oneof![5 => Just(None), 1 => wrong().prop_map(Some)];
    let amounts = || prop_oneof![4 => 1..400u128, 1 => Just(1_000)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        1 => (0..4u8, 0..4u8, amounts()).prop_map(|(from, to, amount)| Step::Pay(from, to, amount)),
        4 => (0..4u8, amounts(), logs()).prop_map(|(from, amount, log)| Step::Release(from, amount, log)),
        5 => (0..3usize, logs()).prop_map(|(name, log)| Step::ReleaseObject(name, log)),
        1 => (0..3usize, 0..4u8).prop_map(|(name, owner)| Step::Create(name, owner)),
        1 => (0..3usize, 0..4u8).prop_map(|(name, to)| Step::Transfer(name, to)),
        1 => (0..3usize).prop_map(Step::Delete),
        8 => index().prop_map(Step::Claim),
        2 => index().prop_map(Step::Again),
        1 => (index(), index(), 0..8u8).prop_map(|(claim, at, bit)| Step::Forged(claim, at, bit)),
    ]
}

/// What one bundle does: in which log, on blue and on red.
type Plan = (usize, Vec<Step>, Vec<Step>);

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let operations = || {
        let many = |least, most| prop::collection::vec(steps(), least..most);
        prop_oneof![1 => many(0, 1), 4 => many(1, 2), 1 => many(2, 4)]
    };
    prop::collection::vec((0..3usize, operations(), operations()), 1..60)
}

/// Everything that was let go, with its claim, and whether it was claimed.
#[derive(Default)]
struct Flights(Vec<(Released, Operation, bool)>);

impl Flights {
    /// Those for a chain in a log; only what was not claimed yet, or all.
    fn of(&self, log: &str, chain: &str, all: bool) -> Vec<usize> {
        let fits = |it: &Released, claimed: bool| {
            it.to_log == log && it.chain == chain && (all || !claimed)
        };
        let flights = self.0.iter().enumerate();
        flights.filter(|(_, (it, _, claimed))| fits(it, *claimed)).map(|(index, _)| index).collect()
    }
}

/// The operation, and the flight that it claims.
fn operation(
    step: &Step,
    (log, chain): (&str, &str),
    flights: &Flights,
) -> Option<(Operation, Option<usize>)> {
    let name = |name: &usize| NAMES[*name].to_owned();
    let chosen = |index: &prop::sample::Index, all: bool| {
        let flights = flights.of(log, chain, all);
        (!flights.is_empty()).then(|| *index.get(&flights))
    };
    let target = |to_log: &Option<&'static str>| match to_log {
        Some(log) => (*log).to_owned(),
        None => if log == LOG { chain } else { LOG }.to_owned(),
    };
    Some(match step {
        Step::Pay(from, to, amount) => (pay(*from, *to, *amount), None),
        Step::Release(owner, amount, to_log) => {
            (release_gold(*owner, *amount, &target(to_log)), None)
        }
        Step::ReleaseObject(object, to_log) => (release(&name(object), &target(to_log)), None),
        Step::Create(object, owner) => {
            let (key, value, owner) = (name(object), vec![1], key(*owner));
            // No valid bundle makes an object of another log.
            key.starts_with(&format!("{log}:"))
                .then_some((Operation::Create { key, value, owner }, None))?
        }
        Step::Transfer(object, to) => {
            let (key, to, if_version) = (name(object), key(*to), None);
            (Operation::Transfer { key, to, if_version }, None)
        }
        Step::Delete(object) => (Operation::Delete { key: name(object), if_version: None }, None),
        Step::Claim(index) => {
            let flight = chosen(index, false)?;
            (flights.0[flight].1.clone(), Some(flight))
        }
        Step::Again(index) => {
            let flight = chosen(index, true)?;
            (flights.0[flight].1.clone(), Some(flight))
        }
        Step::Forged(index, at, bit) => {
            let Operation::Claim { release, mut proof } = flights.0[chosen(index, true)?].1.clone()
            else {
                unreachable!()
            };
            let at = at.index(proof.len());
            proof[at] ^= 1 << bit;
            (Operation::Claim { release, proof }, None)
        }
    })
}

/// All gold of a chain: in every log, held for objects, and in flight.
fn gold(logs: &Logs, flights: &Flights, chain: &str) -> u128 {
    let mut sum = 0;
    for log in LOGS.iter().filter(|log| chains(log).contains(&chain)) {
        sum += (0..4).map(|owner| logs.gold(log, chain, owner)).sum::<u128>();
        let objects = NAMES.iter().filter_map(|name| logs.object(log, chain, name));
        sum += objects.map(|object| object.deposit).sum::<u128>();
    }
    let in_flight = flights.0.iter().filter(|(it, _, claimed)| it.chain == chain && !claimed);
    let amount = |it: &Released| match &it.thing {
        Thing::Object { deposit, .. } => *deposit,
        Thing::Balance { amount, .. } => *amount,
    };
    sum + in_flight.map(|(it, ..)| amount(it)).sum::<u128>()
}

/// How many there are of each object: in every log and in flight.
fn objects(logs: &Logs, flights: &Flights) -> BTreeMap<(String, String), usize> {
    let mut count = BTreeMap::new();
    for log in LOGS {
        for chain in chains(log) {
            for name in NAMES {
                if logs.object(log, chain, name).is_some() {
                    *count.entry((chain.to_owned(), name.to_owned())).or_default() += 1;
                }
            }
        }
    }
    for (it, _, claimed) in &flights.0 {
        if let (Thing::Object { key, .. }, false) = (&it.thing, claimed) {
            *count.entry((it.chain.clone(), key.clone())).or_default() += 1;
        }
    }
    count
}

/// What the bundle's creates and deletes make of the names that there are.
fn named(bundle: &Bundle, mut names: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    for part in &bundle.body.parts {
        for operation in &part.operations {
            match operation {
                Operation::Create { key, .. } => {
                    assert!(
                        names.insert((part.chain.clone(), key.clone())),
                        "a name is made twice"
                    );
                }
                Operation::Delete { key, .. } => {
                    assert!(names.remove(&(part.chain.clone(), key.clone())));
                }
                _ => {}
            }
        }
    }
    names
}

fn check(plans: &[Plan], deposit: &str) -> Result<usize, TestCaseError> {
    let mut logs = Logs::new(deposit);
    let mut flights = Flights::default();
    let mut names = objects(&logs, &flights).into_keys().collect();
    let mut moved = 0;
    for (log, blue, red) in plans {
        let log = LOGS[*log];
        let (mut parts, mut claimed) = (Vec::new(), Vec::new());
        for (chain, steps) in [("blue", blue), ("red", red)] {
            let steps = steps.iter().filter(|_| chains(log).contains(&chain));
            let made = steps.filter_map(|step| operation(step, (log, chain), &flights));
            let (operations, flights): (Vec<_>, Vec<_>) = made.unzip();
            claimed.extend(flights.into_iter().flatten());
            if !operations.is_empty() {
                parts.push(part(chain, operations));
            }
        }
        let bundle = logs.bundle(log, &[0, 1, 2, 3], parts);
        let world = &logs.worlds[log];
        let bundles = std::slice::from_ref(&bundle);
        prop_assert_eq!(
            world.next(bundles),
            world.next(bundles),
            "same view, same block, same bytes"
        );
        let before = world.clone();
        let outcome = logs.execute(&bundle);
        // What was claimed before, or twice in this bundle, is not claimed again.
        let distinct: BTreeSet<usize> = claimed.iter().copied().collect();
        let again = distinct.len() < claimed.len() || distinct.iter().any(|it| flights.0[*it].2);
        if outcome.is_committed() {
            prop_assert!(!again, "a thing came in twice");
            for flight in distinct {
                flights.0[flight].2 = true;
                moved += 1;
            }
            names = named(&bundle, names);
            if matches!(outcome, Outcome::Released(_)) {
                let claims = logs.claims(&logs.receipt(&bundle));
                flights.0.extend(claims.into_iter().map(|(it, claim)| (it, claim, false)));
            }
        } else {
            // All or nothing: only the id is used up.
            for chain in chains(log) {
                let (then, now) = (before.view(), logs.worlds[log].view());
                for owner in 0..4 {
                    let of = |view: &View<'_, MemoryState>| view.balances(chain, key(owner), 9);
                    prop_assert_eq!(of(&then), of(&now));
                }
                for name in NAMES {
                    prop_assert_eq!(then.object(chain, name), now.object(chain, name));
                    prop_assert_eq!(then.gone_to(chain, name), now.gone_to(chain, name));
                }
            }
        }
        prop_assert_eq!(gold(&logs, &flights, "blue"), 8_000);
        prop_assert_eq!(gold(&logs, &flights, "red"), 8_000);
        let counted = objects(&logs, &flights);
        prop_assert!(counted.values().all(|count| *count == 1), "{:?}", counted);
        prop_assert_eq!(counted.into_keys().collect::<BTreeSet<_>>(), names.clone());
    }
    // In the end everything in flight comes in, once.
    for index in 0..flights.0.len() {
        let (released, claim, claimed) = flights.0[index].clone();
        let outcome = logs.run(&released.to_log, &released.chain, vec![claim]);
        match outcome {
            Outcome::Committed => prop_assert!(!claimed),
            Outcome::Aborted(Abort { reason: Reason::Claimed, .. }) => prop_assert!(claimed),
            other => prop_assert!(false, "{:?}", other),
        }
        flights.0[index].2 = true;
    }
    prop_assert_eq!(gold(&logs, &flights, "blue"), 8_000);
    prop_assert_eq!(gold(&logs, &flights, "red"), 8_000);
    let counted = objects(&logs, &flights);
    prop_assert!(counted.values().all(|count| *count == 1));
    prop_assert_eq!(counted.into_keys().collect::<BTreeSet<_>>(), names);
    Ok(moved)
}

proptest! {
    #![proptest_config(random(200))]

    #[test]
    fn nothing_is_doubled_and_nothing_is_lost(plans in plans(), deposit in prop_oneof![
        Just(""), Just("create_deposit = { asset = \"gold\", amount = \"300\" }"),
    ]) {
        check(&plans, deposit)?;
    }
}

/// The random bundles do move things: else the property would say little.
#[test]
fn random_bundles_move_things() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let moved: usize = (0..20)
        .map(|_| check(&plans().new_tree(&mut runner).unwrap().current(), "").unwrap())
        .sum();
    assert!(moved >= 40, "{moved} things moved");
}
