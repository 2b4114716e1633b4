//! The kinds of metrics, each registered under its name, and the buckets of those that are spread.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// From 0.1 ms to 30 s: a commit of the disk, a decision on one machine, around the world, in a storm. Closest where one
/// machine decides, so that percentiles between two of them are worth something.
pub(super) const LATENCY_SECONDS: [f64; 31] = [
    0.000_1, 0.000_25, 0.000_5, 0.000_75, 0.001, 0.001_5, 0.002, 0.002_5, 0.003, 0.004, 0.005,
    0.006_5, 0.008, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0,
    1.5, 2.5, 5.0, 10.0, 30.0,
];

/// From 10 µs to 0.1 s: a signature takes some tens of microseconds, a batch of them more.
pub(super) const VERIFY_SECONDS: [f64; 13] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1,
];

/// Records that one write to the disk takes along.
pub(super) const BATCH_RECORDS: [f64; 12] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

pub(super) const NAMED: &str = "names, labels and buckets are right";

pub(super) fn registered<T: prometheus::core::Collector + Clone + 'static>(
    to: &Registry,
    metric: T,
) -> T {
    to.register(Box::new(metric.clone())).expect("each name is registered once");
    metric
}

pub(super) fn counters(to: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(to, IntCounterVec::new(Opts::new(name, help), labels).expect(NAMED))
}

pub(super) fn gauge(to: &Registry, name: &str, help: &str) -> IntGauge {
    registered(to, IntGauge::new(name, help).expect(NAMED))
}

/// Of numbers that need not be whole.
pub(super) fn shares(to: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    registered(to, GaugeVec::new(Opts::new(name, help), labels).expect(NAMED))
}

pub(super) fn gauges(to: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(to, IntGaugeVec::new(Opts::new(name, help), labels).expect(NAMED))
}

pub(super) fn histograms(to: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(LATENCY_SECONDS.to_vec());
    registered(to, HistogramVec::new(options, labels).expect(NAMED))
}

pub(super) fn histogram(to: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(to, Histogram::with_opts(options).expect(NAMED))
}
