//! The executor, and a driver that has no room.

use super::*;
use crate::mempool::Limits;
use crate::store::Turn;
use crate::views::LogViews;
use ed25519_dalek::SigningKey;
use hpaxos_learner_graph::analysis::{By, analyze_log};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{LearnerSet, file};
use hpaxos_ledger::{Attestation, EPOCH, History, Signed, StateRoot, View, atomicity, value};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tracing::dispatcher::with_default;

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
    pub metrics: Metrics,
    driver: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
    executor: JoinHandle<Result<(), StoreError>>,
    log: Arc<Mutex<Vec<u8>>>,
    pub folder: TempDir,
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

impl World {
    /// One that executes from genesis on. Where `signs`, it is the acceptor's own, whose attestations make certificates.
    pub fn new(signs: bool) -> Self {
        World::at(tempfile::tempdir().unwrap(), signs)
    }

    /// One that goes on with the store in a folder, if there is one.
    pub fn at(folder: TempDir, signs: bool) -> Self {
        let key = Arc::new(key());
        let text = format!(
            "version = 1\n[acceptors.a]\npublic-key = \"{}\"\n[learners.red]\nquorum = \"a\"\n\
             [learners.blue]\nquorum = \"a\"\n[[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"a\"\n\
             [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
            hex::encode(key.verifying_key().to_bytes())
        );
        let graph = Arc::new(file::read(&text).unwrap());
        let genesis = Genesis::read("version = 1\nnetwork = \"test\"\n", &graph).unwrap();
        let trust = Arc::new(Trust::new(graph.log("red+blue").unwrap()).unwrap());
        let store = Arc::new(Store::open(folder.path(), NETWORK, &[1; 32]).unwrap());
        let chains = trust.learners().iter().map(|it| (graph.learner_name(it).to_owned(), it));
        let analysis = analyze_log(&graph, trust.log(), &By::Count, &mut Effort::steps(1_000));
        let of_log = LogViews {
            name: "red+blue".into(),
            chains: chains.collect(),
            atomicity: atomicity(&analysis),
            analysis,
        };
        let views = Arc::new(Views::new(NETWORK, graph.clone(), store.clone(), vec![of_log]));
        let limits = Limits { bundles_max: 1, bytes_max: 1, per_source_max: 1 };
        let (driver, inputs) = mpsc::channel(1);
        let (events, metrics) = (Events::default(), Metrics::new());
        let parts = Parts {
            store: store.clone(),
            views: views.clone(),
            mempool: Arc::new(Mempool::new(NETWORK, 1, limits)),
            events: events.clone(),
            metrics: metrics.clone(),
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
        let log = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer({
            let log = log.clone();
            move || Lines(log.clone())
        });
        let logged = tracing::Dispatch::new(subscriber.finish());
        let (executor, decisions) =
            with_default(&logged, || Executor::new(parts, &genesis, logs).unwrap());
        let executor = std::thread::spawn(move || with_default(&logged, || executor.run()));
        World {
            store,
            views,
            graph,
            trust,
            decisions,
            events,
            metrics,
            driver,
            inputs,
            executor,
            log,
            folder,
        }
    }

    /// What it said so far.
    fn log(&self) -> String {
        String::from_utf8(self.log.lock().unwrap().clone()).unwrap()
    }

    /// What the acceptor attests of what a learner executed in a slot, made a certificate; with another state if it lies.
    pub fn certificate(&self, learner: &str, slot: u64, truth: Truth) -> Certificate {
        let Summary { history, results_root, state_root, .. } =
            self.views.summary(LOG, slot).unwrap();
        let (history, state_root) = match truth {
            Truth::Told => (history, state_root),
            Truth::OtherState => (history, StateRoot([9; 32])),
            Truth::OtherHistory => (History([9; 32]), state_root),
        };
        let log = "red+blue".to_owned();
        let learners = vec![learner.to_owned()];
        let attestation =
            Attestation { epoch: EPOCH, log, slot, learners, history, results_root, state_root };
        let signature = attestation.sign(NETWORK, &key());
        let signed = Signed {
            acceptor: self.graph.acceptor("a").unwrap(),
            learners: LearnerSet::from_iter([self.learner(learner)]),
            signature,
        };
        let certificate = Certificate::new(&attestation, learner, vec![signed]);
        certificate.verify(NETWORK, &self.graph).unwrap();
        certificate
    }

    /// Somebody has such a certificate.
    pub fn tell(&self, certificate: &Certificate) {
        let learner = self.learner(&certificate.learner);
        self.decisions.certificate(LOG, learner, certificate.clone());
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

    /// Ends it. What is left of it, for another one.
    pub fn end(self) -> TempDir {
        self.decisions.close();
        self.executor.join().unwrap().unwrap();
        self.folder
    }
}

/// A way to an executor that there is not, and how many words were said there since the last time.
pub fn nobody_listens() -> (Decisions, impl Fn() -> usize) {
    let (decisions, told) = Decisions::new(1);
    (decisions, move || told.try_iter().count())
}

/// How an acceptor tells what was executed.
#[derive(Clone, Copy)]
pub enum Truth {
    Told,
    OtherState,
    OtherHistory,
}

/// Where what is logged goes.
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

/// Waits until these learners have executed a slot.
fn executed(heard: &mut broadcast::Receiver<Event>, slot: u64, learners: &[&str]) {
    let mut lacking: BTreeSet<&str> = learners.iter().copied().collect();
    hear(heard, |event| {
        if let Event::Executed { slot: at, learner, .. } = event
            && *at == slot
        {
            lacking.remove(learner.as_str());
        }
        lacking.is_empty()
    });
}

/// The view of red has stopped, and that of blue goes on. It is said wherever somebody looks, also after a new start.
fn red_has_stopped(mut world: World, slot: u64, certificate: &Certificate) {
    for start in 0..2 {
        let stopped = Stopped { slot, why: WhyStopped::RootMismatch };
        let red = world.learner("red");
        assert_eq!(world.decisions.stopped(LOG), BTreeMap::from([(red, stopped)]), "{start}");
        let kept = world.store.conflict(LOG, Some(red)).unwrap().unwrap();
        assert_eq!(kept, std::slice::from_ref(certificate));
        let metric = "hpaxos_root_mismatch{learner=\"red\",log=\"red+blue\"} 1";
        assert!(world.metrics.text().unwrap().contains(metric), "{start}");
        let log = world.log();
        let line = log.lines().find(|line| line.contains("ERROR") && line.contains("quorum"));
        assert!(line.is_some_and(|it| it.contains("learner=\"red\"")), "{start}: {log}");

        let (from, mut heard) = (slot + 1 + 2 * start, world.events.listen());
        for learner in ["red", "blue"] {
            world.decide(learner, from..from + 2);
        }
        executed(&mut heard, from + 1, &["blue"]);
        assert_eq!(world.views.height_of(LOG, red), slot + 1, "{start}");
        world = World::at(world.end(), false);
    }
    world.end();
}

#[test]
fn a_view_whose_quorum_came_to_another_state_stops() {
    let world = World::new(false);
    let mut heard = world.events.listen();
    for learner in ["red", "blue"] {
        world.decide(learner, 0..4);
    }
    executed(&mut heard, 3, &["red", "blue"]);
    world.tell(&world.certificate("blue", 2, Truth::Told));
    world.tell(&world.certificate("red", 2, Truth::Told));
    let lie = world.certificate("red", 3, Truth::OtherState);
    world.tell(&lie);
    hear(
        &mut heard,
        |event| matches!(event, Event::RootMismatch { slot: 3, learner, .. } if learner == "red"),
    );
    red_has_stopped(world, 3, &lie);
}

/// The certificate was there before the slot was decided here.
#[test]
fn a_view_that_gets_to_where_its_quorum_came_to_another_state_stops() {
    let other = World::new(false);
    let mut heard = other.events.listen();
    other.decide("red", 0..6);
    executed(&mut heard, 5, &["red"]);
    let lie = other.certificate("red", 5, Truth::OtherState);
    other.end();

    let world = World::new(false);
    let mut heard = world.events.listen();
    world.tell(&lie);
    hear(&mut heard, |event| matches!(event, Event::Certified { slot: 5, .. }));
    for learner in ["red", "blue"] {
        world.decide(learner, 0..6);
    }
    hear(
        &mut heard,
        |event| matches!(event, Event::RootMismatch { slot: 5, learner, .. } if learner == "red"),
    );
    red_has_stopped(world, 5, &lie);
}

#[test]
fn a_learner_that_decided_another_block_than_the_others_stops() {
    let world = World::new(false);
    let mut heard = world.events.listen();
    world.decide("blue", 0..3);
    executed(&mut heard, 2, &["blue"]);
    world.decide("red", 0..1);
    let red = world.learner("red");
    world.decisions.send(Decided {
        log: LOG,
        slot: Slot(1),
        learner: red,
        value: ValueHash([9; 32]),
    });
    hear(
        &mut heard,
        |event| matches!(event, Event::Diverged { slot: 1, learner, .. } if learner == "red"),
    );
    let stopped = Stopped { slot: 1, why: WhyStopped::Diverged };
    assert_eq!(world.decisions.stopped(LOG), BTreeMap::from([(red, stopped)]));
    assert!(
        world
            .metrics
            .text()
            .unwrap()
            .contains("hpaxos_diverged{learner=\"red\",log=\"red+blue\"} 1")
    );
    assert!(
        world.log().contains("a learner decided another block than the others"),
        "{}",
        world.log()
    );
    world.decide("blue", 3..4);
    executed(&mut heard, 3, &["blue"]);
    assert_eq!(world.views.height_of(LOG, red), 1);
    world.end();
}

#[test]
fn quorums_that_attest_different_outcomes_are_evidence() {
    let mut world = World::new(false);
    let mut heard = world.events.listen();
    for learner in ["red", "blue"] {
        world.decide(learner, 0..2);
    }
    executed(&mut heard, 1, &["red", "blue"]);
    let truth = world.certificate("red", 1, Truth::Told);
    let lie = world.certificate("blue", 1, Truth::OtherHistory);
    for certificate in [&truth, &lie] {
        world.tell(certificate);
    }
    let mut told = BTreeSet::new();
    hear(&mut heard, |event| {
        if let Event::Diverged { slot: 1, learner, .. } = event {
            told.insert(learner.clone());
        }
        told.len() == 2
    });
    // What comes of the certificate itself is told last.
    hear(
        &mut heard,
        |event| matches!(event, Event::RootMismatch { learner, .. } if learner == "blue"),
    );
    assert!(
        world.log().contains("bundles are not atomic between them any more"),
        "{}",
        world.log()
    );
    for start in 0..2 {
        let conflict = world.store.conflict(LOG, None).unwrap().unwrap();
        assert_eq!(conflict, [lie.clone(), truth.clone()], "{start}");
        for learner in ["red", "blue"] {
            let metric = format!("hpaxos_diverged{{learner=\"{learner}\",log=\"red+blue\"}} 1");
            assert!(world.metrics.text().unwrap().contains(&metric), "{start} {learner}");
        }
        world = World::at(world.end(), false);
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
