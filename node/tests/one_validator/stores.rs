//! Stores of nodes that rest, whole and damaged.

use crate::world::World;
use hpaxos_consensus::{Config, Effects, Event, Record, Replica, Round, Slot, Trust, ValueHash};
use hpaxos_learner_graph::LearnerSet;
use hpaxos_ledger::{
    Attestation, Certificate, EPOCH, History, ResultsRoot, Signed, StateRoot, network_id,
};
use hpaxos_node::files::{read_genesis, read_graph};
use hpaxos_node::keys::KeyFile;
use hpaxos_node::store::{LogIndex, Store, Turn};
use rocksdb::{DB, IteratorMode, Options};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// A node that did something, and stopped.
fn rested() -> World {
    let mut world = World::running();
    let parts = [
        "red: transfer red+blue:seat/12A to bob.json",
        "blue: pay 10 gold from bob.json to alice.json",
    ];
    world.signed("swap.json", &parts, &[], &["alice.json", "bob.json"]);
    world.submit("swap.json").expect(0, "red: committed");
    world.stop();
    world
}

fn store(world: &World, command: &str) -> crate::world::Said {
    world.run(&["store", command, "--home", "home"])
}

/// What is in the store's files.
fn files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(world.store()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Puts the messages of a slot that nobody has decided into a store: the node's own proposal, and its vote.
fn propose(world: &World) {
    let graph = read_graph(&world.path("home/learner-graph.toml")).unwrap();
    let genesis = read_genesis(&world.path("home/genesis.toml"), &graph).unwrap();
    let network = network_id(&graph, &genesis).unwrap();
    let key = KeyFile::read(&world.path("home/key.json")).unwrap().unlock(None).unwrap();
    let store = Store::open(&world.store(), network, &key.verifying_key().to_bytes()).unwrap();
    let logs = graph.every_log();
    let index = logs.iter().position(|log| log.name() == "red+blue").unwrap();
    let trust = Arc::new(Trust::new(logs[index].clone()).unwrap());
    let config = Config::new(network, trust, graph.acceptor("solo"), Arc::new(key));
    let (mut replica, mut effects) = (Replica::new(config), Effects::default());
    let slot = Slot(0);
    replica.handle(Event::Open, &mut effects);
    replica.settle(&mut effects);
    let value = ValueHash([7; 32]);
    replica.handle(Event::Block { slot, round: Round(0), value }, &mut effects);
    replica.settle(&mut effects);
    let mut turn = Turn::default();
    let messages = effects.store.iter().filter(|it| matches!(it, Record::Messages { .. }));
    for (record, number) in messages.zip(0..) {
        store.put_record(&mut turn, LogIndex(index as u16), number, record).unwrap();
    }
    assert!(turn.records() > 0);
    store.commit(turn).unwrap();
}

/// Changes the database behind the program's back.
fn damage(world: &World, change: impl FnOnce(&DB)) {
    let (options, path) = (Options::default(), world.store());
    let families = DB::list_cf(&options, &path).unwrap();
    change(&DB::open_cf(&options, &path, families).unwrap());
}

/// The first row of a family whose key begins so.
fn row(database: &DB, family: &str, prefix: &[u8]) -> (Box<[u8]>, Box<[u8]>) {
    let rows = database.iterator_cf(database.cf_handle(family).unwrap(), IteratorMode::Start);
    let mut rows = rows.map(Result::unwrap).filter(|(key, _)| key.starts_with(prefix));
    rows.next().expect("there is one")
}

#[test]
fn is_inspected_verified_and_compacted_at_rest() {
    let mut world = World::running();
    let running = format!("another hpaxos runs with this home (home): pid {}", world.pid());
    for command in ["inspect", "verify", "compact"] {
        store(&world, command).expect(2, &running);
    }
    let parts = ["red: delete red+blue:seat/12B", "blue: pay 1 gold from bob.json to alice.json"];
    world.signed("bundle.json", &parts, &[], &["alice.json", "bob.json"]);
    world.submit("bundle.json").expect(0, "red: committed");
    world.stop();

    let before = files(&world);
    store(&world, "inspect").expect(0, "log red+blue").expect(0, "0 parked");
    let inspected = world.run(&["store", "inspect", "--home", "home", "--json"]).json();
    let log = &inspected["logs"]["red+blue"];
    let number = |value: &Value| value.as_u64().unwrap();
    let red = &log["learners"]["red"];
    assert!(number(&red["height"]) > 0 && number(&red["decided"]) >= number(&red["height"]));
    assert_eq!(number(&red["decisions"]), number(&red["decided"]));
    assert!(number(&log["blocks"]) > 0 && number(&inspected["disk_bytes"]) > 0);
    assert_eq!(number(&log["messages"]), 0, "what is certified needs no messages");
    store(&world, "verify").expect(0, "All is right.");
    let report = world.run(&["store", "verify", "--home", "home", "--json"]).json();
    assert!(number(&report["executed"]) > 0 && report["findings"].as_array().unwrap().is_empty());
    assert_eq!(files(&world), before, "who looks changes nothing");
    store(&world, "compact").expect(0, "before");
    store(&world, "verify").expect(0, "All is right.");

    // The node goes on where it was, and its store is still right.
    world.start();
    world.signed("more.json", &["red: delete red+blue:seat/12C"], &[], &["alice.json"]);
    world.submit("more.json").expect(0, "red: committed");
    world.stop();
    store(&world, "verify").expect(0, "All is right.");
}

#[test]
fn damage_is_found_where_it_is() {
    let world = rested();
    let changed = std::cell::Cell::new(None);
    let graph = read_graph(&world.path("home/learner-graph.toml")).unwrap();
    let index = graph.every_log().iter().position(|log| log.name() == "red+blue").unwrap();
    let index = (index as u16).to_be_bytes();
    // Each change is undone, so that the next one is alone.
    let find =
        |family: &str, prefix: &[u8], change: &dyn Fn(&mut Vec<u8>) -> bool, message: &str| {
            damage(&world, |database| {
                let handle = database.cf_handle(family).unwrap();
                let (key, before) = row(database, family, prefix);
                let mut after = before.to_vec();
                if change(&mut after) {
                    database.put_cf(handle, &key, after).unwrap();
                } else {
                    database.delete_cf(handle, &key).unwrap();
                }
                changed.set(Some((key, before)));
            });
            store(&world, "verify").expect(1, message).expect(1, "wrong:");
            damage(&world, |database| {
                let (key, before) = changed.take().unwrap();
                database.put_cf(database.cf_handle(family).unwrap(), key, before).unwrap();
            });
            store(&world, "verify").expect(0, "All is right.");
        };
    let garbage = |put: bool| {
        damage(&world, |database| {
            let (handle, key) =
                (database.cf_handle("evidence").unwrap(), [&index[..], b"x"].concat());
            if put { database.put_cf(handle, key, b"x") } else { database.delete_cf(handle, key) }
                .unwrap();
        });
    };
    garbage(true);
    store(&world, "verify").expect(1, "evidence cannot be read");
    garbage(false);
    let flip_last = |bytes: &mut Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        true
    };
    let remove = |_: &mut Vec<u8>| false;
    propose(&world);
    // A record of messages ends with a signature.
    find("messages", &index, &flip_last, "its signature is wrong");
    find(
        "messages",
        &index,
        &|bytes| {
            bytes.truncate(3);
            true
        },
        "a record cannot be read",
    );
    find("decisions", &index, &flip_last, "and its record decides");
    find("blocks", &index, &flip_last, "its bytes have the hash");
    find("blocks", &index, &remove, "the executed block");
    let of_view = |kind: &[u8]| [&index[..], &[0; 2], kind].concat();
    find(
        "views",
        &of_view(b"h"),
        &|bytes| {
            bytes[0] ^= 1;
            true
        },
        "its view",
    );
    find(
        "views",
        &of_view(&[&b"s"[..], &1u64.to_be_bytes()].concat()),
        &|bytes| {
            bytes[40] ^= 1;
            true
        },
        "its history is",
    );
    find("views", &of_view(b"s"), &remove, "its summary is missing");
    find("views", &of_view(b"r"), &remove, "its list of results is missing");
    find(
        "meta",
        b"waiting",
        &|bytes| {
            bytes.push(1);
            true
        },
        "the bundles that waited",
    );
}

/// Who catches up stores what it is proven by, and then executes slot after slot.
#[test]
fn what_is_executed_on_the_way_to_a_certificate_is_right() {
    let world = rested();
    let graph = read_graph(&world.path("home/learner-graph.toml")).unwrap();
    let genesis = read_genesis(&world.path("home/genesis.toml"), &graph).unwrap();
    let network = network_id(&graph, &genesis).unwrap();
    let key = KeyFile::read(&world.path("home/key.json")).unwrap().unlock(None).unwrap();
    let logs = graph.every_log();
    damage(&world, |database| {
        for family in ["decisions", "certificates"] {
            let handle = database.cf_handle(family).unwrap();
            database.delete_range_cf(handle, &[][..], &[0xff; 64][..]).unwrap();
        }
    });
    store(&world, "verify").expect(1, "and its record decides nothing");
    let certify = |forge: bool| {
        let store = Store::open(&world.store(), network, &key.verifying_key().to_bytes()).unwrap();
        let mut turn = Turn::default();
        for (log, index) in logs.iter().zip(0..) {
            for learner in log.learners().iter() {
                let attestation = Attestation {
                    epoch: EPOCH,
                    log: log.name().to_owned(),
                    slot: 1_000_000,
                    learners: vec![graph.learner_name(learner).to_owned()],
                    history: History([1; 32]),
                    results_root: ResultsRoot([2; 32]),
                    state_root: StateRoot([3; 32]),
                };
                let mut signature = attestation.sign(network, &key);
                signature[0] ^= u8::from(forge);
                let signed = Signed {
                    acceptor: graph.acceptor("solo").unwrap(),
                    learners: LearnerSet::from_iter([learner]),
                    signature,
                };
                let learner_name = attestation.learners[0].clone();
                let certificate = Certificate {
                    epoch: EPOCH,
                    log: attestation.log,
                    slot: attestation.slot,
                    learner: learner_name,
                    history: attestation.history,
                    results_root: attestation.results_root,
                    state_root: attestation.state_root,
                    signatures: vec![signed],
                };
                store.add_certificate(&mut turn, LogIndex(index), learner, &certificate);
            }
        }
        store.commit(turn).unwrap();
    };
    certify(true);
    store(&world, "verify")
        .expect(1, "and its record decides nothing")
        .expect(1, "a certificate of");
    certify(false);
    // That its slots are retired was among the rows, too.
    let said = store(&world, "verify");
    said.expect(1, "and no record says so");
    assert!(!said.out.contains("decides") && !said.out.contains("a certificate of"), "{said:?}");
}

#[test]
fn another_store_is_refused() {
    let world = rested();
    for command in ["inspect", "verify", "compact"] {
        let version = |number: u32| {
            damage(&world, |database| {
                database
                    .put_cf(database.cf_handle("meta").unwrap(), b"version", number.to_be_bytes())
                    .unwrap();
            });
        };
        version(3);
        store(&world, command)
            .expect(2, "the store has version 3; this program knows versions up to 2");
        version(2);
    }
    damage(&world, |database| {
        let meta = database.cf_handle("meta").unwrap();
        database.put_cf(meta, b"version", 1u32.to_be_bytes()).unwrap();
    });
    store(&world, "verify").expect(2, "the node brings it up when it runs");
    damage(&world, |database| {
        let meta = database.cf_handle("meta").unwrap();
        database.put_cf(meta, b"version", 2u32.to_be_bytes()).unwrap();
    });
    world.write("home/genesis.toml", "version = 1\nnetwork = \"other\"\n");
    store(&world, "verify").expect(2, "the store belongs to network");
    fs::rename(world.store(), world.path("away")).unwrap();
    for command in ["inspect", "verify", "compact"] {
        store(&world, command).expect(2, "there is no store at home/store");
    }
    assert!(!world.store().exists(), "looking makes nothing");
}
