//! Recorded runs, run again: as they were there is no difference; with a line changed there is one, at that line.

use hpaxos_consensus::rules::Rules;
use hpaxos_spec::replay::{Answer, replay};
use hpaxos_spec::simulator::faults::Faults;
use hpaxos_spec::simulator::run;
use hpaxos_spec::simulator::scenario::{ACTS, Wanted};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Bytes that somebody else writes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked with it").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn trace(seed: u64) -> Vec<String> {
    let wanted = Wanted { seed, setting: None, faults: Faults::ALL, slots: None, acts: ACTS };
    let to = Shared::default();
    run(&wanted, Rules::default(), Some(Box::new(to.clone())));
    let bytes = to.0.lock().expect("nobody panicked with it").clone();
    String::from_utf8(bytes).expect("JSON").lines().map(str::to_owned).collect()
}

fn again(lines: &[String]) -> Answer {
    replay(lines.join("\n").as_bytes(), Path::new(".")).expect("it can be read")
}

#[test]
fn runs_of_the_simulator_can_be_run_again() {
    let (mut replies, mut decisions) = (0, 0);
    for seed in 1..40 {
        let answer = again(&trace(seed));
        assert!(answer.difference.is_none(), "seed {seed}: {:?}", answer.difference);
        replies += answer.replies;
        decisions += answer.decisions;
    }
    assert!(replies > 1_000 && decisions > 200, "{replies} replies, {decisions} decisions");
}

/// Changes the last line that `changes` wants to change, and expects a difference there or later.
fn assert_noticed(what: &str, changes: impl Fn(&str) -> Option<String>) {
    let mut lines = trace(17);
    let found = lines.iter().rposition(|line| changes(line).is_some());
    let at = found.unwrap_or_else(|| panic!("no line for: {what}"));
    lines[at] = changes(&lines[at]).expect("it was found");
    let difference = again(&lines).difference.unwrap_or_else(|| panic!("not noticed: {what}"));
    assert!(difference.line > at, "{what}: line {}, changed was {}", difference.line, at + 1);
}

#[test]
fn what_was_changed_is_noticed() {
    assert_noticed("a 2a that names nobody", |line| {
        let (before, after) = line.split_once("\"kind\":\"2a\"")?;
        let (middle, _) = after.split_once("\"learners\":[\"")?;
        Some(format!("{before}\"kind\":\"2a\"{middle}\"learners\":[]}}}}"))
    });
    assert_noticed("another value decided", |line| {
        let (before, _) = line.split_once("\"value\":\"")?;
        let other = "ab".repeat(32);
        line.contains("\"decide\"").then(|| format!("{before}\"value\":\"{other}\"}}"))
    });
    assert_noticed("another id", |line| {
        let (before, after) = line.split_once("\"kind\":\"1b\",\"id\":\"")?;
        Some(format!("{before}\"kind\":\"1b\",\"id\":\"{}{}", "00", &after[2..]))
    });
    assert_noticed("evidence of nothing", |line| {
        let (before, after) = line.split_once("\"evidence\":[\"")?;
        Some(format!("{before}\"evidence\":[\"{}\",\"{}\"]}}", &after[..64], &after[..64]))
    });
}

#[test]
fn what_is_no_trace_is_refused() {
    for text in ["", "{}", "{\"event\":\"crash\",\"node\":\"p\"}", "no JSON"] {
        assert!(replay(text.as_bytes(), Path::new(".")).is_err(), "{text}");
    }
}
