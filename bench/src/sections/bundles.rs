//! Bundles a second: with more signatures, and with more bytes.

use crate::case::{Case, Rounds, Run, measure};
use crate::network::{Load, Network, Pace, Sends, decisions_per_second, rss_mb_max};
use crate::plot::{Axis, Plot, Series};
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use crate::setting::{Place, Setting};
use anyhow::Result;
use hpaxos_testnet::load::WORKERS;
use serde_json::json;
use std::collections::BTreeMap;

const TEXT: &str = "\
Four validators with stores on disk and the log of two chains, three sends. {clients} clients on the same machine, whose work is not in
the CPU time, send a bundle each over HTTP, wait for its outcome on both chains, and send the next: the network gets as many as it
takes. A bundle moves gold on both chains for each that signs, and makes new objects of so many bytes on one of them; a slot takes
what waits, up to 1 MiB. The floor is checking each signature once at each node, many together.";

/// More than any network takes.
const PER_SECOND: u32 = 100_000;

/// The case that others are compared with.
const BASE: (u32, u32) = (2, 100);

/// Signatures and bytes.
const ALL: [(u32, u32); 7] =
    [BASE, (1, 100), (4, 100), (2, 1_000), (2, 10_000), (2, 30_000), (2, 100_000)];
const FEW: [(u32, u32); 3] = [BASE, (4, 100), (2, 10_000)];

/// Measures.
///
/// # Errors
/// If a network cannot be run, or does something wrong.
pub fn run(setting: &Setting) -> Result<Section> {
    let (chosen, rounds) = match setting.quick {
        true => (&FEW[..], Rounds { count: 2, seconds: 4 }),
        false => (&ALL[..], Rounds { count: 3, seconds: 6 }),
    };
    let network = Network {
        validators: 4,
        learners: 2,
        sends: Sends::Three,
        place: Place::Disk,
        pace: Pace::OnDemand,
    };
    let case = |&(signatures, payload)| {
        Case::new(network, Some(Load { per_second: PER_SECOND, signatures, payload }))
    };
    let mut cases: Vec<Case> = chosen.iter().map(case).collect();
    measure(setting, &mut cases, rounds)?;
    Ok(Section {
        name: "bundles",
        title: "Bundles a second",
        text: TEXT.replace("{clients}", &WORKERS.to_string()),
        tables: vec![table(&cases)],
        plots: vec![plot(&cases)],
        ratios: ratios(&cases),
        figures: json!(cases.iter().map(Case::json).collect::<Vec<_>>()),
    })
}

fn load(case: &Case) -> Load {
    case.load.expect("each case has a load")
}

fn rate(run: &Run) -> Option<f64> {
    Some(run.figures.committed_per_second)
}

/// CPU time of all nodes for a bundle, in milliseconds.
fn cpu(run: &Run) -> Option<f64> {
    let decisions = decisions_per_second(&run.figures);
    Some(run.figures.per_decision.cpu_ms? * decisions / rate(run)?)
}

fn floor(case: &Case) -> impl Fn(&Run) -> Option<f64> {
    let checks = case.network.validators as f64 * f64::from(load(case).signatures);
    move |run| Some(checks * run.cost.check_together / 1e3)
}

fn table(cases: &[Case]) -> Table {
    let mut table = Table::new(
        "",
        [
            "signatures",
            "bytes",
            "bundles/s",
            "MB/s",
            "bundles in a slot",
            "CPU ms a bundle",
            "floor",
            "RSS MB",
        ],
    );
    for case in cases {
        let Load { signatures, payload, .. } = load(case);
        let per = |of: fn(&Run) -> Option<f64>| figure(case.median(of));
        let megabytes = case.median(rate).map(|rate| rate * f64::from(payload) / 1e6);
        table.row([
            &signatures,
            &figure(f64::from(payload)),
            &per(rate),
            &figure(megabytes),
            &per(|run| Some(rate(run)? / decisions_per_second(&run.figures))),
            &per(cpu),
            &figure(case.median(floor(case))),
            &per(|run| Some(rss_mb_max(&run.figures))),
        ]);
    }
    table
}

fn ratios(cases: &[Case]) -> BTreeMap<String, Ratio> {
    let (base, others) = cases.split_first().expect("the first case is the base");
    let time = |run: &Run| Some(1.0 / rate(run)?);
    let mut ratios = BTreeMap::new();
    for case in others {
        let Load { signatures, payload, .. } = load(case);
        let name = format!("{signatures} signatures, {payload} bytes");
        let beside = format!("to {} signatures, {} bytes", BASE.0, BASE.1);
        let ratio = case.ratio_to(base, time);
        ratios.extend(ratio.map(|ratio| (format!("{name}: time for a bundle {beside}"), ratio)));
        let ratio = case.ratio_to(base, cpu);
        ratios.extend(ratio.map(|ratio| (format!("{name}: CPU {beside}"), ratio)));
    }
    let name = format!("{} signatures, {} bytes: CPU to its floor", BASE.0, BASE.1);
    ratios.extend(base.ratio(cpu, floor(base)).map(|ratio| (name, ratio)));
    ratios
}

fn plot(cases: &[Case]) -> Plot {
    let chosen = cases.iter().filter(|case| load(case).signatures == BASE.0);
    let points: Option<Vec<_>> =
        chosen.map(|case| Some((f64::from(load(case).payload), case.median(rate)?))).collect();
    let series = Series { name: "two signatures".into(), points: points.unwrap_or_default() };
    Plot {
        name: "bundles".into(),
        title: "Bundles a second, four validators, two chains, two signatures".into(),
        x: Axis::logarithmic("bytes that a bundle stores"),
        y: Axis::logarithmic("bundles a second"),
        series: vec![series],
    }
}
