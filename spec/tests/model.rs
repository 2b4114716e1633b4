//! The model: the reduced mode sees what the faithful one sees, and nothing that must not be.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it shows")]

use hpaxos_consensus::Sends;
use hpaxos_learner_graph::{AcceptorSet, file};
use hpaxos_spec::model::Engines;
use hpaxos_spec::model::explore::{Limits, Report, explore};
use hpaxos_spec::model::setup::{Mode, Setup};
use hpaxos_spec::model::witness::{Found, search};
use hpaxos_spec::properties::Property;
use hpaxos_spec::simulator::setting::Setting;
use std::collections::BTreeSet;
use std::time::Duration;

const FOUR: &str = include_str!("../graphs/four-and-one.toml");
const D4: &str = include_str!("../graphs/d4.toml");
const RED_AND_BLUE: &str = include_str!("../graphs/red-and-blue.toml");
const PAIR: &str = include_str!("../graphs/pair.toml");

fn setup(graph: &str, values: &str, mode: Mode) -> Setup {
    let setting = Setting::new("graph", file::read(graph).unwrap()).unwrap();
    Setup::new(setting, values.len(), mode).with_values(values)
}

/// The last `count` acceptors.
fn last(setup: &Setup, count: usize) -> AcceptorSet {
    setup.setting.acceptors.iter().rev().take(count).copied().collect()
}

fn explored(setup: Setup) -> Report {
    let report = explore(Engines::new(setup), 2, Limits::default(), |_, _| {});
    let violated: Vec<_> = report.violations.iter().map(|(name, _)| name).collect();
    assert!(report.complete, "violated: {violated:?}");
    for guard in ["may_admit", "may_take_in", "may_accept", "may_count", "may_decide"] {
        assert!(report.guards[guard] > 0, "{guard} never fires");
    }
    let commits = report.guards["may_commit"] > 0;
    assert_eq!(commits, report.model.setup().trust.sends() == Sends::Four, "may_commit");
    report
}

/// Explores in both modes, with the same observations, and says how many states there were.
fn both_see_the_same(graph: &str, values: &str, change: impl Fn(Setup) -> Setup) {
    let [faithful, reduced] = [Mode::Faithful, Mode::Reduced].map(|mode| {
        let report = explored(change(setup(graph, values, mode)));
        println!("{mode:?}: {} states, {} generated", report.states, report.generated);
        let seen = report.model.observer().all();
        assert!(seen.len() > 3, "something happens");
        (report.states, seen.keys().copied().collect::<BTreeSet<_>>(), report.witnesses)
    });
    assert_eq!(faithful.1, reduced.1, "observations");
    assert_eq!(faithful.2, reduced.2, "witnesses");
    assert!(reduced.0 * 4 < faithful.0, "reduced");
}

#[test]
fn a_search_that_gives_up_says_how_far_it_came() {
    let setup = setup(FOUR, "vwv", Mode::Reduced);
    let byzantine = last(&setup, 1);
    let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
    let report = explore(Engines::new(setup.with_byzantine(byzantine, 2)), 2, limits, |_, _| {});
    assert!(!report.complete && report.violations.is_empty());
    assert!((1..1_000_000).contains(&report.states), "{}", report.states);
}

#[test]
fn without_byzantine_acceptors() {
    both_see_the_same(FOUR, "vw", |setup| {
        let silent = last(&setup, 1);
        setup.with_byzantine(silent, 0)
    });
}

#[test]
fn with_a_byzantine_message() {
    both_see_the_same(FOUR, "v", |setup| {
        let byzantine = last(&setup, 1);
        setup.with_byzantine(byzantine, 1)
    });
}

#[test]
fn with_competing_ballots() {
    for (graph, values, lies) in
        [(RED_AND_BLUE, "vwv", 0), (RED_AND_BLUE, "vw", 1), (PAIR, "vw", 3)]
    {
        both_see_the_same(graph, values, |setup| {
            let byzantine = last(&setup, 1);
            setup.with_byzantine(byzantine, lies)
        });
    }
}

#[test]
fn with_a_fork() {
    both_see_the_same(RED_AND_BLUE, "v", |setup| {
        let byzantine = last(&setup, 1);
        setup.with_sends(Sends::Three).with_byzantine(byzantine, 2)
    });
}

#[test]
fn with_four_sends() {
    both_see_the_same(D4, "v", |setup| {
        let silent = last(&setup, 1);
        setup.with_byzantine(silent, 0)
    });
}

#[test]
fn with_three_sends_where_four_are_needed() {
    both_see_the_same(D4, "vw", |setup| {
        let silent = last(&setup, 1);
        setup.with_sends(Sends::Three).with_byzantine(silent, 0)
    });
}

/// A crash loses what was not stored: that is where the reduced mode begins each step, so it sees the same.
#[test]
fn with_crashes() {
    both_see_the_same(FOUR, "v", |mut setup| {
        let silent = last(&setup, 1);
        if setup.mode == Mode::Faithful {
            setup.crashes = 1;
        }
        setup.with_byzantine(silent, 0)
    });
}

/// From any state on, live learners decide in time once everything arrives, in at most 1 + f ballots of their own, after those
/// in which what comes late still counts.
#[test]
fn live_learners_decide_from_any_state_on() {
    for (graph, values, lies) in [(FOUR, "vwv", 0), (FOUR, "vw", 1), (D4, "vw", 0)] {
        let mut setup = setup(graph, values, Mode::Reduced);
        setup.liveness = true;
        let byzantine = last(&setup, 1);
        let report = explored(setup.with_byzantine(byzantine, lies));
        let went_on = report.model.continuations();
        println!("{values}, {lies}: {:?} {:?}", went_on.periods, went_on.ballots);
        assert_eq!(went_on.periods.values().sum::<u64>(), report.states as u64);
        assert!(went_on.ballots.keys().all(|ballots| *ballots <= 3), "{:?}", went_on.ballots);
    }
}

/// Where four sends are needed, three can leave a live learner undecided for ever, without any fault but that one stops.
#[test]
fn three_sends_can_block_a_live_learner() {
    let mut setup = setup(D4, "vw", Mode::Reduced).with_sends(Sends::Three);
    setup.liveness = true;
    setup.stopped = last(&setup, 1);
    let model = Engines::new(setup);
    let Found::Violated(property, path) = search(&model, None, None) else {
        panic!("everybody decides");
    };
    assert_eq!(property, Property::Liveness);
    let steps: Vec<String> =
        path.iter().filter_map(|(_, step)| Some(model.told(step.as_ref()?))).collect();
    println!("{}", steps.join("\n"));
    assert_eq!(steps.len(), 7, "a shortest path");
}

/// What the engine derives of each message that occurs is what the definitions say.
#[test]
fn the_definitions_say_the_same() {
    for (graph, values, lies) in [(FOUR, "vw", 1), (D4, "vw", 0)] {
        let mut setup = setup(graph, values, Mode::Reduced);
        setup.definitions = true;
        let byzantine = last(&setup, 1);
        explored(setup.with_byzantine(byzantine, lies));
    }
}

/// Every graph of up to seven acceptors, in lock step.
#[test]
fn every_small_graph_in_lock_step() {
    let folders = ["graphs", "../learner-graph/examples"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut looked_at = 0;
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let graph = file::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        // One example is there to be refused.
        let Ok(setting) = Setting::new("graph", graph) else { continue };
        let acceptors = setting.acceptors.len();
        if acceptors > 7 {
            continue;
        }
        let mut setup = Setup::new(setting, 2, Mode::Rounds).with_values("vw");
        setup.losses = if acceptors > 4 { 1 } else { 2 };
        setup.liveness = true;
        let report = explored(setup);
        let lost = report.model.setup().losses;
        let (states, seconds) = (report.states, report.seconds);
        println!("{}: {lost} lost, {states} states, {seconds:.1} s", path.display());
        looked_at += 1;
    }
    assert!(looked_at >= 11, "{looked_at}");
}
