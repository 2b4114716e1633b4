//! States that the reduced mode takes for one have the same successors, as far as it tells states apart: which of them is
//! explored makes no difference.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it shows")]

use hpaxos_learner_graph::file;
use hpaxos_spec::model::setup::{Mode, Setup};
use hpaxos_spec::model::universe::hash_of as key;
use hpaxos_spec::model::{Engines, State};
use hpaxos_spec::simulator::setting::Setting;
use stateright::Model;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

const FOUR: &str = include_str!("../graphs/four-and-one.toml");
const RED_AND_BLUE: &str = include_str!("../graphs/red-and-blue.toml");
const PAIR: &str = include_str!("../graphs/pair.toml");
const D4: &str = include_str!("../graphs/d4.toml");

/// The steps that a state has, and where they lead.
fn successors(model: &Engines, state: &State) -> Vec<(String, State)> {
    let mut steps = Vec::new();
    model.actions(state, &mut steps);
    let next = |step| {
        let told = model.told(&step);
        Some((told, model.next_state(state, step)?))
    };
    steps.into_iter().filter_map(next).collect()
}

/// Explores all there is, and of states that are one each that is met from the first of them; the others are compared with it.
fn compare(graph: &str, values: &str, lies: usize) {
    let setting = Setting::new("graph", file::read(graph).unwrap()).unwrap();
    let setup = Setup::new(setting, values.len(), Mode::Reduced).with_values(values);
    let byzantine = setup.setting.acceptors.iter().rev().take(1).copied().collect();
    let model = Engines::new(setup.with_byzantine(byzantine, lies));
    let exact = |state: &State| {
        let honest: Vec<_> = model.honest_ids(state).collect();
        (key(state), honest, model.lies(state).to_vec())
    };
    let mut first: HashMap<u64, (BTreeSet<u64>, State)> = HashMap::new();
    let (mut met, mut compared) = (HashSet::new(), 0);
    let mut open: VecDeque<State> = model.init_states().into();
    while let Some(state) = open.pop_front() {
        if !met.insert(exact(&state)) {
            continue;
        }
        let next = successors(&model, &state);
        let keys: BTreeSet<u64> = next.iter().map(|(_, next)| key(next)).collect();
        if let Some((of_first, first)) = first.get(&key(&state)) {
            compared += 1;
            let only = |steps: Vec<(String, State)>, others: &BTreeSet<u64>| -> Vec<String> {
                let lacking = steps.into_iter().filter(|(_, next)| !others.contains(&key(next)));
                lacking.map(|(told, _)| told).collect()
            };
            assert!(
                *of_first == keys,
                "{values}, {lies} lies: the first can {:?},\n{}the second can {:?},\n{}",
                only(successors(&model, first), &keys),
                model.described(first),
                only(next, of_first),
                model.described(&state),
            );
        } else {
            first.insert(key(&state), (keys, state));
            open.extend(next.into_iter().map(|(_, next)| next));
        }
    }
    println!("{values}, {lies} lies: {} states, {compared} compared", first.len());
    assert!(compared > first.len() / 4, "some are one");
}

#[test]
fn one_learner() {
    compare(FOUR, "vw", 1);
}

#[test]
fn several_learners() {
    compare(RED_AND_BLUE, "vwv", 1);
    compare(PAIR, "vw", 3);
}

/// `make long`.
#[test]
#[ignore = "takes minutes"]
fn larger_ones() {
    compare(FOUR, "vwv", 1);
    compare(FOUR, "vw", 2);
    compare(RED_AND_BLUE, "vw", 2);
    compare(D4, "v", 1);
}
