//! A network that lets go of old slots, and nodes that begin with a snapshot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use hpaxos_ledger::{BundleId, Operation, Part, Status};
use hpaxos_node::client::ClientError;
use hpaxos_node::home::Home;
use hpaxos_node::store::{LogIndex, Store};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::{Net, PATIENCE, four, wait_for};

/// Bytes of the value of a big object: with some of them a state takes more than one piece.
const BIG: usize = 60_000;

/// Runs a command on the home of a node that is down.
fn hpaxos(net: &Net, arguments: &[&str], node: &str) -> String {
    let program = Path::new(support::PROGRAM).with_file_name("hpaxos");
    let home = net.folder().home_path(node);
    let output = Command::new(program).args(arguments).arg("--home").arg(home).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn height(net: &Net, node: &str) -> u64 {
    net.height(node, "red+blue", "red").min(net.height(node, "red+blue", "blue"))
}

fn begins(net: &Net, node: &str) -> u64 {
    net.logs(node).and_then(|logs| Some(logs.logs.get("red+blue")?.begins)).unwrap_or(0)
}

/// Changes the big objects in the store of a node that is down: it will send them to whoever asks.
fn damage(net: &Net, node: &str) {
    let home = Home::open(&net.folder().home_path(node)).unwrap();
    let owner = home.key().unwrap().public_key();
    let store = Store::open(&home.store_path(), net.network(), &owner.0).unwrap();
    let graph = hpaxos_node::files::read_graph(&home.graph_path(&home.config().unwrap())).unwrap();
    let log = graph.every_log().iter().position(|log| log.name() == "red+blue").unwrap();
    let log = LogIndex(log as u16);
    let mut changed = Vec::new();
    let mut change = |key: &[u8], value: &[u8]| {
        if value.len() > BIG {
            let mut value = value.to_vec();
            value[BIG / 2] ^= 1;
            changed.push((key.to_vec(), Some(value)));
        }
        true
    };
    store.view(log).each_back(b"v", b"w", &mut change).unwrap();
    assert!(changed.len() > 20);
    store.write_view(log, changed.iter().map(|(key, value)| (key, value))).unwrap();
    store.sync_views().unwrap();
}

#[test]
fn who_lacks_what_the_others_let_go_of_begins_with_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let text = fs::read_to_string(&topology).unwrap();
    let settings =
        "followers = 1\n[config.store]\nkeep_slots = 64\n[config.consensus]\nidle_slot_ms = 20\n";
    fs::write(&topology, text + settings).unwrap();
    let topology = topology.to_str().unwrap();
    let arguments = ["--topology", topology, "--no-story", "--load", "10/s"];
    let net = Net::up(folder.path(), &arguments);

    let alice = net.key("alice");
    let mut ids: Vec<BundleId> = Vec::new();
    for number in 0..24u64 {
        let create = Operation::Create {
            key: format!("red+blue:big/{number}"),
            value: vec![number as u8; BIG],
            owner: alice.verifying_key().to_bytes(),
        };
        let parts = vec![Part { chain: "red".into(), operations: vec![create] }];
        let bundle = net.signed(number, parts, &[&alice]);
        ids.push(net.client("v1").submit(&bundle).unwrap().id.parse().unwrap());
    }
    for id in &ids {
        let receipt = net.client("v1").receipt(id, PATIENCE).unwrap().unwrap();
        assert_eq!(receipt.chains["red"].status, Status::Committed);
    }
    // What they let go of rests on what is on their disks.
    let made = height(&net, "v1");
    wait_for("v2 to let go", || (begins(&net, "v2") > made).then_some(()));
    // Nothing is decided without both, so that v2 misses nothing: it, too, would begin with a
    // snapshot, and what is damaged would be right again.
    net.act(&["kill", "v3"]);
    let needs_v2 = |net: &Net| {
        let undecided = height(net, "v1") + 1;
        wait_for("a decision with v2", || (height(net, "v2") > undecided).then_some(()));
    };
    needs_v2(&net);
    net.act(&["kill", "v2"]);
    damage(&net, "v2");
    net.act(&["restart", "v2"]);
    needs_v2(&net);
    net.act(&["restart", "v3"]);

    // What they miss is gone when they are back, and so is all that they had.
    for node in ["v4", "follower-1"] {
        net.act(&["kill", node]);
    }
    let missed = height(&net, "v1");
    assert!(hpaxos(&net, &["store", "reset"], "v4").contains("store.1"));
    fs::remove_dir_all(net.folder().home_path("follower-1").join("store")).unwrap();
    wait_for("the others to let go", || {
        let begun = |node: &&str| begins(&net, node) > missed;
        ["v1", "v2", "v3"].iter().all(begun).then_some(())
    });
    // A bundle whose slot is gone has no receipt any more, and who asks is told why.
    match net.client("v1").receipt(&ids[0], Duration::ZERO) {
        Err(ClientError::Refused(why)) => assert!(why.to_string().contains("from slot"), "{why}"),
        Ok(None) => {}
        other => panic!("{other:?}"),
    }
    for node in ["v4", "follower-1"] {
        net.act(&["restart", node]);
    }
    let others = height(&net, "v1");
    for node in ["v4", "follower-1"] {
        wait_for(node, || (height(&net, node) >= others).then_some(()));
        assert!(begins(&net, node) > missed, "{node} has executed nothing of what it missed");
        let log = fs::read_to_string(net.folder().log_path(node)).unwrap();
        assert!(log.contains("goes on from a snapshot"), "{log}");
    }
    // Whoever asks v2 gets a wrong piece sooner or later; whom a piece is asked of is a matter of time.
    let refused = || {
        ["v4", "follower-1"].iter().any(|node| {
            let log = fs::read_to_string(net.folder().log_path(node)).unwrap();
            log.contains("a piece of a snapshot is wrong") && log.contains("its hash is another")
        })
    };
    for _ in 0..20 {
        if refused() {
            break;
        }
        net.act(&["kill", "follower-1"]);
        fs::remove_dir_all(net.folder().home_path("follower-1").join("store")).unwrap();
        net.act(&["restart", "follower-1"]);
        let others = height(&net, "v1");
        wait_for("it to begin anew", || (height(&net, "follower-1") >= others).then_some(()));
    }
    assert!(refused(), "v2 has wrong pieces");

    // It signs again: without it and without v3 there is no quorum.
    wait_for("v4 to sign", || {
        let logs = net.logs("v4")?;
        logs.logs["red+blue"].silent.is_none().then_some(())
    });
    net.act(&["kill", "v3"]);
    let id = net.client("v1").submit(&net.swap(1_000_000)).unwrap().id.parse().unwrap();
    for node in ["v4", "follower-1"] {
        let receipt = net.client(node).receipt(&id, PATIENCE).unwrap().unwrap();
        assert!(receipt.chains.values().all(|it| it.status == Status::Committed), "{node}");
    }
    // What was executed before the snapshot is not executed again.
    net.act(&["kill", "v4"]);
    let verified = hpaxos(&net, &["store", "verify"], "v4");
    assert!(
        verified.contains("begins with slot") && verified.contains("All is right"),
        "{verified}"
    );
    let inspected = hpaxos(&net, &["store", "inspect"], "v4");
    assert!(inspected.contains("from ") && inspected.contains("history"), "{inspected}");
    net.act(&["restart", "v4"]);
    wait_for("v4 once more", || (height(&net, "v4") >= others).then_some(()));
    assert!(begins(&net, "v4") > missed);
    // Agreement and equal roots are part of the verdict, over all nodes' traces.
    net.down().passed();
}
