//! The executor, and a driver that has no room.

use super::*;
use crate::mempool::Limits;
use crate::store::Turn;
use crate::views::LogViews;
use ed25519_dalek::SigningKey;
use hpaxos_learner_graph::file;
use hpaxos_learner_graph::search::Effort;
use hpaxos_ledger::{View, atomicity, value};
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::sync::mpsc;

pub const NETWORK: NetworkId = NetworkId([7; 32]);
pub const LOG: LogIndex = LogIndex(0);

/// An executor of the log of two learners, both of which trust one acceptor.
pub struct World {
    pub store: Arc<Store>,
    pub views: Arc<Views>,
    pub graph: Arc<LearnerGraph>,
    pub trust: Arc<Trust>,
    pub decisions: Decisions,
    pub events: Events,
    driver: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
    executor: JoinHandle<Result<(), StoreError>>,
    _folder: TempDir,
}

impl World {
    /// One that executes from genesis on. Where `signs`, it is the acceptor's own, whose attestations make certificates.
    pub fn new(signs: bool) -> Self {
        let key = Arc::new(SigningKey::from_bytes(&[1; 32]));
        let text = format!(
            "version = 1\n[acceptors.a]\npublic-key = \"{}\"\n[learners.red]\nquorum = \"a\"\n\
             [learners.blue]\nquorum = \"a\"\n[[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"a\"\n\
             [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
            hex::encode(key.verifying_key().to_bytes())
        );
        let graph = Arc::new(file::read(&text).unwrap());
        let genesis = Genesis::read("version = 1\nnetwork = \"test\"\n", &graph).unwrap();
        let trust = Arc::new(Trust::new(graph.log("red+blue").unwrap()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), NETWORK, &[1; 32]).unwrap());
        let chains = trust.learners().iter().map(|it| (graph.learner_name(it).to_owned(), it));
        let of_log = LogViews {
            name: "red+blue".into(),
            chains: chains.collect(),
            atomicity: atomicity(&graph, trust.log(), &mut Effort::steps(1_000)),
        };
        let views = Arc::new(Views::new(NETWORK, graph.clone(), store.clone(), vec![of_log]));
        let limits = Limits { bundles_max: 1, bytes_max: 1, per_source_max: 1 };
        let (driver, inputs) = mpsc::channel(1);
        let events = Events::default();
        let parts = Parts {
            store: store.clone(),
            views: views.clone(),
            mempool: Arc::new(Mempool::new(NETWORK, 1, limits)),
            events: events.clone(),
            metrics: Metrics::new(),
            graph: graph.clone(),
            tracer: None,
            driver: driver.clone(),
            network: NETWORK,
            me: graph.acceptor("a").filter(|_| signs),
            key,
            snapshots: Arc::new(Snapshots::new(1)),
            keep_slots: 0,
        };
        let rules = LogRules::new(NETWORK, &graph, trust.log(), &genesis);
        let logs = vec![(rules, trust.clone())];
        let (executor, decisions) = Executor::new(parts, &genesis, logs).unwrap();
        let executor = std::thread::spawn(move || executor.run());
        World {
            store,
            views,
            graph,
            trust,
            decisions,
            events,
            driver,
            inputs,
            executor,
            _folder: folder,
        }
    }

    /// The learner called so.
    pub fn learner(&self, name: &str) -> LearnerId {
        self.graph.learner(name).unwrap()
    }

    /// A learner decides empty blocks.
    pub fn decide(&self, learner: &str, slots: std::ops::Range<u64>) {
        let learner = self.learner(learner);
        let block = Block::default().to_bytes();
        let value = value(NETWORK, &block);
        for slot in slots.map(Slot) {
            let mut turn = Turn::default();
            self.store.put_block(&mut turn, LOG, slot, &value, &block);
            self.store.commit(turn).unwrap();
            self.decisions.send(Decided { log: LOG, slot, learner, value });
        }
    }

    /// Ends it.
    pub fn end(self) {
        self.decisions.close();
        self.executor.join().unwrap().unwrap();
    }
}

/// Waits for something to happen.
pub fn hear(heard: &mut broadcast::Receiver<Event>, mut is_it: impl FnMut(&Event) -> bool) {
    while !heard.blocking_recv().is_ok_and(|event| is_it(&event)) {}
}

/// One validator decides slot after slot: its own attestations make certificates. Its driver is busy, and the log then waits
/// for something else: there is no later certificate to make up for one of which the driver was not told.
#[test]
fn a_busy_driver_hears_of_the_last_certificate() {
    let mut world = World::new(true);
    world.driver.try_send(Input::Look).unwrap();
    let (slots, mut heard) = (20, world.events.listen());
    for learner in ["red", "blue"] {
        world.decide(learner, 0..slots);
    }
    let mut uncertified = BTreeSet::from(["red".to_owned(), "blue".to_owned()]);
    hear(&mut heard, |event| {
        if let Event::Certified { slot, learner, .. } = event
            && *slot == slots - 1
        {
            uncertified.remove(learner);
        }
        uncertified.is_empty()
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut unheard = world.trust.learners();
    while !unheard.is_empty() {
        match world.inputs.try_recv() {
            Ok(Input::Certified { through, learner, .. }) if through == Slot(slots - 1) => {
                unheard = unheard.difference(LearnerSet::from_iter([learner]));
            }
            Ok(_) => {}
            Err(_) => std::thread::yield_now(),
        }
        assert!(Instant::now() < deadline, "the driver was not told of the last certificate");
    }
    world.end();
}

/// A node that keeps all slots keeps few states: of the others it knows what led to them.
#[test]
fn old_states_go_and_nothing_else() {
    const SLOTS: u64 = 3 * history::KEEP_STATES;
    let world = World::new(false);
    world.decisions.set_over(LOG, Slot(SLOTS));
    for learner in ["red", "blue"] {
        world.decide(learner, 0..SLOTS);
    }
    let readable = |height| View::at(&world.views.rows(LOG), height).is_some();
    let oldest = SLOTS - history::KEEP_STATES;
    let deadline = Instant::now() + Duration::from_secs(30);
    while readable(oldest - 1) || world.views.height(LOG) != Some(SLOTS) {
        assert!(Instant::now() < deadline, "the states are still there");
        std::thread::yield_now();
    }
    assert!((oldest..=SLOTS).all(readable));
    assert_eq!(world.views.begins(LOG), 0);
    let empty = world.views.empty_block();
    for slot in 0..SLOTS {
        assert_eq!(world.views.summary(LOG, slot).unwrap().block, empty);
        assert!(world.store.has_block(LOG, Slot(slot), &empty).unwrap());
    }
    world.end();
}
