//! Real validators on loopback: how fast they decide, and what a decision costs beside the least that it can.

use crate::arithmetic::{Counts, decision_ms};
use crate::case::{Case, Rounds, Run, measure};
use crate::network::{Load, Network, Pace, Sends, decisions_per_second, rss_mb_max};
use crate::plot::{Axis, Plot, Series};
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use crate::setting::{Place, Setting};
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeMap;

const TEXT: &str = "\
Processes that are connected directly over TCP, all on this machine, which makes the load, too. They keep a trace of decisions
for the verdict at the end of each run, which passed. CPU, messages, bytes, syncs and checks are of all nodes together; memory is
the largest node's. Messages and bytes are those that the nodes write, before encryption; bundles among them are counted where
they begin. Every slot with a bundle is attested and certified; of empty slots one right after the other each fourth is, which
their floor leaves out.

*Empty slots* follow one another as fast as they go. Where there are several learners, each has its own log beside the one that
they share, and decisions of all logs are counted. *A bundle in each slot*: so many a second that each has a slot of its own, with
two signatures, over all learners of the one log that has slots; latency is from the time at which a bundle was due until the node
that took it has executed it for all learners, which the client hears of over HTTP. Whatever a node does while it waits is in
there, too.";

/// Bundles a second that leave time for a slot each.
const PER_SECOND: u32 = 40;

/// Signatures of each of them.
const SIGNATURES: u32 = 2;

/// Measures.
///
/// # Errors
/// If a network cannot be run, or does something wrong.
pub fn run(setting: &Setting) -> Result<Section> {
    let rounds = match setting.quick {
        true => Rounds { count: 2, seconds: 4 },
        false => Rounds { count: 3, seconds: 6 },
    };
    let mut cases = cases(setting.quick);
    measure(setting, &mut cases, rounds)?;
    let (empty, loaded): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| case.load.is_none());
    let mut tables = vec![cost_table("Empty slots, one after another.", &empty)];
    tables.push(cost_table(&format!("A bundle in each slot, {PER_SECOND} a second."), &loaded));
    tables.push(latency_table(&cases));
    Ok(Section {
        name: "node",
        title: "Real validators",
        text: TEXT.to_owned(),
        tables,
        plots: plots(&cases),
        ratios: ratios(&cases),
        figures: json!(cases.iter().map(Case::json).collect::<Vec<_>>()),
    })
}

fn cases(quick: bool) -> Vec<Case> {
    use Pace::{Fast, OnDemand};
    use Place::{Disk, Memory};
    use Sends::{Four, Three};
    let all = [
        (4, Three, 1, Disk, Fast),
        (4, Three, 1, Memory, Fast),
        (7, Three, 1, Disk, Fast),
        (7, Three, 1, Memory, Fast),
        (10, Three, 1, Disk, Fast),
        (10, Three, 1, Memory, Fast),
        (4, Three, 2, Disk, Fast),
        (4, Four, 2, Disk, Fast),
        (4, Three, 1, Disk, OnDemand),
        (4, Three, 2, Disk, OnDemand),
        (4, Three, 3, Disk, OnDemand),
        (4, Three, 4, Disk, OnDemand),
        (4, Four, 2, Disk, OnDemand),
        (4, Three, 2, Memory, OnDemand),
        (7, Three, 2, Disk, OnDemand),
        (7, Four, 2, Disk, OnDemand),
        (10, Three, 2, Disk, OnDemand),
        (10, Four, 2, Disk, OnDemand),
    ];
    let few = [
        (4, Three, 1, Disk, Fast),
        (4, Three, 1, Memory, Fast),
        (7, Three, 1, Disk, Fast),
        (4, Three, 2, Disk, OnDemand),
        (4, Four, 2, Disk, OnDemand),
    ];
    let chosen = if quick { &few[..] } else { &all[..] };
    let case = |&(validators, sends, learners, place, pace)| {
        let load = Load { per_second: PER_SECOND, signatures: SIGNATURES, payload: 0 };
        let load = (pace == OnDemand).then_some(load);
        Case::new(Network { validators, learners, sends, place, pace }, load)
    };
    chosen.iter().map(case).collect()
}

/// What a slot of this case takes; none where logs of several kinds run beside each other.
fn counts(case: &Case) -> Option<Counts> {
    let signatures = case.load.map_or(0, |load| load.signatures as usize);
    let is_one_log = case.network.learners == 1 || case.network.pace == Pace::OnDemand;
    is_one_log.then(|| Counts::of_slot(&case.network, signatures))
}

fn cpu(run: &Run) -> Option<f64> {
    run.figures.per_decision.cpu_ms
}

fn cpu_floor(case: &Case) -> impl Fn(&Run) -> Option<f64> {
    let counts = counts(case);
    move |run| Some(counts?.cpu_ms(&run.cost))
}

fn decision_floor(case: &Case) -> impl Fn(&Run) -> Option<f64> {
    let sends = case.network.sends;
    move |run| Some(decision_ms(sends, &run.cost))
}

fn cost_table(caption: &str, cases: &[&Case]) -> Table {
    let mut table = Table::new(
        caption,
        [
            "network",
            "decisions/s",
            "CPU ms",
            "floor",
            "ratio",
            "messages",
            "KB sent",
            "syncs",
            "checks",
            "KB written a node",
            "RSS MB",
        ],
    );
    for case in cases {
        let per = |of: fn(&Run) -> Option<f64>| figure(case.median(of));
        let beside = |measured: String, counted: Option<usize>| match counted {
            Some(counted) => format!("{measured} ({counted})"),
            None => measured,
        };
        let counts = counts(case);
        table.row([
            &case.network,
            &per(|run| Some(decisions_per_second(&run.figures))),
            &per(cpu),
            &figure(case.median(cpu_floor(case))),
            &figure(case.ratio(cpu, cpu_floor(case)).map(|ratio| ratio.value)),
            &beside(
                per(|run| run.figures.per_decision.messages),
                counts.map(|counts| counts.messages),
            ),
            &per(|run| Some(run.figures.per_decision.sent_bytes? / 1e3)),
            &beside(per(|run| run.figures.per_decision.syncs), counts.map(|counts| counts.syncs)),
            &beside(
                per(|run| run.figures.per_decision.signatures_checked),
                counts.map(|counts| counts.checks),
            ),
            &per(|run| Some(run.figures.per_decision.write_bytes? / 1e3)),
            &per(|run| Some(rss_mb_max(&run.figures))),
        ]);
    }
    table.caption += " Per decision, over all nodes; in parentheses what arithmetic says.";
    table
}

fn latency_table(cases: &[Case]) -> Table {
    let mut table = Table::new(
        "Latency in ms: p50 / p90 / p99.",
        ["network", "slots", "proposal → decision", "floor", "submission → commit"],
    );
    for case in cases {
        let three = |of: fn(&Run) -> [Option<f64>; 3]| {
            let at = |place: usize| figure(case.median(|run| of(run)[place]));
            format!("{} / {} / {}", at(0), at(1), at(2))
        };
        let slots = match case.load {
            None => "empty",
            Some(_) => "a bundle each",
        };
        let commit = three(|run| {
            let of = &run.figures.commit_ms;
            [of.p50, of.p90, of.p99]
        });
        let decision = three(|run| {
            let of = &run.figures.decision_ms;
            [of.p50, of.p90, of.p99]
        });
        let commit = if case.load.is_some() { commit } else { figure(None) };
        let floor = figure(case.median(decision_floor(case)));
        table.row([&case.network, &slots, &decision, &floor, &commit]);
    }
    table
}

fn ratios(cases: &[Case]) -> BTreeMap<String, Ratio> {
    let mut ratios = BTreeMap::new();
    let mut add = |name: String, ratio: Option<Ratio>| {
        ratios.extend(ratio.map(|ratio| (name, ratio)));
    };
    for case in cases {
        let slots = if case.load.is_some() { "bundles" } else { "empty slots" };
        let name = |what: &str| format!("{}, {slots}: {what}", case.network);
        add(name("CPU to its floor"), case.ratio(cpu, cpu_floor(case)));
        let counted = |of: fn(&Counts) -> usize| {
            let counted = counts(case).map(|counts| of(&counts) as f64);
            move |_: &Run| counted
        };
        add(
            name("checks to arithmetic"),
            case.ratio(
                |run| run.figures.per_decision.signatures_checked,
                counted(|counts| counts.checks),
            ),
        );
        add(
            name("messages to arithmetic"),
            case.ratio(|run| run.figures.per_decision.messages, counted(|counts| counts.messages)),
        );
        add(
            name("syncs to arithmetic"),
            case.ratio(|run| run.figures.per_decision.syncs, counted(|counts| counts.syncs)),
        );
        add(
            name("proposal → decision, p50 to its floor"),
            case.ratio(|run| run.figures.decision_ms.p50, decision_floor(case)),
        );
        if let Some(base) = base(case, cases) {
            let name = |what: &str| format!("{} to n = 4", name(what));
            let time = |run: &Run| Some(1.0 / decisions_per_second(&run.figures));
            match case.load {
                None => add(name("time for a decision"), case.ratio_to(base, time)),
                Some(_) => add(
                    name("submission → commit, p50"),
                    case.ratio_to(base, |run| run.figures.commit_ms.p50),
                ),
            }
            add(name("CPU"), case.ratio_to(base, cpu));
        }
    }
    ratios
}

/// The same with four validators, if it is another one.
fn base<'a>(case: &Case, cases: &'a [Case]) -> Option<&'a Case> {
    let four = Network { validators: 4, ..case.network };
    let mut found = cases.iter().filter(|other| other.network == four);
    found.next().filter(|_| four != case.network)
}

fn plots(cases: &[Case]) -> Vec<Plot> {
    let is_simple = |case: &&Case| case.network.learners == 1 && case.load.is_none();
    let series = |name: &str, place: Place, of: &dyn Fn(&Case) -> Option<f64>| {
        let chosen = cases.iter().filter(is_simple).filter(|case| case.network.place == place);
        let points = chosen.filter_map(|case| Some((case.network.validators as f64, of(case)?)));
        Series { name: name.to_owned(), points: points.collect() }
    };
    let rate = |case: &Case| case.median(|run| Some(decisions_per_second(&run.figures)));
    let x = || Axis::linear("validators");
    vec![
        Plot {
            name: "node-decisions".into(),
            title: "Decisions a second, empty slots, three sends, one learner".into(),
            x: x(),
            y: Axis::linear("decisions a second"),
            series: vec![
                series("on disk", Place::Disk, &rate),
                series("in memory", Place::Memory, &rate),
            ],
        },
        Plot {
            name: "node-cpu".into(),
            title: "CPU time of a decision over all nodes, and the least that it can be".into(),
            x: x(),
            y: Axis::linear("ms"),
            series: vec![
                series("on disk", Place::Disk, &|case| case.median(cpu)),
                series("in memory", Place::Memory, &|case| case.median(cpu)),
                series("floor, on disk", Place::Disk, &|case| case.median(cpu_floor(case))),
                series("floor, in memory", Place::Memory, &|case| case.median(cpu_floor(case))),
            ],
        },
    ]
}
