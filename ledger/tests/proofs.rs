//! What can be shown to anybody, and what cannot be made up.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::*;
use hpaxos_learner_graph::analysis::{By, analyze_log};
use hpaxos_learner_graph::search::Effort;
use hpaxos_ledger::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn some_results(count: usize) -> Vec<BundleResult> {
    let result = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let outcome = match number % 3 {
            0 => Outcome::Committed,
            1 => {
                let (chain, operation, reason) = ("red".into(), 1, Reason::Balance);
                Outcome::Aborted(Abort { chain, operation, reason })
            }
            _ => Outcome::Duplicate,
        };
        BundleResult { id: BundleId(id), outcome }
    };
    (0..count).map(result).collect()
}

/// RFC 6962, as it is written there.
fn rfc_root(leaves: &[Vec<u8>]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::digest([&[0], &leaf[..]].concat()).into(),
        _ => {
            let half = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(half);
            Sha256::digest([&[1][..], &rfc_root(left), &rfc_root(right)].concat()).into()
        }
    }
}

#[test]
fn the_results_root_is_that_of_rfc_6962() {
    for count in 0..40 {
        let results = some_results(count);
        let leaves: Vec<_> = results.iter().map(|it| borsh::to_vec(it).unwrap()).collect();
        assert_eq!(results_root(&results).0, rfc_root(&leaves), "{count}");
    }
}

/// A world in which each of these bundles was executed in one slot.
fn executed(count: u64) -> (World, Vec<Bundle>) {
    let mut world = World::new("");
    world.run(&[]);
    let parts = |salt: u64| {
        vec![
            part("blue", vec![pay(0, 1, 1)]),
            part("red", vec![pay(1, 0, 5_000 * u128::from(salt % 2))]),
        ]
    };
    let clients = [0, 1];
    let bundles: Vec<_> = (0..count).map(|salt| bundle(salt, 99, &clients, parts(salt))).collect();
    world.run(&bundles);
    world.run(&[]);
    (world, bundles)
}

fn receipt(world: &World, bundle: &Bundle) -> Receipt {
    let graph = graph();
    let log = graph.log(LOG).unwrap();
    let mut effort = Effort::steps(Effort::DEFAULT_STEPS);
    let rests_on = atomicity(&analyze_log(&graph, &log, &By::Count, &mut effort));
    let of = ChainReceipt::of(&world.state, &bundle.id(NETWORK));
    let chains = ["blue", "red"].map(|chain| (chain.to_owned(), of.clone()));
    Receipt::new(NETWORK, bundle.clone(), BTreeMap::from(chains), &rests_on)
}

/// What a receipt shows that nobody attests.
fn not_attested(receipt: &Receipt) -> Verdict {
    match receipt.chains["red"].status {
        Status::Committed => Verdict::Open,
        _ => Verdict::NotCommitted,
    }
}

#[test]
fn receipts_say_what_became_of_a_bundle() {
    let (world, bundles) = executed(5);
    for (index, bundle) in bundles.iter().enumerate() {
        let receipt = receipt(&world, bundle);
        assert_eq!(receipt.verify(NETWORK, &graph()).verdict, not_attested(&receipt));
        let chain = &receipt.chains["red"];
        assert_eq!(
            (chain.slot, chain.index, chain.results),
            (Some(1), Some(index as u32), Some(5))
        );
        let expected = if index % 2 == 0 { Status::Committed } else { Status::Aborted };
        assert_eq!((chain.status, chain.abort.is_some()), (expected, index % 2 == 1));
        let text = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
        let Some(Breaks::Set { size: 2, acceptors }) = &receipt.atomicity[0].disagree_if else {
            panic!("{:?}", receipt.atomicity)
        };
        assert_eq!(acceptors.len(), 2);
    }
    let mut unknown = bundles[0].body.clone();
    unknown.salt = 77;
    let pending = receipt(&world, &Bundle::unsigned(unknown));
    assert_eq!(pending.chains["red"], ChainReceipt::pending());
    let text = serde_json::to_string(&pending).unwrap();
    assert!(text.contains(r#""red":{"status":"pending","slot":null,"#), "{text}");
}

#[test]
fn receipts_cannot_be_made_up() {
    let (world, bundles) = executed(6);
    let right = receipt(&world, &bundles[4]);
    let verdict = |receipt: &Receipt| receipt.verify(NETWORK, &graph()).verdict;
    assert_eq!(verdict(&right), Verdict::Open);
    type Change = fn(&mut ChainReceipt);
    let changes: [Change; 13] = [
        |it| it.status = Status::Aborted,
        |it| it.status = Status::Expired,
        |it| it.slot = Some(2),
        |it| it.slot = None,
        |it| it.index = Some(5),
        |it| it.index = Some(0),
        |it| it.results = Some(3),
        |it| it.block.as_mut().unwrap().0[0] ^= 1,
        |it| it.previous.as_mut().unwrap().0[0] ^= 1,
        |it| it.history.as_mut().unwrap().0[31] ^= 1,
        |it| it.results_root.as_mut().unwrap().0[7] ^= 1,
        |it| it.proof.as_mut().unwrap().push("00".repeat(32)),
        |it| it.proof.as_mut().unwrap()[0].replace_range(0..1, "g"),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut forged = right.clone();
        change(forged.chains.get_mut("red").unwrap());
        assert_eq!(verdict(&forged), Verdict::Forged, "change {number}");
    }
    // That it was in no block is not proven, and said to be so; with a part of a proof it is a lie.
    let mut unproven = right.clone();
    unproven.chains.insert("red".into(), ChainReceipt::expired());
    let of_red = |receipt: &Receipt| -> Vec<(Checked, bool)> {
        let checks = receipt.verify(NETWORK, &graph()).checks.into_iter();
        let of_red = checks.filter(|check| check.chain.as_deref() == Some("red"));
        of_red.map(|check| (check.what, check.holds)).collect()
    };
    assert_eq!(of_red(&unproven), [(Checked::Unproven, true)]);
    assert_eq!(verdict(&unproven), Verdict::NotCommitted);
    unproven.chains.get_mut("red").unwrap().slot = Some(1);
    let lies = [Checked::Result, Checked::History, Checked::Certificate];
    assert_eq!(of_red(&unproven), lies.map(|what| (what, false)));
    // Each lie is found where it stands.
    let failing = |forged: &Receipt| -> Vec<(Option<String>, Checked)> {
        let checks = forged.verify(NETWORK, &graph()).checks;
        let checks = checks.into_iter().filter(ReceiptCheck::contradicts);
        checks.map(|check| (check.chain, check.what)).collect()
    };
    let mut forged = right.clone();
    forged.chains.get_mut("red").unwrap().previous.as_mut().unwrap().0[0] ^= 1;
    assert_eq!(failing(&forged), [(Some("red".into()), Checked::History)]);
    let mut forged = right.clone();
    forged.chains.get_mut("red").unwrap().index = Some(1_000);
    assert_eq!(failing(&forged), [(Some("red".into()), Checked::Result)]);
    let mut forged = right.clone();
    forged.chains.remove("red");
    assert_eq!(failing(&forged), [(None, Checked::Chains)]);
    let mut forged = right.clone();
    forged.bundle.body.salt += 1;
    assert_eq!(failing(&forged), [(None, Checked::Id)]);
    let mut forged = right;
    forged.bundle.signatures[1][0] ^= 1;
    assert_eq!(failing(&forged), [(None, Checked::Signatures)]);
}

/// Derives all summaries again.
fn check_past(world: &World, rows: &MemoryState) -> Result<(), ViewFlaw> {
    let height = check_height(rows)?.ok_or(ViewFlaw::Missing("height"))?;
    let mut summary = check_summary(rows, &world.rules, None, height)?;
    for slot in 0..height {
        summary = check_summary(rows, &world.rules, Some((slot, &summary)), height)?;
    }
    Ok(())
}

#[test]
fn the_past_of_a_view_is_derived_again() {
    let (mut world, _) = executed(5);
    world.run(&[]);
    assert_eq!(check_past(&world, &world.state), Ok(()));
    // Not one byte of heights, summaries and results is free, but for state roots and what finds the state.
    for (key, value) in world.state.rows().iter().filter(|(key, _)| b"hsr".contains(&key[0])) {
        for damaged in [None, Some(value[1..].to_vec())] {
            let mut rows = world.state.clone();
            rows.apply(Delta::from([(key.clone(), damaged)]));
            assert!(check_past(&world, &rows).is_err(), "{key:?}");
        }
        let derived = if key[0] == b's' { 32..96 } else { 0..value.len() };
        for at in derived.step_by(7) {
            let mut damaged = value.clone();
            damaged[at] ^= 1;
            let mut rows = world.state.clone();
            rows.apply(Delta::from([(key.clone(), Some(damaged))]));
            assert!(check_past(&world, &rows).is_err(), "{key:?} byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(random(64))]

    #[test]
    fn proofs_of_results_are_for_one_result_at_one_place(
        count in 1..40u64, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), bit in 0..256usize,
    ) {
        let (world, bundles) = executed(count);
        let index = at.index(bundles.len());
        let receipt = ChainReceipt::of(&world.state, &bundles[index].id(NETWORK));
        let root = receipt.results_root.unwrap();
        let mut proof: Vec<[u8; 32]> = receipt.proof.unwrap().iter().map(|it| hex::decode(it).unwrap().try_into().unwrap()).collect();
        let all = results(&world.state, 1).unwrap();
        let place = ResultPlace { index: index as u32, results: count as u32 };
        prop_assert!(verify_result(&all[index], place, &proof, &root));
        for outcome in [Outcome::Committed, Outcome::Expired, Outcome::Duplicate] {
            let forged = BundleResult { outcome, ..all[index].clone() };
            prop_assert_eq!(verify_result(&forged, place, &proof, &root), forged == all[index]);
        }
        let elsewhere = other.index(bundles.len());
        let moved = ResultPlace { index: elsewhere as u32, ..place };
        prop_assert_eq!(verify_result(&all[index], moved, &proof, &root), elsewhere == index);
        prop_assert_eq!(verify_result(&all[elsewhere], place, &proof, &root), elsewhere == index);
        let flip = |hash: &mut [u8; 32]| hash[bit / 8] ^= 1 << (bit % 8);
        let mut wrong = root;
        flip(&mut wrong.0);
        prop_assert!(!verify_result(&all[index], place, &proof, &wrong));
        if !proof.is_empty() {
            let sibling = other.index(proof.len());
            flip(&mut proof[sibling]);
            prop_assert!(!verify_result(&all[index], place, &proof, &root));
        }
    }

    #[test]
    fn proofs_of_state_are_for_one_value_at_one_key(owner in 0..4u8, other in 0..6u8, at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (world, _) = executed(7);
        let view = world.view();
        let root = view.summary().state_root;
        let gold = |chain: &str, owner| StateKey::Balance { chain: chain.into(), owner: key(owner), asset: "gold".into() };
        let asked = gold("blue", owner);
        let amount = borsh::to_vec(&view.balance("blue", key(owner), "gold")).unwrap();
        let proof = view.prove(&asked);
        prop_assert!(proof.verify(&root, &asked, Some(&amount)));
        prop_assert!(!proof.verify(&root, &asked, None));
        prop_assert!(!proof.verify(&root, &gold("red", owner), Some(&amount)));
        prop_assert_eq!(proof.verify(&root, &gold("blue", other), Some(&amount)), other == owner);
        prop_assert!(!proof.verify(&root, &asked, Some(&borsh::to_vec(&9_999u128).unwrap())));
        let nobody = gold("blue", 5);
        let absent = view.prove(&nobody);
        prop_assert!(absent.verify(&root, &nobody, None));
        prop_assert!(!absent.verify(&root, &nobody, Some(&amount)));
        prop_assert!(!absent.verify(&root, &asked, None));
        // Not one bit of the proof is free.
        let mut bytes = proof.to_bytes();
        prop_assert_eq!(StateProof::from_bytes(&bytes), Some(proof));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Some(forged) = StateProof::from_bytes(&bytes) {
            prop_assert!(!forged.verify(&root, &asked, Some(&amount)));
        }
        let mut wrong = root;
        wrong.0[usize::from(bit)] ^= 1;
        prop_assert!(!view.prove(&asked).verify(&wrong, &asked, Some(&amount)));
    }
}
