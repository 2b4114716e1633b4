//! Starts the replicas, waits until they decide, and measures.

use crate::arguments::Run;
use crate::process::{Process, Usage};
use crate::progress::Answer;
use crate::report::{Peer, Report, complain, say};
use crate::{REPLICAS, VALUE_BYTES};
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Until all replicas have decided something; a network may take some tries to connect.
const START_MAX: Duration = Duration::from_secs(60);

/// After that, and before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// All replicas at one time.
struct Sample {
    at: Instant,
    answers: Vec<Answer>,
    usages: Vec<Usage>,
}

/// Measures a peer once, and says what came of it.
pub fn run(peer: &Peer, run: &Run) -> Result<()> {
    complain(&format!(
        "{}: {REPLICAS} replicas, {VALUE_BYTES}-byte values, {} s ...",
        peer.name, run.seconds
    ));
    let ports = free_ports()?;
    let mut replicas = (0..REPLICAS)
        .map(|index| Process::start(index, &ports, &run.folder.join(index.to_string())))
        .collect::<Result<Vec<_>>>()?;

    let started = Instant::now();
    while !sample(&mut replicas)?.answers.iter().all(|answer| answer.decided > 0) {
        if started.elapsed() > START_MAX {
            let log = replicas[0].end_of_log();
            bail!("not all replicas decided within {START_MAX:?}; replica 0 says:\n{log}");
        }
        sleep(Duration::from_millis(100));
    }
    sleep(WARM_UP);

    let before = sample(&mut replicas)?;
    sleep(Duration::from_secs(run.seconds));
    let after = sample(&mut replicas)?;
    say(&report(peer, &before, &after)?);
    Ok(())
}

/// Ports that are free now; a port that somebody else takes meanwhile shows as a replica that stops.
fn free_ports() -> Result<String> {
    let listeners = (0..REPLICAS)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<Vec<_>, _>>()
        .context("127.0.0.1")?;
    let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port().to_string()));
    Ok(ports.collect::<Result<Vec<_>>>()?.join(","))
}

fn sample(replicas: &mut [Process]) -> Result<Sample> {
    let at = Instant::now();
    let answers = replicas.iter_mut().map(Process::ask).collect::<Result<_>>()?;
    let usages = replicas.iter().map(Process::usage).collect::<Result<_>>()?;
    Ok(Sample { at, answers, usages })
}

fn report(peer: &Peer, before: &Sample, after: &Sample) -> Result<Report> {
    let pairs = before.answers.iter().zip(&after.answers);
    let decided: Vec<u64> = pairs.map(|(from, to)| to.decided - from.decided).collect();
    let decisions = decided.iter().copied().max().unwrap_or(0);
    if decisions == 0 {
        bail!("nothing was decided while it was measured");
    }
    let sum = |of: fn(&Usage) -> u64, sample: &Sample| sample.usages.iter().map(of).sum::<u64>();
    let per_decision = |of| rounded((sum(of, after) - sum(of, before)) as f64 / decisions as f64);
    let mut latencies_us: Vec<u64> =
        after.answers.iter().flat_map(|answer| answer.latencies_us.iter().copied()).collect();
    latencies_us.sort_unstable();
    let seconds = (after.at - before.at).as_secs_f64();
    let rss_bytes = after.usages.iter().map(|usage| usage.rss_bytes).max().unwrap_or(0);
    Ok(Report {
        peer: *peer,
        replicas: REPLICAS,
        seconds: rounded(seconds),
        decisions,
        decisions_least: decided.iter().copied().min().unwrap_or(0),
        decisions_per_second: rounded(decisions as f64 / seconds),
        cpu_ms_per_decision: per_decision(|usage| usage.cpu_ms),
        write_bytes_per_decision: per_decision(|usage| usage.write_bytes).round(),
        decision_ms_p50: percentile(&latencies_us, 50),
        decision_ms_p99: percentile(&latencies_us, 99),
        rss_mb: rounded(rss_bytes as f64 / 1e6),
    })
}

/// The smallest value that so many per cent of all are not above, in milliseconds.
fn percentile(sorted_us: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted_us.len() * percent).div_ceil(100);
    Some(rounded(*sorted_us.get(rank.checked_sub(1)?)? as f64 / 1e3))
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latencies: Vec<u64> = (1..=100).map(|ms| ms * 1_000).collect();
        assert_eq!(percentile(&latencies, 50), Some(50.0));
        assert_eq!(percentile(&latencies, 99), Some(99.0));
        assert_eq!(percentile(&[7_000], 99), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
    }
}
