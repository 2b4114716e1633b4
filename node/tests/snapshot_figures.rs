//! How long a snapshot of many objects takes: `cargo test -p hpaxos-node --test snapshot_figures -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::file;
use hpaxos_ledger::{
    Block, Certificate, Delta, EPOCH, Genesis, LogRules, Object, Offer, PIECE_BYTES, Piece,
    Restoring, Summary, View, execute, initial, value,
};
use hpaxos_node::store::{LogIndex, Store, Turn};
use hpaxos_node::views::Rows;
use std::time::Instant;

const NETWORK: NetworkId = NetworkId([7; 32]);
const LOG: LogIndex = LogIndex(0);

/// Writes a delta some rows at a time.
fn write(store: &Store, delta: &Delta) {
    let rows: Vec<_> = delta.iter().collect();
    rows.chunks(10_000).for_each(|rows| store.write_view(LOG, rows.iter().copied()).unwrap());
}

#[test]
#[ignore = "takes a minute, and says how long things take"]
fn a_snapshot_of_a_million_objects() {
    let objects = 1_000_000;
    let graph = file::read(
        "version = 1\n[acceptors.a]\n[learners.red]\nquorum = \"a\"\n[learners.blue]\nquorum = \"a\"\n\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"a\"\n[logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
    )
    .unwrap();
    let mut genesis = Genesis::read("version = 1\nnetwork = \"test\"\n", &graph).unwrap();
    let of_red = &mut genesis.chains.entry("red".into()).or_default().objects;
    of_red.extend((0..objects).map(|number| Object {
        log: "red+blue".into(),
        key: format!("red+blue:seat/{number}"),
        owner: [9; 32],
        value: vec![5; 32],
    }));
    let rules = LogRules::new(NETWORK, &graph, &graph.log("red+blue").unwrap(), &genesis);
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let one = Store::open(&folder.path().join("one"), NETWORK, &[1; 32]).unwrap();
    write(&one, &initial(&genesis, &rules));
    drop(genesis);
    let block = Block::default();
    let hash = value(NETWORK, &block.to_bytes());
    let (delta, _) = execute(&Rows::new(&one, LOG), &rules, 0, &block, hash);
    write(&one, &delta);
    one.sync_views().unwrap();
    println!("{objects} objects made in {:.1} s", began.elapsed().as_secs_f64());

    let certified = Summary::read(&Rows::new(&one, LOG), 1).unwrap();
    let certificate = Certificate {
        epoch: EPOCH,
        log: "red+blue".into(),
        slot: 0,
        learner: "red".into(),
        history: certified.history,
        results_root: certified.results_root,
        state_root: certified.state_root,
        signatures: Vec::new(),
    };
    let offer = Offer::new(&Rows::new(&one, LOG), 0, vec![certificate]).unwrap();
    let two = Store::open(&folder.path().join("two"), NETWORK, &[2; 32]).unwrap();
    let mut restoring = Restoring::new(offer);
    let (mut cut, mut checked, mut written) = (0.0, 0.0, 0.0);
    let (mut pieces, mut bytes, mut longest) = (0, 0, 0);
    while let Some(prefix) = restoring.wanted() {
        let began = Instant::now();
        let rows = Rows::frozen(&one, LOG);
        let piece = Piece::of(&View::latest(&rows).unwrap(), &prefix, PIECE_BYTES).unwrap();
        let sent = piece.to_bytes();
        cut += began.elapsed().as_secs_f64();
        pieces += 1;
        bytes += sent.len();
        longest = longest.max(sent.len());
        let began = Instant::now();
        let delta = restoring.take(&prefix, Piece::from_bytes(&sent).unwrap()).unwrap();
        checked += began.elapsed().as_secs_f64();
        let began = Instant::now();
        two.stage_view(LOG, &delta).unwrap();
        written += began.elapsed().as_secs_f64();
    }
    let leaves = restoring.leaves();
    let began = Instant::now();
    two.stage_view(LOG, &restoring.finish()).unwrap();
    two.replace_view(LOG, 1, Turn::default()).unwrap();
    let installed = began.elapsed().as_secs_f64();
    assert!(leaves >= objects);
    let rows = Rows::new(&two, LOG);
    assert_eq!(View::latest(&rows).unwrap().summary().state_root, certified.state_root);
    println!("{leaves} leaves in {pieces} pieces of {bytes} bytes, the longest {longest}");
    println!(
        "cut {cut:.1} s, checked {checked:.1} s, written {written:.1} s, installed {installed:.1} s"
    );
}
