//! Why bundles abort, when ids are used up, and what idle slots cost.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::*;
use hpaxos_ledger::limits::WINDOW_SLOTS;
use hpaxos_ledger::*;

const FAR: u64 = 60_000;

fn object(name: &str) -> String {
    format!("{LOG}:{name}")
}

fn create(name: &str, owner: u8) -> Operation {
    Operation::Create { key: object(name), value: vec![1], owner: key(owner) }
}

fn update(name: &str, if_version: Option<u64>) -> Operation {
    Operation::Update { key: object(name), value: vec![2], if_version }
}

fn transfer(name: &str, to: u8, if_version: Option<u64>) -> Operation {
    Operation::Transfer { key: object(name), to: key(to), if_version }
}

fn delete(name: &str, if_version: Option<u64>) -> Operation {
    Operation::Delete { key: object(name), if_version }
}

fn silver(from: u8, to: u8, amount: u128) -> Operation {
    Operation::Pay { asset: "silver".into(), from: key(from), to: key(to), amount }
}

fn require(name: &str, version: Option<u64>, owner: Option<u8>, absent: Option<bool>) -> Operation {
    let owner = owner.map(key);
    Operation::Require(Condition::Object { key: object(name), version, owner, absent })
}

fn require_gold(owner: u8, at_least: u128) -> Operation {
    let balance = AtLeast { asset: "gold".into(), owner: key(owner), at_least };
    Operation::Require(Condition::Balance { balance })
}

/// Runs `operation` on red, signed by client 0 alone, after a payment on blue that is to be undone if it fails.
fn reason(deposit: &str, operation: Operation) -> Option<Reason> {
    let mut world = World::new(deposit);
    let before = world.view().summary().clone();
    let parts = vec![part("blue", vec![pay(0, 1, 10)]), part("red", vec![pay(0, 1, 1), operation])];
    let outcomes = world.run(&[unsigned(1, FAR, &[0], parts)]);
    let paid = world.view().balance("blue", key(0), "gold");
    match &outcomes[0] {
        Outcome::Committed => {
            assert_eq!(paid, 990);
            None
        }
        Outcome::Aborted(abort) => {
            assert_eq!((abort.chain.as_str(), abort.operation), ("red", 1));
            assert_eq!((paid, world.view().balance("red", key(0), "gold")), (1_000, 1_000));
            assert_ne!(world.view().summary().state_root, before.state_root, "the id is used up");
            Some(abort.reason)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn operations_fail_for_these_reasons() {
    use Reason::*;
    for (operation, expected) in [
        (create("new", 0), None),
        (create("first", 0), Some(Exists)),
        (update("first", Some(1)), None),
        (update("new", None), Some(Absent)),
        (update("first", Some(2)), Some(Version)),
        (transfer("first", 3, None), None),
        (transfer("new", 3, None), Some(Absent)),
        (transfer("first", 3, Some(2)), Some(Version)),
        (delete("first", Some(1)), None),
        (delete("new", Some(1)), Some(Absent)),
        (delete("first", Some(0)), Some(Version)),
        (require("first", Some(1), Some(0), Some(false)), None),
        (require("first", Some(2), None, None), Some(Condition)),
        (require("first", None, Some(1), None), Some(Condition)),
        (require("first", None, None, Some(true)), Some(Condition)),
        (require("new", None, None, Some(true)), None),
        (require("new", None, None, Some(false)), Some(Condition)),
        (require("new", Some(1), None, None), Some(Condition)),
        (require("new", None, Some(0), None), Some(Condition)),
        (require_gold(0, 999), None),
        (require_gold(0, 1_000), Some(Condition)),
        (require_gold(1, 1_001), None),
        (pay(0, 0, 999), None),
        (pay(0, 0, 1_000), Some(Balance)),
        (pay(1, 0, 1), Some(NotOwner)),
        (pay(0, 1, 999), None),
        (pay(0, 1, 1_000), Some(Balance)),
        (silver(0, 1, u128::MAX - 5), None),
        (silver(0, 1, u128::MAX - 4), Some(Overflow)),
        (silver(0, 1, u128::MAX), Some(Balance)),
        (silver(0, 0, u128::MAX - 1), None),
    ] {
        assert_eq!(reason("", operation.clone()), expected, "{operation:?}");
    }
    let deposit = "create_deposit = { asset = \"gold\", amount = \"1000\" }";
    assert_eq!(reason(deposit, create("new", 0)), Some(Balance));
}

#[test]
fn only_owners_write() {
    for operation in [update("first", None), transfer("first", 1, None), delete("first", None)] {
        let mut world = World::new("");
        let parts = vec![part("red", vec![operation])];
        let outcomes = world.run(&[unsigned(1, FAR, &[1, 2], parts)]);
        let (chain, operation, reason) = ("red".into(), 0, Reason::NotOwner);
        assert_eq!(outcomes, [Outcome::Aborted(Abort { chain, operation, reason })]);
    }
}

#[test]
fn later_operations_see_earlier_ones() {
    let mut world = World::new("create_deposit = { asset = \"gold\", amount = \"400\" }");
    let red = vec![
        create("new", 0),
        require_gold(0, 600),
        transfer("new", 1, Some(1)),
        update("new", Some(2)),
        require("new", Some(3), Some(1), None),
        pay(0, 2, 600),
    ];
    let blue = vec![create("short", 0), delete("short", None), require_gold(0, 1_000)];
    let parts = vec![part("blue", blue), part("red", red)];
    let bundle = unsigned(1, FAR, &[0, 1], parts);
    assert_eq!(world.run(std::slice::from_ref(&bundle)), [Outcome::Committed]);
    let new = world.view().object("red", &object("new")).unwrap();
    let expected = ObjectState { value: vec![2], owner: key(1), version: 3, deposit: 400 };
    assert_eq!(new, expected);
    // The deposit goes with the object, to whoever ends it.
    world.run(&[unsigned(2, FAR, &[1], vec![part("red", vec![delete("new", None)])])]);
    assert_eq!(world.view().balance("red", key(1), "gold"), 1_400);
    assert_eq!(world.view().balances("red", key(0), 9).len(), 1, "only silver is left");
}

#[test]
fn ids_are_used_up_once() {
    let mut world = World::new("");
    let good = unsigned(1, FAR, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let bad = unsigned(2, FAR, &[0], vec![part("red", vec![pay(0, 1, 5_000)])]);
    let late = unsigned(3, 0, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let outcomes = world.run(&[good.clone(), bad.clone(), good.clone()]);
    assert!(matches!(&outcomes[..], [Outcome::Committed, Outcome::Aborted(_), Outcome::Duplicate]));
    // A second signature makes no second id.
    let again = Bundle { signatures: vec![[9; 64]], ..good.clone() };
    let outcomes = world.run(&[again, bad, late.clone(), late.clone()]);
    assert_eq!(
        outcomes,
        [Outcome::Duplicate, Outcome::Duplicate, Outcome::Expired, Outcome::Expired]
    );
    assert_eq!(world.view().balance("red", key(0), "gold"), 999);
    // A bundle is known for what was done first.
    let first = position(&world.state, &good.id(NETWORK)).unwrap();
    assert_eq!(first, Position { slot: 0, index: 0, outcome: Outcome::Committed });
    let late = position(&world.state, &late.id(NETWORK)).unwrap();
    assert_eq!(late, Position { slot: 1, index: 2, outcome: Outcome::Expired });
}

/// With the real constant: the last slot in which a bundle may come again is the last for which its id is remembered.
#[test]
fn ids_are_remembered_for_the_window() {
    let mut world = World::new("");
    world.run(&[]);
    let bundle = unsigned(1, 1 + WINDOW_SLOTS, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let id = bundle.id(NETWORK);
    let root = |world: &World| world.view().summary().state_root;
    let start = root(&world);
    assert_eq!(world.run(std::slice::from_ref(&bundle)), [Outcome::Committed]);
    assert_ne!(root(&world), start);
    world.idle_to(1 + WINDOW_SLOTS);
    let kept = StateKey::UsedIds { slot: 1 };
    let value = borsh::to_vec(&vec![id]).unwrap();
    let proof = world.view().prove(&kept);
    assert!(proof.verify(&root(&world), &kept, Some(&value)));
    let before = world.state.clone();
    assert_eq!(world.run(&[bundle]), [Outcome::Duplicate]);
    assert!(world.view().prove(&kept).verify(&root(&world), &kept, None), "forgotten");
    // Pruning keeps what may come again, and forgets what may not.
    let mut pruned = World { rules: world.rules.clone(), state: before };
    while let delta @ Delta { .. } = prune(&pruned.state, u64::MAX, 3)
        && !delta.is_empty()
    {
        pruned.state.apply(delta);
    }
    assert!(position(&pruned.state, &id).is_some());
    pruned.idle_to(3 + WINDOW_SLOTS);
    // Whoever forgets states only still knows what became of everything.
    while let delta @ Delta { .. } = prune_states(&pruned.state, u64::MAX, 3)
        && !delta.is_empty()
    {
        pruned.state.apply(delta);
    }
    assert!(View::at(&pruned.state, 2 + WINDOW_SLOTS).is_none());
    assert!(position(&pruned.state, &id).is_some());
    assert_eq!(results(&pruned.state, 1).map(|results| results.len()), Some(1));
    while let delta @ Delta { .. } = prune(&pruned.state, u64::MAX, 3)
        && !delta.is_empty()
    {
        pruned.state.apply(delta);
    }
    assert!(position(&pruned.state, &id).is_none());
    assert!(results(&pruned.state, 1).is_none());
    assert_eq!(results(&pruned.state, 2), Some(Vec::new()));
}

#[test]
fn idle_slots_cost_next_to_nothing() {
    let world = World::new("");
    let (delta, results) = world.next(&[]);
    let bytes: usize =
        delta.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
    assert!(bytes < 300, "{bytes} bytes");
    let summary = world.view().summary().clone();
    assert_eq!(results.summary.state_root, summary.state_root);
    assert_eq!(results.summary.version, summary.version);
    assert_ne!(results.summary.history, summary.history);
}

#[test]
#[should_panic(expected = "slots are executed in order")]
fn slots_are_executed_in_order() {
    let world = World::new("");
    let block = Block::default();
    execute(&world.state, &world.rules, 1, &block, value(NETWORK, &block.to_bytes()));
}

#[test]
fn says_where_objects_live() {
    let world = World::new("");
    let on_red =
        |operation| unsigned(1, FAR, &[0], vec![part("red", vec![pay(0, 1, 1), operation])]);
    let elsewhere = Operation::Delete { key: "red:seat".into(), if_version: None };
    let refusal = wrong_home(&world.state, &on_red(elsewhere)).unwrap();
    assert_eq!((refusal.code, refusal.home.as_deref()), (Code::WrongHome, Some("red")));
    assert_eq!(refusal.at.as_deref(), Some("parts[0].operations[1].key"));
    for here in [delete("first", None), delete("never", None), create("new", 0)] {
        assert_eq!(wrong_home(&world.state, &on_red(here)), None);
    }
}

#[test]
fn writes_what_is_different_in_the_end_and_no_more() {
    let mut world = World::new("");
    let undone = vec![create("new", 0), delete("new", None), pay(0, 1, 5), pay(1, 0, 5)];
    let (delta, _) = world.next(&[unsigned(1, FAR, &[0, 1], vec![part("red", undone)])]);
    let values = |delta: &Delta| delta.keys().filter(|key| key[0] == b'v').count();
    assert_eq!(values(&delta), 1, "the used ids");
    world.state.apply(delta);
    // Puts and deletes in one slot: what only the version between them has is not written.
    let (delta, _) = world.next(&[unsigned(
        2,
        FAR,
        &[0],
        vec![part("red", vec![delete("first", None), pay(0, 1, 1)])],
    )]);
    let stale = delta.keys().filter(|key| key[0] == b'x').map(|key| &key[9..]);
    assert!(stale.filter(|row| row[0] == b'n').all(|row| !delta.contains_key(row)));
}
