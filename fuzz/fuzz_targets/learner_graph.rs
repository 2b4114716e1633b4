//! Any bytes: the loader says what is wrong at a place inside the file, or gives a graph that is written and read back
//! the same, and that answers questions.

#![no_main]

use hpaxos_learner_graph::analysis::{Situation, entangled};
use hpaxos_learner_graph::file::{read, read_bytes, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match read_bytes(bytes) {
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1 && error.span.end <= bytes.len());
        }
        Ok(graph) => {
            let again = read(&write(graph.declarations())).expect("what is written can be read");
            assert_eq!(again.declarations(), graph.declarations());
            entangled(&graph, Situation::default());
        }
    }
});
