//! What the fuzzers have found worth keeping, on the stable toolchain.

use hpaxos_learner_graph::file::{read, read_bytes, write};
use hpaxos_spec::replay::replay;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn learner_graph() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/learner_graph");
    let mut read_some = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the corpus is committed") {
        let path = entry.expect("a folder can be listed").path();
        let bytes = std::fs::read(&path).expect("a file can be read");
        match read_bytes(&bytes) {
            Err(error) => {
                assert!(error.span.end <= bytes.len(), "{}: {error}", path.display());
                read_some.1 += 1;
            }
            Ok(graph) => {
                let again =
                    read(&write(graph.declarations())).expect("what is written can be read");
                assert_eq!(again.declarations(), graph.declarations(), "{}", path.display());
                read_some.0 += 1;
            }
        }
    }
    assert!(read_some.0 >= 4 && read_some.1 >= 2, "{read_some:?}");
}

/// Traces can be run again; and what is almost one is an error, or differs somewhere, and nothing panics.
#[test]
fn trace() {
    let runs =
        std::env::var("HPAXOS_FUZZ_RUNS").map_or(300, |runs| runs.parse().expect("a number"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/trace");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut ends = [0; 3];
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("a folder can be listed").path();
        let bytes = std::fs::read(&path).expect("a file can be read");
        let answer = replay(&bytes[..], &folder).expect("it is a trace");
        assert!(answer.difference.is_none(), "{}: {:?}", path.display(), answer.difference);
        for _ in 0..runs {
            let near = changed(&bytes, &mut random);
            let end = catch_unwind(|| replay(&near[..], &folder));
            let text = || format!("{}:\n{}", path.display(), String::from_utf8_lossy(&near));
            match end.unwrap_or_else(|_| panic!("{}", text())) {
                Err(_) => ends[0] += 1,
                Ok(answer) if answer.difference.is_some() => ends[1] += 1,
                Ok(_) => ends[2] += 1,
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

/// A trace of which some lines were left out, said twice, put elsewhere, or have another digit or letter.
fn changed(bytes: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(Vec::from).collect();
    for _ in 0..random.random_range(1..4) {
        let (at, to) = (random.random_range(1..lines.len()), random.random_range(1..lines.len()));
        match random.random_range(0..5) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            change => {
                let line = &mut lines[if change == 3 { 0 } else { at }];
                let place = random.random_range(0..line.len() - 1);
                line[place] = *b"0123456789abcdefpqrs\"{}[],:".choose(random).expect("not empty");
            }
        }
    }
    lines.concat()
}
