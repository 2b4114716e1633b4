//! The faithful model and the TLA+ of `spec/tla/`, explored by TLC, have the same numbers of states.
//!
//! `make tlc` counts with TLC; here the engine does. `HPAXOS_MODEL_LONG=1` takes the configurations that are marked as long,
//! too.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it shows")]

use hpaxos_consensus::Sends;
use hpaxos_learner_graph::file;
use hpaxos_spec::model::Engines;
use hpaxos_spec::model::explore::{Limits, explore};
use hpaxos_spec::model::setup::{Mode, Setup};
use hpaxos_spec::simulator::setting::Setting;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configurations {
    configuration: Vec<Configuration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    name: String,
    graph: String,
    sends: u8,
    values: Vec<String>,
    byzantine: Vec<String>,
    messages: usize,
    #[serde(default)]
    long: bool,
}

impl Configuration {
    fn setup(&self) -> Setup {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(&self.graph);
        let graph = file::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        let setting = Setting::new(&self.graph, graph).unwrap();
        let declared = &setting.graph.declarations().acceptors;
        let is_byzantine = |index: usize| self.byzantine.contains(&declared[index].name);
        let byzantine =
            setting.acceptors.iter().copied().filter(|one| is_byzantine(one.index())).collect();
        let sends = if self.sends == 3 { Sends::Three } else { Sends::Four };
        Setup::new(setting, self.values.len(), Mode::Faithful)
            .with_values(&self.values.concat())
            .with_sends(sends)
            .with_byzantine(byzantine, self.messages)
    }
}

#[test]
fn tlc_and_the_engine_count_alike() {
    let long = std::env::var_os("HPAXOS_MODEL_LONG").is_some();
    let all: Configurations = toml::from_str(include_str!("../tla/configurations.toml")).unwrap();
    let expected: BTreeMap<&str, [usize; 3]> = include_str!("../tla/expected.txt")
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            (name, [(); 3].map(|()| words.next().unwrap().parse().unwrap()))
        })
        .collect();
    let mut compared = 0;
    for configuration in all.configuration.iter().filter(|one| long || !one.long) {
        let name = configuration.name.as_str();
        // With one thread, since depths are not exact with more.
        let report = explore(Engines::new(configuration.setup()), 1, Limits::default(), |_, _| {});
        assert!(report.complete, "{name}");
        let counted = [report.states, report.generated, report.depth];
        println!("{name}: {counted:?} in {:.1} s", report.seconds);
        match expected.get(name) {
            Some(expected) => assert_eq!(counted, *expected, "{name}: distinct, generated, depth"),
            None => assert!(configuration.long, "{name}: TLC has not counted it"),
        }
        compared += usize::from(expected.contains_key(name));
    }
    assert!(compared >= 3);
}
