//! Things that move between logs: released in one, claimed in another.

use crate::world::{Said, World};
use serde_json::{Value, json};

const FILES: [&str; 2] = ["--graph", "home/learner-graph.toml"];

/// Submits a bundle; `receipt.json` is its receipt, once it is certified.
fn certified(world: &World, bundle: &str) -> Value {
    let said = world.ask(&["bundle", "submit", bundle, "--wait", "60s", "--json"]);
    let id = said.expect(0, "").json()["id"].as_str().unwrap().to_owned();
    let said = world.ask(&["query", "receipt", &id, "--wait", "60s"]);
    world.write("receipt.json", &said.expect(0, "").out);
    said.json()
}

fn verify(world: &World) -> Said {
    world.run(&[&["bundle", "verify", "receipt.json"], &FILES[..]].concat())
}

fn claim(world: &World, more: &[&str]) -> Said {
    let claim = ["bundle", "claim", "receipt.json", "-o", "claim.json"];
    world.ask(&[&claim, &FILES[..], more].concat())
}

fn home(world: &World, key: &str) -> Value {
    let said = world.ask(&["query", "object", "red", key, "--json"]);
    said.expect(0, "").json()["home"].clone()
}

#[test]
fn what_is_released_is_claimed() {
    let world = World::running();
    let hat = "red: release red:hat to red+blue; release 2 gold from alice.json to red+blue";
    world.signed("hat.json", &[hat], &[], &["alice.json"]);
    certified(&world, "hat.json");
    verify(&world).expect(0, "; red:hat of ").expect(0, " goes to red+blue");
    world.ask(&["query", "object", "red", "red:hat"]).expect(1, "has no object `red:hat`");
    let late = ["--signer", "alice.json", "--log", "red"];
    world.signed("late.json", &["red: delete red:hat"], &late, &["alice.json"]);
    world.submit("late.json").expect(1, "key: lives in the log `red+blue`");

    claim(&world, &["--only", "red:2"]).expect(0, "red: claim 2 gold of ");
    world.ask(&["bundle", "sign", "claim.json", "--key", "bob.json"]).expect(2, "none of those");
    world.submit("claim.json").expect(0, "red: committed");
    let owned = world.ask(&["query", "balance", "red", "alice.json", "--json"]).json();
    let gold: Vec<_> = owned["balances"].as_array().unwrap().iter().collect();
    assert_eq!(gold.len(), 2, "{gold:?}");
    assert_eq!([&gold[0]["amount"], &gold[1]["amount"]], ["3", "2"]);
    // All at once is too late for one of them, and so for both.
    claim(&world, &[]).expect(0, "red: claim red:hat of ");
    world.submit("claim.json").expect(1, "operation 2 of red failed, claimed");
    claim(&world, &["--only", "red:1"]).expect(0, "red: claim red:hat of ");
    world.submit("claim.json").expect(0, "red: committed");
    assert_eq!(home(&world, "red:hat"), "red+blue");

    // It can be used where it now lives, without anybody having to say where, and goes back.
    let give =
        ["red: transfer red:hat to bob.json", "blue: pay 1 gold from bob.json to alice.json"];
    world.signed("give.json", &give, &[], &["alice.json", "bob.json"]);
    certified(&world, "give.json");
    claim(&world, &[]).expect(2, "nothing of that kind was released");
    world.signed("back.json", &["red: release red:hat to red"], &[], &["bob.json"]);
    certified(&world, "back.json");
    claim(&world, &["--log", "blue"]).expect(2, "nothing of that kind was released");
    claim(&world, &[]).expect(0, "red: claim red:hat of ");
    world.submit("claim.json").expect(0, "red: committed");
    assert_eq!(home(&world, "red:hat"), "red");
}

#[test]
fn what_was_not_released_is_not_claimed() {
    let world = World::running();
    let both =
        ["red: release red+blue:seat/12B to red", "blue: release 5 gold from bob.json to blue"];
    world.signed("both.json", &both, &[], &["alice.json", "bob.json"]);
    let right = certified(&world, "both.json");
    claim(&world, &[]).expect(2, "it goes to several logs, blue, red: choose one with --log");
    claim(&world, &["--log", "blue"]).expect(0, "blue: claim 5 gold of ");
    world.submit("claim.json").expect(0, "blue: committed");
    let forge = |change: &dyn Fn(&mut Value), why: &str| {
        let mut forged = right.clone();
        change(&mut forged["chains"]["red"]);
        assert_ne!(forged, right);
        world.write("receipt.json", &forged.to_string());
        claim(&world, &["--log", "red"]).expect(2, "red:1 cannot be claimed").expect(2, why);
    };
    forge(&|it| it["certificate"] = Value::Null, "nobody has attested it yet");
    let signatures = |it: &mut Value| it["certificate"]["signatures"] = json!(["00".repeat(64)]);
    forge(&signatures, "the signature of solo is wrong");
    let owner = |it: &mut Value| {
        let things = it["released"].as_array_mut().unwrap();
        let of_red = things.iter_mut().find(|it| it["chain"] == "red").unwrap();
        of_red["thing"]["object"]["owner"] = json!("11".repeat(32));
    };
    forge(&owner, "the bundle's result is not under the results root");

    // What the program would not make is not taken either: nobody else may write what was claimed.
    world.write("receipt.json", &right.to_string());
    claim(&world, &["--log", "red"]).expect(0, "red: claim red+blue:seat/12B of ");
    let mut forged: Value = serde_json::from_str(&world.read("claim.json")).unwrap();
    let operation = &mut forged["parts"][0]["operations"][0];
    operation["release"] = json!("AAAA");
    world.write("claim.json", &forged.to_string());
    world.submit("claim.json").expect(1, "operations[0].release: not the encoding of what was");
}
