//! Smallest blocking sets of a threshold federation, beside the crate `fbas_analyzer` in the same run.
//!
//! The closest question that both answer: which sets of nodes, when they stop, leave nobody a quorum? In
//! `fbas_analyzer`'s model every node has the federation's condition as its quorum set; its answer is the list of all
//! minimal blocking sets, of which the first is a smallest. Ours is one smallest set. So that the comparison is not of
//! one set with many, the federations are also small enough that there are few.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fbas_analyzer::{Fbas, find_minimal_blocking_sets};
use hpaxos_learner_graph::analysis::{AnalyzeAnswer, Breaking, By, analyze};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{LearnerGraph, file};
use std::fmt::Write;

/// So many organisations of three nodes, two of which speak for it; more than two thirds of the organisations decide.
fn ours(organisations: usize) -> LearnerGraph {
    let mut text = String::from("version = 1\n");
    let mut quorum = String::new();
    let mut safe = String::new();
    for organisation in 0..organisations {
        let nodes: Vec<String> = (0..3).map(|node| format!("\"{organisation}-{node}\"")).collect();
        nodes.iter().for_each(|node| writeln!(text, "[acceptors.{node}]").expect("a string"));
        write!(quorum, "{{ at-least = 2, of = [{}] }},", nodes.join(",")).expect("a string");
        write!(safe, "[{}],", nodes.join(",")).expect("a string");
    }
    let least = organisations * 2 / 3 + 1;
    let common = 2 * least - organisations;
    let safe_least = organisations - common + 1;
    write!(
        text,
        "[learners.federation]\nquorum = {{ at-least = {least}, of = [{quorum}] }}\n[[edges]]\n\
         between = [\"federation\", \"federation\"]\nsafe = {{ at-least = {safe_least}, of = [{safe}] }}\n"
    )
    .expect("a string");
    file::read(&text).expect("the federation is a graph")
}

fn theirs(organisations: usize) -> Fbas {
    let least = organisations * 2 / 3 + 1;
    let inner: Vec<String> = (0..organisations)
        .map(|organisation| {
            let nodes: Vec<String> =
                (0..3).map(|node| format!("\"{organisation}-{node}\"")).collect();
            format!(
                "{{\"threshold\":2,\"validators\":[{}],\"innerQuorumSets\":[]}}",
                nodes.join(",")
            )
        })
        .collect();
    let condition = format!(
        "{{\"threshold\":{least},\"validators\":[],\"innerQuorumSets\":[{}]}}",
        inner.join(",")
    );
    let nodes: Vec<String> = (0..organisations)
        .flat_map(|organisation| (0..3).map(move |node| format!("{organisation}-{node}")))
        .map(|name| format!("{{\"publicKey\":\"{name}\",\"quorumSet\":{condition}}}"))
        .collect();
    Fbas::from_json_str(&format!("[{}]", nodes.join(",")))
}

fn smallest(answer: &AnalyzeAnswer) -> usize {
    match &answer.logs[0].learners[0].halts_if {
        Breaking::Set { size, .. } => *size,
        other => panic!("not settled: {other:?}"),
    }
}

fn blocking_sets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("smallest blocking set");
    group.sample_size(10);
    for organisations in [3, 4, 5, 7, 10] {
        let (graph, fbas) = (ours(organisations), theirs(organisations));
        if organisations <= 7 {
            let all = find_minimal_blocking_sets(&fbas);
            let theirs = all.iter().map(|set| set.len()).min();
            let mut effort = Effort::steps(Effort::DEFAULT_STEPS);
            assert_eq!(theirs, Some(smallest(&analyze(&graph, &By::Count, &mut effort))));
            group.bench_function(BenchmarkId::new("fbas_analyzer", organisations), |bencher| {
                bencher.iter(|| find_minimal_blocking_sets(&fbas));
            });
        }
        // The whole analysis: halts_if, forks_if and the number of sends.
        group.bench_function(BenchmarkId::new("hpaxos", organisations), |bencher| {
            bencher.iter(|| {
                smallest(&analyze(&graph, &By::Count, &mut Effort::steps(Effort::DEFAULT_STEPS)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, blocking_sets);
criterion_main!(benches);
