//! What one slot in which nothing fails costs one node: the time of the engine, without signatures, storage and network.
//!
//! The events of a slot are recorded once, from a run of all nodes, and replayed on a fresh replica.

#![allow(clippy::disallowed_types, reason = "it measures time; nothing depends on it")]
#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hpaxos_consensus::{Effects, Event, Replica, Trust};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[path = "../tests/support/mod.rs"]
mod support;

use support::run::{Arrival, one_slot, replica};
use support::trust::{differing, equal, level};

/// The slot as a node that is not its proposer sees it.
struct Recording {
    trust: Arc<Trust>,
    events: Vec<Vec<Event>>,
    /// Messages sent by all nodes, each of which this node makes or takes in.
    messages: u64,
}

const NODE: usize = 1;

impl Recording {
    fn new(trust: Arc<Trust>, arrival: Arrival) -> Self {
        let mut run = one_slot(&trust, arrival);
        let messages = run.messages() as u64;
        Recording { trust, events: run.events.swap_remove(NODE), messages }
    }

    fn setup(&self) -> (Replica, Vec<Vec<Event>>) {
        (replica(&self.trust, NODE), self.events.clone())
    }
}

/// Lets everything happen; the lanes keep their memory, as a driver's do.
fn replay(replica: &mut Replica, events: Vec<Vec<Event>>, out: &mut Effects) {
    for batch in events {
        out.clear();
        batch.into_iter().for_each(|event| replica.handle(event, out));
        replica.settle(out);
    }
}

/// The least of some runs: whatever else the machine does only adds to it.
fn time(recording: &Recording) -> Duration {
    let mut out = Effects::default();
    let times = (0..101).map(|_| {
        let (mut replica, events) = recording.setup();
        let started = Instant::now();
        replay(&mut replica, events, &mut out);
        started.elapsed()
    });
    times.min().expect("there are some")
}

/// The slots that are measured: sends, acceptors and learners.
fn slots() -> Vec<(String, usize, Recording)> {
    let mut slots = Vec::new();
    let mut add = |name: &str, n: usize, trust: Arc<Trust>, arrival| {
        slots.push((name.to_owned(), n, Recording::new(trust, arrival)));
    };
    for n in [4, 7, 13, 25, 50, 100, 200] {
        add("3 sends, batched", n, equal(n, 1), Arrival::Batched);
    }
    for n in [4, 100] {
        add("3 sends, one by one", n, equal(n, 1), Arrival::OneByOne);
    }
    for (name, arrival) in [("batched", Arrival::Batched), ("one by one", Arrival::OneByOne)] {
        add(&format!("4 sends, {name}, 2 learners"), 100, differing(100, 2), arrival);
    }
    add("3 sends, batched, 16 equal learners", 100, equal(100, 16), Arrival::Batched);
    add("3 sends, batched, 16 differing learners", 100, level(100, 16), Arrival::Batched);
    add("4 sends, batched, 4 differing learners", 100, differing(100, 4), Arrival::Batched);
    slots
}

/// How the time grows with the number of acceptors. A 2a references up to n messages, each of which is looked up, so the
/// last column falls, and is level in the end, if nothing else grows.
fn print_growth(slots: &[(String, usize, Recording)]) {
    println!("the least of 101 runs; the last column: ns a message / (n log n)");
    println!(
        "{:40} {:>4} {:>8} {:>9} {:>12} {:>6}",
        "", "n", "messages", "µs", "ns a message", "level"
    );
    for (name, n, recording) in slots {
        let (n, messages) = (*n as f64, recording.messages);
        let microseconds = time(recording).as_nanos() as f64 / 1e3;
        let each = 1e3 * microseconds / messages as f64;
        let level = each / (n * n.log2());
        println!("{name:40} {n:>4} {messages:>8} {microseconds:>9.1} {each:>12.0} {level:>6.1}");
    }
}

fn one_slot_one_node(criterion: &mut Criterion) {
    let slots = slots();
    print_growth(&slots);
    let mut group = criterion.benchmark_group("one slot, one node");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(500));
    for (name, n, recording) in slots {
        let mut out = Effects::default();
        group.throughput(Throughput::Elements(recording.messages));
        group.bench_function(BenchmarkId::new(name, n), |bencher| {
            bencher.iter_batched(
                || recording.setup(),
                |(mut replica, events)| {
                    replay(&mut replica, events, &mut out);
                    replica
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, one_slot_one_node);
criterion_main!(benches);
