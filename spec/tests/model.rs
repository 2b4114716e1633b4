//! The model: the reduced mode sees what the faithful one sees, and nothing that must not be.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it shows")]

use hpaxos_consensus::Sends;
use hpaxos_learner_graph::{AcceptorSet, file};
use hpaxos_spec::model::explore::{Report, explore};
use hpaxos_spec::model::setup::{Mode, Setup};
use hpaxos_spec::simulator::setting::Setting;
use std::collections::BTreeSet;

const FOUR: &str = include_str!("../graphs/four-and-one.toml");
const D4: &str = include_str!("../graphs/d4.toml");

fn setup(graph: &str, values: &str, mode: Mode) -> Setup {
    let setting = Setting::new("graph", file::read(graph).unwrap()).unwrap();
    Setup::new(setting, values.len(), mode).with_values(values)
}

/// The last `count` acceptors.
fn last(setup: &Setup, count: usize) -> AcceptorSet {
    setup.setting.acceptors.iter().rev().take(count).copied().collect()
}

fn explored(setup: Setup) -> Report {
    let report = explore(setup, 2, None, |_, _| {});
    let violated: Vec<_> = report.violations.iter().map(|(name, _)| name).collect();
    assert!(report.complete, "violated: {violated:?}");
    report
}

/// Explores in both modes, with the same observations, and says how many states there were.
fn both_see_the_same(graph: &str, values: &str, change: impl Fn(Setup) -> Setup) {
    let [faithful, reduced] = [Mode::Faithful, Mode::Reduced].map(|mode| {
        let report = explored(change(setup(graph, values, mode)));
        println!("{mode:?}: {} states, {} generated", report.states, report.generated);
        let seen = report.model.observer().all();
        assert!(seen.len() > 4, "something happens");
        (report.states, seen.keys().copied().collect::<BTreeSet<_>>(), report.witnesses)
    });
    assert_eq!(faithful.1, reduced.1, "observations");
    assert_eq!(faithful.2, reduced.2, "witnesses");
    assert!(reduced.0 * 4 < faithful.0, "reduced");
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
