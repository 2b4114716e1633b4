//! What an answer proves, taken in.

use super::*;
use crate::executor::tests::{LOG, NETWORK, Truth, World, hear, nobody_listens};
use crate::network::{Bytes, Intake, NetworkConfig, PendingLimits, Refused, Verdict};
use crate::views::LogViews;
use ed25519_dalek::SigningKey;
use futures::FutureExt;
use futures::future::BoxFuture;
use hpaxos_consensus::LogName;
use hpaxos_learner_graph::analysis::LogAnswer;
use std::collections::BTreeSet;
use tempfile::TempDir;

struct Nobody;

impl Intake for Nobody {
    fn connected(&self, _: Peer) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn disconnected(&self, _: Peer) {}

    fn frame(&self, _: Peer, _: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
        async { Ok(()) }.boxed()
    }

    fn bundles(&self, _: Peer, _: LogName, _: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict> {
        async { Verdict::Ignore }.boxed()
    }

    fn answer(&self, _: Peer, _: Bytes) -> BoxFuture<'_, Option<Bytes>> {
        async { None }.boxed()
    }
}

/// Catches up for an executor, without anybody to ask.
async fn parts(world: &World) -> Parts {
    let config = NetworkConfig {
        identity: SigningKey::from_bytes(&[2; 32]),
        network: NETWORK,
        name: "asker".into(),
        validators: Vec::new(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        logs: Vec::new(),
        pending: PendingLimits { max: 1, per_address_max: 1, time_max: Duration::from_secs(1) },
        followers_max: 0,
        followers_allowed: Vec::new(),
    };
    let (network, _) = Network::start(config, Arc::new(Nobody)).await.unwrap();
    Parts {
        id: NETWORK,
        graph: world.graph.clone(),
        logs: vec![world.trust.clone()],
        store: world.store.clone(),
        views: world.views.clone(),
        decisions: world.decisions.clone(),
        network,
        events: world.events.clone(),
        metrics: Metrics::new(),
        tracer: None,
    }
}

/// Red is a slot behind blue, and it is certified only later than that: what is asked for begins where blue is.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_the_question_gets_the_whole_way() {
    let (giver, asker) = (World::new(true), World::new(false));
    let mut heard = giver.events.listen();
    let mut certified = BTreeSet::new();
    for learner in ["red", "blue"] {
        giver.decide(learner, 0..8);
    }
    let giver = tokio::task::spawn_blocking(move || {
        hear(&mut heard, |event| {
            if let Event::Certified { slot: 7, learner, .. } = event {
                certified.insert(learner.clone());
            }
            certified.len() == 2
        });
        giver
    });
    let giver = giver.await.unwrap();

    let mut heard = asker.events.listen();
    asker.decide("blue", 0..4);
    asker.decide("red", 0..3);
    let mut executed = 0;
    tokio::task::spawn_blocking(move || {
        hear(&mut heard, |event| {
            executed += u64::from(matches!(event, Event::Executed { .. }));
            executed == 7
        });
    })
    .await
    .unwrap();

    let answer = reading(|| slots(&giver.store, &giver.views, LOG, 4, 4)).unwrap().unwrap();
    let parts = parts(&asker).await;
    let heard = asker.events.listen();
    let ends = reading(|| parts.take(LOG, 4, 4, &answer.encode())).unwrap().unwrap();
    let both = ["red", "blue"].map(|name| (asker.learner(name), 8));
    assert_eq!(ends, BTreeMap::from(both));
    assert!(matches!(parts.executed(LOG, &ends, heard).await, Learned::Something));
    for learner in asker.trust.learners().iter() {
        assert_eq!(asker.views.height_of(LOG, learner), 8);
    }
    drop(parts);
    tokio::task::spawn_blocking(move || [giver, asker].map(World::end)).await.unwrap();
}

/// An executor of which blue has executed eight slots and red three; and the answer of somebody who has certificates of all
/// eight. All blocks are here: what red decides by it rests on its certificate alone.
async fn red_is_behind() -> (World, Vec<u8>) {
    let (giver, asker) = (World::new(false), World::new(false));
    tokio::task::spawn_blocking(move || {
        for world in [&giver, &asker] {
            let mut heard = world.events.listen();
            world.decide("blue", 0..8);
            world.decide("red", 0..3);
            let mut executed = 0;
            hear(&mut heard, |event| {
                executed += u64::from(matches!(event, Event::Executed { .. }));
                executed == 11
            });
        }
        let mut heard = giver.events.listen();
        giver.tell(&giver.certificate("red", 7, Truth::Told));
        hear(&mut heard, |event| matches!(event, Event::Certified { slot: 7, .. }));
        let answer = reading(|| slots(&giver.store, &giver.views, LOG, 3, 8)).unwrap().unwrap();
        giver.end();
        (asker, answer.encode())
    })
    .await
    .unwrap()
}

/// The same executor's store, to which nothing can be written, and how much is told of what is learned.
async fn cannot_write(world: World, parts: Parts) -> (Parts, impl Fn() -> usize, TempDir) {
    let (decisions, told) = nobody_listens();
    let Parts { id, graph, logs, network, events, metrics, tracer, views, store, decisions: _ } =
        parts;
    let of_log = views.logs().map(|(_, log)| LogViews {
        name: log.name.clone(),
        chains: log.chains.clone(),
        analysis: LogAnswer::default(),
        atomicity: Vec::new(),
    });
    let of_log = of_log.collect();
    drop((views, store));
    let folder = tokio::task::spawn_blocking(|| world.end()).await.unwrap();
    let store = Arc::new(Store::open_to_read(folder.path(), None, NETWORK, &[1; 32]).unwrap());
    let views = Arc::new(Views::new(NETWORK, graph.clone(), store.clone(), of_log));
    let parts =
        Parts { id, graph, logs, store, views, decisions, network, events, metrics, tracer };
    (parts, told, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_prove_is_on_disk_before_it_is_decided() {
    let (world, answer) = red_is_behind().await;
    let parts = parts(&world).await;
    let red = world.learner("red");
    let before = world.store.syncs();
    let ends = reading(|| parts.take(LOG, 3, 8, &answer)).unwrap().unwrap();
    assert_eq!(ends, BTreeMap::from([(red, 8)]));
    assert_eq!(world.store.syncs(), before + 1);
    assert_eq!(world.store.last_certificate(LOG, red).unwrap().unwrap().slot, 7);
    drop((parts, world));

    let (world, answer) = red_is_behind().await;
    let parts = self::parts(&world).await;
    let (parts, told, _folder) = cannot_write(world, parts).await;
    assert!(reading(|| parts.take(LOG, 3, 8, &answer)).is_err());
    assert_eq!(told(), 0, "it is told though it is on no disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_certified_of_what_another_learner_executed_is_on_disk_before_it_is_decided() {
    for can_write in [true, false] {
        let (world, _) = red_is_behind().await;
        let red = world.learner("red");
        let mut heard = world.events.listen();
        world.tell(&world.certificate("red", 7, Truth::Told));
        while !matches!(heard.recv().await, Ok(Event::Certified { slot: 7, .. })) {}
        let parts = parts(&world).await;
        let before = world.store.syncs();
        if can_write {
            let ends = reading(|| parts.known_here(LOG)).unwrap();
            assert_eq!(ends, BTreeMap::from([(red, 8)]));
            assert_eq!(world.store.syncs(), before + 1);
            continue;
        }
        let (parts, told, _folder) = cannot_write(world, parts).await;
        assert!(reading(|| parts.known_here(LOG)).is_err());
        assert_eq!(told(), 0, "it is told though it is on no disk");
    }
}
