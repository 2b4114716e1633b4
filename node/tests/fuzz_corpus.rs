//! What the fuzzers of the ledger's and the node's decoders start from and have found worth keeping, on the stable toolchain.
//!
//! `cargo test -p hpaxos-node --test fuzz_corpus -- --ignored` writes the part that is made here anew; HPAXOS_FUZZ_RUNS says how
//! often each of that is changed a little.

#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

#[path = "../../fuzz/checks/ledger.rs"]
mod ledger;
#[path = "../../fuzz/checks/node.rs"]
mod node;

use ed25519_dalek::SigningKey;
use hpaxos_consensus::{Epoch, LogName, Place, Slot, ValueHash, message};
use hpaxos_learner_graph::{AcceptorId, LearnerSet};
use hpaxos_ledger::{
    Attestation, Block, Body, Bundle, Certificate, ChainReceipt, History, Offer, Operation, Part,
    Piece, Prefix, Receipt, ResultsRoot, Signed, StateRoot,
};
use hpaxos_node::config::Config;
use hpaxos_node::guard::Guard;
use hpaxos_node::keys::{Cost, KeyFile, Passphrase};
use hpaxos_node::store::StoreId;
use hpaxos_node::wire::{Frame, Question, Slots, Stretch};
use ledger::{GRAPH, NETWORK};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

const LOG: &str = "l00";

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn bundle() -> Bundle {
    let owner = key(1).verifying_key().to_bytes();
    let thing = || format!("{LOG}:hat");
    let operations = vec![
        Operation::Create { key: thing(), value: b"felt".to_vec(), owner },
        Operation::Update { key: thing(), value: Vec::new(), if_version: Some(1) },
        Operation::Transfer { key: thing(), to: [9; 32], if_version: None },
        Operation::Delete { key: thing(), if_version: None },
    ];
    let parts = vec![Part { chain: LOG.to_owned(), operations }];
    let (log, signers) = (LOG.to_owned(), vec![owner]);
    let mut bundle = Bundle::unsigned(Body { log, valid_until: 9, salt: 1, signers, parts });
    assert!(bundle.sign(NETWORK, &key(1)));
    bundle
}

fn attestation() -> Attestation {
    Attestation {
        epoch: Epoch(0),
        log: LOG.to_owned(),
        slot: 5,
        learners: vec![LOG.to_owned()],
        history: History([1; 32]),
        results_root: ResultsRoot([2; 32]),
        state_root: StateRoot([3; 32]),
    }
}

fn certificate() -> Certificate {
    let what = attestation();
    let signed = (0..3).map(|signer| Signed {
        acceptor: AcceptorId::new(signer),
        learners: LearnerSet::from_iter(GRAPH.learner(LOG)),
        signature: what.sign(NETWORK, &key(signer as u8 + 1)),
    });
    let certificate = Certificate::new(&what, LOG, signed.collect());
    certificate.verify(NETWORK, &GRAPH).unwrap();
    certificate
}

fn ledger_bytes() -> Vec<(&'static str, Vec<u8>)> {
    let block = Block { bundles: vec![bundle()] };
    vec![
        ("bundle", bundle().to_bytes()),
        ("block", block.to_bytes()),
        ("certificate", certificate().to_bytes()),
    ]
}

fn ledger_text() -> Vec<(&'static str, Vec<u8>)> {
    let chains = BTreeMap::from([(LOG.to_owned(), ChainReceipt::pending())]);
    let receipt = Receipt::new(NETWORK, bundle(), chains, &[]);
    vec![
        ("bundle", serde_json::to_vec(&bundle()).unwrap()),
        ("receipt", serde_json::to_vec(&receipt).unwrap()),
        ("genesis", ledger::GENESIS.into()),
    ]
}

fn view() -> Vec<(&'static str, Vec<u8>)> {
    let rows = ledger::rows(&bundle());
    // The key of a node that lies deepest is longest.
    let node = |key: &&Vec<u8>| key[0] == b'n';
    let deepest = rows.iter().map(|(key, _)| key).filter(node).max_by_key(|key| key.len()).unwrap();
    let without = rows.iter().filter(|(key, _)| key != deepest).collect::<Vec<_>>();
    vec![
        ("three-slots", borsh::to_vec(&rows).unwrap()),
        ("without-a-node", borsh::to_vec(&without).unwrap()),
    ]
}

fn node_wire() -> Vec<(&'static str, Vec<u8>)> {
    let (slot, value) = (Slot(5), ValueHash([9; 32]));
    let place = Place { epoch: Epoch(0), log: LogName(LOG.into()), slot };
    let highest = message::Packet::Highest { place, answer: message::Answer::Wanted };
    let stretch = Stretch {
        steps: vec![(value, ResultsRoot([2; 32]))],
        certificates: vec![certificate()],
        blocks: vec![Block::default().to_bytes()],
    };
    let (previous, block) = (History([1; 32]), value);
    let offer = Offer { certificates: vec![certificate()], previous, block };
    let log = || LOG.to_owned();
    let hello = borsh::to_vec(&(2u32, NETWORK, "v000", "hpaxos/0.1.0")).unwrap();
    let block = Block { bundles: vec![bundle()] }.to_bytes();
    let signature = attestation().sign(NETWORK, &key(1));
    vec![
        ("packet", Frame::packet(&highest).to_vec()),
        ("block", Frame::block(LOG, slot, &block).to_vec()),
        ("attestation", Frame::attestation(&attestation(), &signature).to_vec()),
        ("certificate", Frame::certificate(&certificate()).to_vec()),
        ("question-block", Question::Block { log: log(), slot, value }.encode()),
        ("question-stretch", Question::Stretch { log: log(), from: 3, blocks_from: 4 }.encode()),
        ("question-snapshot", Question::Snapshot { log: log() }.encode()),
        ("question-piece", Question::Piece { log: log(), slot: 5, prefix: Prefix::ROOT }.encode()),
        ("stretch", Slots::Stretch(stretch).encode()),
        ("slots-from", Slots::From(9).encode()),
        ("piece", Piece::Leaves(vec![(vec![1; 5], vec![2; 9])]).to_bytes()),
        ("offer", offer.to_bytes()),
        ("hello", hello),
    ]
}

/// Encryption is random: the file of a key that has one is not made anew.
fn node_files() -> Vec<(&'static str, Vec<u8>)> {
    let store = StoreId([5; 16]);
    let guard = Guard { store: Some(store), count: 3, opened: BTreeMap::from([(LOG.into(), 40)]) };
    vec![
        ("guard", guard.encode().into()),
        ("mark", [&store.0[..], &7u64.to_be_bytes()].concat()),
        ("key", serde_json::to_vec(&KeyFile::new(&key(1), None).unwrap()).unwrap()),
        ("config", Config::text("v000").into()),
        ("wait", b"500ms".to_vec()),
        ("id", bundle().id(NETWORK).to_string().into()),
    ]
}

/// A target, what is made for it, and what must hold.
type Target = (&'static str, Vec<(&'static str, Vec<u8>)>, fn(&[u8]) -> usize);

fn targets() -> [Target; 5] {
    [
        ("ledger_bytes", ledger_bytes(), ledger::bytes),
        ("ledger_text", ledger_text(), ledger::text),
        ("view", view(), ledger::view),
        ("node_wire", node_wire(), node::wire),
        ("node_files", node_files(), node::files),
    ]
}

#[test]
fn what_is_in_the_corpora_holds() {
    for (target, made, check) in targets() {
        for nothing in [&[][..], &[0xff; 64]] {
            assert_eq!(check(nothing), 0, "{target}");
        }
        for entry in fs::read_dir(folder(target)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            check(&fs::read(path).unwrap());
        }
        for (name, bytes) in made {
            let path = folder(target).join(name);
            if std::env::var_os("UPDATE_CORPORA").is_some() {
                fs::write(&path, &bytes).unwrap();
            }
            let is_new = fs::read(&path).unwrap() == bytes;
            assert!(is_new, "{} is old; UPDATE_CORPORA=1 makes it anew", path.display());
            assert!(check(&bytes) > 0, "{} is what it is called", path.display());
        }
    }
    let encrypted = fs::read(folder("node_files").join("key-encrypted")).unwrap();
    assert_eq!(node::files(&encrypted), 1);
}

/// Changes some bytes, as a fuzzer does: one, many, those of a length, or where they are.
fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.random()),
            2 => bytes.extend_from_within(at..),
            3 if bytes.len() >= at + 4 => {
                let length = [0, 1, u32::MAX, 1 << 20][random.random_range(0..4)];
                bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(length));
            }
            _ if at < bytes.len() => bytes[at] = random.random(),
            _ => {}
        }
    }
}

/// A start for the fuzzers, where none is at hand: what is almost what the corpora hold.
#[test]
fn what_is_near_the_corpora_holds() {
    let runs = std::env::var("HPAXOS_FUZZ_RUNS").map_or(300, |runs| runs.parse().unwrap());
    let mut random = StdRng::seed_from_u64(1);
    for (target, made, check) in targets() {
        let mut read = 0;
        for (name, bytes) in made {
            for _ in 0..runs {
                let mut near = bytes.clone();
                mutate(&mut near, &mut random);
                let checked = catch_unwind(|| check(&near));
                read +=
                    checked.unwrap_or_else(|_| panic!("{target}/{name}: {}", hex::encode(near)));
            }
        }
        assert!(read > 0, "some of it can be read");
    }
}

#[test]
#[ignore = "it writes the corpora"]
fn corpora_are_written() {
    for (target, made, _) in targets() {
        for (name, bytes) in made {
            fs::write(folder(target).join(name), bytes).unwrap();
        }
    }
    let path = folder("node_files").join("key-encrypted");
    if !path.exists() {
        let passphrase = Passphrase::new("open sesame".to_owned().into()).unwrap();
        let file = KeyFile::with_cost(&key(1), Some(&passphrase), Cost::DEFAULT).unwrap();
        fs::write(path, serde_json::to_vec(&file).unwrap()).unwrap();
    }
}
