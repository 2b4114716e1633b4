//! The executor, and a driver that has no room.

use super::*;
use crate::mempool::Limits;
use crate::store::Turn;
use crate::views::LogViews;
use ed25519_dalek::SigningKey;
use hpaxos_learner_graph::file;
use hpaxos_learner_graph::search::Effort;
use hpaxos_ledger::{atomicity, value};
use std::time::Instant;
use tokio::sync::mpsc;

const NETWORK: NetworkId = NetworkId([7; 32]);
const LOG: LogIndex = LogIndex(0);

/// One validator decides slot after slot: its own attestations make certificates. Its driver is busy, and the log then waits
/// for something else: there is no later certificate to make up for one of which the driver was not told.
#[test]
fn a_busy_driver_hears_of_the_last_certificate() {
    let key = Arc::new(SigningKey::from_bytes(&[1; 32]));
    let text = format!(
        "version = 1\n[acceptors.a]\npublic-key = \"{}\"\n[learners.red]\nquorum = \"a\"\n",
        hex::encode(key.verifying_key().to_bytes())
    );
    let graph = Arc::new(file::read(&text).unwrap());
    let genesis = Genesis::read("version = 1\nnetwork = \"test\"\n", &graph).unwrap();
    let trust = Arc::new(Trust::new(graph.log("red").unwrap()).unwrap());
    let learner = trust.learners().iter().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path(), NETWORK, &[1; 32]).unwrap());
    let of_log = LogViews {
        name: "red".into(),
        chains: BTreeMap::from([("red".into(), learner)]),
        atomicity: atomicity(&graph, trust.log(), &mut Effort::steps(1_000)),
    };
    let views = Arc::new(Views::new(NETWORK, graph.clone(), store.clone(), vec![of_log]));
    let limits = Limits { bundles_max: 1, bytes_max: 1, per_source_max: 1 };
    let (driver, mut inputs) = mpsc::channel(1);
    let events = Events::default();
    let parts = Parts {
        store: store.clone(),
        views,
        mempool: Arc::new(Mempool::new(NETWORK, 1, limits)),
        events: events.clone(),
        metrics: Metrics::new(),
        graph: graph.clone(),
        tracer: None,
        driver: driver.clone(),
        network: NETWORK,
        me: graph.acceptor("a"),
        key,
        snapshots: Arc::new(Snapshots::new(1)),
        keep_slots: 0,
    };
    let rules = LogRules::new(NETWORK, &graph, trust.log(), &genesis);
    let (executor, decisions) = Executor::new(parts, &genesis, vec![(rules, trust)]).unwrap();
    let executor = std::thread::spawn(move || executor.run());

    driver.try_send(Input::Look).unwrap();
    let (slots, mut heard) = (20, events.listen());
    let block = Block::default().to_bytes();
    let value = value(NETWORK, &block);
    for slot in (0..slots).map(Slot) {
        let mut turn = Turn::default();
        store.put_block(&mut turn, LOG, slot, &value, &block);
        store.commit(turn).unwrap();
        decisions.send(Decided { log: LOG, slot, learner, value });
    }
    let is_last = |event| matches!(event, Ok(Event::Certified { slot, .. }) if slot == slots - 1);
    while !is_last(heard.blocking_recv()) {}
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match inputs.try_recv() {
            Ok(Input::Certified { through, .. }) if through == Slot(slots - 1) => break,
            Ok(_) => {}
            Err(_) => std::thread::yield_now(),
        }
        assert!(Instant::now() < deadline, "the driver was not told of the last certificate");
    }
    decisions.close();
    executor.join().unwrap().unwrap();
}
