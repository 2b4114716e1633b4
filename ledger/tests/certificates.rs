//! What a quorum attests, and what it does not.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::*;
use hpaxos_consensus::{Epoch, NetworkId, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph};
use hpaxos_ledger::*;
use proptest::prelude::*;

/// Red's certificate for a slot of red+blue, by a, b, c and d, of whom a counts for red alone.
fn certificate(graph: &LearnerGraph) -> Certificate {
    let mut world = World::new("");
    world.run(&[]);
    world.run(&[unsigned(1, 9, &[0], vec![part("red", vec![pay(0, 1, 1)])])]);
    let executed = (LOG, 1, &world.view().summary().clone());
    certify(graph, NETWORK, executed, "red", &["d", "b", "a", "c"])
}

#[test]
fn a_quorum_convinces_whoever_knows_the_graph() {
    let graph = keyed_graph();
    let certificate = certificate(&graph);
    assert_eq!(certificate.verify(NETWORK, &graph), Ok(()));
    assert_eq!(Certificate::from_bytes(&certificate.to_bytes()), Some(certificate.clone()));
    let one_less = Certificate { signatures: Vec::new(), ..certificate.clone() };
    let bytes = certificate.to_bytes().len() - one_less.to_bytes().len();
    assert_eq!(bytes, 4 * 74);
    // Blue's quorum is another: what b, c and d said for both counts for both.
    let of_blue = Certificate { learner: "blue".into(), ..certificate };
    assert_eq!(of_blue.verify(NETWORK, &graph), Err(CertificateFlaw::NotAMember("a".into())));
    let what = certify(&graph, NETWORK, (LOG, 1, &summary_of(&of_blue)), "red", &["e", "f"]);
    let signatures = [&of_blue.signatures[1..], &what.signatures].concat();
    let of_blue = Certificate { signatures, ..of_blue };
    assert_eq!(of_blue.verify(NETWORK, &graph), Ok(()));
}

fn summary_of(certificate: &Certificate) -> Summary {
    Summary {
        block: ValueHash([0; 32]),
        history: certificate.history,
        results_root: certificate.results_root,
        state_root: certificate.state_root,
        results: 0,
        version: 0,
    }
}

/// What one change makes of a certificate.
#[test]
fn says_what_is_wrong_with_a_certificate() {
    use CertificateFlaw::*;
    let graph = keyed_graph();
    let right = certificate(&graph);
    let resign = |it: &mut Certificate, place: usize, learners: &[&str]| {
        let name = ["a", "b", "c", "d"][place];
        let learners: Vec<String> = learners.iter().map(|it| (*it).to_owned()).collect();
        let own = Attestation {
            epoch: it.epoch,
            log: it.log.clone(),
            slot: it.slot,
            learners: learners.clone(),
            history: it.history,
            results_root: it.results_root,
            state_root: it.state_root,
        };
        it.signatures[place] = Signed {
            acceptor: graph.acceptor(name).unwrap(),
            learners: learners.iter().map(|it| graph.learner(it).unwrap()).collect(),
            signature: own.sign(NETWORK, &acceptor(name)),
        };
    };
    type Change<'a> = &'a dyn Fn(&mut Certificate);
    let of = |name: &str| name.to_owned();
    let changes: [(Change, CertificateFlaw); 18] = [
        (&|it| it.slot = u64::MAX, Slot(u64::MAX)),
        (&|it| it.epoch = hpaxos_consensus::Epoch(1), Epoch(hpaxos_consensus::Epoch(1))),
        (&|it| it.log = of("green"), Log(of("green"))),
        (&|it| it.log = of("blue"), Learner(of("red"))),
        (&|it| it.learner = of("green"), Learner(of("green"))),
        (&|it| it.slot += 1, Signature(of("a"))),
        (&|it| it.history.0[0] ^= 1, Signature(of("a"))),
        (&|it| it.results_root.0[31] ^= 1, Signature(of("a"))),
        (&|it| it.state_root.0[7] ^= 1, Signature(of("a"))),
        (&|it| it.signatures[2].signature[40] ^= 1, Signature(of("c"))),
        (&|it| it.signatures[3].acceptor = AcceptorId::new(6), UnknownSigner(AcceptorId::new(6))),
        (&|it| it.signatures[3] = it.signatures[2].clone(), Repeated(of("c"))),
        (&|it| it.signatures.swap(1, 2), Repeated(of("b"))),
        (&|it| it.signatures[3].acceptor = AcceptorId::new(5), NotAMember(of("f"))),
        (&|it| resign(it, 1, &["blue"]), NotForLearner(of("b"))),
        (&|it| it.signatures[0].learners = it.signatures[1].learners, Signature(of("a"))),
        (&|it| it.signatures.truncate(3), NoQuorum(vec![of("a"), of("b"), of("c")])),
        (&|it| it.signatures.clear(), NoQuorum(Vec::new())),
    ];
    for (number, (change, flaw)) in changes.into_iter().enumerate() {
        let mut forged = right.clone();
        change(&mut forged);
        assert_eq!(forged.verify(NETWORK, &graph), Err(flaw), "change {number}");
    }
    // Whoever is connected with fewer learners signs for fewer: that is no flaw.
    let mut fewer = right.clone();
    resign(&mut fewer, 1, &["red"]);
    assert_eq!(fewer.verify(NETWORK, &graph), Ok(()));
    let elsewhere = right.verify(NetworkId([8; 32]), &graph);
    assert_eq!(elsewhere, Err(Signature(of("a"))));
    // An acceptor without a key has signed nothing.
    let mut keyless = graph.declarations().clone();
    keyless.acceptors[2].public_key = None;
    let keyless = LearnerGraph::new(keyless).unwrap();
    assert_eq!(right.verify(NETWORK, &keyless), Err(Signature(of("c"))));
}

/// What is signed is a contract: programs in other languages sign it and check it.
#[test]
fn what_an_acceptor_signs_does_not_change() {
    let attestation = Attestation {
        epoch: EPOCH,
        log: "red+blue".into(),
        slot: 7,
        learners: vec!["blue".into(), "red".into()],
        history: History([1; 32]),
        results_root: ResultsRoot([2; 32]),
        state_root: StateRoot([3; 32]),
    };
    let hex = |bytes: &[u8]| hex::encode(bytes);
    let encoded = hex(&borsh::to_vec(&attestation).unwrap());
    let names = "0200000004000000626c756503000000726564";
    let roots = ["01", "02", "03"].map(|byte| byte.repeat(32)).concat();
    assert_eq!(encoded, format!("00000000080000007265642b626c75650700000000000000{names}{roots}"));
    let signed = attestation.signed_bytes(NETWORK);
    let (tag, hash) = signed.split_at(signed.len() - 32);
    assert_eq!(tag, b"hpaxos/v1/attestation\0");
    use sha2::{Digest, Sha256};
    let expected = [tag, &NETWORK.0, &hex::decode(encoded).unwrap()].concat();
    assert_eq!(hash, &Sha256::digest(expected)[..]);
    assert_eq!(hex(hash), "cf6ee3590a486efbdc270164050caeb2397db36f1e17e4d57a3896b0d3ff88b0");

    let key = acceptor("a");
    let public = key.verifying_key().to_bytes();
    let signature = attestation.sign(NETWORK, &key);
    assert!(attestation.is_signed_by(NETWORK, &public, &signature));
    assert!(!attestation.is_signed_by(NetworkId([8; 32]), &public, &signature));
    let other = Attestation { slot: 8, ..attestation.clone() };
    assert!(!other.is_signed_by(NETWORK, &public, &signature));
    // The neutral element as a key: a lax check would take this for any attestation.
    let neutral: [u8; 32] = std::array::from_fn(|index| u8::from(index == 0));
    let weak: [u8; 64] = std::array::from_fn(|index| u8::from(index == 0));
    assert!(!attestation.is_signed_by(NETWORK, &neutral, &weak));
}

#[test]
fn an_attestation_names_learners_of_its_log() {
    let graph = keyed_graph();
    let names = |learners: &[&str], log: &str, epoch: u32| {
        let attestation = Attestation {
            epoch: Epoch(epoch),
            log: log.into(),
            slot: 7,
            learners: learners.iter().map(|it| (*it).to_owned()).collect(),
            history: History([1; 32]),
            results_root: ResultsRoot([2; 32]),
            state_root: StateRoot([3; 32]),
        };
        attestation.learner_set(&graph).map(|set| set.len())
    };
    assert_eq!(names(&["blue", "red"], LOG, 0), Some(2));
    assert_eq!(names(&["red"], LOG, 0), Some(1));
    assert_eq!(names(&["red"], "red", 0), Some(1));
    for (learners, log, epoch) in [
        (&["red", "blue"][..], LOG, 0),
        (&["red", "red"], LOG, 0),
        (&[], LOG, 0),
        (&["green"], LOG, 0),
        (&["blue"], "red", 0),
        (&["red"], "green", 0),
        (&["red"], LOG, 1),
    ] {
        assert_eq!(names(learners, log, epoch), None, "{learners:?} of {log}, epoch {epoch}");
    }
}

#[test]
fn a_path_leads_from_slot_to_slot() {
    let mut world = World::new("");
    for slot in 0..6 {
        let pays = unsigned(slot, 9, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
        world.run(if slot % 2 == 0 { &[] } else { std::slice::from_ref(&pays) });
    }
    let history = |slot: u64| Summary::read(&world.state, slot + 1).unwrap().history;
    for from in 0..6 {
        for to in from..6 {
            let steps = path(&world.state, from, to).unwrap();
            assert_eq!(steps.len() as u64, to - from);
            assert_eq!(history(from).along(from, &steps), history(to));
            if !steps.is_empty() {
                assert_ne!(history(from).along(from + 1, &steps), history(to));
                assert_ne!(history(from).along(from, &steps[1..]), history(to));
            }
        }
    }
    for (from, to) in [(0, 6), (6, 6), (3, 2), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        assert_eq!(path(&world.state, from, to), None, "{from} to {to}");
    }
    let step = (ValueHash([0; 32]), ResultsRoot([0; 32]));
    assert_eq!(
        history(0).along(u64::MAX - 1, &[step; 3]),
        history(0).then(u64::MAX, step.0, step.1)
    );
}

proptest! {
    #![proptest_config(random(64))]

    #[test]
    fn not_one_bit_of_a_certificate_is_free(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let graph = keyed_graph();
        let mut bytes = certificate(&graph).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Some(forged) = Certificate::from_bytes(&bytes) {
            prop_assert!(forged.verify(NETWORK, &graph).is_err());
        }
        prop_assert!(Certificate::from_bytes(&bytes[..at]).is_none());
    }
}
