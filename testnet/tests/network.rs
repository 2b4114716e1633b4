//! Networks of the real programs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use hpaxos_consensus::message::{Keys, Message};
use hpaxos_consensus::{Evidence, NoEvidence};
use hpaxos_ledger::{BundleId, Status};
use hpaxos_node::api::answers::Evidence as Shown;
use hpaxos_node::client::ClientError;
use hpaxos_node::files::read_graph;
use hpaxos_spec::replay::replay;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;
use support::{Net, PATIENCE, four, wait_for};

/// The statuses of a bundle on all chains.
fn statuses(net: &Net, node: &str, id: &BundleId, wait: Duration) -> Vec<Status> {
    let receipt = net.client(node).receipt(id, wait).unwrap();
    receipt.into_iter().flat_map(|it| it.chains.into_values()).map(|it| it.status).collect()
}

#[test]
fn a_journey_is_booked_on_both_chains_or_on_neither() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::launch(folder.path(), &["--load", "5/s", "--for", "3s"]);
    let said = net.end();
    said.passed();
    let outcomes: Vec<&str> = said.answer["story"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["committed", "committed", "aborted"]);
    assert!(said.answer["figures"]["bundles"]["committed"].as_u64().unwrap() > 0, "{}", said.told);
    assert!(said.answer["figures"]["commit_ms"]["p50"].as_f64().is_some());

    // The same network, with what it has been through.
    let again = Net::launch(folder.path(), &["--for", "1s"]).end();
    again.passed();
    assert!(again.told.contains("Going on with the network"), "{}", again.told);
    assert!(again.told.contains("train-2/seat-12A"), "{}", again.told);
}

#[test]
fn red_stops_and_blue_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::up(folder.path(), &["--load", "5/s", "--no-story"]);
    wait_for("a decision", || (net.height("v3", "red+blue", "red") > 2).then_some(()));
    net.act(&["kill", "v1"]);
    net.act(&["kill", "v2"]);
    // What was under way may still be decided by red; with four of its six, nothing after that is.
    let halted = wait_for("red to halt", || {
        let red = net.height("v3", "red+blue", "red");
        let blue = net.height("v3", "red+blue", "blue");
        (blue > red + 4).then_some(red)
    });
    let (chimera, base) = (net.height("v3", "red+blue", "blue"), net.height("v7", "blue", "blue"));
    wait_for("blue to go on", || {
        let chimera = net.height("v3", "red+blue", "blue") > chimera + 4;
        (chimera && net.height("v7", "blue", "blue") > base + 1).then_some(())
    });
    assert_eq!(net.height("v3", "red+blue", "red"), halted, "red has no quorum");
    let blue = net.height("v3", "red+blue", "blue");
    net.act(&["restart", "v1"]);
    net.act(&["restart", "v2"]);
    wait_for("red to be back", || {
        let back = |node| net.height(node, "red+blue", "red") >= blue;
        ["v1", "v2", "v3", "v6"].into_iter().all(back).then_some(())
    });
    // Agreement is part of the verdict, over all nodes' traces: red decided what blue did.
    net.down().passed();
}

#[test]
fn what_nodes_did_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let topology = topology.to_str().unwrap();
    let net = Net::launch(
        folder.path(),
        &["--topology", topology, "--trace", "--load", "20/s", "--for", "3s"],
    );
    let traces = net.folder();
    net.end().passed();
    for node in ["v1", "v2", "v3", "v4"] {
        let path = traces.trace_path(node);
        let answer = replay(BufReader::new(File::open(&path).unwrap()), folder.path()).unwrap();
        assert!(answer.difference.is_none(), "{node}: {answer:?}");
        assert!(answer.decisions > 10 && answer.replies > 20, "{node}: {answer:?}");
    }
}

#[test]
fn what_was_acknowledged_outlives_a_stop_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let arguments = ["--topology", topology.to_str().unwrap(), "--no-story"];
    let net = Net::up(folder.path(), &arguments);
    let (client, mut taken, mut salt) = (net.client("v1"), Vec::new(), 0);
    let down = thread::scope(|scope| {
        let net = &net;
        let mut down = None;
        loop {
            salt += 1;
            match client.submit(&net.swap(salt)) {
                Ok(answer) => taken.push(answer.id.parse::<BundleId>().unwrap()),
                Err(ClientError::Refused(_)) => {}
                Err(_) => break,
            }
            if taken.len() == 50 {
                down = Some(scope.spawn(|| net.act(&["down"])));
            }
        }
        down.unwrap().join()
    });
    down.unwrap();
    net.end().passed();
    assert!(taken.len() >= 50);
    let net = Net::up(folder.path(), &arguments);
    for id in &taken {
        let all = statuses(&net, "v2", id, PATIENCE);
        assert_eq!(all, [Status::Committed; 2], "{id} of {}", taken.len());
    }
    net.down().passed();
}

/// What is under way is not done with: its chains have no quorum any more, and nobody has noticed yet.
#[test]
fn whoever_will_not_wait_for_what_is_under_way_says_so_again() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let arguments = ["--topology", topology.to_str().unwrap(), "--no-story", "--load", "20/s"];
    let net = Net::up(folder.path(), &arguments);
    wait_for("bundles", || (net.height("v3", "red+blue", "red") > 5).then_some(()));
    net.act(&["pause", "v1"]);
    net.act(&["pause", "v2"]);
    let held = || net.logs("v3")?.logs.get("red+blue")?.mempool.checked_sub(1);
    wait_for("bundles that nobody decides", held);
    net.interrupt();
    wait_for("the end of the load", || net.told().contains("under way").then_some(()));
    net.interrupt();
    let said = net.end();
    assert!(said.told.contains("It is left open."), "{}", said.told);
    let open = said.answer["figures"]["bundles"]["open"].as_u64();
    assert!(open.is_some_and(|open| open > 0), "{}\n{:#}", said.told, said.answer);
}

#[test]
fn a_bundle_that_all_hold_is_decided_within_n_slots() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let net = Net::up(
        folder.path(),
        &["--topology", topology.to_str().unwrap(), "--no-story", "--load", "20/s"],
    );
    for salt in 0..10 {
        let bundle = net.swap(1_000_000 + salt);
        let mut id = None;
        for node in ["v1", "v2", "v3", "v4"] {
            id = Some(net.client(node).submit(&bundle).unwrap().id);
        }
        // Everybody holds it: the slots that are not proposed yet are those beyond what anybody has open.
        let opened = ["v1", "v2", "v3", "v4"].into_iter().map(|node| {
            let logs = net.logs(node).unwrap();
            let log = &logs.logs["red+blue"];
            log.learners.values().map(|learner| learner.decided).max().unwrap() + log.open
        });
        let opened = opened.max().unwrap();
        let id: BundleId = id.unwrap().parse().unwrap();
        let receipt = net.client("v3").receipt(&id, PATIENCE).unwrap().unwrap();
        for (chain, of) in receipt.chains {
            assert_eq!(of.status, Status::Committed);
            let slot = of.slot.unwrap();
            assert!(slot < opened + 4, "{chain}: slot {slot}, and {opened} were open");
        }
    }
    net.down().passed();
}

#[test]
fn receipts_are_certified_and_slots_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let arguments = ["--topology", topology.to_str().unwrap(), "--no-story", "--load", "20/s"];
    let net = Net::up(folder.path(), &arguments);
    let id = net.client("v1").submit(&net.swap(1_000_000)).unwrap().id;
    let receipt = folder.path().join("receipt.json");
    let hpaxos = |arguments: &[&str]| {
        let program = Path::new(support::PROGRAM).with_file_name("hpaxos");
        std::process::Command::new(program).args(arguments).output().unwrap()
    };
    let api = net.client("v2").url().to_owned();
    let found = hpaxos(&["query", "receipt", &id, "--wait", "60s", "--api", &api]);
    std::fs::write(&receipt, &found.stdout).unwrap();
    let files = net.folder();
    let graph = files.path().join("learner-graph.toml");
    let verify = || {
        let found = hpaxos(&[
            "bundle",
            "verify",
            receipt.to_str().unwrap(),
            "--graph",
            graph.to_str().unwrap(),
        ]);
        (found.status.code(), String::from_utf8(found.stdout).unwrap())
    };
    let (code, said) = verify();
    assert_eq!(code, Some(0), "{said}");
    // One more signer, or another outcome, and it is worth nothing.
    let text = std::fs::read_to_string(&receipt).unwrap();
    for (from, to) in
        [("\"status\": \"committed\"", "\"status\": \"expired\""), ("\"epoch\": 0", "\"epoch\": 1")]
    {
        assert!(text.contains(from), "{text}");
        std::fs::write(&receipt, text.replacen(from, to, 1)).unwrap();
        let (code, said) = verify();
        assert_eq!(code, Some(1), "{from}: {said}");
        assert!(said.contains("does not hold"), "{said}");
    }
    // What is certified for all learners is in memory and on disk no more.
    wait_for("slots to be let go", || {
        let log = net.logs("v3")?.logs.remove("red+blue")?;
        (log.parked == 0 && log.learners["red"].height > 30).then_some(())
    });
    net.down().passed();
}

/// The others have let go of the messages: certificates and blocks are all that is left of what it missed.
#[test]
fn a_node_that_was_away_or_lost_its_store_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let arguments = ["--topology", topology.to_str().unwrap(), "--no-story", "--load", "50/s"];
    let net = Net::up(folder.path(), &arguments);
    let height =
        |node: &str| net.height(node, "red+blue", "red").min(net.height(node, "red+blue", "blue"));
    for loses_store in [false, true] {
        net.act(&["kill", "v4"]);
        if loses_store {
            std::fs::remove_dir_all(net.folder().path().join("v4/store")).unwrap();
        }
        let from = height("v1");
        wait_for("the others to go on", || (height("v1") > from + 60).then_some(()));
        wait_for("them to let go", || {
            let log = net.logs("v1")?.logs.remove("red+blue")?;
            (log.parked == 0).then_some(())
        });
        net.act(&["restart", "v4"]);
        let others = height("v1");
        wait_for("v4", || (height("v4") >= others).then_some(()));
    }
    let id = net.client("v1").submit(&net.swap(1_000_000)).unwrap().id.parse().unwrap();
    let all = statuses(&net, "v4", &id, PATIENCE);
    assert_eq!(all, [Status::Committed; 2]);
    net.down().passed();
}

/// Whoever has nothing but the network's files finds that these messages are of this acceptor, and that no honest one signs both.
fn proves_a_crime_of(acceptor: &str, shown: &Shown, net: &Net) {
    assert_eq!(shown.acceptor.as_deref(), Some(acceptor));
    let graph = read_graph(&net.folder().path().join("learner-graph.toml")).unwrap();
    let logs = graph.every_log();
    let keys = Keys::new(net.network(), &graph, logs.iter().map(|log| log.name())).unwrap();
    let signed = |text: &String| borsh::from_slice(&hex::decode(text).unwrap()).unwrap();
    let messages: Vec<(Message, [u8; 64])> = shown.messages.iter().flatten().map(signed).collect();
    let messages: [_; 2] = messages.try_into().unwrap();
    let mut forged = messages.clone();
    forged[1].1[7] ^= 1;
    assert_eq!(Evidence::check(forged, &keys), Err(NoEvidence::Signature));
    let proven = Evidence::check(messages, &keys).unwrap();
    assert_eq!(proven.kind.name(), shown.kind);
    assert_eq!(Some(proven.acceptor()), graph.acceptor(acceptor));
    let place = &proven.messages[0].place;
    assert_eq!((&*place.log.0, place.slot.0), (shown.log.as_str(), shown.slot));
}

#[test]
fn a_traitor_is_caught_and_a_partition_heals() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net::up(folder.path(), &["--load", "5/s", "--no-story"]);
    net.act(&["byzantine", "v5", "equivocate"]);
    let evidence = wait_for("evidence", || {
        let evidence: Vec<Shown> = net.client("v3").get("/v1/evidence", Duration::ZERO).ok()?;
        (!evidence.is_empty()).then_some(evidence)
    });
    evidence.iter().for_each(|shown| proves_a_crime_of("v5", shown, &net));
    wait_for("v5 to be named", || (net.client("v3").graph().ok()?.caught == ["v5"]).then_some(()));
    for behaviour in ["withhold", "spam"] {
        net.act(&["byzantine", "v5", behaviour]);
        let blue = net.height("v3", "red+blue", "blue");
        wait_for(behaviour, || (net.height("v3", "red+blue", "blue") > blue + 20).then_some(()));
    }
    net.act(&["partition", "v1,v2 | v3,v4,v5,v6,v7,v8"]);
    net.act(&["heal"]);
    let red = net.height("v1", "red+blue", "red");
    wait_for("red to go on", || (net.height("v1", "red+blue", "red") > red + 3).then_some(()));
    net.act(&["pause", "v6"]);
    net.act(&["restart", "v6"]);
    wait_for("v6", || net.logs("v6"));
    net.down().passed();
    // Its deeds stay in the others' stores: who accuses it is right also later.
    Net::up(folder.path(), &["--no-story"]).down().passed();
}

/// The short form of `make soak`.
#[test]
fn a_network_stands_its_nemesis() {
    let folder = tempfile::tempdir().unwrap();
    let topology = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pruned.toml");
    let arguments = "--no-story --load 20/s --nemesis 7 --strike-every 2s --topology";
    let arguments: Vec<&str> = arguments.split(' ').chain([topology]).collect();
    let net = Net::up(folder.path(), &arguments);
    // In any order: all kinds come once before one comes again.
    for blow in ["is killed", "is paused", "cut off", "is full", "is damaged", "is a traitor"] {
        wait_for(blow, || net.told().contains(blow).then_some(()));
    }
    let said = net.down();
    let properties = said.answer["properties"].as_array().unwrap();
    let violated = properties.iter().filter(|it| it["holds"] == false).map(|it| &it["name"]);
    // How long nobody gets on says something where nothing else runs, as with `make soak`.
    let violated: Vec<_> = violated.filter(|name| **name != "alive").collect();
    assert!(violated.is_empty(), "{violated:?}\n{}\n{:#}", said.told, said.answer);
    let compared = properties.iter().find(|it| it["name"] == "linearizable").unwrap();
    assert!(!compared["detail"].as_str().unwrap().starts_with("0 "), "{compared}");
}

#[test]
fn a_full_disk_stops_its_node_only_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    // As long as there is a file of this name, v2 cannot write more than so many KiB into one.
    let full = folder.path().join("full");
    std::fs::write(&full, "").unwrap();
    let program = Path::new(support::PROGRAM).with_file_name("hpaxos");
    let script = format!(
        "#!/bin/bash\nif [[ \"$*\" == *net/v2* && -e {} ]]; then trap '' XFSZ; ulimit -f 400; fi\nexec {} \"$@\"\n",
        full.display(),
        program.display()
    );
    let wrapper = folder.path().join("hpaxos");
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (topology, wrapper) = (topology.to_str().unwrap(), wrapper.to_str().unwrap());
    let arguments = ["--topology", topology, "--no-story", "--load", "50/s", "--hpaxos", wrapper];
    let net = Net::up(folder.path(), &arguments);
    wait_for("the disk to be full", || net.told().contains("v2 ended by itself").then_some(()));
    let log = std::fs::read_to_string(net.folder().log_path("v2")).unwrap();
    assert!(log.contains("error: the store: IO error"), "{log}");
    let others = net.height("v1", "red+blue", "red");
    wait_for("the others", || (net.height("v1", "red+blue", "red") > others + 5).then_some(()));
    std::fs::remove_file(&full).unwrap();
    net.act(&["restart", "v2"]);
    let others = net.height("v1", "red+blue", "red");
    wait_for("v2", || (net.height("v2", "red+blue", "red") >= others).then_some(()));
    let said = net.down();
    let properties = said.answer["properties"].as_array().unwrap().iter();
    let violated: Vec<_> = properties.filter(|it| it["holds"] == false).collect();
    let names: Vec<_> = violated.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["processes"], "{:#}", said.answer);
    let how = violated[0]["detail"].as_str().unwrap();
    assert!(how.starts_with("v2: it ended by itself with exit status: 2:\n"), "{how}");
    assert_eq!(said.code, Some(1));
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let topology = four(folder.path());
    let topology = topology.to_str().unwrap();
    let net = Net::up(folder.path(), &["--topology", topology, "--no-story"]);
    for (arguments, expected) in [
        (vec!["kill", "v9"], "there is no node `v9`; there are v1, v2, v3, v4"),
        (vec!["partition", "v1,v2"], "two or more groups"),
        (vec!["partition", "v1 | v1,v2"], "v1 is in two groups"),
        (vec!["up", "--json"], "a network runs here already"),
    ] {
        let output = net.tell(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    net.down().passed();
    // A port that somebody has. The two after it may be somebody else's as well, who is found first then.
    let own = std::fs::read_to_string(topology).unwrap();
    let numbered = folder.path().join("numbered.toml");
    let named = (0..10).any(|_| {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        std::fs::write(&numbered, format!("{own}base-port = {port}\n")).unwrap();
        let arguments = ["--topology", numbered.to_str().unwrap()];
        let busy = Net::launch(folder.path(), &arguments).end();
        assert_eq!(busy.code, Some(2), "{}", busy.told);
        assert!(busy.told.contains("cannot listen on"), "{}", busy.told);
        busy.told.contains(&format!("cannot listen on /ip4/127.0.0.1/tcp/{port}"))
    });
    assert!(named);
    // The default topology is another network.
    let other = Net::launch(folder.path(), &["--for", "1s"]).end();
    assert_eq!(other.code, Some(2));
    assert!(other.told.contains("another topology; nothing was changed"), "{}", other.told);
    let empty = folder.path().join("empty");
    let output = std::process::Command::new(support::PROGRAM)
        .args(["status", "--folder"])
        .arg(&empty)
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no network"));
}
