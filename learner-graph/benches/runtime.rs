//! The questions that the engine asks of every message, at 100 validators with skewed 18-decimal stakes.

use criterion::{Criterion, criterion_group, criterion_main};
use hpaxos_learner_graph::{
    AcceptorId, AcceptorSet, ConnectionsCache, LearnerGraph, LearnerId, file,
};
use std::hint::black_box;

#[path = "stakes/mod.rs"]
mod stakes;

fn graph() -> LearnerGraph {
    LearnerGraph::new(stakes::declarations(100, 4, 1, 1.1)).expect("its edges exist")
}

fn questions(criterion: &mut Criterion) {
    let graph = graph();
    let log = graph.log("all").expect("no log is declared");
    let caught: AcceptorSet = [7, 40, 91].map(AcceptorId::new).into_iter().collect();
    let safe = log.everyone().difference(&caught);
    assert_eq!(file::read(&file::write(graph.declarations())).map(|_| ()), Ok(()));

    let mut group = criterion.benchmark_group("100 validators, 4 chains");
    group.bench_function("is_quorum", |bencher| {
        bencher.iter(|| log.is_quorum(black_box(LearnerId::new(0)), black_box(&safe)));
    });
    group.bench_function("connected, not cached", |bencher| {
        bencher.iter(|| log.connections(black_box(&caught)));
    });
    let mut cache = ConnectionsCache::default();
    for byzantine in 0..100 {
        cache.connections(&log, &AcceptorSet::from_iter([AcceptorId::new(byzantine)]));
    }
    cache.connections(&log, &caught);
    group.bench_function("connected, cached among 101 caught sets", |bencher| {
        bencher.iter(|| cache.connections(&log, black_box(&caught)).connected(LearnerId::new(0)));
    });
    group.finish();
}

criterion_group!(benches, questions);
criterion_main!(benches);
