//! What a node does about a store that is lost, set back, replaced or damaged: it never signs what it may have forgotten.

use crate::world::{Said, World};
use rocksdb::{DB, IteratorMode, Options};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        // Neither sockets nor folders.
        if !path.is_file() {
            continue;
        }
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Lets the node decide some more slots.
fn decide_some(world: &mut World) {
    let before = height(world);
    world.until("slots are decided", |world| (height(world) > before + 3).then_some(()));
}

fn height(world: &World) -> u64 {
    world.client().logs().unwrap().logs["red+blue"].learners["red"].height
}

/// What a log says about silence.
fn silent(world: &World) -> Option<Value> {
    let logs: Value = world.client().get("/v1/logs", Duration::ZERO).unwrap();
    let logs = logs["logs"].as_object().unwrap();
    let first = logs["red"]["silent"].clone();
    assert!(logs.values().all(|log| log["silent"] == first), "all logs have one store: {logs:?}");
    (!first.is_null()).then_some(first)
}

/// The node starts, and signs nothing, since its store was lost.
fn starts_silent(world: &mut World, why: &str) {
    world.start();
    let said = silent(world).unwrap_or_else(|| panic!("it signs, in spite of: {why}"));
    let reason = said["why"].as_str().unwrap();
    assert!(reason.contains(why), "{reason}");
    assert_eq!(said["through"], Value::Null, "alone it never hears how far the log is");
    let status = world.ask(&["status"]);
    status.expect(0, "the node signs nothing until quorums of all its learners have said");
    status.expect(0, why);
    let before = height(world);
    world.ask(&["bundle", "new", "red: delete red+blue:seat/12C", "-o", "new.json"]).expect(0, "");
    world.ask(&["bundle", "sign", "new.json", "--key", "alice.json"]).expect(0, "");
    let submit = ["bundle", "submit", "new.json", "--wait", "1s"];
    world.ask(&submit).expect(2, "pending");
    assert_eq!(height(world), before, "who signs nothing decides nothing, alone");
    world.stop();
    // It does not forget that it forgot.
    world.start();
    assert_eq!(silent(world), Some(said));
    world.stop();
}

/// The node starts, and goes on.
fn goes_on(world: &mut World) {
    world.start();
    assert_eq!(silent(world), None);
    decide_some(world);
    world.stop();
}

/// A node that decided some, and stopped; and a copy of its store from before the last start.
fn rested() -> (World, PathBuf) {
    let mut world = World::running();
    decide_some(&mut world);
    world.stop();
    let old = world.path("old");
    copy(&world.store(), &old);
    goes_on(&mut world);
    (world, old)
}

#[test]
fn a_store_that_is_missing_or_another_is_noticed() {
    let (mut world, _) = rested();
    // A crash between store and guard leaves the guard behind, which is no harm.
    let guard = world.read("home/guard");
    goes_on(&mut world);
    world.write("home/guard", &guard);
    goes_on(&mut world);

    fs::rename(world.store(), world.path("away")).unwrap();
    starts_silent(&mut world, "it is missing");

    // One that never was this node's, but says so.
    fs::remove_dir_all(world.store()).unwrap();
    let guard = world.read("home/guard");
    fs::remove_file(world.path("home/guard")).unwrap();
    goes_on(&mut world);
    world.write("home/guard", &guard);
    starts_silent(&mut world, "it is not the one that the node last ran with");
}

#[test]
fn an_old_copy_is_noticed() {
    let (mut world, old) = rested();
    copy(&old, &world.store());
    starts_silent(&mut world, "it is an old copy: the node was started or stopped");
}

#[test]
fn a_copy_from_before_an_orderly_stop_is_noticed() {
    let mut world = World::running();
    decide_some(&mut world);
    world.kill();
    let copied = world.path("copied");
    copy(&world.store(), &copied);
    goes_on(&mut world);
    copy(&copied, &world.store());
    starts_silent(&mut world, "it is an old copy");
}

#[test]
fn what_is_missing_after_a_crash_is_noticed() {
    let mut world = World::running();
    decide_some(&mut world);
    // A copy that somebody made of the running node's.
    let copied = world.path("copied");
    copy(&world.store(), &copied);
    decide_some(&mut world);
    world.kill();
    let killed = world.path("killed");
    copy(&world.store(), &killed);
    let beside =
        ["home/guard", "home/guard.mark"].map(|file| (file, fs::read(world.path(file)).unwrap()));
    let back = |world: &World, store: &Path| {
        copy(store, &world.store());
        beside.iter().for_each(|(file, bytes)| fs::write(world.path(file), bytes).unwrap());
    };
    goes_on(&mut world);

    back(&world, &copied);
    starts_silent(&mut world, "its last changes are missing");

    // The end of what was synced is gone from the log of the database.
    back(&world, &killed);
    let logs = fs::read_dir(world.store()).unwrap().map(|entry| entry.unwrap().path());
    let log = logs.filter(|path| path.extension().is_some_and(|it| it == "log")).max().unwrap();
    let bytes = fs::metadata(&log).unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(bytes * 3 / 4).unwrap();
    starts_silent(&mut world, "its last changes are missing");

    // Whole it is as good as before.
    back(&world, &killed);
    goes_on(&mut world);
}

#[test]
fn a_guard_that_is_missing_or_damaged_is_noticed() {
    let (mut world, _) = rested();
    let (guard, whole) = (world.path("home/guard"), world.read("home/guard"));
    world.write("home/guard", &whole[..whole.len() / 2]);
    let said = world.run_node();
    said.expect(2, "error: home/guard cannot be read: EOF while parsing");
    said.expect(2, "`hpaxos store reset --home home` makes a new one");
    fs::remove_file(guard).unwrap();
    starts_silent(&mut world, "the guard beside it is missing");
    world.write("home/guard", "nothing");
    reset(&world).expect(0, "Moved home/store to home/store.1.");
    starts_silent(&mut world, "`hpaxos store reset` was told so");
}

fn reset(world: &World) -> Said {
    world.run(&["store", "reset", "--home", "home"])
}

#[test]
fn reset_moves_the_store_aside_and_remembers_that_there_was_one() {
    let mut world = World::running();
    decide_some(&mut world);
    reset(&world)
        .expect(2, &format!("another hpaxos runs with this home (home): pid {}", world.pid()));
    world.stop();
    let said = world.run(&["store", "reset", "--home", "home", "--json"]).expect(0, "").json();
    assert_eq!(said, json!({ "moved_to": "home/store.1", "guard": "kept", "next_run": "silent" }));
    assert!(world.path("home/store.1/CURRENT").exists() && !world.store().exists());
    reset(&world).expect(0, "There is nothing at home/store.");
    let said = world.run(&["store", "reset", "--home", "home", "--json"]).expect(0, "").json();
    assert_eq!(said, json!({ "moved_to": null, "guard": "kept", "next_run": "silent" }));
    starts_silent(&mut world, "it is missing");
    reset(&world).expect(0, "Moved home/store to home/store.2.");

    // A new home, with a key that has signed before.
    let mut world = World::new();
    reset(&world).expect(0, "There is nothing at home/store.");
    starts_silent(&mut world, "`hpaxos store reset` was told so");
}

/// The node ends by itself, with one line, that says what is wrong and what the way back is.
fn refuses(said: &Said, why: &str) {
    said.expect(2, why);
    let way_back = "; `hpaxos store reset --home home` moves it aside";
    let errors = said.complaint.lines().filter(|line| line.starts_with("error: "));
    let errors: Vec<&str> = errors.collect();
    assert!(
        errors.len() == 1 && errors[0].contains(why) && errors[0].contains(way_back),
        "{said:#?}"
    );
    assert!(!said.complaint.contains("panicked"), "{said:#?}");
}

#[test]
fn a_damaged_store_is_said_to_be_and_the_way_back_works() {
    let (mut world, _) = rested();
    world.run(&["store", "compact", "--home", "home"]).expect(0, "");
    // So that there is a log of the database, too: a node that stops in order leaves none.
    world.start();
    decide_some(&mut world);
    world.kill();
    let whole = world.path("whole");
    copy(&world.store(), &whole);
    let store = world.store();
    let files = |suffix: &str| -> Vec<PathBuf> {
        let files = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            files.filter(|path| path.to_string_lossy().contains(suffix)).collect();
        files.sort();
        files
    };
    let largest = |suffix: &str| {
        let bytes = |path: &PathBuf| fs::metadata(path).unwrap().len();
        files(suffix).into_iter().max_by_key(bytes).unwrap()
    };
    let (table, log) = (largest(".sst"), largest(".log"));
    let (manifest, current) = (files("MANIFEST").remove(0), store.join("CURRENT"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let cut = |path: &Path, part: u64| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() * part / 4).unwrap();
    };
    let flip_at = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at..at + 16].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(path, bytes).unwrap();
    };
    let flip = |path: &Path| flip_at(path, fs::metadata(path).unwrap().len() as usize / 2);
    let cases: [(&str, &dyn Fn(), String); 10] = [
        ("a table cut", &|| cut(&table, 2), name(&table)),
        ("a table empty", &|| cut(&table, 0), name(&table)),
        ("a table gone", &|| fs::remove_file(&table).unwrap(), name(&table)),
        ("tables flipped", &|| files(".sst").iter().for_each(|table| flip(table)), String::new()),
        // In what the first record says: a length that is wrong may look like the end of a log that was cut off.
        ("the log flipped", &|| flip_at(&log, 20), String::new()),
        ("the manifest cut", &|| cut(&manifest, 1), String::new()),
        ("the manifest flipped", &|| flip(&manifest), String::new()),
        ("the manifest gone", &|| fs::remove_file(&manifest).unwrap(), String::new()),
        ("CURRENT empty", &|| cut(&current, 0), "CURRENT".into()),
        ("CURRENT gone", &|| fs::remove_file(&current).unwrap(), "CURRENT".into()),
    ];
    for (what, damage, named) in cases {
        damage();
        let said = world.run_node();
        assert!(said.complaint.contains(&named), "{what}: {said:#?}");
        refuses(&said, "the store is damaged: ");
        copy(&whole, &world.store());
    }
    goes_on(&mut world);
    files(".sst").iter().for_each(|table| flip(table));
    refuses(&world.run_node(), "the store is damaged: ");
    reset(&world).expect(0, "Moved");
    starts_silent(&mut world, "it is missing");
}

/// Changes all rows of a family whose keys begin so.
fn spoil(world: &World, family: &str, prefix: &[u8], change: impl Fn(&mut Vec<u8>)) {
    let (options, path) = (Options::default(), world.store());
    let database = DB::open_cf(&options, &path, DB::list_cf(&options, &path).unwrap()).unwrap();
    let handle = database.cf_handle(family).unwrap();
    let rows = database.iterator_cf(handle, IteratorMode::Start).map(Result::unwrap);
    let rows: Vec<_> = rows.filter(|(key, _)| key.starts_with(prefix)).collect();
    assert!(!rows.is_empty());
    for (key, bytes) in rows {
        let mut bytes = bytes.to_vec();
        change(&mut bytes);
        database.put_cf(handle, key, bytes).unwrap();
    }
}

#[test]
fn a_row_that_cannot_be_read_ends_the_node() {
    let (mut world, _) = rested();
    let whole = world.path("whole");
    copy(&world.store(), &whole);
    let mut logs: Vec<&str> = vec!["blue", "red", "red+blue"];
    logs.sort_unstable();
    let index = logs.iter().position(|log| *log == "red+blue").unwrap() as u16;
    let of_view = |kind: &[u8]| [&index.to_be_bytes()[..], &[0; 2], kind].concat();
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    for (family, prefix, why) in [
        ("decisions", vec![], "a record cannot be read"),
        ("views", of_view(b"h"), "a row of a view: "),
        ("views", of_view(&[0xff]), "the height of a learner"),
        ("meta", b"waiting".to_vec(), "the bundles that waited"),
        ("meta", b"version".to_vec(), "its version cannot be read"),
    ] {
        spoil(&world, family, &prefix, cut);
        refuses(&world.run_node(), why);
        copy(&whole, &world.store());
    }

    // What is read only when somebody asks for it.
    spoil(&world, "views", &of_view(b"v"), cut);
    world.start();
    let _ = world.ask(&["query", "balance", "blue", "bob.json"]);
    let _ = world.ask(&["query", "object", "red", "red+blue:seat/12A"]);
    let _ = world.ask(&["query", "object", "red", "red+blue:seat/12B"]);
    let _ = world.ask(&["query", "object", "red", "red+blue:seat/12C"]);
    refuses(&world.ends(), "a row of a view: ");
}

#[test]
fn one_process_of_a_machine_has_a_key() {
    let world = World::running();
    copy(&world.path("home"), &world.path("copy"));
    let chmod = |mode: &str, name: &str| {
        let changed = std::process::Command::new("chmod").arg(mode).arg(world.path(name)).status();
        assert!(changed.unwrap().success());
    };
    chmod("700", "copy");
    let key = world.run(&["keys", "show", "--home", "home", "--json"]).json();
    let key = key["public-key"].as_str().unwrap().to_owned();
    world
        .run(&["run", "--home", "copy"])
        .expect(2, &format!("another process on this machine runs with the key {key}"));
    world.run(&["run", "--home", "home"]).expect(2, "another hpaxos runs with this home");
}
