//! Validators that are killed, lose their stores, and come back: real programs, under load.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use hpaxos_consensus::trace::{self, Line};
use hpaxos_node::api::answers::Silent;
use hpaxos_spec::replay::replay;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use support::{Net, four, wait_for};

const NODES: [&str; 4] = ["v1", "v2", "v3", "v4"];

/// A network of four that traces everything, under load.
fn traced(folder: &Path) -> Net {
    let topology = four(folder);
    let topology = topology.to_str().unwrap();
    Net::up(folder, &["--topology", topology, "--no-story", "--trace", "--load", "50/s"])
}

fn height(net: &Net, node: &str) -> u64 {
    net.height(node, "red+blue", "red")
}

/// Waits until a node has executed some more slots.
fn goes_on(net: &Net, node: &str, slots: u64) {
    let before = height(net, node);
    wait_for(&format!("{node} to go on"), || (height(net, node) > before + slots).then_some(()));
}

/// Waits until a node that was away is where the others are now.
fn catches_up(net: &Net, node: &str) {
    let others = height(net, "v1");
    wait_for(&format!("{node} to catch up"), || (height(net, node) >= others).then_some(()));
}

/// What a node says about silence in the log of both chains; none as long as it does not answer.
fn silent(net: &Net, node: &str) -> Option<Option<Silent>> {
    Some(net.logs(node)?.logs.get("red+blue")?.silent.clone())
}

/// What a running node has written so far: the last line may be half written.
fn lines(net: &Net, node: &str) -> Vec<Line> {
    let Ok(file) = File::open(net.folder().trace_path(node)) else { return Vec::new() };
    trace::read(BufReader::new(file)).map_while(Result::ok).collect()
}

/// The slots in which a node has signed something since it last started.
fn signed_since_start(net: &Net, node: &str) -> Vec<u64> {
    let (mut signed, mut loaded) = (Vec::new(), BTreeSet::new());
    for line in lines(net, node) {
        match line {
            Line::Restart { .. } => (signed, loaded) = Default::default(),
            // What is told of such a slot may be from before.
            Line::Loaded { log, slot, .. } if &*log.0 == "red+blue" => drop(loaded.insert(slot.0)),
            Line::Send { log, slot, .. } if &*log.0 == "red+blue" => signed.push(slot.0),
            _ => {}
        }
    }
    signed.retain(|slot| !loaded.contains(slot));
    signed
}

/// All is as promised but for these properties, nobody is accused, and every trace can be run again.
fn ends_well(net: Net, but_for: &[&str]) {
    for node in NODES {
        assert_eq!(net.client(node).graph().unwrap().caught, [""; 0], "{node} accuses");
    }
    let folder = net.folder();
    let said = net.down();
    for property in said.answer["properties"].as_array().unwrap() {
        let holds = property["holds"] == true || but_for.iter().any(|it| property["name"] == *it);
        assert!(holds, "{}\n{:#}", said.told, said.answer);
    }
    for node in NODES {
        let file = File::open(folder.trace_path(node)).unwrap();
        let answer = replay(BufReader::new(file), folder.path()).unwrap();
        assert!(answer.difference.is_none(), "{node}: {answer:?}");
        assert!(answer.decisions > 10 && answer.replies > 10, "{node}: {answer:?}");
    }
}

#[test]
fn who_is_killed_goes_on_and_contradicts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let net = traced(folder.path());
    const KILLS: u64 = 6;
    for kill in 0..KILLS {
        goes_on(&net, "v2", kill);
        net.act(&["kill", "v2"]);
        goes_on(&net, "v1", kill % 3);
        net.act(&["restart", "v2"]);
        assert!(wait_for("v2", || silent(&net, "v2")).is_none(), "nothing was lost");
        catches_up(&net, "v2");
    }
    goes_on(&net, "v2", 3);
    let restarts =
        lines(&net, "v2").iter().filter(|line| matches!(line, Line::Restart { .. })).count();
    assert_eq!(restarts as u64, KILLS);
    // All four at once: what was decided, and what was signed, is on the disks.
    for node in NODES {
        net.act(&["kill", node]);
    }
    // Whoever came first before comes last now, and the other way round.
    for node in NODES.iter().rev() {
        net.act(&["restart", node]);
    }
    goes_on(&net, "v3", 3);
    for node in NODES {
        catches_up(&net, node);
    }
    // Bundles that waited died with all four.
    ends_well(net, &["accounted"]);
}

/// Runs a command on the home of a node that is down.
fn hpaxos(net: &Net, arguments: &[&str], node: &str) -> String {
    let program = Path::new(support::PROGRAM).with_file_name("hpaxos");
    let home = net.folder().home_path(node);
    let output = Command::new(program).args(arguments).arg("--home").arg(home).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The node was started again after its store was lost: it is silent for as long as it must be, and then signs again.
fn comes_back(net: &Net, node: &str, why: &str) {
    let said = wait_for("silence", || silent(net, node)?);
    assert!(said.why.contains(why), "{said:?}");
    let through = wait_for("the others to say how far they are", || match silent(net, node)? {
        Some(said) => said.through,
        None => panic!("{node} signs without having said through which slot it does not"),
    });
    assert!(through >= height(net, "v1").saturating_sub(8), "{through}");
    wait_for("the end of the silence", || silent(net, node)?.is_none().then_some(()));
    wait_for("a signature", || (!signed_since_start(net, node).is_empty()).then_some(()));
    let signed = signed_since_start(net, node);
    assert!(signed.iter().all(|slot| *slot > through), "{through}: {signed:?}");
    catches_up(net, node);
}

#[test]
fn who_lost_the_store_is_silent_until_that_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let net = traced(folder.path());
    let home = net.folder().home_path("v2");
    goes_on(&net, "v2", 5);
    net.act(&["kill", "v2"]);
    let old = folder.path().join("old");
    fs::create_dir(&old).unwrap();
    for entry in fs::read_dir(home.join("store")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, old.join(path.file_name().unwrap())).unwrap();
    }
    let said = hpaxos(&net, &["store", "reset"], "v2");
    assert!(said.contains("store.1"), "{said}");
    goes_on(&net, "v1", 2);
    net.act(&["restart", "v2"]);
    comes_back(&net, "v2", "it is missing");

    // From an old copy, which knows some of what was signed.
    net.act(&["kill", "v2"]);
    fs::remove_dir_all(home.join("store")).unwrap();
    fs::rename(&old, home.join("store")).unwrap();
    net.act(&["restart", "v2"]);
    comes_back(&net, "v2", "it is not the one");
    ends_well(net, &[]);
}

#[test]
fn a_chain_that_is_dead_for_good_is_waived() {
    let folder = tempfile::tempdir().unwrap();
    let acceptors = ["v1", "v2", "v3", "v4", "v5"];
    let declared: String = acceptors.map(|name| format!("[acceptors.{name}]\n")).concat();
    let graph = format!(
        "version = 1\n{declared}[learners.red]\nquorum = {{ at-least = 3, of = {:?} }}\n\
         [learners.blue]\nquorum = {{ at-least = 3, of = {acceptors:?} }}\n\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
         [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
        &acceptors[..3]
    );
    fs::write(folder.path().join("graph.toml"), graph).unwrap();
    let topology = folder.path().join("topology.toml");
    let text = "version = 1\ngraph = \"graph.toml\"\n[config.consensus]\nidle_slot_ms = 100\n";
    fs::write(&topology, text).unwrap();
    let net = Net::up(folder.path(), &["--topology", topology.to_str().unwrap(), "--no-story"]);
    wait_for("a decision", || (net.height("v5", "red+blue", "blue") > 2).then_some(()));
    // Without v1 red is dead; and v5 is about to lose its store.
    for node in ["v1", "v5"] {
        net.act(&["kill", node]);
    }
    hpaxos(&net, &["store", "reset"], "v5");
    net.act(&["restart", "v5"]);
    // Blue says how far it is, and red cannot.
    let of_log = |log: &str| net.logs("v5").map(|logs| logs.logs[log].silent.clone());
    let known = |log: &str| of_log(log).map(|silent| silent.is_none_or(|it| it.through.is_some()));
    wait_for("blue", || known("blue")?.then_some(()));
    assert_eq!(known("red+blue"), Some(false));

    net.act(&["kill", "v5"]);
    let config = net.folder().home_path("v5").join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let waived = text.replace("[consensus]\n", "[consensus]\nwaived = [\"red\"]\n");
    assert_ne!(text, waived);
    fs::write(&config, waived).unwrap();
    net.act(&["restart", "v5"]);
    wait_for("v5 to sign again", || of_log("red+blue")?.is_none().then_some(()));
    assert_eq!(net.client("v4").graph().unwrap().caught, [""; 0]);
    net.down();
}
