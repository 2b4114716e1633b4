//! Bundles from the first word to the receipt.

use crate::world::World;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};

const SEAT: &str = "red: transfer red+blue:seat/12A to bob.json";
const PRICE: &str = "blue: pay 10 gold from bob.json to alice.json";

fn key(world: &World, name: &str) -> String {
    world.run(&["keys", "show", "--key", name, "--json"]).json()["public-key"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn gold(world: &World, name: &str) -> String {
    let said = world.ask(&["query", "balance", "blue", name, "--json"]);
    let balances = said.expect(0, "").json();
    balances["balances"][0]["amount"].as_str().unwrap_or("0").to_owned()
}

fn owner(world: &World, key: &str) -> String {
    let object = world.ask(&["query", "object", "red", key, "--json"]).expect(0, "").json();
    object["owner"].as_str().unwrap().to_owned()
}

#[test]
fn a_seat_is_paid_and_given_in_one() {
    let world = World::running();
    let (alice, bob) = (key(&world, "alice.json"), key(&world, "bob.json"));

    // Who has to sign is found out: bob pays, and the node says that alice has the seat.
    world.ask(&["bundle", "new", SEAT, PRICE, "-o", "swap.json"]).expect(0, "");
    let unsigned: Value = serde_json::from_str(&world.read("swap.json")).unwrap();
    let mut signers = [alice.clone(), bob.clone()];
    signers.sort();
    assert_eq!((&unsigned["log"], &unsigned["signers"]), (&json!("red+blue"), &json!(signers)));
    world.submit("swap.json").expect(1, "signatures[0]: no signature of");

    // One after the other; what is consented to is shown.
    let said = world.ask(&["bundle", "sign", "swap.json", "--key", "alice.json"]);
    said.expect(0, &format!("transfer red+blue:seat/12A to {bob}"));
    said.expect(0, &format!("still to sign: {bob}"));
    world
        .submit("swap.json")
        .expect(1, &format!("no signature of {bob} over this bundle (bad_signature)"));
    let home = ["bundle", "sign", "swap.json", "--key", "bob.json", "--home", "home"];
    world.run(&home).expect(0, "Everybody has signed");

    let said = world.submit("swap.json");
    said.expect(0, "red: committed in slot").expect(0, "blue: committed in slot");
    said.expect(0, "atomic on blue and red unless 1 is Byzantine, for instance solo");
    assert_eq!(
        (owner(&world, "red+blue:seat/12A"), gold(&world, "alice.json")),
        (bob, "10".into())
    );

    // Once more is not twice.
    let said = world.submit("swap.json");
    said.expect(0, "the node had it already").expect(0, "blue: committed");
    assert_eq!(gold(&world, "alice.json"), "10");
    let id = said.out.lines().next().unwrap();
    world.ask(&["bundle", "watch", id]).expect(0, "red: committed");
    let watched = world.ask(&["bundle", "watch", id, "--json"]);
    assert_eq!(watched.expect(0, "").json()["id"], id);

    // Sixteen gold are not there any more: nothing happens on either chain.
    let dear = "blue: pay 16 gold from bob.json to alice.json";
    let parts = ["red: transfer red+blue:seat/12B to bob.json", dear];
    world.signed("dear.json", &parts, &[], &["alice.json", "bob.json"]);
    let said = world.submit("dear.json");
    said.expect(1, "red: aborted in slot").expect(1, "blue: aborted in slot");
    said.expect(1, "operation 1 of blue failed, balance");
    assert_eq!(
        (owner(&world, "red+blue:seat/12B"), gold(&world, "alice.json")),
        (alice, "10".into())
    );
    let id = said.out.lines().next().unwrap();
    world.ask(&["bundle", "watch", id, "--wait", "1s"]).expect(1, "aborted");
}

#[test]
fn new_signs_at_once_and_without_a_node() {
    let world = World::running();
    let pay = "red: pay 2 gold from alice.json to bob.json";
    let made = world.ask(&["bundle", "new", pay, "--sign", "alice.json", "-o", "pay.json"]);
    made.expect(0, "");
    assert!(world.read("pay.json").contains("\"log\": \"red\""), "the only log of just this chain");
    let said = world.ask(&["bundle", "submit", "pay.json", "--wait", "60s", "--json"]);
    assert_eq!(said.expect(0, "").json()["chains"]["red"]["status"], "committed");

    let offline = ["bundle", "new", "--offline", pay, "-o", "offline.json"];
    world.run(&offline).expect(2, "with --offline, --log should say the log");
    let offline = [&offline[..], &["--log", "red"]].concat();
    world.run(&offline).expect(2, "--valid-until should say the last slot");
    let offline = [&offline[..], &["--valid-until", "500", "--salt", "7"]].concat();
    world.run(&offline).expect(0, "");
    let sign = [&offline[..], &["--sign", "alice.json"]].concat();
    world.run(&sign).expect(2, "--sign with --offline needs --network");
    let files = ["--graph", "home/learner-graph.toml", "--genesis", "home/genesis.toml"];
    world.run(&[&sign[..], &files].concat()).expect(0, "");
    let by_files = world.read("offline.json");
    let network = world.client().logs().unwrap().network;
    world.run(&[&sign[..], &["--network", &network]].concat()).expect(0, "");
    assert_eq!(world.read("offline.json"), by_files, "the same network, and the same salt");
    world.submit("offline.json").expect(0, "red: committed");

    // A key file with a passphrase.
    world.write("secret", "correct horse\n");
    let chmod = std::process::Command::new("chmod").arg("600").arg(world.path("secret")).status();
    assert!(chmod.unwrap().success());
    let new = ["keys", "new", "carol.json", "--passphrase-file", "secret"];
    world.run(&new).expect(0, "");
    let create = "red: create red:letter owner carol.json value 'dear all'";
    let made = ["bundle", "new", create, "--sign", "carol.json", "-o", "letter.json"];
    world.ask(&[&made[..], &["--passphrase-file", "secret"]].concat()).expect(0, "");
    world.submit("letter.json").expect(0, "red: committed");
    world.ask(&["query", "object", "red", "red:letter"]).expect(0, "dear all");
}

#[test]
fn what_is_wrong_is_refused_and_said() {
    let world = World::running();
    let new = |part: &str| world.ask(&["bundle", "new", part, "-o", "wrong.json"]);
    new("red: transfer red+blue:seat/12A too bob.json")
        .expect(2, "`too` should be `to`, as in `transfer KEY to");
    new("red: pay 1 gold from nobody.json to bob.json").expect(2, "`nobody.json` is nobody");
    new("red: delete red+blue:none").expect(2, "--signer should say who owns it");
    let green = "green: pay 1 gold from alice.json to bob.json";
    new(green).expect(2, "choose one with --log, of blue, red, red+blue");

    // An object of another log.
    let hat = ["red: transfer red:hat to bob.json"];
    world.signed("hat.json", &hat, &["--log", "red+blue"], &["alice.json"]);
    world.submit("hat.json").expect(1, "parts[0].operations[0].key: lives in the log `red`");

    // Somebody else's key, somebody else's network, and a changed body.
    world.signed("pay.json", &[PRICE], &["--log", "red+blue"], &[]);
    let wrong = ["bundle", "sign", "pay.json", "--key", "alice.json"];
    world.ask(&wrong).expect(2, "alice.json: its key is none of those who have to sign");
    let elsewhere = ["bundle", "sign", "pay.json", "--key", "bob.json", "--network"];
    world.run(&[&elsewhere[..], &[&"00".repeat(32)]].concat()).expect(0, "");
    world.submit("pay.json").expect(1, "(bad_signature)");
    world.run(&[&elsewhere[..], &["x"]].concat()).expect(2, "64 lower-case hex digits");

    // What is no bundle.
    world
        .write("half.json", &world.read("pay.json").replace("\"op\": \"pay\"", "\"op\": \"give\""));
    world
        .submit("half.json")
        .expect(2, "half.json: parts[0].operations[0].op: should be create, update");
    world.submit("nothing.json").expect(2, "cannot open nothing.json");
    world.write("huge.json", &"x".repeat(2 << 20));
    world.submit("huge.json").expect(2, "it should be something else");

    // More than a bundle may have: in the JSON, and in what is sent.
    world.write("value", &"x".repeat(60 << 10));
    let creates = "; create red+blue:b owner alice.json value @value; create red+blue:c owner alice.json value @value";
    let large = format!("red: create red+blue:a owner alice.json value @value{creates}");
    world.signed("large.json", &[&large], &[], &["alice.json"]);
    world.submit("large.json").expect(1, "bytes; at most 131072 (too_large)");
    let larger = format!("{large}; create red+blue:d owner alice.json value @value");
    world.signed("larger.json", &[&larger], &[], &["alice.json"]);
    world.submit("larger.json").expect(1, "its JSON at most 256 KiB (too_large)");

    // Too late, and too far ahead.
    let until = |slot: &str| {
        world.signed(
            "late.json",
            &[PRICE],
            &["--log", "red+blue", "--valid-until", slot],
            &["bob.json"],
        )
    };
    until("1000000000");
    world.submit("late.json").expect(1, "valid_until: more than 65536 slots after slot");
    let mut world = world;
    world.until("slot 1 passed", |world| {
        let logs = world.client().logs().ok()?;
        logs.logs["red+blue"].learners.values().all(|it| it.height > 1).then_some(())
    });
    let late = ["--log", "red+blue", "--valid-until", "0"];
    world.signed("late.json", &[PRICE], &late, &["bob.json"]);
    world.submit("late.json").expect(1, "valid_until: slot").expect(1, "(expired)");
    let unknown = "00".repeat(32);
    world.ask(&["bundle", "watch", &unknown]).expect(1, "knows no bundle 000000");

    // What is no node.
    let nobody = ["bundle", "submit", "pay.json", "--api", "127.0.0.1:9"];
    world.run(&nobody).expect(2, "no answer from http://127.0.0.1:9");
}

#[test]
fn a_node_says_what_it_knows() {
    let world = World::running();
    world.ask(&["query", "object", "red", "red+blue:seat/12A"]).expect(0, "free");
    world
        .ask(&["query", "object", "red", "red+blue:seat/99Z"])
        .expect(1, "has no object `red+blue:seat/99Z`");
    world.ask(&["query", "balance", "blue", "bob.json"]).expect(0, "25").expect(0, "gold");
    world.ask(&["query", "balance", "blue", &"22".repeat(32)]).expect(0, "nothing");
    world.ask(&["query", "balance", "green", "bob.json"]).expect(1, "runs no log of chain `green`");
    world.ask(&["query", "balance", "blue", "zoe"]).expect(2, "`zoe` is nobody");
    let upper = format!("http://{}/v1/chains/blue/balances/{}", world.api, "AB".repeat(32));
    let asked = ureq::get(upper).call();
    assert!(matches!(asked, Err(ureq::Error::StatusCode(400))), "hex is lower-case: {asked:?}");
    world.signed("seat.json", &["red: delete red+blue:seat/12C"], &[], &["alice.json"]);
    let said = world.submit("seat.json");
    let id = said.expect(0, "committed").out.lines().next().unwrap().to_owned();
    let receipt = world.ask(&["query", "receipt", &id]).expect(0, "").json();
    let slot = receipt["chains"]["red"]["slot"].as_u64().unwrap();
    world.ask(&["query", "slot", "red+blue", &slot.to_string()]).expect(0, "1 bundle");
    let slot = world.ask(&["query", "slot", "red+blue", &slot.to_string(), "--json"]).json();
    assert_eq!(slot["bundles"][0], receipt["bundle"]);
    assert_eq!(slot["learners"]["red"]["block"], receipt["chains"]["red"]["block"]);
    world.ask(&["query", "slot", "red+blue", "9000000"]).expect(1, "is not decided here");
    world.ask(&["query", "receipt", &"00".repeat(32)]).expect(1, "knows no bundle");

    world.ask(&["status"]).expect(0, "solo of network").expect(0, "ready").expect(0, "red+blue");
    let status = world.ask(&["status", "--json"]).json();
    assert_eq!(status["ready"], true);
    let blue = &status["logs"]["red+blue"]["learners"]["blue"];
    let [decided, height] = ["decided", "height"].map(|it| blue[it].as_u64().unwrap());
    assert!(height > 0 && decided >= height, "nothing is executed that is not decided");
    // It goes on until nobody reads any more.
    let mut watch = world.spawn(&["status", "--watch", "--api", &world.api]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    for _ in 0..2 {
        assert!(lines.any(|line| line.starts_with("solo of network")));
    }
    drop(lines);
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    world.run(&["status", "--api", "127.0.0.1:9"]).expect(2, "no answer from");
    // A home says where its node is, as long as its settings do: here the environment said otherwise.
    world.write(
        "home/config.toml",
        &format!("name = \"solo\"\n[api]\nlisten = \"{}\"\n", world.api),
    );
    world.run(&["status", "--home", "home"]).expect(0, "ready");
}

#[test]
fn a_receipt_holds_and_a_forged_one_does_not() {
    let world = World::running();
    world.signed("swap.json", &[SEAT, PRICE], &[], &["alice.json", "bob.json"]);
    let said = world.ask(&["bundle", "submit", "swap.json", "--wait", "60s", "--json"]);
    let mut receipt = said.expect(0, "").json();
    let id = receipt["id"].as_str().unwrap().to_owned();
    let verify = |receipt: &Value| {
        world.write("receipt.json", &receipt.to_string());
        let files = ["--graph", "home/learner-graph.toml", "--genesis", "home/genesis.toml"];
        world.run(&[&["bundle", "verify", "receipt.json"], &files[..]].concat())
    };
    for chain in ["red", "blue"] {
        receipt["chains"][chain]["certificate"] = Value::Null;
    }
    verify(&receipt).expect(2, "nobody has attested it yet").expect(2, "ask the node again");
    let receipt = world.ask(&["query", "receipt", &id, "--wait", "60s"]).expect(0, "").json();
    verify(&receipt).expect(0, "a quorum of each of its chains attests it");
    let forge = |change: &dyn Fn(&mut Value), message: &str| {
        let mut forged = receipt.clone();
        change(&mut forged);
        assert_ne!(forged, receipt);
        let said = verify(&forged);
        let line =
            said.out.lines().find(|line| line.contains(message) && line.contains("does not hold"));
        assert!(line.is_some(), "{message}: {said:?}");
        said.expect(1, "forged or damaged");
    };
    forge(&|it| it["bundle"]["salt"] = json!(1), "the id is the bundle's");
    forge(&|it| it["bundle"]["signatures"][0] = json!("00".repeat(64)), "everybody has signed");
    forge(
        &|it| drop(it["chains"].as_object_mut().unwrap().remove("red")),
        "the chains are the bundle's",
    );
    forge(
        &|it| it["chains"]["blue"]["status"] = json!("expired"),
        "blue: the result is under its root",
    );
    forge(
        &|it| it["chains"]["blue"]["history"] = json!("00".repeat(32)),
        "blue: the history follows",
    );
    forge(&|it| it["chains"]["red"]["slot"] = json!(999_999), "red: the history follows");
    for (name, value, message) in [
        ("epoch", json!(1), "it is of epoch"),
        ("signatures", json!(["00".repeat(64)]), "the signature of solo is wrong"),
        ("signers", json!(["nobody"]), "the learner graph has no acceptor `nobody`"),
        ("state_root", json!("00".repeat(32)), "does not hold"),
        ("slot", json!(1_000_000), "its path has"),
    ] {
        forge(
            &|it| it["chains"]["blue"]["certificate"][name] = value.clone(),
            "blue: a quorum attests the history",
        );
        let said = world.run(&[
            "bundle",
            "verify",
            "receipt.json",
            "--graph",
            "home/learner-graph.toml",
            "--genesis",
            "home/genesis.toml",
        ]);
        said.expect(1, message);
    }
    forge(
        &|it| {
            let certificate = &mut it["chains"]["blue"]["certificate"];
            for list in ["signers", "learners", "signatures"] {
                certificate[list] = json!([]);
            }
        },
        "blue: a quorum attests the history",
    );

    world.write("receipt.json", "{}");
    let graph = ["bundle", "verify", "receipt.json", "--graph", "home/learner-graph.toml"];
    world.run(&graph).expect(2, "receipt.json is no receipt");
}
