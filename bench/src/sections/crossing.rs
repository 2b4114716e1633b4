//! Across chains: one atomic bundle, beside what else can be done with the same validators.

use crate::crossing::{Market, Seen, Way, run as trade};
use crate::percentiles::Percentiles;
use crate::plot::{Axis, Plot, Series};
use crate::progress::say;
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use crate::setting::Setting;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Trades a second.
const PER_SECOND: u32 = 10;

/// All ways, each round one after the other.
const WAYS: [Way; 7] = [
    Way::OneChain,
    Way::Atomic(2),
    Way::Atomic(3),
    Way::Relay(2),
    Way::Relay(3),
    Way::TwoPhase(2),
    Way::TwoPhase(3),
];

const TEXT: &str = "\
Four real validators on loopback run three chains, each of which three of the four decide, with a log for each chain and logs of
two and three chains. Ten trades a second, in each of these ways in turn, on the same running network, round after round, every
other round backwards; a ratio is that of two ways in one round. A trade takes from the moment in which it is due until its client's
node has executed all of it; CPU time is that of all nodes.

- *One chain*: a bundle with two payments, in the chain's own log.
- *Atomic*: one bundle with a payment on each chain, in the log that they share: one decision.
- *Relay*: each chain decides its payment in its own log, at the same time, and releases what was gained; when all are certified, one
  bundle claims it in the log that they share. Nothing makes the chains agree.
- *Two-phase*: each chain locks what is to be paid, in its own log, at the same time; when all are certified, the coordinator writes
  its decision down, synced, and each chain pays. A benchmark's own driver, the coordinator a client; it flatters two-phase commit,
  whose locks end here only if the coordinator lives, and which trusts a keeper.";

/// What is divided by what, and what is wanted of it.
const RATIOS: [(Way, Way, Option<f64>); 6] = [
    (Way::Atomic(2), Way::OneChain, Some(1.4)),
    (Way::Atomic(3), Way::OneChain, None),
    (Way::Atomic(2), Way::TwoPhase(2), Some(0.5)),
    (Way::Atomic(3), Way::TwoPhase(3), None),
    (Way::Atomic(2), Way::Relay(2), None),
    (Way::Atomic(3), Way::Relay(3), None),
];

#[derive(Serialize)]
struct Figures {
    way: String,
    trades: usize,
    failed: usize,
    latency_ms: Option<Percentiles>,
    cpu_ms_per_trade: f64,
}

/// Measures.
pub fn run(setting: &Setting) -> Result<Section> {
    let (rounds, lasts) = if setting.quick { (2, 3) } else { (6, 8) };
    let lasts = Duration::from_secs(lasts);
    let market = Market::open(setting)?;
    for way in WAYS {
        let seen = trade(&market, way, PER_SECOND, Duration::from_secs(1))?;
        ensure!(seen.failed == 0, "{}: {}", way.name(), seen.why.unwrap_or_default());
    }
    let mut seen: Vec<Vec<Seen>> = WAYS.map(|_| Vec::new()).into();
    for round in 0..rounds {
        let forwards = (0..WAYS.len()).collect::<Vec<_>>();
        let order: Vec<usize> =
            if round % 2 == 0 { forwards } else { forwards.into_iter().rev().collect() };
        for place in order {
            let way = WAYS[place];
            let of_round = trade(&market, way, PER_SECOND, lasts)?;
            let p50 = Percentiles::of(of_round.latencies.iter().copied()).map(|it| it.p50);
            say(format_args!("  {}: p50 {} ms", way.name(), figure(p50)));
            ensure!(
                of_round.failed * 100 <= of_round.latencies.len(),
                "{}: {} trades came to nothing: {}",
                way.name(),
                of_round.failed,
                of_round.why.unwrap_or_default()
            );
            seen[place].push(of_round);
        }
    }
    market.close().context("the network of the trades")?;
    Ok(report(&seen))
}

/// A figure of each round.
type OfRound = fn(&Seen) -> f64;

const COMPARED: [(&str, OfRound); 2] = [
    ("p50", |seen| Percentiles::of(seen.latencies.iter().copied()).map_or(f64::NAN, |it| it.p50)),
    ("CPU", cpu_ms),
];

fn cpu_ms(seen: &Seen) -> f64 {
    seen.cpu.as_secs_f64() * 1e3 / seen.latencies.len() as f64
}

fn report(seen: &[Vec<Seen>]) -> Section {
    let mut table = Table::new(
        "All rounds together:",
        ["way", "bundles", "trades", "failed", "p50 ms", "p90 ms", "p99 ms", "CPU ms a trade"],
    );
    let mut figures = Vec::new();
    for (way, rounds) in WAYS.iter().zip(seen) {
        let latencies = || rounds.iter().flat_map(|round| round.latencies.iter().copied());
        let of = Figures {
            way: way.name(),
            trades: latencies().count(),
            failed: rounds.iter().map(|round| round.failed).sum(),
            latency_ms: Percentiles::of(latencies()),
            cpu_ms_per_trade: rounds.iter().map(cpu_ms).sum::<f64>() / rounds.len() as f64,
        };
        table.row([
            &of.way,
            &way.bundles(),
            &of.trades,
            &of.failed,
            &figure(of.latency_ms.map(|it| it.p50)),
            &figure(of.latency_ms.map(|it| it.p90)),
            &figure(of.latency_ms.map(|it| it.p99)),
            &figure(of.cpu_ms_per_trade),
        ]);
        figures.push(of);
    }
    let of_way = |way: Way| {
        let place = WAYS.iter().position(|one| *one == way).expect("each way is measured");
        &seen[place]
    };
    let mut ratios = BTreeMap::new();
    let mut goals = Table::new(
        "What is wanted of ratios of p50, and what is:",
        ["ratio", "at most", "measured"],
    );
    for (one, other, goal) in RATIOS {
        for (what, of) in COMPARED {
            let name = format!("{what} of {} to {}", one.name(), other.name());
            let pairs =
                of_way(one).iter().zip(of_way(other)).map(|(one, other)| (of(one), of(other)));
            let ratio = Ratio::of_pairs(pairs);
            if let (Some(_), "p50") = (goal, what) {
                goals.row([&name, &figure(goal), &figure(ratio.map(|it| it.value))]);
            }
            if let Some(ratio) = ratio {
                ratios.insert(name, ratio);
            }
        }
    }
    Section {
        name: "crossing",
        title: "Across chains",
        text: TEXT.into(),
        tables: vec![table, goals],
        plots: vec![plot(seen)],
        ratios,
        figures: json!({ "ways": figures }),
    }
}

/// The share of trades that are done within a time.
fn plot(seen: &[Vec<Seen>]) -> Plot {
    let series = WAYS.iter().zip(seen).map(|(way, rounds)| {
        let mut latencies: Vec<Duration> =
            rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect();
        latencies.sort_unstable();
        let count = latencies.len() as f64;
        let points = latencies.iter().enumerate();
        let points = points.map(|(index, it)| (it.as_secs_f64() * 1e3, (index + 1) as f64 / count));
        Series { name: way.name(), points: points.collect() }
    });
    Plot {
        name: "crossing-latency".into(),
        title: "Trades that are done within a time".into(),
        x: Axis::logarithmic("ms"),
        y: Axis::linear("share"),
        series: series.collect(),
    }
}
