//! The learner graph's commands against brute force, on random graphs and on all small ones.

use hpaxos_learner_graph::analysis::{
    AnalyzeAnswer, Breaking, By, CheckAnswer, Situation, analyze, check, covers, entangled,
};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph, LearnerId, file};
use hpaxos_spec::naive::learner_graph::{Expression, Graph, Log, Quorum, Safe, Set};
use hpaxos_spec::naive::random_graph::{self, ACCEPTORS, LEARNERS};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Graphs of a run that can be used and are compared; `HPAXOS_TWIN_GRAPHS=1000000` for a long one.
fn graphs() -> u64 {
    std::env::var("HPAXOS_TWIN_GRAPHS")
        .map_or(10_000, |count| count.parse().expect("a number of graphs"))
}

#[test]
fn random_graphs() {
    let first: u64 =
        std::env::var("HPAXOS_TWIN_SEED").map_or(1, |seed| seed.parse().expect("a seed"));
    let mut seen = Seen::default();
    for seed in first.. {
        if seen.compared() >= graphs() {
            break;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let graph = random_graph::graph(&mut rng);
        let text = random_graph::file(&graph);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compare(&graph, &text, &mut rng)
        }));
        match outcome {
            Ok(kinds) => seen.add(&kinds),
            Err(_) => panic!(
                "reproduce: HPAXOS_TWIN_SEED={seed} HPAXOS_TWIN_GRAPHS=1 cargo test -p hpaxos-spec --test \
                 learner_graph_twin random_graphs\n{text}"
            ),
        }
    }
    eprintln!("{seen:?}");
    if graphs() >= 10_000 {
        assert!(seen.every_kind_is_common(), "the generator has become one-sided: {seen:?}");
    }
}

/// How often each kind of answer came up: a comparison that never sees an invalid graph compares nothing.
#[derive(Clone, Debug, Default)]
struct Seen {
    graphs: usize,
    unusable: usize,
    valid: usize,
    invalid: usize,
    implied: usize,
    three_sends_of_several: usize,
    uncovered: usize,
    missing_self_edge: usize,
    levelled: usize,
}

impl Seen {
    fn counts(&mut self) -> [&mut usize; 9] {
        [
            &mut self.graphs,
            &mut self.unusable,
            &mut self.valid,
            &mut self.invalid,
            &mut self.implied,
            &mut self.three_sends_of_several,
            &mut self.uncovered,
            &mut self.missing_self_edge,
            &mut self.levelled,
        ]
    }

    fn add(&mut self, other: &Seen) {
        let mut other = other.clone();
        self.counts().into_iter().zip(other.counts()).for_each(|(sum, more)| *sum += *more);
    }

    fn compared(&self) -> u64 {
        self.graphs as u64
    }

    fn every_kind_is_common(&self) -> bool {
        self.clone().counts().into_iter().all(|count| *count >= 200)
    }
}

fn set(mask: Set) -> AcceptorSet {
    (0..8).filter(|index| mask >> index & 1 == 1).map(AcceptorId::new).collect()
}

fn mask(names: &[String]) -> Set {
    names
        .iter()
        .map(|name| 1 << ACCEPTORS.iter().position(|known| known == name).expect("a known name"))
        .sum()
}

/// Compares every answer of every command; panics where one differs.
fn compare(naive: &Graph, text: &str, rng: &mut impl Rng) -> Seen {
    let mut seen = Seen::default();
    let graph = match file::read(text) {
        Ok(graph) => graph,
        Err(error) => {
            assert!(!naive.is_usable(), "{error}");
            seen.unusable = 1;
            return seen;
        }
    };
    seen.graphs = 1;
    assert!(naive.is_usable(), "a declared edge does not exist, and nobody said so");
    let again =
        file::read(&file::write(graph.declarations())).expect("what is written can be read");
    assert_eq!(again.declarations(), graph.declarations());

    let mut effort = Effort::steps(Effort::DEFAULT_STEPS);
    let checked = check(&graph, &mut effort);
    let analyzed = analyze(&graph, &By::Count, &mut effort);
    assert_eq!(checked.logs.len(), naive.logs().len());
    for log in naive.logs() {
        let name = match naive.logs.is_empty() {
            true if naive.learners.len() > 1 => "all".to_owned(),
            _ => {
                let learners: BTreeSet<usize> = log.learners.iter().copied().collect();
                let declared = naive.logs.iter().any(|(declared, _)| *declared == learners);
                if declared {
                    random_graph::log_name(&learners)
                } else {
                    LEARNERS[log.learners[0]].to_owned()
                }
            }
        };
        compare_check(naive, &log, &name, &checked, &mut seen);
        compare_covers(naive, &log, &name, &graph, &mut effort);
        let costs: Vec<u64> = vec![1; naive.acceptors];
        compare_analysis(naive, &log, &name, &analyzed, &costs);
    }
    compare_stake(naive, &graph, &mut effort);
    for _ in 0..3 {
        compare_situation(
            naive,
            &graph,
            rng.random_range(naive.sets()),
            rng.random_range(naive.sets()),
        );
    }
    seen
}

fn compare_check(naive: &Graph, log: &Log, name: &str, checked: &CheckAnswer, seen: &mut Seen) {
    let answer =
        checked.logs.iter().find(|answer| answer.log == name).expect("each log has an answer");
    let mut rows = answer.edges.iter();
    let mut all_valid = true;
    for a in 0..log.learners.len() {
        for b in a..log.learners.len() {
            let Some(valid) = naive.is_valid(log, a, b) else { continue };
            all_valid &= valid;
            let row = rows.next().expect("a row for each edge");
            let (l, k) = (log.learners[a], log.learners[b]);
            let declared = naive.edges.iter().any(|(x, y, _)| (*x, *y) == (l, k));
            assert_eq!(row.between, [LEARNERS[l], LEARNERS[k]]);
            assert_eq!((row.declared, row.valid), (declared, Some(valid)), "{row:?}");
            let missing = a == b && naive.lacks_self_edge(l);
            seen.implied += usize::from(!declared && a != b);
            seen.missing_self_edge += usize::from(missing);
            assert_eq!(row.counterexample.is_none(), valid);
            if let Some(counterexample) = &row.counterexample {
                let safe = mask(&counterexample.safe);
                let quorums =
                    counterexample.quorums.each_ref().map(|quorum| mask(&quorum.acceptors));
                assert_eq!(safe & quorums[0] & quorums[1], 0, "{counterexample:?}");
                assert!(
                    naive.quorums(l)[quorums[0]] && naive.quorums(k)[quorums[1]],
                    "{counterexample:?}"
                );
                assert_eq!(
                    counterexample.quorums.each_ref().map(|quorum| &*quorum.learner),
                    [LEARNERS[l], LEARNERS[k]]
                );
                let all = naive.sets().end - 1;
                assert!(
                    if missing { safe == all } else { log.edges[a][b][safe] },
                    "{counterexample:?}"
                );
            }
        }
    }
    assert_eq!(rows.next(), None, "no row without an edge");
    assert_eq!(answer.valid, Some(all_valid));
    assert_eq!(answer.sends, Some(naive.sends(log)), "sends of {name}");
    let named =
        |triple: &[usize; 3]| triple.map(|position| LEARNERS[log.learners[position]].to_owned());
    let uncovered: Vec<[String; 3]> = naive.uncovered(log).iter().map(named).collect();
    assert_eq!(answer.uncovered.as_ref(), Some(&uncovered));
    seen.valid += usize::from(all_valid);
    seen.invalid += usize::from(!all_valid);
    seen.uncovered += usize::from(!uncovered.is_empty());
    seen.three_sends_of_several += usize::from(log.learners.len() > 1 && naive.sends(log) == 3);
    seen.levelled += usize::from(
        log.learners.len() > 1
            && naive
                .logs
                .iter()
                .any(|(learners, level)| *level && learners.iter().eq(&log.learners)),
    );
}

fn compare_covers(naive: &Graph, log: &Log, name: &str, graph: &LearnerGraph, effort: &mut Effort) {
    let real = graph.log(name).expect("a log by its name");
    for l in 0..log.learners.len() {
        for k in 0..log.learners.len() {
            let id = |position: usize| LearnerId::new(log.learners[position]);
            let expected: BTreeSet<usize> =
                naive.covers(log, l, k).iter().map(|m| log.learners[*m]).collect();
            let found = covers(&real, id(l), id(k), effort).expect("settled");
            assert!(found.iter().map(LearnerId::index).eq(expected), "covers {l} {k}");
        }
    }
}

fn compare_analysis(naive: &Graph, log: &Log, name: &str, analyzed: &AnalyzeAnswer, costs: &[u64]) {
    let answer =
        analyzed.logs.iter().find(|answer| answer.log == name).expect("each log has an answer");
    assert_eq!(answer.sends, Some(naive.sends(log)));
    let all = naive.sets().end - 1;
    assert!(
        answer
            .learners
            .iter()
            .map(|learner| &*learner.id)
            .eq(log.learners.iter().map(|l| LEARNERS[*l]))
    );
    for (position, learner) in answer.learners.iter().enumerate() {
        let quorums = naive.quorums(log.learners[position]);
        compare_breaking(naive, &learner.halts_if, &quorums, costs);
        compare_breaking(naive, &learner.forks_if, &log.edges[position][position], costs);
    }
    let mut pairs = answer.pairs.iter();
    for a in 0..log.learners.len() {
        for b in a + 1..log.learners.len() {
            if log.edges[a][b][all] {
                let pair = pairs.next().expect("a row for each connected pair");
                assert_eq!(pair.between, [a, b].map(|position| LEARNERS[log.learners[position]]));
                compare_breaking(naive, &pair.disagree_if, &log.edges[a][b], costs);
            }
        }
    }
    assert_eq!(pairs.next(), None);
}

fn compare_breaking(naive: &Graph, breaking: &Breaking, condition: &[bool], costs: &[u64]) {
    let all = naive.sets().end - 1;
    let expected = naive.least_breaking(&condition.to_vec(), costs);
    match breaking {
        Breaking::Set { size, acceptors, stake } => {
            let failed = mask(acceptors);
            assert!(!condition[all & !failed], "{breaking:?} does not break it");
            assert_eq!(*size, acceptors.len());
            let cost: u64 =
                (0..naive.acceptors).filter(|i| failed >> i & 1 == 1).map(|i| costs[i]).sum();
            assert_eq!(Some(cost), expected, "{breaking:?}");
            if let Some(stake) = stake {
                assert_eq!(*stake, cost.to_string());
            }
        }
        Breaking::Never => assert_eq!(expected, None),
        _ => panic!("a small graph was not settled: {breaking:?}"),
    }
}

/// Cut off early, an analysis leaves things open, but what it says is still true.
#[test]
fn short_of_effort() {
    let (mut settled, mut open) = (0, 0);
    let mut count = |is_settled: bool| *(if is_settled { &mut settled } else { &mut open }) += 1;
    for seed in 1..=4_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let naive = random_graph::graph(&mut rng);
        let text = random_graph::file(&naive);
        let Ok(graph) = file::read(&text) else { continue };
        let steps = rng.random_range(0..2_000);
        let context = format!("seed {seed}, {steps} steps\n{text}");
        let checked = check(&graph, &mut Effort::steps(steps));
        let stake = graph.learners().find_map(|learner| {
            let Quorum::Stake { stake, .. } = &naive.learners[learner.index()] else { return None };
            Some((By::stake_of(&graph, learner)?, stake.clone()))
        });
        let (by, costs) = stake.unwrap_or((By::Count, vec![1; naive.acceptors]));
        let analyzed = analyze(&graph, &by, &mut Effort::steps(steps));
        for (log, (check, analysis)) in
            sorted_by_name(&naive).iter().zip(checked.logs.iter().zip(&analyzed.logs))
        {
            let position = |name: &String| {
                log.learners.iter().position(|l| LEARNERS[*l] == *name).expect("a learner of it")
            };
            for row in &check.edges {
                let [a, b] = row.between.each_ref().map(position);
                assert!(row.valid.is_none() || row.valid == naive.is_valid(log, a, b), "{context}");
                count(row.valid.is_some());
            }
            assert!(check.sends.is_none_or(|sends| sends == naive.sends(log)), "{context}");
            for learner in &analysis.learners {
                let at = position(&learner.id);
                let quorums = naive.quorums(log.learners[at]);
                for (breaking, condition) in
                    [(&learner.halts_if, &quorums), (&learner.forks_if, &log.edges[at][at])]
                {
                    let least = naive.least_breaking(condition, &costs);
                    assert!(is_true(breaking, least, &costs), "{breaking:?} {least:?} {context}");
                    count(breaking.is_settled());
                }
            }
            for pair in &analysis.pairs {
                let [a, b] = pair.between.each_ref().map(position);
                let least = naive.least_breaking(&log.edges[a][b], &costs);
                let breaking = &pair.disagree_if;
                assert!(is_true(breaking, least, &costs), "{breaking:?} {least:?} {context}");
                count(breaking.is_settled());
            }
        }
    }
    eprintln!("{settled} settled, {open} open");
    assert!(settled > 5_000 && open > 1_000, "{settled} settled, {open} open");
}

fn is_true(breaking: &Breaking, least: Option<u64>, costs: &[u64]) -> bool {
    let within =
        |at_least: u64, at_most: u64| least.is_some_and(|l| (at_least..=at_most).contains(&l));
    match breaking {
        Breaking::Set { acceptors, .. } => {
            let failed = mask(acceptors);
            let chosen = (0..costs.len()).filter(|i| failed >> i & 1 == 1);
            least == Some(chosen.map(|i| costs[i]).sum())
        }
        Breaking::Unsettled { at_least, at_most } => within(*at_least as u64, *at_most as u64),
        Breaking::UnsettledStake { at_least, at_most } => {
            let number = |text: &String| text.parse().expect("a decimal string");
            within(number(at_least), number(at_most))
        }
        Breaking::Never => least.is_none(),
    }
}

fn compare_stake(naive: &Graph, graph: &LearnerGraph, effort: &mut Effort) {
    for (learner, quorum) in naive.learners.iter().enumerate() {
        let by = By::stake_of(graph, LearnerId::new(learner));
        let Quorum::Stake { stake, .. } = quorum else {
            assert_eq!(by, None);
            continue;
        };
        let analyzed = analyze(graph, &by.expect("it has a stake"), effort);
        for (log, answer) in sorted_by_name(naive).iter().zip(&analyzed.logs) {
            compare_analysis(naive, log, &answer.log, &analyzed, stake);
        }
    }
}

/// The naive logs in the order of the answers: by name.
fn sorted_by_name(naive: &Graph) -> Vec<Log> {
    let mut logs: Vec<(String, Log)> = naive
        .logs()
        .into_iter()
        .map(|log| {
            let learners: BTreeSet<usize> = log.learners.iter().copied().collect();
            let declared = naive.logs.iter().any(|(declared, _)| *declared == learners);
            let name = if declared {
                random_graph::log_name(&learners)
            } else {
                LEARNERS[log.learners[0]].to_owned()
            };
            (name, log)
        })
        .collect();
    logs.sort_by(|a, b| a.0.cmp(&b.0));
    logs.into_iter().map(|(_, log)| log).collect()
}

fn compare_situation(naive: &Graph, graph: &LearnerGraph, byzantine: Set, crashed: Set) {
    let all = naive.sets().end - 1;
    let answer = entangled(graph, Situation { byzantine: set(byzantine), crashed: set(crashed) });
    let live = |learner: &usize| naive.quorums(*learner)[all & !byzantine & !crashed];
    let live: Vec<usize> = (0..naive.learners.len()).filter(live).collect();
    assert!(answer.live.iter().eq(live.iter().map(|learner| LEARNERS[*learner])));
    let mut unharmed = live.len() == naive.learners.len();
    for (log, found) in sorted_by_name(naive).iter().zip(&answer.logs) {
        let mut expected = Vec::new();
        for a in 0..log.learners.len() {
            for b in a..log.learners.len() {
                if log.edges[a][b][all & !byzantine] {
                    expected
                        .push([a, b].map(|position| LEARNERS[log.learners[position]].to_owned()));
                } else {
                    unharmed &= !log.edges[a][b][all];
                }
            }
        }
        assert_eq!(found.entangled, expected);
    }
    assert_eq!(answer.unharmed, unharmed);
}

/// All graphs of one or two learners and up to four acceptors, with explicit quorums and `largest`, `overlap` or absent
/// edges, up to renaming of acceptors and learners.
#[test]
fn all_small_graphs() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut compared = 0;
    let mut unusable = 0;
    for acceptors in 1..=4 {
        let families = families(acceptors);
        let permutations = permutations(acceptors);
        let mut known = BTreeSet::new();
        for a in &families {
            let mut learner_lists = vec![vec![a.clone()]];
            learner_lists.extend(families.iter().map(|b| vec![a.clone(), b.clone()]));
            for list in learner_lists {
                if !known.insert(canonical(&list, &permutations)) {
                    continue;
                }
                let pairs: &[(usize, usize)] =
                    if list.len() == 1 { &[(0, 0)] } else { &[(0, 0), (1, 1), (0, 1)] };
                for choice in 0..3usize.pow(pairs.len() as u32) {
                    let kind = |index: usize| {
                        [None, Some(Safe::Largest), Some(Safe::Overlap)]
                            [choice / 3usize.pow(index as u32) % 3]
                            .clone()
                    };
                    let edges = pairs.iter().enumerate();
                    let edges =
                        edges.filter_map(|(index, (a, b))| Some((*a, *b, kind(index)?))).collect();
                    let learners =
                        list.iter().map(|family| Quorum::Expression(expression(family))).collect();
                    let graph = Graph { acceptors, learners, edges, logs: Vec::new() };
                    let seen = compare(&graph, &random_graph::file(&graph), &mut rng);
                    compared += 1;
                    unusable += seen.unusable;
                }
            }
        }
    }
    eprintln!("compared {compared} graphs, {unusable} of them cannot be used");
    assert!(compared > 10_000 && unusable > 1_000 && compared - unusable > 1_000);
}

/// Minimal quorums, sorted.
type Family = Vec<Set>;

/// All antichains of non-empty sets, the empty one apart.
fn families(acceptors: usize) -> Vec<Family> {
    let mut families: Vec<Family> = vec![Vec::new()];
    for set in 1..1usize << acceptors {
        let with: Vec<Family> = families
            .iter()
            .filter(|family| family.iter().all(|other| other & set != *other && other & set != set))
            .map(|family| family.iter().copied().chain([set]).collect())
            .collect();
        families.extend(with);
    }
    families.remove(0);
    families
}

#[test]
fn families_are_counted_by_dedekind() {
    // Monotone functions of n variables without the two constant ones.
    assert_eq!([1, 2, 3, 4].map(|acceptors| families(acceptors).len()), [1, 4, 18, 166]);
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for place in 0..count {
            let mut longer = shorter.clone();
            longer.insert(place, count - 1);
            all.push(longer);
        }
    }
    all
}

fn canonical(list: &[Family], permutations: &[Vec<usize>]) -> Vec<Family> {
    let renamed = |permutation: &Vec<usize>| {
        let rename = |set: Set| {
            (0..permutation.len()).filter(|i| set >> i & 1 == 1).map(|i| 1 << permutation[i]).sum()
        };
        let mut list: Vec<Family> = list
            .iter()
            .map(|family| {
                let mut family: Family = family.iter().map(|set| rename(*set)).collect();
                family.sort_unstable();
                family
            })
            .collect();
        list.sort();
        list
    };
    permutations.iter().map(renamed).min().expect("there is a permutation")
}

/// A family as a count where it is one, so that `overlap` is defined; else as a list of sets.
fn expression(family: &Family) -> Expression {
    let named = |set: Set| {
        (0..4).filter(|i| set >> i & 1 == 1).map(Expression::Acceptor).collect::<Vec<_>>()
    };
    let union = family.iter().fold(0, |all, set| all | set);
    let least = family[0].count_ones();
    let choices = (0..16usize).filter(|set| set & !union == 0 && set.count_ones() == least).count();
    if family.iter().all(|set| set.count_ones() == least) && choices == family.len() {
        Expression::AtLeast(least as usize, named(union))
    } else {
        Expression::AnyOf(family.iter().map(|set| Expression::AllOf(named(*set))).collect())
    }
}
