//! What an answer proves, taken in.

use super::*;
use crate::executor::tests::{LOG, NETWORK, World, hear};
use crate::network::{Bytes, Intake, NetworkConfig, PendingLimits, Refused, Verdict};
use ed25519_dalek::SigningKey;
use futures::FutureExt;
use futures::future::BoxFuture;
use hpaxos_consensus::LogName;
use std::collections::BTreeSet;

struct Nobody;

impl Intake for Nobody {
    fn connected(&self, _: Peer) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn disconnected(&self, _: Peer) {}

    fn frame(&self, _: Peer, _: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
        async { Ok(()) }.boxed()
    }

    fn bundle(&self, _: Peer, _: LogName, _: Bytes) -> BoxFuture<'_, Verdict> {
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
