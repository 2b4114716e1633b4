//! Things move between two base logs and the log that joins them: released in one, claimed in another, with real keys and
//! certificates.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::logs::*;
use common::*;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::AcceptorId;
use hpaxos_ledger::*;

const DEPOSIT: &str = "create_deposit = { asset = \"gold\", amount = \"100\" }";

fn create(key: &str, owner: u8) -> Operation {
    Operation::Create { key: key.into(), value: vec![7], owner: common::key(owner) }
}

fn transfer(key: &str, to: u8) -> Operation {
    Operation::Transfer { key: key.into(), to: common::key(to), if_version: None }
}

fn delete(key: &str) -> Operation {
    Operation::Delete { key: key.into(), if_version: None }
}

fn reason(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::Aborted(abort) => abort.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_goes_to_another_log_and_comes_back() {
    let mut logs = Logs::new(DEPOSIT);
    let hat = "red:hat";
    assert_eq!(logs.run("red", "red", vec![create(hat, 0)]), Outcome::Committed);
    assert_eq!(logs.run("red", "red", vec![transfer(hat, 1)]), Outcome::Committed);
    let object = logs.object("red", "red", hat).unwrap();
    assert_eq!((object.version, object.deposit, logs.gold("red", "red", 0)), (2, 100, 900));

    let (released, claim) = logs.let_go("red", "red", release(hat, LOG));
    let thing =
        Thing::Object { key: hat.into(), value: vec![7], owner: key(1), version: 2, deposit: 100 };
    let (chain, to_log) = ("red".to_owned(), LOG.to_owned());
    assert_eq!(released, Released { chain, operation: 0, to_log, thing });
    assert_eq!((logs.object("red", "red", hat), logs.object(LOG, "red", hat)), (None, None));
    // Its name is taken, and is known to have gone where it went.
    assert_eq!(reason(&logs.run("red", "red", vec![create(hat, 0)])), Reason::Exists);
    assert_eq!(reason(&logs.run("red", "red", vec![delete(hat)])), Reason::Absent);
    let home = |logs: &mut Logs, log: &str, operations: Vec<Operation>| {
        let bundle = logs.bundle(log, &[1], vec![part("red", operations)]);
        wrong_home(&logs.worlds[log].state, &bundle).map(|refusal| refusal.home.unwrap())
    };
    assert_eq!(home(&mut logs, "red", vec![delete(hat)]).as_deref(), Some(LOG));
    assert_eq!(home(&mut logs, "red", vec![release(hat, LOG)]).as_deref(), Some(LOG));
    assert_eq!(home(&mut logs, LOG, vec![delete(hat)]).as_deref(), Some("red"));
    assert_eq!(home(&mut logs, LOG, vec![claim.clone(), delete(hat)]), None);

    // Anybody may claim it for its owner, and can use it at once.
    let bundle = logs.bundle(LOG, &[], vec![part("red", vec![claim.clone()])]);
    assert_eq!(bundle.check(&logs.worlds[LOG].rules, 1).map(drop), Ok(()));
    assert_eq!(logs.execute(&bundle), Outcome::Committed);
    assert_eq!(logs.object(LOG, "red", hat).unwrap(), object);
    assert_eq!(reason(&logs.run(LOG, "red", vec![claim])), Reason::Claimed);
    assert_eq!(home(&mut logs, LOG, vec![delete(hat)]), None);

    // And back: there it is, and may be ended and made again.
    let (_, claim) = logs.let_go(LOG, "red", release(hat, "red"));
    assert_eq!(home(&mut logs, LOG, vec![delete(hat)]).as_deref(), Some("red"));
    let operations = vec![claim.clone(), transfer(hat, 2)];
    assert_eq!(logs.run("red", "red", operations), Outcome::Committed);
    assert_eq!(logs.object("red", "red", hat).unwrap().version, 3);
    assert_eq!(logs.worlds["red"].view().gone_to("red", hat), None);
    assert_eq!(logs.run("red", "red", vec![delete(hat), create(hat, 0)]), Outcome::Committed);
    assert_eq!((logs.gold("red", "red", 2), logs.gold("red", "red", 0)), (1_100, 800));
    assert_eq!(reason(&logs.run("red", "red", vec![claim])), Reason::Claimed);

    // In a log that is not the one of its birth the deposit comes back, too; the name is never free there.
    let (_, claim) = logs.let_go("red", "red", release(hat, LOG));
    assert_eq!(logs.run(LOG, "red", vec![claim, delete(hat)]), Outcome::Committed);
    assert_eq!(logs.gold(LOG, "red", 0), 1_100);
    assert_eq!(reason(&logs.run("red", "red", vec![create(hat, 0)])), Reason::Exists);
}

#[test]
fn a_release_fails_for_these_reasons() {
    use Reason::*;
    let mut logs = Logs::new("");
    logs.run(LOG, "red", vec![create("red+blue:seat", 0)]);
    let seat = |to_log| release("red+blue:seat", to_log);
    for (chain, clients, operation, expected) in [
        ("red", &[0][..], release("red+blue:none", "red"), Absent),
        ("blue", &[0], seat("blue"), Absent),
        ("red", &[1, 2], seat("red"), NotOwner),
        ("red", &[0], seat(LOG), BadLog),
        ("red", &[0], seat("blue"), BadLog),
        ("red", &[0], seat("green"), BadLog),
        ("red", &[1], release_gold(0, 1, "red"), NotOwner),
        ("red", &[0], release_gold(0, 1_001, "red"), Balance),
        ("red", &[0], release_gold(0, 1, "blue"), BadLog),
        ("red", &[0], release_gold(0, 1, LOG), BadLog),
    ] {
        let before = logs.worlds[LOG].view().summary().state_root;
        let parts = vec![part(chain, vec![pay(clients[0], 3, 1), operation.clone()])];
        let bundle = logs.bundle(LOG, clients, parts);
        let outcome = logs.execute(&bundle);
        let chain = chain.to_owned();
        let abort = Abort { chain, operation: 1, reason: expected };
        assert_eq!(outcome, Outcome::Aborted(abort), "{operation:?}");
        assert_ne!(logs.worlds[LOG].view().summary().state_root, before, "the id is used up");
        assert_eq!(logs.gold(LOG, "red", 3), 1_000, "all or nothing");
    }
}

/// One bundle moves something on each chain; each is claimed by itself, in its own log.
#[test]
fn things_go_together_and_come_in_alone() {
    let mut logs = Logs::new("");
    let blue = vec![pay(0, 1, 1), release_gold(0, 30, "blue")];
    let red = vec![release_gold(1, 40, "red"), release_gold(1, 50, "red")];
    let bundle = logs.bundle(LOG, &[0, 1], vec![part("blue", blue), part("red", red)]);
    let outcome = logs.execute(&bundle);
    let Outcome::Released(released) = &outcome else { panic!("{outcome:?}") };
    let places: Vec<_> = released.iter().map(|it| (it.chain.as_str(), it.operation)).collect();
    assert_eq!(places, [("blue", 1), ("red", 0), ("red", 1)]);
    for _ in 0..3 {
        logs.worlds.get_mut(LOG).unwrap().run(&[]);
    }
    let receipt = logs.receipt(&bundle);
    assert_eq!(receipt.verify(NETWORK, &logs.graph).verdict, Verdict::Committed);
    let text = serde_json::to_string(&receipt).unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
    let claims = logs.claims(&receipt);
    let claim = |number: usize| claims[number].1.clone();
    let elsewhere = reason(&logs.run(LOG, "blue", vec![claim(0)]));
    assert_eq!(
        (elsewhere, reason(&logs.run("red", "red", vec![claim(0)]))),
        (Reason::BadProof, Reason::BadProof)
    );
    assert_eq!(logs.run("red", "red", vec![claim(2)]), Outcome::Committed);
    assert_eq!(logs.gold("red", "red", 1), 1_050);
    // A claim is used up by what commits, and by nothing else.
    let undone = logs.run("red", "red", vec![claim(1), pay(0, 1, 5_000)]);
    assert_eq!(reason(&undone), Reason::Balance);
    assert_eq!(reason(&logs.run("red", "red", vec![claim(1), claim(1)])), Reason::Claimed);
    assert_eq!(logs.gold("red", "red", 1), 1_050);
    assert_eq!(logs.run("red", "red", vec![claim(1)]), Outcome::Committed);
    assert_eq!(logs.run("blue", "blue", vec![claim(0)]), Outcome::Committed);
    assert_eq!((logs.gold("red", "red", 1), logs.gold("blue", "blue", 0)), (1_090, 1_030));
    for (log, number) in [("red", 1), ("red", 2), ("blue", 0)] {
        assert_eq!(reason(&logs.run(log, log, vec![claim(number)])), Reason::Claimed);
    }
}

/// A chain whose quorums lie can let one thing go twice. Even then a log has it once; and to the other chain it is nothing.
#[test]
fn what_a_forked_chain_lets_go_twice_comes_in_once() {
    let mut logs = Logs::new("");
    let mut forked = logs.clone();
    forked.run("red", "red", vec![pay(0, 1, 1)]);
    let (_, one) = logs.let_go("red", "red", release("red:first", LOG));
    let (_, other) = forked.let_go("red", "red", release("red:first", LOG));
    assert_ne!(one, other);
    let blue = |logs: &Logs| logs.worlds[LOG].view().balances("blue", key(0), 9);
    let before = blue(&logs);
    assert_eq!(logs.run(LOG, "red", vec![one]), Outcome::Committed);
    let object = logs.object(LOG, "red", "red:first");
    assert_eq!(logs.run(LOG, "red", vec![transfer("red:first", 1)]), Outcome::Committed);
    assert_eq!(reason(&logs.run(LOG, "red", vec![other])), Reason::Claimed);
    assert_eq!(logs.object(LOG, "red", "red:first").unwrap().version, object.unwrap().version + 1);
    assert_eq!(blue(&logs), before);
}

/// What one change makes of a claim. Whatever is not said in its form is found in execution.
#[test]
fn forged_claims_are_refused() {
    let mut logs = Logs::new("");
    logs.run("red", "red", vec![create("red:hat", 0)]);
    let parts = vec![part("red", vec![release("red:hat", LOG), release_gold(0, 5, LOG)])];
    let bundle = logs.bundle("red", &[0], parts);
    let others: Vec<Bundle> =
        (0..5).map(|_| logs.bundle("red", &[0], vec![part("red", vec![pay(0, 1, 1)])])).collect();
    let block = [&others[..3], std::slice::from_ref(&bundle), &others[3..]].concat();
    let red = logs.worlds.get_mut("red").unwrap();
    red.run(&block);
    red.run(&[]);
    red.run(&[]);
    let receipt = logs.receipt(&bundle);
    let right = Claim::of_receipt(NETWORK, &logs.graph, &receipt, ("red", 0)).unwrap();
    let gold = Claim::of_receipt(NETWORK, &logs.graph, &receipt, ("red", 1)).unwrap();
    assert_eq!((right.proof.path.len(), right.proof.proof.len()), (2, 3));
    assert_eq!(right.verify(NETWORK, &logs.graph), Ok(()));
    assert!(right.verify(NetworkId([8; 32]), &logs.graph).is_err());

    type Change<'a> = &'a dyn Fn(&mut Claim);
    let changes: [Change; 38] = [
        &|it| it.released.chain = "blue".into(),
        &|it| it.released.operation = 1,
        &|it| it.released.to_log = "red".into(),
        &|it| it.released.thing = gold.released.thing.clone(),
        &|it| {
            if let Thing::Object { key, .. } = &mut it.released.thing {
                key.push('s')
            }
        },
        &|it| {
            if let Thing::Object { value, .. } = &mut it.released.thing {
                value.push(1)
            }
        },
        &|it| {
            if let Thing::Object { owner, .. } = &mut it.released.thing {
                *owner = key(1)
            }
        },
        &|it| {
            if let Thing::Object { version, .. } = &mut it.released.thing {
                *version += 1
            }
        },
        &|it| {
            if let Thing::Object { version, .. } = &mut it.released.thing {
                *version = u64::MAX
            }
        },
        &|it| {
            if let Thing::Object { deposit, .. } = &mut it.released.thing {
                *deposit += 1
            }
        },
        &|it| it.proof.bundle.0[0] ^= 1,
        &|it| it.proof.bundle = others[0].id(NETWORK),
        &|it| it.proof.released.truncate(1),
        &|it| it.proof.released.swap(0, 1),
        &|it| it.proof.released[1][0] ^= 1,
        &|it| it.proof.released.push([0; 32]),
        &|it| it.proof.released.clear(),
        &|it| it.proof.index += 1,
        &|it| it.proof.index = u32::MAX,
        &|it| it.proof.results = 0,
        &|it| it.proof.results = 3,
        &|it| it.proof.proof[1][0] ^= 1,
        &|it| it.proof.proof.truncate(2),
        &|it| it.proof.previous.0[0] ^= 1,
        &|it| it.proof.slot += 1,
        &|it| it.proof.slot = u64::MAX,
        &|it| it.proof.block.0[0] ^= 1,
        &|it| it.proof.results_root.0[0] ^= 1,
        &|it| it.proof.path[0].0.0[0] ^= 1,
        &|it| it.proof.path[1].1.0[0] ^= 1,
        &|it| it.proof.path.truncate(1),
        &|it| it.proof.certificate.epoch.0 = 1,
        &|it| it.proof.certificate.log = "blue".into(),
        &|it| it.proof.certificate.log = LOG.into(),
        &|it| it.proof.certificate.slot += 1,
        &|it| it.proof.certificate.learner = "blue".into(),
        &|it| it.proof.certificate.signatures.truncate(3),
        &|it| it.proof.certificate.signatures[3].acceptor = AcceptorId::new(5),
    ];
    let more: [Change; 5] = [
        &|it| it.proof.certificate.history.0[0] ^= 1,
        &|it| it.proof.certificate.results_root.0[0] ^= 1,
        &|it| it.proof.certificate.state_root.0[0] ^= 1,
        &|it| it.proof.certificate.signatures[0].signature[7] ^= 1,
        &|it| it.proof.certificate.signatures[1].signature = [0; 64],
    ];
    let before = (logs.object(LOG, "red", "red:hat"), logs.gold(LOG, "red", 0));
    for (number, change) in changes.into_iter().chain(more).enumerate() {
        let mut forged = right.clone();
        change(&mut forged);
        assert_ne!(forged, right, "change {number}");
        assert!(forged.verify(NETWORK, &logs.graph).is_err() || forged.released.to_log != LOG);
        let outcome = logs.run(LOG, "red", vec![forged.to_operation()]);
        assert_eq!(reason(&outcome), Reason::BadProof, "change {number}");
        let after = (logs.object(LOG, "red", "red:hat"), logs.gold(LOG, "red", 0));
        assert_eq!(after, before, "change {number}");
    }
    // With another's right to vote nothing is proved: blue's quorum says nothing of red.
    let mut of_blue = right.clone();
    of_blue.proof.certificate.learner = "blue".into();
    assert_eq!(of_blue.verify(NETWORK, &logs.graph), Err(NotReleased::Chain));
    let on_blue = logs.run(LOG, "blue", vec![right.to_operation()]);
    assert_eq!(reason(&on_blue), Reason::BadProof, "what is red's comes in on red");
    assert_eq!(logs.run(LOG, "red", vec![right.to_operation()]), Outcome::Committed);
    assert_eq!(logs.run(LOG, "red", vec![gold.to_operation()]), Outcome::Committed);
}

/// What a block may not contain: seen without any state.
#[test]
fn claims_have_one_form() {
    let mut logs = Logs::new("");
    let (_, right) = logs.let_go("red", "red", release_gold(0, 5, LOG));
    let Operation::Claim { release, proof } = &right else { unreachable!() };
    let claim = Claim::read(release, proof).unwrap();
    assert_eq!(claim.to_operation(), right);
    let rules = |log: &str| logs.worlds[log].rules.clone();
    let check = |log: &str, chain: &str, operation: Operation| {
        let bundle = unsigned_in(log, 1, 10, &[], vec![part(chain, vec![operation])]);
        bundle.check(&rules(log), 1).map(drop).map_err(|refusal| {
            assert_eq!(refusal.code, Code::Malformed);
            refusal.at.unwrap().rsplit_once('.').unwrap().1.to_owned()
        })
    };
    let at = |field: &str| Err(field.to_owned());
    assert_eq!(check(LOG, "red", right.clone()), Ok(()));
    assert_eq!(check(LOG, "blue", right.clone()), at("release"));
    assert_eq!(check("red", "red", right.clone()), at("release"));
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    let (release, proof) = (release.clone(), proof.clone());
    let with = |release: Vec<u8>, proof: Vec<u8>| Operation::Claim { release, proof };
    assert_eq!(check(LOG, "red", with(longer(&release), proof.clone())), at("release"));
    assert_eq!(check(LOG, "red", with(release.clone(), longer(&proof))), at("proof"));
    for cut in [0, 1, 40, proof.len() - 1] {
        assert_eq!(check(LOG, "red", with(release.clone(), proof[..cut].to_vec())), at("proof"));
    }
    for cut in 0..release.len() {
        let short = with(release[..cut].to_vec(), proof.clone());
        assert_eq!(check(LOG, "red", short), at("release"));
    }
    let mut of_blue = claim.clone();
    of_blue.proof.certificate.learner = "blue".into();
    assert_eq!(check(LOG, "red", of_blue.to_operation()), at("proof"));
    let mut old = claim;
    old.released.thing = Thing::Object {
        key: "red:hat".into(),
        value: Vec::new(),
        owner: key(0),
        version: limits::NUMBER_MAX + 1,
        deposit: 0,
    };
    assert_eq!(check(LOG, "red", old.to_operation()), at("release"));
}

/// The largest thing, from a slot with the most results, with every acceptor's signature, still fits into a bundle.
#[test]
fn whatever_was_released_can_be_claimed() {
    let mut logs = Logs::new("");
    let keys: Vec<String> =
        (0..4).map(|number| format!("red:{number}{}", "x".repeat(251))).collect();
    for key in &keys {
        let value = vec![0xff; limits::VALUE_BYTES_MAX];
        let owner = common::key(0);
        logs.run("red", "red", vec![Operation::Create { key: key.clone(), value, owner }]);
    }
    let releases = keys.iter().map(|key| release(key, LOG)).collect();
    let bundle = logs.bundle("red", &[0], vec![part("red", releases)]);
    assert!(matches!(logs.execute(&bundle), Outcome::Released(_)));
    let claims = logs.claims(&logs.receipt(&bundle));
    for (_, claim) in claims {
        let bundle = logs.bundle(LOG, &[], vec![part("red", vec![claim.clone()])]);
        assert_eq!(bundle.check(&logs.worlds[LOG].rules, 1).map(drop), Ok(()));
        let Operation::Claim { release, proof } = claim else { unreachable!() };
        let mut claim = Claim::read(&release, &proof).unwrap();
        claim.proof.released.resize(limits::BUNDLE_OPERATIONS_MAX, [1; 32]);
        claim.proof.proof.resize(RESULT_PROOF_HASHES_MAX, [1; 32]);
        let signed = claim.proof.certificate.signatures[0].clone();
        claim.proof.certificate.signatures.resize(hpaxos_learner_graph::ACCEPTORS_MAX, signed);
        let bundle = logs.bundle(LOG, &[], vec![part("red", vec![claim.to_operation()])]);
        assert_eq!(bundle.check(&logs.worlds[LOG].rules, 1).map(drop), Ok(()));
        assert_eq!(Bundle::from_bytes(&bundle.to_bytes()), Some(bundle));
    }
}

#[test]
fn receipts_say_what_was_released() {
    let mut logs = Logs::new(DEPOSIT);
    logs.run("red", "red", vec![create("red:hat", 0)]);
    let parts = vec![part("red", vec![release("red:hat", LOG), release_gold(1, 5, LOG)])];
    let bundle = logs.bundle("red", &[0, 1], parts);
    logs.execute(&bundle);
    let right = logs.receipt(&bundle);
    let value = serde_json::to_value(&right).unwrap();
    let (alice, bob) = (hex::encode(key(0)), hex::encode(key(1)));
    let expected = serde_json::json!([
        {"chain": "red", "operation": 0, "to_log": "red+blue", "thing": {"object":
            {"key": "red:hat", "value": "Bw==", "owner": alice, "version": 1, "deposit": "100"}}},
        {"chain": "red", "operation": 1, "to_log": "red+blue", "thing": {"balance":
            {"asset": "gold", "owner": bob, "amount": "5"}}},
    ]);
    let chain = &value["chains"]["red"];
    assert_eq!((&chain["status"], &chain["released"]), (&"committed".into(), &expected));
    let failing = |receipt: &Receipt| {
        let checks = receipt.verify(NETWORK, &logs.graph).checks.into_iter();
        checks.filter(|check| !check.holds).map(|check| check.what).collect::<Vec<_>>()
    };
    let claimed = |receipt: &Receipt, of| Claim::of_receipt(NETWORK, &logs.graph, receipt, of);
    let of = |change: &dyn Fn(&mut ChainReceipt)| {
        let mut forged = right.clone();
        change(forged.chains.get_mut("red").unwrap());
        (failing(&forged), claimed(&forged, ("red", 1)).map(drop))
    };
    assert_eq!(failing(&right), []);
    assert_eq!(claimed(&right, ("red", 2)), Err(NoClaim::Nothing));
    assert_eq!(claimed(&right, ("blue", 1)), Err(NoClaim::Nothing));
    let result = vec![Checked::Result];
    let found = of(&|it| it.released.truncate(1));
    assert_eq!(found, (result.clone(), Err(NoClaim::Nothing)));
    let found = of(&|it| it.released.clear());
    assert_eq!(found, (result.clone(), Err(NoClaim::Nothing)));
    let found = of(&|it| drop(it.released.remove(0)));
    assert_eq!(found, (result.clone(), Err(NotReleased::Result.into())));
    let found = of(&|it| it.status = Status::Duplicate);
    assert_eq!(found, (result.clone(), Ok(())), "what was let go was let go");
    let found = of(&|it| it.certificate = None);
    assert_eq!(found, (vec![Checked::Certificate], Err(ReceiptFlaw::Missing.into())));
    let found = of(&|it| it.proof = None);
    assert_eq!(found, (result, Err(NoClaim::Incomplete)));
}

/// The published form: programs in other languages make claims of it.
#[test]
fn the_canonical_forms_do_not_change() {
    let thing =
        Thing::Object { key: "r:k".into(), value: vec![9], owner: [2; 32], version: 3, deposit: 4 };
    let object = Released { chain: "red".into(), operation: 1, to_log: "red+blue".into(), thing };
    let thing = Thing::Balance { asset: "gold".into(), owner: [2; 32], amount: 5 };
    let gold = Released { thing, ..object.clone() };
    let two = "02".repeat(32);
    let place = "030000007265640100000008000000 7265642b626c7565".replace(' ', "");
    let number = |number: &str, bytes: usize| format!("{number}{}", "00".repeat(bytes - 1));
    assert_eq!(
        hex::encode(object.to_bytes()),
        format!("{place}0003000000723a6b0100000009{two}{}{}", number("03", 8), number("04", 16))
    );
    assert_eq!(
        hex::encode(gold.to_bytes()),
        format!("{place}0104000000676f6c64{two}{}", number("05", 16))
    );
    use sha2::{Digest, Sha256};
    let digest: [u8; 32] =
        Sha256::digest([b"hpaxos/v1/released\0", &gold.to_bytes()[..]].concat()).into();
    assert_eq!(gold.digest(), digest);
    // The leaf has digests in place of things, all else as it is encoded.
    let id = BundleId([7; 32]);
    let result =
        BundleResult { id, outcome: Outcome::Released(vec![object.clone(), gold.clone()]) };
    let leaf = [&[0][..], &id.0, &[4, 2, 0, 0, 0], &object.digest(), &gold.digest()].concat();
    let root: [u8; 32] = Sha256::digest(leaf).into();
    assert_eq!(results_root(&[result]).0, root);
    let plain = BundleResult { id, outcome: Outcome::Committed };
    let root: [u8; 32] = Sha256::digest([&[0][..], &id.0, &[0]].concat()).into();
    assert_eq!(results_root(&[plain]).0, root);
}

/// What is in flight can be claimed however old it is.
#[test]
fn results_that_let_something_go_are_never_forgotten() {
    let mut logs = Logs::new("");
    let pays = logs.bundle("red", &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let bundle = logs.bundle("red", &[0], vec![part("red", vec![release_gold(0, 5, LOG)])]);
    let red = logs.worlds.get_mut("red").unwrap();
    red.run(std::slice::from_ref(&pays));
    red.run(std::slice::from_ref(&bundle));
    red.idle_to(limits::WINDOW_SLOTS + 9);
    while let delta @ Delta { .. } = prune(&red.state, u64::MAX, 1_000)
        && !delta.is_empty()
    {
        red.state.apply(delta);
    }
    assert_eq!(position(&red.state, &pays.id(NETWORK)), None);
    let of = ChainReceipt::of(&red.state, &bundle.id(NETWORK));
    assert_eq!((of.status, of.released.len()), (Status::Committed, 1));
}
