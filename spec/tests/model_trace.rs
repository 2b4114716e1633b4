//! Paths of the model as traces: engine and definitions, run again, say the same; and where they were changed, not.

#![allow(clippy::unwrap_used, reason = "a test")]

use hpaxos_consensus::Sends;
use hpaxos_learner_graph::{AcceptorSet, file};
use hpaxos_spec::model::setup::{Mode, Setup};
use hpaxos_spec::model::witness::{Found, Way, Witness, search};
use hpaxos_spec::model::{Engines, trace};
use hpaxos_spec::replay::{Answer, replay};
use hpaxos_spec::simulator::setting::Setting;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stateright::Model;
use std::path::Path;

const FOUR: &str = include_str!("../graphs/four-and-one.toml");
const D4: &str = include_str!("../graphs/d4.toml");

fn setup(graph: &str, values: &str, mode: Mode, lies: usize) -> Setup {
    let setting = Setting::new("graph", file::read(graph).unwrap()).unwrap();
    let byzantine: AcceptorSet =
        setting.acceptors.last().filter(|_| lies > 0).copied().into_iter().collect();
    Setup::new(setting, values.len(), mode).with_values(values).with_byzantine(byzantine, lies)
}

fn lines(model: &Engines, way: &Way) -> Vec<String> {
    let mut to = Vec::new();
    let count = trace::write(model, way, &mut to).unwrap();
    let lines: Vec<String> = String::from_utf8(to).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count);
    lines
}

fn again(lines: &[String]) -> Answer {
    replay(lines.join("\n").as_bytes(), Path::new(".")).unwrap()
}

fn to(setup: Setup, witness: Witness) -> Vec<String> {
    let model = Engines::new(setup);
    let Found::Shown(way) = search(&model, Some(witness), None) else {
        panic!("no state shows {}", witness.name())
    };
    lines(&model, &way)
}

#[test]
fn what_decides_in_the_model_decides_again() {
    for (graph, values) in [(FOUR, "vw"), (D4, "v")] {
        let lines = to(setup(graph, values, Mode::Reduced, 0), Witness::LastBallotDecided);
        let answer = again(&lines);
        assert!(answer.difference.is_none(), "{:?}", answer.difference);
        assert!(answer.decisions > 0 && answer.replies > 5, "{answer:?}");
    }
}

#[test]
fn who_is_caught_in_the_model_is_caught_again() {
    let lines = to(setup(FOUR, "vw", Mode::Reduced, 2), Witness::Caught);
    assert!(lines.iter().any(|line| line.contains("\"event\":\"caught\"")));
    assert!(again(&lines).difference.is_none());
}

/// Each acceptor's steps without the restarts of the reduced mode: the engine says the same.
#[test]
fn any_path_can_be_run_again() {
    let setups = [
        setup(FOUR, "vwv", Mode::Reduced, 0),
        setup(FOUR, "vwv", Mode::Reduced, 3),
        setup(FOUR, "vw", Mode::Faithful, 2),
        setup(D4, "vw", Mode::Reduced, 2),
        setup(D4, "vw", Mode::Reduced, 0).with_sends(Sends::Three),
        setup(D4, "vw", Mode::Faithful, 0),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for setup in setups {
        let mut replies = 0;
        let faithful = setup.mode == Mode::Faithful;
        let (walks, steps) = if faithful { (30, 60) } else { (60, 14) };
        for _ in 0..walks {
            let model = Engines::new(setup.clone());
            let way = walk(&model, steps, &mut rng);
            let lines = lines(&model, &way);
            let answer = again(&lines);
            assert!(answer.difference.is_none(), "{:?}: {}", answer.difference, told(&model, &way));
            assert!(!lines.iter().any(|line| line.contains("crash")), "{}", told(&model, &way));
            replies += answer.replies;
        }
        assert!(replies > 20, "{replies}");
    }
}

#[test]
fn a_crash_can_be_run_again() {
    let mut setup = setup(FOUR, "vw", Mode::Faithful, 0);
    setup.crashes = 2;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut crashes = 0;
    for _ in 0..20 {
        let model = Engines::new(setup.clone());
        let way = walk(&model, 40, &mut rng);
        let lines = lines(&model, &way);
        crashes += lines.iter().filter(|line| line.contains("\"crash\"")).count();
        let answer = again(&lines);
        assert!(answer.difference.is_none(), "{:?}: {}", answer.difference, told(&model, &way));
    }
    assert!(crashes > 10, "{crashes}");
}

fn walk(model: &Engines, steps: usize, rng: &mut ChaCha8Rng) -> Way {
    let mut way = Way::new();
    let mut state = model.init_states().swap_remove(0);
    for _ in 0..steps {
        let mut next = model.next_steps(&state);
        if next.is_empty() {
            break;
        }
        let (step, after) = next.swap_remove(rng.random_range(0..next.len()));
        way.push((state, Some(step)));
        state = after;
    }
    way.push((state, None));
    way
}

fn told(model: &Engines, way: &Way) -> String {
    let steps = way.iter().filter_map(|(_, step)| step.as_ref());
    steps.map(|step| model.told(step)).collect::<Vec<_>>().join("\n")
}

/// Changes the last line that `changes` wants to change, and expects a difference there or later.
fn assert_noticed(what: &str, changes: impl Fn(&str) -> Option<String>) {
    let mut lines = to(setup(FOUR, "vw", Mode::Reduced, 0), Witness::FirstBallotDecided);
    let found = lines.iter().rposition(|line| changes(line).is_some());
    let at = found.unwrap_or_else(|| panic!("no line for: {what}"));
    lines[at] = changes(&lines[at]).unwrap();
    let difference = again(&lines).difference.unwrap_or_else(|| panic!("not noticed: {what}"));
    assert!(difference.line > at, "{what}: line {}, changed was {}", difference.line, at + 1);
}

#[test]
fn what_was_changed_is_noticed() {
    assert_noticed("a vote that is not fresh", |line| {
        let (before, _) = line.split_once("\"learners\":[\"")?;
        line.contains("\"1b\"").then(|| format!("{before}\"learners\":[]}}}}"))
    });
    assert_noticed("another decision", |line| {
        let (before, _) = line.split_once("\"value\":\"")?;
        let other = "ab".repeat(32);
        line.contains("\"decide\"").then(|| format!("{before}\"value\":\"{other}\"}}"))
    });
    assert_noticed("another proposal", |line| {
        let changed = line.replace("\"round\":0", "\"round\":1");
        (line.contains("\"1a\"") && changed != line).then_some(changed)
    });
}

/// With a deliberate bug, the trace shows where the definitions would not have it.
#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use hpaxos_consensus::rules::{Mutant, Rules};

    /// Where the trace of a path first differs.
    fn differs(mutant: &str, witness: Option<Witness>) -> (Found, String) {
        let mutant = Mutant::ALL.iter().find(|one| one.name() == mutant).unwrap();
        let mut setup = setup(FOUR, "vw", Mode::Reduced, 0);
        // One says nothing: the others see all there is to see, sooner.
        setup.byzantine = setup.setting.acceptors.last().copied().into_iter().collect();
        setup.rules = Rules::with(*mutant);
        let model = Engines::new(setup);
        let found = search(&model, witness, None);
        let (Found::Shown(way) | Found::Violated(_, way)) = &found else {
            panic!("nothing came of {}", mutant.name())
        };
        let lines = lines(&model, way);
        let difference = again(&lines).difference.unwrap();
        (found, lines[difference.line - 1].clone())
    }

    #[test]
    fn a_violation_differs_from_the_definitions() {
        let (found, line) = differs("always-fresh", None);
        let Found::Violated(property, _) = found else { panic!("agreement holds") };
        assert_eq!(property.name(), "agreement");
        assert!(line.contains("\"send\"") && line.contains("\"1b\""), "{line}");
    }

    #[test]
    fn a_violation_of_no_property_differs_from_the_definitions() {
        let first = Some(Witness::FirstBallotDecided);
        let (_, line) = differs("quorum-minus-one", first);
        assert!(line.contains("\"send\"") && line.contains("\"2a\""), "{line}");
        let (_, line) = differs("decide-minus-one", first);
        assert!(line.contains("\"decide\""), "{line}");
    }
}
