//! Around the world: how long bundles take where validators are far apart.

use crate::graphs::{Chain, Edges, trust};
use crate::percentiles::Percentiles;
use crate::plot::{Axis, Plot, Series};
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use crate::setting::Setting;
use crate::world::regions::{CLOUDS, Cloud};
use crate::world::{Time, World};
use anyhow::Result;
use hpaxos_consensus::Trust;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two bundles, on average.
const BUNDLE_EVERY: Duration = Duration::from_millis(400);

const TEXT: &str = "\
The production engine in a virtual network with the round trips that three clouds publish (half of one is a way, and up to a
tenth of jitter is added; the sources are named in `bench/src/world/regions.rs`). Nothing fails, and computing takes no time: these
are the delays of the protocol and of the earth, the same on every machine.

Red stands on the validators 1 to 6 and blue on 3 to 8, and each decides with five of its six, as in `two-chains.toml`. A client
stands beside a validator, drawn for each bundle; 2.5 bundles a second. *Decision* is from the moment in which a proposal leaves to
a validator's decision for all chains of the log, *commit* from submission until the client's validator has decided it and
everything before it. *Red alone* is the log of red, with red's validators. Red and blue decide with four sends, because their edges
differ, or with three at the price that `hpaxos graph analyze` tells (`edges = \"level\"`). *Others* are questions, answers and
announcements for each decision: where one takes longer than an eighth of a second, validators ask whether they missed something.";

/// Where the eight validators stand, by region.
const PLACEMENTS: [(&str, [usize; 8]); 4] = [
    ("one region", [0; 8]),
    ("two regions of Europe", [2, 2, 2, 3, 2, 3, 3, 3]),
    ("red in America, blue in Europe, each with two of the shared", [0, 1, 0, 1, 2, 3, 2, 3]),
    ("seven regions", [0, 1, 2, 3, 4, 5, 6, 0]),
];

/// Which log is looked at.
const LOGS: [&str; 3] = ["red alone", "red and blue, three sends", "red and blue, four sends"];

/// What a log does in a placement.
#[derive(Clone, Debug, Serialize)]
struct Seen {
    cloud: &'static str,
    placement: &'static str,
    log: &'static str,
    bundles: usize,
    slots: usize,
    decision_ms: Percentiles,
    commit_ms: Percentiles,
    /// Packets beside new messages, for each decision.
    others: f64,
    /// Proposals of later rounds, for each decision.
    later_rounds: f64,
}

/// Measures.
pub fn run(setting: &Setting) -> Result<Section> {
    let chains = || {
        [Chain { at_least: 5, of: (0..6).collect() }, Chain { at_least: 5, of: (2..8).collect() }]
    };
    let logs = [
        trust(6, &chains()[..1], &Edges::Overlap).1,
        trust(8, &chains(), &Edges::Levelled).1,
        trust(8, &chains(), &Edges::Overlap).1,
    ];
    let mut seen = Vec::new();
    for cloud in &CLOUDS {
        for placement in &PLACEMENTS {
            for (name, trust) in LOGS.iter().zip(&logs) {
                seen.push(look(cloud, placement, (name, trust), setting));
            }
        }
    }
    Ok(report(&seen))
}

fn look(
    cloud: &Cloud,
    (placement, places): &(&'static str, [usize; 8]),
    (log, trust): (&'static str, &Arc<Trust>),
    setting: &Setting,
) -> Seen {
    let places = &places[..trust.acceptors().len()];
    let mut world = World::new(trust, cloud.delays(places), 1);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut at = Time::ZERO;
    for _ in 0..if setting.quick { 200 } else { 1_000 } {
        // Waiting times of a Poisson process.
        at += BUNDLE_EVERY.mul_f64(-(1.0 - rng.random::<f64>()).ln());
        world.submit(at, rng.random_range(0..places.len()));
    }
    world.run();
    let committed = |way: &crate::world::Way| way.committed.expect("nothing fails") - way.submitted;
    let slots = world.slots();
    let counts = world.counts();
    Seen {
        cloud: cloud.name,
        placement,
        log,
        bundles: world.bundles().len(),
        slots,
        decision_ms: Percentiles::of(world.decisions().iter().copied())
            .expect("slots were decided"),
        commit_ms: Percentiles::of(world.bundles().iter().map(committed))
            .expect("there are bundles"),
        others: counts.others as f64 / slots as f64,
        later_rounds: counts.later_rounds as f64 / slots as f64,
    }
}

fn report(seen: &[Seen]) -> Section {
    let mut tables = Vec::new();
    let mut ratios = BTreeMap::new();
    for cloud in &CLOUDS {
        let regions = cloud.regions.join(", ");
        let mut table = Table::new(
            &format!("{}: {regions}. In milliseconds:", cloud.name),
            [
                "placement",
                "log",
                "decision p50",
                "p99",
                "commit p50",
                "p99",
                "others",
                "later rounds",
            ],
        );
        for it in seen.iter().filter(|it| it.cloud == cloud.name) {
            table.row([
                &it.placement,
                &it.log,
                &figure(it.decision_ms.p50),
                &figure(it.decision_ms.p99),
                &figure(it.commit_ms.p50),
                &figure(it.commit_ms.p99),
                &figure(it.others),
                &figure(it.later_rounds),
            ]);
        }
        tables.push(table);
    }
    // Of each placement the clouds are pairs.
    for (placement, _) in &PLACEMENTS {
        for log in &LOGS[1..] {
            let p50 = |log: &str| {
                let of = seen.iter().filter(|it| it.placement == *placement && it.log == log);
                of.map(|it| it.decision_ms.p50).collect::<Vec<f64>>()
            };
            let pairs = p50(log).into_iter().zip(p50(LOGS[0]));
            if let Some(ratio) = Ratio::of_pairs(pairs) {
                ratios.insert(format!("decision, {placement}: {log}, to red alone"), ratio);
            }
        }
    }
    let series = LOGS.iter().map(|log| Series {
        name: (*log).to_owned(),
        points: PLACEMENTS
            .iter()
            .enumerate()
            .map(|(index, (placement, _))| {
                let aws = seen.iter().find(|it| {
                    it.cloud == CLOUDS[0].name && it.placement == *placement && it.log == *log
                });
                (index as f64 + 1.0, aws.map_or(f64::NAN, |it| it.commit_ms.p50))
            })
            .collect(),
    });
    Section {
        name: "wan",
        title: "Around the world",
        text: TEXT.into(),
        tables,
        plots: vec![Plot {
            name: "wan-commit".into(),
            title: format!("Submission to commit, p50, {}", CLOUDS[0].name),
            x: Axis::linear("placement, as in the table"),
            y: Axis::linear("ms"),
            series: series.collect(),
        }],
        ratios,
        figures: json!({ "logs": seen }),
    }
}
