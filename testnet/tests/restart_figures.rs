//! How long nodes take to come back, and what a dead chain costs: with real processes, for minutes.
//!
//! ```text
//! TESTNET_PROGRAM=target/release/hpaxos-testnet cargo test -p hpaxos-testnet --test restart_figures -- --ignored --nocapture --test-threads 1
//! ```
//!
//! FIGURE_SLOTS, FIGURE_OBJECTS and FIGURE_DEAD_SLOTS say how much there is to come back to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use hpaxos_ledger::{Operation, Part, Status};
use hpaxos_node::client::ClientError;
use hpaxos_testnet::story::signed;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Net, PATIENCE, four, program, wait_for};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Waits for as long as it takes.
fn reaches(net: &Net, node: &str, (log, learner): (&str, &str), height: u64) {
    while net.height(node, log, learner) < height {
        thread::sleep(Duration::from_millis(50));
    }
}

/// A network whose slots follow each other as fast as they go.
fn fast(folder: &Path, graph: &str) -> Net {
    fs::write(folder.join("graph.toml"), graph).unwrap();
    let topology = folder.join("topology.toml");
    let settings = "[config.consensus]\nslot_ms_min = 0\nidle_slot_ms = 0\n";
    fs::write(&topology, format!("version = 1\ngraph = \"graph.toml\"\n{settings}")).unwrap();
    Net::up(folder, &["--topology", topology.to_str().unwrap(), "--no-story", "--direct"])
}

fn with(topology: PathBuf, settings: &str) -> String {
    let text = fs::read_to_string(&topology).unwrap();
    fs::write(&topology, text + settings).unwrap();
    topology.to_str().unwrap().to_owned()
}

#[test]
#[ignore = "takes minutes; measures"]
fn a_node_with_a_long_past_signs_again() {
    let slots = number("FIGURE_SLOTS", 100_000);
    let folder = tempfile::tempdir().unwrap();
    let graph = "version = 1\n[acceptors.v1]\n[acceptors.v2]\n[acceptors.v3]\n[acceptors.v4]\n\
         [learners.red]\nquorum = { at-least = 3, of = [\"v1\", \"v2\", \"v3\", \"v4\"] }\n";
    let net = fast(folder.path(), graph);
    reaches(&net, "v1", ("red", "red"), slots);
    // From now on nothing is decided without v1.
    net.act(&["kill", "v4"]);
    net.act(&["kill", "v1"]);
    thread::sleep(Duration::from_secs(2));
    let halted = net.height("v2", "red", "red");
    let started = Instant::now();
    net.act(&["restart", "v1"]);
    let answers = started.elapsed();
    wait_for("v1's votes", || (net.height("v2", "red", "red") > halted + 1).then_some(()));
    println!(
        "{halted} slots in the store: from the start to answering {answers:.2?}, to two decisions that need its votes {:.2?}",
        started.elapsed()
    );
    net.down();
}

#[test]
#[ignore = "takes minutes; measures"]
fn a_node_without_a_store_begins_with_a_large_snapshot() {
    let objects = number("FIGURE_OBJECTS", 1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let settings = "[config.store]\nkeep_slots = 64\n[config.consensus]\nidle_slot_ms = 20\n";
    let topology = with(four(folder.path()), settings);
    let net = Net::up(folder.path(), &["--topology", &topology, "--no-story", "--direct"]);

    let (alice, made) = (net.key("alice"), AtomicU64::new(0));
    let (network, until) = (net.network(), net.height("v1", "red+blue", "red") + 10_000);
    let started = Instant::now();
    thread::scope(|scope| {
        for node in ["v1", "v2", "v3"].repeat(64) {
            let (net, alice, made) = (&net, &alice, &made);
            scope.spawn(move || {
                let client = net.client(node);
                loop {
                    let first = made.fetch_add(64, Ordering::Relaxed);
                    if first >= objects {
                        return;
                    }
                    let create = |number: u64| Operation::Create {
                        key: format!("red+blue:thing/{number}"),
                        value: number.to_be_bytes().into(),
                        owner: alice.verifying_key().to_bytes(),
                    };
                    let operations = (first..objects.min(first + 64)).map(create).collect();
                    let part = Part { chain: "red".into(), operations };
                    let bundle =
                        signed(network, "red+blue", until, first, vec![part], [alice].into_iter());
                    let id = loop {
                        match client.submit(&bundle) {
                            Ok(answer) => break answer.id.parse().unwrap(),
                            Err(_) => thread::sleep(Duration::from_millis(50)),
                        }
                    };
                    let status = || match client.receipt(&id, PATIENCE) {
                        Ok(receipt) => Some(receipt?.chains["red"].status),
                        // Its slot has been let go of meanwhile.
                        Err(ClientError::Refused(why)) if why.to_string().contains("from slot") => {
                            Some(Status::Committed)
                        }
                        Err(_) => None,
                    };
                    let settled = || status().filter(|status| *status != Status::Pending);
                    assert_eq!(wait_for("an outcome", settled), Status::Committed);
                }
            });
        }
    });
    println!("{objects} objects, made in {:.0?}", started.elapsed());
    let last = format!("red+blue:thing/{}", objects - 1);
    net.client("v1").object("red", &last).unwrap();

    net.act(&["kill", "v4"]);
    let missed = net.height("v1", "red+blue", "red");
    let output = Command::new(program().with_file_name("hpaxos"))
        .args(["store", "reset", "--home"])
        .arg(net.folder().home_path("v4"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let begins = |node: &str| net.logs(node).map_or(0, |logs| logs.logs["red+blue"].begins);
    while ["v1", "v2", "v3"].into_iter().any(|node| begins(node) <= missed) {
        thread::sleep(Duration::from_millis(50));
    }
    let started = Instant::now();
    net.act(&["restart", "v4"]);
    let answers = started.elapsed();
    wait_for("the state", || (net.height("v4", "red+blue", "red") > missed).then_some(()));
    let whole = started.elapsed();
    wait_for("v4 to sign", || net.logs("v4")?.logs["red+blue"].silent.is_none().then_some(()));
    println!(
        "from the start to answering {answers:.2?}, to the state of {objects} objects {whole:.2?}, to signing {:.2?}",
        started.elapsed()
    );
    net.down();
}

/// Resident memory of a node, MB.
fn memory(net: &Net, node: &str) -> f64 {
    let network = net.folder().network().unwrap();
    let node = network.validators.into_iter().find(|one| one.name == node).unwrap();
    let status = Path::new("/proc").join(node.pid.unwrap().to_string()).join("status");
    let status = fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1_024.0
}

#[test]
#[ignore = "takes minutes; measures"]
fn a_chain_is_dead_for_many_slots() {
    let slots = number("FIGURE_DEAD_SLOTS", 100_000);
    let folder = tempfile::tempdir().unwrap();
    let graph = "version = 1\n[acceptors.v1]\n[acceptors.v2]\n[acceptors.v3]\n[acceptors.v4]\n[acceptors.v5]\n\
         [learners.red]\nquorum = { at-least = 4, of = [\"v1\", \"v2\", \"v3\", \"v4\", \"v5\"] }\n\
         [learners.blue]\nquorum = { at-least = 3, of = [\"v1\", \"v2\", \"v3\", \"v4\"] }\n\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n[logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n";
    let net = fast(folder.path(), graph);
    let (red, blue) = (("red+blue", "red"), ("red+blue", "blue"));
    reaches(&net, "v1", red, 10);
    net.act(&["kill", "v4"]);
    net.act(&["kill", "v5"]);
    let (started, first) = (Instant::now(), net.height("v1", "red+blue", "blue"));
    for part in [slots / 4, slots / 2, slots * 3 / 4, slots] {
        reaches(&net, "v1", blue, first + part);
        let log = net.logs("v1").unwrap().logs.remove("red+blue").unwrap();
        println!(
            "red is dead for {part} slots: {:.0} a second, {:.1} MB of memory, {} parked, {} bytes each on disk",
            part as f64 / started.elapsed().as_secs_f64(),
            memory(&net, "v1"),
            log.parked,
            log.parked_bytes / log.parked.max(1)
        );
    }
    let started = Instant::now();
    net.act(&["restart", "v4"]);
    let decided = net.height("v1", "red+blue", "blue");
    reaches(&net, "v1", red, decided);
    println!("back, red has decided them after {:.0?}", started.elapsed());
    // The verdict is over the decisions of all nodes: red's are blue's.
    let said = net.down();
    let mut properties = said.answer["properties"].as_array().unwrap().iter();
    let agreement = properties.find(|it| it["name"] == "agreement").unwrap();
    assert_eq!(agreement["holds"], true, "{:#}", said.answer);
    println!("agreement: {}", agreement["detail"]);
}
