//! Receipts that a quorum attests: what they show to whoever has learner graph and network id, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::*;
use hpaxos_consensus::{Epoch, NetworkId};
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_ledger::*;
use std::collections::BTreeMap;

const RED: [&str; 4] = ["a", "b", "c", "d"];
const BLUE: [&str; 4] = ["b", "c", "e", "f"];

/// The receipt of a bundle that was executed in slot 1 of 4; red certifies slot 1, blue slot 3.
fn receipt(graph: &LearnerGraph, amount: u128) -> Receipt {
    let mut world = World::new("");
    world.run(&[]);
    let parts = vec![part("blue", vec![pay(0, 1, 1)]), part("red", vec![pay(0, 1, amount)])];
    let bundle = bundle(7, 99, &[0], parts);
    let other = unsigned(8, 99, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    world.run(&[other.clone(), bundle.clone()]);
    world.run(&[]);
    world.run(&[other]);
    let chain = |name: &str, slot: u64, signers: &[&str]| {
        let mut chain = ChainReceipt::of(&world.state, &bundle.id(NETWORK));
        let summary = Summary::read(&world.state, slot + 1).unwrap();
        let certificate = certify(graph, NETWORK, (LOG, slot, &summary), name, signers);
        let path = path(&world.state, 1, slot).unwrap();
        chain.certificate = Some(ReceiptCertificate::new(graph, &certificate, path));
        (name.to_owned(), chain)
    };
    let chains = BTreeMap::from([chain("blue", 3, &BLUE), chain("red", 1, &RED)]);
    Receipt::new(NETWORK, bundle, chains, &[])
}

#[test]
fn a_quorum_of_each_chain_shows_that_a_bundle_is_committed() {
    let graph = keyed_graph();
    let right = receipt(&graph, 5);
    let verified = right.verify(NETWORK, &graph);
    assert_eq!(verified.verdict, Verdict::Committed);
    assert!(verified.checks.iter().all(|check| check.holds && check.flaw.is_none()));
    assert_eq!(verified.checks.len(), 3 + 2 * 3);
    let text = serde_json::to_string(&right).unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), right);
    assert_eq!(right.verify(NetworkId([8; 32]), &graph).verdict, Verdict::Forged);

    // An abort is proved in the same way, and is not what was wished for.
    let aborted = receipt(&graph, 5_000);
    let verified = aborted.verify(NETWORK, &graph);
    assert!(verified.checks.iter().all(|check| check.holds));
    assert_eq!(verified.verdict, Verdict::NotCommitted);

    let mut open = right.clone();
    open.chains.get_mut("blue").unwrap().certificate = None;
    let verified = open.verify(NETWORK, &graph);
    let missing: Vec<_> = verified.checks.iter().filter(|check| !check.holds).collect();
    assert_eq!(missing[0].flaw, Some(ReceiptFlaw::Missing));
    assert_eq!((missing.len(), verified.verdict), (1, Verdict::Open));
    open.chains.insert("blue".into(), ChainReceipt::pending());
    assert_eq!(open.verify(NETWORK, &graph).verdict, Verdict::Open);
}

/// What one change makes of blue's certificate, whose path is three slots long.
#[test]
fn says_what_is_wrong_with_a_receipts_certificate() {
    use ReceiptFlaw::*;
    let graph = keyed_graph();
    let right = receipt(&graph, 5);
    let of = |name: &str| name.to_owned();
    let forged_signature = |name: &str| CertificateFlaw::Signature(of(name)).into();
    type Change<'a> = &'a dyn Fn(&mut ReceiptCertificate);
    let changes: [(Change, ReceiptFlaw); 20] = [
        (&|it| it.epoch = Epoch(1), CertificateFlaw::Epoch(Epoch(1)).into()),
        (&|it| it.slot = 4, Path { steps: 2, slots: 3 }),
        (&|it| it.slot = 0, Early { certified: 0, slot: 1 }),
        (&|it| it.slot = u64::MAX, Path { steps: 2, slots: u64::MAX - 1 }),
        (&|it| it.path.truncate(1), Path { steps: 1, slots: 2 }),
        (&|it| it.path.clear(), Path { steps: 0, slots: 2 }),
        (&|it| it.path[0].0.0[0] ^= 1, forged_signature("b")),
        (&|it| it.path[0].1.0[0] ^= 1, forged_signature("b")),
        (&|it| it.path[1].0.0[0] ^= 1, forged_signature("b")),
        (&|it| it.path[1].1.0[0] ^= 1, forged_signature("b")),
        (&|it| it.path.swap(0, 1), forged_signature("b")),
        (&|it| it.state_root.0[0] ^= 1, forged_signature("b")),
        (&|it| it.signatures[3][0] ^= 1, forged_signature("f")),
        (&|it| it.learners[3] = vec![of("blue"), of("red")], forged_signature("f")),
        (&|it| it.learners[3] = vec![of("green")], Learner(of("green"))),
        (&|it| it.learners[1].clear(), CertificateFlaw::NotForLearner(of("c")).into()),
        (&|it| it.signers[0] = of("zoe"), Acceptor(of("zoe"))),
        (&|it| it.signers[0] = of("a"), CertificateFlaw::NotAMember(of("a")).into()),
        (&|it| drop(it.signers.pop()), Lists { signers: 3, learners: 4, signatures: 4 }),
        (
            &|it| {
                it.signers.truncate(3);
                it.learners.truncate(3);
                it.signatures.truncate(3);
            },
            CertificateFlaw::NoQuorum(vec![of("b"), of("c"), of("e")]).into(),
        ),
    ];
    for (number, (change, flaw)) in changes.into_iter().enumerate() {
        let mut forged = right.clone();
        let blue = forged.chains.get_mut("blue").unwrap();
        change(blue.certificate.as_mut().unwrap());
        let verified = forged.verify(NETWORK, &graph);
        let wrong: Vec<_> = verified.checks.into_iter().filter(|check| !check.holds).collect();
        let [check] = wrong.as_slice() else { panic!("change {number}: {wrong:?}") };
        let place = (check.chain.as_deref(), check.what);
        assert_eq!(place, (Some("blue"), Checked::Certificate), "change {number}");
        assert_eq!(check.flaw, Some(flaw), "change {number}");
        assert_eq!(verified.verdict, Verdict::Forged, "change {number}");
    }
    // The path leads to the receipt's own history, so what is wrong there is wrong here.
    let mut forged = right.clone();
    forged.chains.get_mut("blue").unwrap().history.as_mut().unwrap().0[0] ^= 1;
    let wrong = forged.verify(NETWORK, &graph).checks;
    let wrong: Vec<_> = wrong.iter().filter(|check| !check.holds).map(|it| it.what).collect();
    assert_eq!(wrong, [Checked::History, Checked::Certificate]);
    // The state root is covered where its own slot is certified.
    let mut forged = right.clone();
    forged.chains.get_mut("red").unwrap().state_root.as_mut().unwrap().0[0] ^= 1;
    let wrong = forged.verify(NETWORK, &graph).checks;
    let wrong: Vec<_> = wrong.into_iter().filter_map(|check| check.flaw).collect();
    assert_eq!(wrong, [StateRoot]);
    // One chain's certificate is none of another's.
    let mut forged = right;
    let red = forged.chains["red"].certificate.clone();
    let blue = forged.chains.get_mut("blue").unwrap();
    blue.certificate = red;
    let flaw = CertificateFlaw::NotAMember(of("a")).into();
    let found = forged.verify(NETWORK, &graph).checks;
    assert_eq!(found.into_iter().find_map(|check| check.flaw), Some(flaw));
}

/// The published form.
#[test]
fn a_receipts_certificate_has_this_form() {
    let graph = keyed_graph();
    let right = receipt(&graph, 5);
    let value = serde_json::to_value(&right).unwrap();
    let certificate = &value["chains"]["blue"]["certificate"];
    let text = certificate.to_string();
    assert!(text.starts_with(r#"{"epoch":0,"learners":[["blue","red"],"#), "{text}");
    assert_eq!(
        (&certificate["slot"], certificate["path"].as_array().unwrap().len()),
        (&3.into(), 4)
    );
    assert_eq!(certificate["signers"], serde_json::json!(BLUE));
    assert_eq!(certificate["learners"][3], serde_json::json!(["blue"]));
    assert_eq!(certificate["signatures"][0].as_str().unwrap().len(), 128);
    for (from, to) in [
        ("\"epoch\"", "\"epos\""),
        ("\"signatures\":[\"", "\"signatures\":[\"00"),
        ("\"path\":[\"", "\"path\":[\"g"),
    ] {
        let damaged = serde_json::to_string(&right).unwrap().replace(from, to);
        assert!(serde_json::from_str::<Receipt>(&damaged).is_err(), "{from}");
    }
    let steps: Vec<&str> =
        certificate["path"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let odd = serde_json::to_string(&right).unwrap().replace(&format!(",\"{}\"", steps[3]), "");
    assert!(serde_json::from_str::<Receipt>(&odd).is_err());
}
