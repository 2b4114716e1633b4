//! Growth: what a decision costs with more validators, and with more chains.

use crate::graphs::{Chain, Edges, trust};
use crate::plot::{Axis, Plot, Series};
use crate::power_law::PowerLaw;
use crate::ratio::Ratio;
use crate::section::{Section, Table, figure};
use crate::setting::Setting;
use crate::world::{Cost, World, cost};
use anyhow::Result;
use hpaxos_consensus::Sends;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// From each validator to each other. Four sends take less than the engine waits before it asks what is missing.
const DELAY: Duration = Duration::from_millis(20);

/// Slots one after another, each done before the next begins.
const SLOT_EVERY: Duration = Duration::from_millis(400);

/// Validators whose CPU time is measured.
const MEASURED: usize = 4;

/// Validators of the logs with more and more chains.
const VALIDATORS: usize = 16;

/// What grows with the number of validators at most so.
const GOALS: [(&str, f64); 2] = [("CPU", 1.15), ("bytes", 1.3)];

const TEXT: &str = "\
The production engine in a virtual network of equal links (20 ms, a tenth of jitter; a sync takes 0.2 ms), in which nothing
fails; slot after slot, one bundle each. Everything is per decision and validator. *Bytes* are frames of the engine's packets
as they are sent, counted once for each receiver; blocks, bundles and the transport's own bytes are left out, and attestations
are beside them. *Checks* are signatures of messages and attestations that were checked.

CPU time is that of a thread. *Engine* is a validator's recorded events once more on a fresh replica, without any signature.
*Opening* is decoding, expanding, hashing and checking what came, *signing* is what it said itself, both measured on a sample of the
very messages with real keys, times how many there were. *Attesting* is modelled: as many checks and signatures as there were, at
what one of a message costs. The *sum* is a model, too: storage, transport and execution are not in it.

A reference is a hash of 32 bytes, and an accept references up to n votes. Replies are sent in their short form, in which one bit
stands for each; it is expanded before the hash is taken. So a validator's bytes still grow with the square of n in the end, but by
n²/8 for each depth of the chains. *References* are what a packet has more than one that references nothing.";

/// One log, measured.
#[derive(Clone, Debug, Default, Serialize)]
struct Point {
    validators: usize,
    chains: usize,
    sends: u8,
    slots: usize,
    /// Signed messages of all validators, per decision.
    messages: f64,
    bytes: f64,
    reference_bytes: f64,
    attestation_bytes: f64,
    checks: f64,
    signatures: f64,
    syncs: f64,
    others: f64,
    engine_us: f64,
    opening_us: f64,
    signing_us: f64,
    attesting_us: f64,
    cpu_us: f64,
}

/// Measures.
pub fn run(setting: &Setting) -> Result<Section> {
    let validators: &[usize] = match setting.quick {
        true => &[4, 10, 32, 100],
        false => &[4, 7, 10, 16, 25, 40, 64, 100, 128],
    };
    let of_validators: Vec<Vec<Point>> = [Sends::Three, Sends::Four]
        .map(|sends| validators.iter().map(|n| with_validators(*n, sends, setting)).collect())
        .into();
    let chains: &[usize] = &[1, 2, 4, 8, 16];
    let of_chains: Vec<(&str, Vec<Point>)> = KINDS
        .iter()
        .map(|(name, kind)| {
            (*name, chains.iter().map(|it| with_chains(*it, kind, setting)).collect())
        })
        .collect();
    Ok(report(&of_validators, &of_chains))
}

/// Two chains of all validators: of their edges depends how many sends decide.
fn with_validators(validators: usize, sends: Sends, setting: &Setting) -> Point {
    let chains = [Chain::of(0..validators), Chain::of(0..validators)];
    // One more than what two quorums have in common leaves out: they ask more of each other than each of itself.
    let more = Chain { at_least: validators, of: (0..validators).collect() };
    match sends {
        Sends::Three => measure(validators, &chains, &Edges::Overlap, setting),
        Sends::Four => measure(validators, &chains, &Edges::Between(more), setting),
    }
}

/// How the chains of a log differ.
#[derive(Clone, Copy)]
enum Kind {
    Equal,
    /// Each but the first leaves out another validator.
    Differing,
    /// The same, with edges that three sends serve.
    Levelled,
}

const KINDS: [(&str, Kind); 3] = [
    ("equal chains, three sends", Kind::Equal),
    ("differing chains, level edges, three sends", Kind::Levelled),
    ("differing chains, four sends", Kind::Differing),
];

fn with_chains(chains: usize, kind: &Kind, setting: &Setting) -> Point {
    let all = || 0..VALIDATORS;
    let of = |chain: usize| match kind {
        Kind::Equal => Chain::of(all()),
        Kind::Differing | Kind::Levelled => Chain::of(all().filter(|it| *it == 0 || *it != chain)),
    };
    let chains: Vec<Chain> = (0..chains).map(of).collect();
    let edges = match kind {
        Kind::Equal => Edges::Overlap,
        Kind::Levelled => Edges::Levelled,
        // Where each edge follows from its quorums, comparing those of 16 chains takes too long.
        Kind::Differing => {
            Edges::Between(Chain { at_least: VALIDATORS * 3 / 4, of: all().collect() })
        }
    };
    measure(VALIDATORS, &chains, &edges, setting)
}

fn measure(validators: usize, chains: &[Chain], edges: &Edges, setting: &Setting) -> Point {
    let (graph, trust) = trust(validators, chains, edges);
    let slots = match (setting.quick, validators > 40) {
        (false, false) => 12,
        (true, true) => 2,
        _ => 4,
    };
    let mut world = World::new(&trust, vec![vec![DELAY; validators]; validators], 1);
    (0..slots).for_each(|slot| world.submit(SLOT_EVERY * slot, slot as usize % validators));
    world.run();
    assert_eq!(world.slots(), slots as usize, "a slot for each bundle");

    let measured: Vec<usize> =
        (0..MEASURED.min(validators)).map(|it| it * validators / MEASURED).collect();
    let costs: Vec<Cost> =
        measured.iter().map(|node| cost(&world, &graph, &trust, *node)).collect();
    let per = |time: fn(&Cost) -> Duration| {
        let total: Duration = costs.iter().map(time).sum();
        total.as_secs_f64() * 1e6 / f64::from(slots) / costs.len() as f64
    };
    let counts = world.counts();
    let each = |count: u64| count as f64 / f64::from(slots) / validators as f64;
    let (engine_us, opening_us, signing_us) =
        (per(|it| it.engine), per(|it| it.opening), per(|it| it.signing));
    let opened = each(counts.packets);
    let (checks, signatures) = (each(counts.checked), each(counts.signed));
    let own = each(counts.messages);
    let attesting_us =
        (checks - opened) * opening_us / opened + (signatures - own) * signing_us / own;
    Point {
        validators,
        chains: chains.len(),
        sends: match trust.sends() {
            Sends::Three => 3,
            Sends::Four => 4,
        },
        slots: world.slots(),
        messages: counts.messages as f64 / f64::from(slots),
        bytes: each(counts.bytes),
        reference_bytes: each(counts.reference_bytes),
        attestation_bytes: each(counts.attestation_bytes),
        checks,
        signatures,
        syncs: each(counts.syncs),
        others: each(counts.others),
        engine_us,
        opening_us,
        signing_us,
        attesting_us,
        cpu_us: engine_us + opening_us + signing_us + attesting_us,
    }
}

/// Something that grows, and what it is.
type Growing = (&'static str, fn(&Point) -> f64);

/// What is fitted.
const GROWING: [Growing; 5] = [
    ("CPU", |it| it.cpu_us),
    ("CPU of the engine", |it| it.engine_us),
    ("bytes", |it| it.bytes),
    ("bytes without references", |it| it.bytes - it.reference_bytes),
    ("checks", |it| it.checks),
];

fn report(of_validators: &[Vec<Point>], of_chains: &[(&str, Vec<Point>)]) -> Section {
    let mut ratios = BTreeMap::new();
    let mut exponents = Table::new(
        "y = c · nᵉ, fitted by least squares over the logarithms, with the standard error of e:",
        ["per decision and validator", "three sends", "four sends", "goal"],
    );
    let mut fitted = BTreeMap::new();
    for (name, of) in GROWING {
        let laws: Vec<Option<PowerLaw>> = of_validators
            .iter()
            .map(|points| {
                let points = points.iter().map(|it| (it.validators as f64, of(it)));
                PowerLaw::fit(&points.collect::<Vec<_>>())
            })
            .collect();
        let shown = |law: &Option<PowerLaw>| law.map_or("–".to_owned(), |law| law.to_string());
        let goal = GOALS.iter().find(|(goal, _)| *goal == name).map(|(_, goal)| *goal);
        exponents.row([&name, &shown(&laws[0]), &shown(&laws[1]), &figure(goal)]);
        for (sends, law) in ["three sends", "four sends"].iter().zip(&laws) {
            if let Some(law) = law {
                let ratio = Ratio { value: law.exponent, noise: law.error / law.exponent };
                ratios.insert(format!("{name}, {sends}: exponent"), ratio);
            }
        }
        fitted.insert(name, laws);
    }
    let mut tables = vec![exponents];
    for (sends, points) in ["Three sends", "Four sends"].iter().zip(of_validators) {
        tables.push(table(
            &format!("{sends}, two chains of all validators:"),
            "validators",
            points,
            |it| it.validators,
        ));
    }
    for (name, points) in of_chains {
        tables.push(table(&format!("{VALIDATORS} validators, {name}:"), "chains", points, |it| {
            it.chains
        }));
    }
    Section {
        name: "growth",
        title: "Growth",
        text: TEXT.into(),
        tables,
        plots: plots(of_validators, of_chains),
        ratios,
        figures: json!({ "validators": of_validators, "chains": of_chains, "exponents": fitted }),
    }
}

fn table(caption: &str, what: &str, points: &[Point], of: fn(&Point) -> usize) -> Table {
    let titles = [
        what,
        "sends",
        "messages of all",
        "checks",
        "syncs",
        "bytes",
        "of them references",
        "attestations' bytes",
        "engine µs",
        "opening µs",
        "signing µs",
        "attesting µs",
        "sum µs",
    ];
    let mut table = Table::new(caption, titles);
    for it in points {
        table.row([
            &of(it),
            &it.sends,
            &figure(it.messages),
            &figure(it.checks),
            &figure(it.syncs),
            &figure(it.bytes),
            &format!("{:.0} %", it.reference_bytes / it.bytes * 100.0),
            &figure(it.attestation_bytes),
            &figure(it.engine_us),
            &figure(it.opening_us),
            &figure(it.signing_us),
            &figure(it.attesting_us),
            &figure(it.cpu_us),
        ]);
    }
    table
}

fn plots(of_validators: &[Vec<Point>], of_chains: &[(&str, Vec<Point>)]) -> Vec<Plot> {
    let against_validators = |name: &str, title: &str, unit: &str, of: &[Growing]| {
        let series = of.iter().flat_map(|(what, of)| {
            of_validators.iter().zip(["three sends", "four sends"]).map(move |(points, sends)| {
                Series {
                    name: format!("{what}, {sends}"),
                    points: points.iter().map(|it| (it.validators as f64, of(it))).collect(),
                }
            })
        });
        Plot {
            name: name.to_owned(),
            title: title.to_owned(),
            x: Axis::logarithmic("validators"),
            y: Axis::logarithmic(unit),
            series: series.collect(),
        }
    };
    let chains = of_chains.iter().map(|(name, points)| Series {
        name: (*name).to_owned(),
        points: points.iter().map(|it| (it.chains as f64, it.cpu_us)).collect(),
    });
    vec![
        against_validators(
            "growth-cpu",
            "CPU per decision and validator",
            "µs",
            &[("sum", |it| it.cpu_us), ("engine", |it| it.engine_us)],
        ),
        against_validators(
            "growth-bytes",
            "Bytes per decision and validator",
            "bytes",
            &[("all", |it| it.bytes), ("without references", |it| it.bytes - it.reference_bytes)],
        ),
        Plot {
            name: "growth-chains".to_owned(),
            title: format!("CPU per decision and validator, {VALIDATORS} validators"),
            x: Axis::logarithmic("chains"),
            y: Axis::logarithmic("µs"),
            series: chains.collect(),
        },
    ]
}
