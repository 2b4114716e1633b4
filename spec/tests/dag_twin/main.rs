//! The engine's DAG against the definitions of the protocol, on random runs with Byzantine signers.

mod compare;
mod situations;

use compare::{Comparison, Verdict};
use hpaxos_consensus::Trust;
use hpaxos_consensus::rules::Rules;
use hpaxos_learner_graph::file;
use hpaxos_spec::naive::dag::{Dag, Id, names};
use hpaxos_spec::naive::protocol::Protocol;
use hpaxos_spec::naive::random_trust::RandomLog;
use hpaxos_spec::naive::trust::Trust as NaiveTrust;
use hpaxos_spec::naive::{random_dag, random_graph, random_trust};
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use situations::{Seen, rare, situations};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// DAGs of a run; `HPAXOS_TWIN_DAGS=1000000` for a long one.
fn dags() -> u64 {
    std::env::var("HPAXOS_TWIN_DAGS")
        .map_or(10_000, |count| count.parse().expect("a number of DAGs"))
}

fn first_seed() -> u64 {
    std::env::var("HPAXOS_TWIN_SEED").map_or(1, |seed| seed.parse().expect("a seed"))
}

#[test]
fn random_dags() {
    let (failed, seen) = run(Rules::default(), first_seed()..first_seed() + dags());
    if let Some(seed) = failed {
        panic!(
            "reproduce: HPAXOS_TWIN_SEED={seed} HPAXOS_TWIN_DAGS=1 cargo test -p hpaxos-spec --test dag_twin \
             random_dags\n{}",
            report(seed)
        );
    }
    eprintln!("{seen:#?}");
    if dags() >= 10_000 {
        let rare = rare(&seen);
        assert!(rare.is_empty(), "the generator has become one-sided, too rare: {rare:?}");
    }
}

/// Compares the DAGs of `seeds`, by two threads, up to the first that differs.
fn run(rules: Rules, seeds: std::ops::Range<u64>) -> (Option<u64>, Seen) {
    let failed = AtomicU64::new(u64::MAX);
    let share = |offset: u64| {
        let mut seen = Seen::new();
        for seed in seeds.clone().skip(offset as usize).step_by(2) {
            if seed > failed.load(Ordering::Relaxed) {
                break;
            }
            let case = Case::new(seed);
            if compare(&case, &case.dag, rules, seed).is_err() {
                failed.fetch_min(seed, Ordering::Relaxed);
                break;
            }
            for situation in situations(&case.protocol(&case.dag), &case.log) {
                *seen.entry(situation).or_default() += 1;
            }
        }
        seen
    };
    let mut seen = std::thread::scope(|scope| {
        let other = scope.spawn(|| share(1));
        let mut seen = share(0);
        for (situation, count) in other.join().expect("a twin's thread does not panic") {
            *seen.entry(situation).or_default() += count;
        }
        seen
    });
    let failed = failed.into_inner();
    seen.insert("all".to_owned(), seeds.count());
    ((failed < u64::MAX).then_some(failed), seen)
}

/// A log and messages.
struct Case {
    log: RandomLog,
    naive: NaiveTrust,
    engine: Arc<Trust>,
    dag: Dag,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let log = random_trust::log(&mut rng);
        let naive = log.trust();
        let graph = file::read(&random_graph::file(&log.graph))
            .unwrap_or_else(|why| panic!("the graph of seed {seed} can be used: {why}"));
        let engine = Trust::new(graph.log(&log.name()).expect("the log exists"))
            .unwrap_or_else(|why| panic!("the edges of seed {seed} can be compared: {why}"));
        let engine = Arc::new(engine);
        let dag = random_dag::dag(&mut rng, &naive).dag().clone();
        Case { log, naive, engine, dag }
    }

    fn protocol(&self, dag: &Dag) -> Protocol<'_> {
        Protocol::new(&self.naive, dag.clone())
    }
}

/// Compares everything, for two orders in which the messages may come.
fn compare(case: &Case, dag: &Dag, rules: Rules, seed: u64) -> Verdict {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let orders = [one_by_one(&mut rng, dag), closure_by_closure(&mut rng, dag)];
    let protocol = case.protocol(dag);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let comparison = Comparison::new(&protocol, &case.engine, rules);
        comparison.compare_trust()?;
        let [one, other] = orders.each_ref().map(|order| {
            comparison
                .compare(order)
                .map_err(|why| format!("inserted in the order {order:?}: {why}"))
        });
        if one? != other? {
            return Err(format!("the order matters: {orders:?}"));
        }
        agree(&protocol, &case.log)
    }));
    outcome.unwrap_or_else(|_| Err(format!("panicked, inserted in the order {orders:?}")))
}

/// Where the edges are valid, entangled learners never decide differently; safe is who did not fork.
fn agree(protocol: &Protocol<'_>, log: &RandomLog) -> Verdict {
    let held = protocol.dag().ids().filter(|id| protocol.is_well_formed(*id)).collect();
    let decided = protocol.decided(&held);
    let forked = protocol.forked(&held);
    for (l, of_l) in &decided {
        let entangled = protocol.trust().connected(*l, forked);
        for (k, of_k) in decided.iter().filter(|(k, _)| entangled.contains(k)) {
            let differ = of_l.iter().any(|one| of_k.iter().any(|other| one.value != other.value));
            if differ && log.is_valid() {
                return Err(format!("{l} decides {of_l:?}, {k} decides {of_k:?}"));
            }
        }
    }
    Ok(())
}

/// Any order in which references come first.
fn one_by_one(rng: &mut impl Rng, dag: &Dag) -> Vec<Id> {
    let mut order: Vec<Id> = Vec::new();
    let mut left: BTreeSet<Id> = dag.ids().collect();
    let ready =
        |left: &BTreeSet<Id>, id: &Id| dag.below(*id).iter().all(|y| y == id || !left.contains(y));
    while let Some(id) = left.iter().copied().filter(|id| ready(&left, id)).choose(rng) {
        left.remove(&id);
        order.push(id);
    }
    order
}

/// Some message with all that is missing below it, then another, and so on.
fn closure_by_closure(rng: &mut impl Rng, dag: &Dag) -> Vec<Id> {
    let mut order: Vec<Id> = Vec::new();
    while let Some(id) = dag.ids().filter(|id| !order.contains(id)).choose(rng) {
        let missing = dag.below(id).iter().copied().filter(|y| !order.contains(y));
        order.extend(missing.collect::<Vec<_>>());
    }
    order
}

/// What differs in the DAG of `seed`, made as small as can be.
fn report(seed: u64) -> String {
    let case = Case::new(seed);
    let differs = |dag: &Dag| {
        (seed..seed + 5).find_map(|seed| compare(&case, dag, Rules::default(), seed).err())
    };
    let mut dag = case.dag.clone();
    let smaller = |dag: &Dag| {
        let mut smaller = dag.ids().rev().map(|id| dag.without(id));
        smaller.find(|smaller| differs(smaller).is_some())
    };
    while let Some(smaller) = smaller(&dag) {
        dag = smaller;
    }
    let why = differs(&dag).unwrap_or("not found again".to_owned());
    format!("{}{}\n{why}", random_graph::file(&case.log.graph), text(&case.protocol(&dag)))
}

/// The messages, one a line, with what the definitions say of them.
fn text(protocol: &Protocol<'_>) -> String {
    let mut text = String::new();
    for x in protocol.dag().ids() {
        write!(text, "{x:>3}  {}", protocol.dag().message(x)).expect("strings take everything");
        let ballot = protocol.ballot(x).filter(|_| protocol.dag().reply(x).is_some());
        let ballot = ballot.map_or(String::new(), |ballot| format!("; ballot {ballot}"));
        let (caught, fresh) = (protocol.caught(x), names(protocol.fresh(x)));
        let (learners, flaws) = (names(protocol.learners(x)), protocol.flaws(x));
        let facts = format!("{ballot}, caught {caught:b}, fresh for {fresh}, names {learners}");
        let verdict = if flaws.is_empty() { facts } else { format!("; breaks {flaws:?}") };
        writeln!(text, "{verdict}").expect("strings take everything");
    }
    text
}

/// Each bug in a rule that a DAG alone can show.
#[cfg(feature = "mutants")]
#[test]
fn broken_rules_are_found() {
    use hpaxos_consensus::rules::Mutant;
    let mutants = [
        Mutant::AlwaysFresh,
        Mutant::NothingLetsGo,
        Mutant::NobodyCaught,
        Mutant::CaughtFromReferencesOnly,
        Mutant::QuorumMinusOne,
        Mutant::NameEverybody,
        Mutant::SkipCondensation,
        Mutant::StaleProposalsReferenced,
        Mutant::ForkedSignersGoOn,
        Mutant::HardLetsGoSoftly,
        Mutant::AnyBallotOvertakes,
        Mutant::SameValueOvertakes,
        Mutant::VotesOfAnyBallot,
        Mutant::RepeatForEver,
    ];
    for mutant in mutants {
        let (failed, _) = run(Rules::with(mutant), first_seed()..first_seed() + dags());
        eprintln!("{}: {failed:?}", mutant.name());
        assert!(failed.is_some(), "{} is not found", mutant.name());
    }
}
