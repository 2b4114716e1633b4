//! Any bytes: either no record, or one that has no other encoding.

#![no_main]

use hpaxos_consensus::{NetworkId, Record, Schedule};
use hpaxos_learner_graph::file;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEDULE: LazyLock<Schedule> = LazyLock::new(|| {
    let graph = file::read(include_str!("../graph.toml")).expect("it is a graph");
    Schedule::new(&graph.logs()[0])
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::decode(bytes, &NetworkId([7; 32]), &SCHEDULE) {
        assert_eq!(record.encode(), bytes, "a record has one encoding");
    }
});
