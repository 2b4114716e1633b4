//! Learner graphs of the literature, and those by which this project explains itself.
//!
//! Each graph stands here as a file of ours, restated from the source that its test names. A
//! commit is the version in which the graph was read. Where a source says nothing of self-edges,
//! or lets a learner agree with itself unconditionally (which a file cannot say), ours have the
//! default self-edge.
//!
//! The expected answers are worked out by hand. Besides, every answer is held against a loop over
//! all sets of acceptors that asks only what the protocol asks at run time: is this a quorum, and
//! who is connected when these are caught?

use hpaxos_learner_graph::analysis::{
    Breaking, By, CheckedLog, EdgeAnswer, Situation, analyze, check, entangled,
};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph, LearnerId, Log, file};

fn graph(text: &str) -> LearnerGraph {
    file::read(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn effort() -> Effort<'static> {
    Effort::steps(Effort::DEFAULT_STEPS)
}

fn set<S: AsRef<str>>(graph: &LearnerGraph, names: &[S]) -> AcceptorSet {
    let known = |name: &S| graph.acceptor(name.as_ref()).expect("an acceptor of the graph");
    names.iter().map(known).collect()
}

fn ends(graph: &LearnerGraph, between: &[String; 2]) -> (LearnerId, LearnerId) {
    let [a, b] = between.each_ref().map(|name| graph.learner(name).expect("a learner"));
    (a, b)
}

fn all_sets(log: &Log) -> impl Iterator<Item = AcceptorSet> {
    let acceptors: Vec<AcceptorId> = log.everyone().iter().collect();
    (0..1usize << acceptors.len()).map(move |mask| {
        let member =
            |(index, acceptor): (usize, &AcceptorId)| (mask >> index & 1 == 1).then_some(*acceptor);
        acceptors.iter().enumerate().filter_map(member).collect()
    })
}

fn connected(log: &Log, caught: &AcceptorSet, (a, b): (LearnerId, LearnerId)) -> bool {
    log.connections(caught).connected(a).contains(b)
}

/// Whether every safe set meets every intersection of quorums: what an intersection leaves out
/// does not connect the two.
fn is_valid(log: &Log, (a, b): (LearnerId, LearnerId)) -> bool {
    let quorums = |learner: LearnerId| -> Vec<AcceptorSet> {
        all_sets(log).filter(|set| log.is_quorum(learner, set)).collect()
    };
    let (of_a, of_b) = (quorums(a), quorums(b));
    of_a.iter().all(|x| of_b.iter().all(|y| !connected(log, &x.intersection(y), (a, b))))
}

/// Whether each pair is connected wherever one is.
fn is_level(log: &Log) -> bool {
    let learners: Vec<LearnerId> = log.learners().iter().collect();
    let pairs = || learners.iter().flat_map(|a| learners.iter().map(|b| (*a, *b)));
    all_sets(log).all(|caught| {
        let count = pairs().filter(|pair| connected(log, &caught, *pair)).count();
        count == 0 || count == pairs().count()
    })
}

/// The triples (l, k, m) of learners that some set leaves connected from l to k and not from k to
/// m, although l has edges to both.
fn uncovered_triples(log: &Log) -> Vec<[LearnerId; 3]> {
    let learners: Vec<LearnerId> = log.learners().iter().collect();
    let exists = |a, b| a != b && connected(log, &AcceptorSet::EMPTY, (a, b));
    let mut triples = Vec::new();
    for l in &learners {
        for k in learners.iter().filter(|k| exists(*l, **k)) {
            for m in learners.iter().filter(|m| *m != k && exists(*l, **m)) {
                let tells = |set: AcceptorSet| {
                    connected(log, &set, (*l, *k)) && !connected(log, &set, (*k, *m))
                };
                if all_sets(log).any(tells) {
                    triples.push([*l, *k, *m]);
                }
            }
        }
    }
    triples
}

/// The answer of `check` for one log, after a look at whether all of it is true.
fn checked(graph: &LearnerGraph, name: &str) -> CheckedLog {
    let log = graph.log(name).expect("a log of the graph");
    let answer = check(graph, &mut effort());
    let checked = answer.logs.into_iter().find(|log| log.log == name).expect("its answer");
    for row in &checked.edges {
        let pair = ends(graph, &row.between);
        assert_eq!(row.valid, Some(is_valid(&log, pair)), "{row:?}");
        assert_eq!(row.counterexample.is_none(), row.valid == Some(true), "{row:?}");
        let Some(counterexample) = &row.counterexample else { continue };
        let [of_a, of_b] = counterexample.quorums.each_ref().map(|quorum| {
            let learner = graph.learner(&quorum.learner).expect("a learner");
            let acceptors = set(graph, &quorum.acceptors);
            assert!(log.is_quorum(learner, &acceptors), "{row:?}");
            acceptors
        });
        let safe = set(graph, &counterexample.safe);
        assert!(safe.intersection(&of_a).intersection(&of_b).is_empty(), "{row:?}");
        assert!(connected(&log, &log.everyone().difference(&safe), pair), "{row:?}");
        let learners = counterexample.quorums.each_ref().map(|quorum| quorum.learner.clone());
        assert_eq!(learners, row.between);
    }
    assert_eq!(checked.sends, Some(if is_level(&log) { 3 } else { 4 }));
    let name = |learner: LearnerId| graph.learner_name(learner).to_owned();
    let triples: Vec<[String; 3]> =
        uncovered_triples(&log).iter().map(|triple| triple.map(name)).collect();
    assert_eq!(checked.uncovered.as_ref(), Some(&triples));
    for [l, k, m] in &triples {
        // Safe sets of l–k that are such of k–m are, by composition, such of l–m: l and k can
        // change places.
        assert!(triples.contains(&[k, l, m].map(String::clone)), "{triples:?}");
    }
    checked
}

/// The rows of an answer like `a-b declared valid`.
fn rows(checked: &CheckedLog) -> Vec<String> {
    let line = |row: &EdgeAnswer| {
        let declared = if row.declared { " declared" } else { "" };
        let valid = match row.valid {
            Some(true) => "valid",
            Some(false) => "invalid",
            None => "open",
        };
        format!("{}{declared} {valid}", row.between.join("-"))
    };
    checked.edges.iter().map(line).collect()
}

/// The uncovered triples like `a b c`.
fn uncovered(checked: &CheckedLog) -> Vec<String> {
    let triples = checked.uncovered.iter().flatten();
    triples.map(|triple| triple.join(" ")).collect()
}

/// The counterexample of a row: safe set, quorum of the first, quorum of the second learner.
fn counterexample(checked: &CheckedLog, between: [&str; 2]) -> [Vec<String>; 3] {
    let row = checked.edges.iter().find(|row| row.between == between).expect("a row");
    let found = row.counterexample.clone().expect("an invalid row has a counterexample");
    let [a, b] = found.quorums.map(|quorum| quorum.acceptors);
    [found.safe, a, b]
}

/// The answer of `analyze` for one log, as lines, after a look at whether each set breaks what it
/// is said to break, and no smaller one does.
fn prices(graph: &LearnerGraph, name: &str) -> Vec<String> {
    let log = graph.log(name).expect("a log of the graph");
    let answer = analyze(graph, &By::Count, &mut effort());
    let answer = answer.logs.into_iter().find(|log| log.log == name).expect("its answer");
    assert_eq!(answer.sends, checked(graph, name).sends);
    let size = |found: &Breaking, breaks: &dyn Fn(&AcceptorSet) -> bool| {
        let Breaking::Set { size, acceptors, .. } = found else { panic!("{found:?}") };
        assert!(*size == acceptors.len() && breaks(&set(graph, acceptors)), "{found:?}");
        let smallest = all_sets(&log).filter(|set| breaks(set)).map(|set| set.len()).min();
        assert_eq!(Some(*size), smallest, "{found:?}");
        *size
    };
    let mut lines = Vec::new();
    for learner in &answer.learners {
        let id = graph.learner(&learner.id).expect("a learner");
        let halts = size(&learner.halts_if, &|down| !log.is_live(id, down));
        let forks = size(&learner.forks_if, &|byzantine| !connected(&log, byzantine, (id, id)));
        lines.push(format!("{} halts {halts} forks {forks}", learner.id));
    }
    for pair in &answer.pairs {
        let both = ends(graph, &pair.between);
        let disagree = size(&pair.disagree_if, &|byzantine| !connected(&log, byzantine, both));
        lines.push(format!("{} disagree {disagree}", pair.between.join("-")));
    }
    lines
}

/// What is left with these Byzantine acceptors: entangled pairs of the only log like `a-b`, and
/// the live learners.
fn left_with(graph: &LearnerGraph, byzantine: &[&str]) -> (Vec<String>, Vec<String>) {
    let situation = Situation { byzantine: set(graph, byzantine), crashed: AcceptorSet::EMPTY };
    let answer = entangled(graph, situation);
    let [log] = answer.logs.as_slice() else { panic!("{:?}", answer.logs) };
    (log.entangled.iter().map(|pair| pair.join("-")).collect(), answer.live)
}

/// LG1 of `LearnerGraphs.tla`, repository nano-o/learner-graphs, commit eb444e4: two learners, two
/// of three acceptors each; every edge, self-edges too, wants all three safe. The source asserts
/// that it is valid.
#[test]
fn losa_lg1() {
    let graph = graph(
        r#"
        version = 1
        acceptors = { a1 = {}, a2 = {}, a3 = {} }
        [learners]
        a.quorum = { at-least = 2, of = ["a1", "a2", "a3"] }
        b.quorum = { at-least = 2, of = ["a1", "a2", "a3"] }
        [[edges]]
        between = ["a", "a"]
        safe = ["a1", "a2", "a3"]
        [[edges]]
        between = ["b", "b"]
        safe = ["a1", "a2", "a3"]
        [[edges]]
        between = ["a", "b"]
        safe = ["a1", "a2", "a3"]
        "#,
    );
    let checked = checked(&graph, "all");
    assert_eq!(rows(&checked), ["a-a declared valid", "a-b declared valid", "b-b declared valid"]);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(3)));
    assert_eq!(uncovered(&checked), [""; 0]);
    let expected = ["a halts 2 forks 1", "b halts 2 forks 1", "a-b disagree 1"];
    assert_eq!(prices(&graph, "all"), expected);
}

/// LG2 of the same module: two learners with one quorum each, which share one acceptor; every edge
/// wants all three safe, more than it needs. The source asserts that it is valid.
#[test]
fn losa_lg2() {
    let graph = graph(
        r#"
        version = 1
        acceptors = { a1 = {}, a2 = {}, a3 = {} }
        [learners]
        a.quorum = ["a1", "a2"]
        b.quorum = ["a1", "a3"]
        [[edges]]
        between = ["a", "a"]
        safe = ["a1", "a2", "a3"]
        [[edges]]
        between = ["b", "b"]
        safe = ["a1", "a2", "a3"]
        [[edges]]
        between = ["a", "b"]
        safe = ["a1", "a2", "a3"]
        "#,
    );
    let checked = checked(&graph, "all");
    assert_eq!(rows(&checked), ["a-a declared valid", "a-b declared valid", "b-b declared valid"]);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(3)));
    let expected = ["a halts 1 forks 1", "b halts 1 forks 1", "a-b disagree 1"];
    assert_eq!(prices(&graph, "all"), expected);
}

/// The learners of every LG4: any two have one acceptor in common, and no two pairs the same one.
const LG4: &str = r#"
    version = 1
    acceptors = { a1 = {}, a2 = {}, a3 = {} }
    [learners]
    a.quorum = ["a1", "a2"]
    b.quorum = ["a2", "a3"]
    c.quorum = ["a1", "a3"]
"#;

fn edge(a: &str, b: &str, safe: &str) -> String {
    format!("[[edges]]\nbetween = [\"{a}\", \"{b}\"]\nsafe = {safe}\n")
}

/// Each edge is valid in a graph that has no other; then the answer for all edges together.
fn checked_edges(learners: &str, edges: &[String]) -> (LearnerGraph, CheckedLog) {
    for edge in edges {
        let alone = checked(&graph(&format!("{learners}\n{edge}")), "all");
        assert_eq!(alone.valid, Some(true), "{edge}");
    }
    let graph = graph(&format!("{learners}\n{}", edges.concat()));
    let checked = checked(&graph, "all");
    (graph, checked)
}

/// LG4 of the same module, which asserts that it is valid and condensed. Its README says what
/// happens if only a1 is malicious: a and c may disagree, b and c too, and b must agree with a; b
/// has a quorum of good acceptors. (It lets a learner agree with itself unconditionally.)
#[test]
fn losa_lg4() {
    let (graph, checked) = checked_edges(
        LG4,
        &[
            edge("a", "b", r#"["a2", "a3"]"#),
            edge("a", "c", r#"["a1"]"#),
            edge("b", "c", r#"["a1", "a2", "a3"]"#),
        ],
    );
    let expected = [
        "a-a valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b valid",
        "b-c declared valid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
    assert_eq!(uncovered(&checked), ["a b c", "a c b", "b a c", "c a b"]);
    let (pairs, live) = left_with(&graph, &["a1"]);
    assert_eq!(pairs, ["a-a", "a-b", "b-b", "c-c"]);
    assert_eq!(live, ["b"]);
    let expected = [
        "a halts 1 forks 2",
        "b halts 1 forks 2",
        "c halts 1 forks 2",
        "a-b disagree 1",
        "a-c disagree 1",
        "b-c disagree 1",
    ];
    assert_eq!(prices(&graph, "all"), expected);
}

/// LG4 with a–b = {a2}, which a comment in the same module rules out: the graph would not be
/// condensed. Through a, the set {a1, a2} becomes one of b–c, and misses what their quorums share.
#[test]
fn losa_lg4_with_a_smaller_edge() {
    let (_, checked) = checked_edges(
        LG4,
        &[
            edge("a", "b", r#"["a2"]"#),
            edge("a", "c", r#"["a1"]"#),
            edge("b", "c", r#"["a1", "a2", "a3"]"#),
        ],
    );
    let expected = [
        "a-a valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b valid",
        "b-c declared invalid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(false), Some(4)));
    let expected = [vec!["a1", "a2"], vec!["a2", "a3"], vec!["a1", "a3"]];
    assert_eq!(counterexample(&checked, ["b", "c"]), expected);
}

/// LG4 as it was at first, in `TLCReliableBroadcast.tla` of the same repository, commit 0cc1d35.
/// There it is asserted to be valid, of its three edges alone, and indeed each is. The README of
/// commit 3cd887d explains it, and builds a liveness violation on it.
#[test]
fn losa_lg4_at_first() {
    let (graph, checked) = checked_edges(
        LG4,
        &[
            edge("a", "b", r#"["a2"]"#),
            edge("a", "c", r#"["a1"]"#),
            edge("b", "c", r#"["a1", "a3"]"#),
        ],
    );
    let expected = [
        "a-a valid",
        "a-b declared invalid",
        "a-c declared valid",
        "b-b valid",
        "b-c declared invalid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    let expected = [vec!["a1", "a3"], vec!["a1", "a2"], vec!["a2", "a3"]];
    assert_eq!(counterexample(&checked, ["a", "b"]), expected);
    let expected = [vec!["a1", "a2"], vec!["a2", "a3"], vec!["a1", "a3"]];
    assert_eq!(counterexample(&checked, ["b", "c"]), expected);
    let (pairs, live) = left_with(&graph, &["a1"]);
    assert_eq!(pairs, ["a-a", "a-b", "b-b", "c-c"]);
    assert_eq!(live, ["b"]);
}

/// LG3 of `TLCReliableBroadcast.tla`, repository nano-o/learner-graphs, where it is called Isaac's
/// example, and LG4 as it was at first stands as its simplification. (The version that has it was
/// read without its commit; 3d21a7f and 0cc1d35 do not have it.) The source asserts that it is
/// valid, of its three edges alone; it fails for the same reason as LG4. With a1 malicious, b has a
/// quorum of good acceptors.
#[test]
fn losa_lg3() {
    let learners = r#"
        version = 1
        acceptors = { a1 = {}, a2 = {}, a3 = {}, a4 = {}, a5 = {}, a6 = {} }
        [learners]
        a.quorum = ["a1", "a2", "a3"]
        b.quorum = ["a3", "a4", "a5"]
        c.quorum = ["a1", "a5", "a6"]
    "#;
    let (graph, checked) = checked_edges(
        learners,
        &[
            edge("a", "b", r#"["a3"]"#),
            edge("a", "c", r#"["a1"]"#),
            edge("b", "c", r#"["a1", "a5"]"#),
        ],
    );
    let expected = [
        "a-a valid",
        "a-b declared invalid",
        "a-c declared valid",
        "b-b valid",
        "b-c declared invalid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    let (pairs, live) = left_with(&graph, &["a1"]);
    assert_eq!(pairs, ["a-a", "a-b", "b-b", "c-c"]);
    assert_eq!(live, ["b"]);
}

/// Example 1 of `ivy/cex.txt`, repository anoma/typhon, commit f677862: x is adversarial, a has
/// decided 0 and c has decided 1. The source lists two safe sets for each edge; the second one is
/// what the first ones of the other two edges imply. No pair can keep the second promise, and a
/// and c, which share only x, are entangled by it.
#[test]
fn typhon_counterexample_1() {
    let learners = r#"
        version = 1
        acceptors = { u = {}, v = {}, w = {}, x = {} }
        [learners]
        a.quorum = ["v", "x"]
        b.quorum = ["u", "v"]
        c.quorum = ["u", "w", "x"]
    "#;
    let (first_ones, implied) = checked_edges(
        learners,
        &[edge("a", "b", r#"["v"]"#), edge("a", "c", r#"["x"]"#), edge("b", "c", r#"["u"]"#)],
    );
    let as_given = [
        edge("a", "b", r#"{ any-of = [["v"], ["u", "x"]] }"#),
        edge("a", "c", r#"{ any-of = [["x"], ["u", "v"]] }"#),
        edge("b", "c", r#"{ any-of = [["u"], ["v", "x"]] }"#),
    ];
    for edge in &as_given {
        let alone = checked(&graph(&format!("{learners}\n{edge}")), "all");
        assert_eq!(alone.valid, Some(false), "{edge}");
    }
    let given = graph(&format!("{learners}\n{}", as_given.concat()));
    let checked = checked(&given, "all");
    assert_eq!(checked, implied);
    assert_eq!(prices(&given, "all"), prices(&first_ones, "all"));

    let expected = [
        "a-a valid",
        "a-b declared invalid",
        "a-c declared invalid",
        "b-b valid",
        "b-c declared invalid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(false), Some(4)));
    assert_eq!(uncovered(&checked), ["a b c", "a c b", "b a c", "b c a", "c a b", "c b a"]);
    let expected = [vec!["u", "x"], vec!["v", "x"], vec!["u", "v"]];
    assert_eq!(counterexample(&checked, ["a", "b"]), expected);
    let expected = [vec!["u", "v"], vec!["v", "x"], vec!["u", "w", "x"]];
    assert_eq!(counterexample(&checked, ["a", "c"]), expected);
    let expected = [vec!["v", "x"], vec!["u", "v"], vec!["u", "w", "x"]];
    assert_eq!(counterexample(&checked, ["b", "c"]), expected);

    let (pairs, live) = left_with(&given, &["x"]);
    assert_eq!(pairs, ["a-a", "a-b", "a-c", "b-b", "b-c", "c-c"]);
    assert_eq!(live, ["b"]);
}

/// Example 2 of the same file: a has decided 0 and so must b, d has decided 1 and so must c. Here
/// nothing is wrong with the graph. The source does not say who is adversarial; with any of x, y
/// and z it is as it says: a and b are entangled, c and d are, and no other two are.
#[test]
fn typhon_counterexample_2() {
    let learners = r#"
        version = 1
        acceptors = { u = {}, v = {}, x = {}, y = {}, z = {} }
        [learners]
        a.quorum = { any-of = [["v", "x", "y"], ["v", "x", "z"], ["v", "y", "z"]] }
        b.quorum = { any-of = [["v", "x", "y"], ["v", "x", "z"], ["v", "y", "z"]] }
        c.quorum = { any-of = [["u", "x", "y"], ["u", "x", "z"], ["u", "y", "z"]] }
        d.quorum = { any-of = [["u", "x", "y"], ["u", "x", "z"], ["u", "y", "z"]] }
    "#;
    let (graph, checked) = checked_edges(
        learners,
        &[
            edge("a", "b", r#"{ any-of = [["v"], ["x", "y", "z"]] }"#),
            edge("c", "d", r#"{ any-of = [["u"], ["x", "y", "z"]] }"#),
            edge("a", "c", r#"["x", "y", "z"]"#),
            edge("a", "d", r#"["x", "y", "z"]"#),
            edge("b", "c", r#"["x", "y", "z"]"#),
            edge("b", "d", r#"["x", "y", "z"]"#),
        ],
    );
    let expected = [
        "a-a valid",
        "a-b declared valid",
        "a-c declared valid",
        "a-d declared valid",
        "b-b valid",
        "b-c declared valid",
        "b-d declared valid",
        "c-c valid",
        "c-d declared valid",
        "d-d valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
    let expected = ["a b c", "a b d", "b a c", "b a d", "c d a", "c d b", "d c a", "d c b"];
    assert_eq!(uncovered(&checked), expected);
    for adversary in ["x", "y", "z"] {
        let (pairs, live) = left_with(&graph, &[adversary]);
        assert_eq!(pairs, ["a-a", "a-b", "b-b", "c-c", "c-d", "d-d"]);
        assert_eq!(live, ["a", "b", "c", "d"]);
    }
    let expected = [
        "a halts 1 forks 2",
        "b halts 1 forks 2",
        "c halts 1 forks 2",
        "d halts 1 forks 2",
        "a-b disagree 2",
        "a-c disagree 1",
        "a-d disagree 1",
        "b-c disagree 1",
        "b-d disagree 1",
        "c-d disagree 2",
    ];
    assert_eq!(prices(&graph, "all"), expected);
}

/// 3-of-4, the smallest that bears a Byzantine acceptor: the case of two observers and four
/// participants in `test/Test/Quorums.hs`, repository isheff/hetcons, commit 045e8a1. There each
/// three participants are enough to be safe, and to be live. It is both the `overlap` and the
/// `largest` edge, and the default self-edge.
#[test]
fn hetcons_three_of_four() {
    let learners = r#"
        version = 1
        acceptors = { p = {}, q = {}, r = {}, s = {} }
        [learners]
        a.quorum = { at-least = 3, of = ["p", "q", "r", "s"] }
        b.quorum = { at-least = 3, of = ["p", "q", "r", "s"] }
    "#;
    let as_given =
        r#"{ any-of = [["p", "q", "r"], ["p", "q", "s"], ["p", "r", "s"], ["q", "r", "s"]] }"#;
    for safe in [as_given, r#""overlap""#, r#""largest""#] {
        let (graph, checked) = checked_edges(learners, &[edge("a", "b", safe)]);
        assert_eq!(rows(&checked), ["a-a valid", "a-b declared valid", "b-b valid"]);
        assert_eq!((checked.valid, checked.sends), (Some(true), Some(3)));
        assert_eq!(uncovered(&checked), [""; 0]);
        let expected = ["a halts 2 forks 2", "b halts 2 forks 2", "a-b disagree 2"];
        assert_eq!(prices(&graph, "all"), expected);
    }
}

/// Nine acceptors in three groups: the case of two observers and nine participants in the same
/// file. Two whole groups are live; two whole groups and one acceptor of the third are safe, for
/// each choice of these. So two acceptors of one group may be Byzantine, but not one in each of two
/// groups.
#[test]
fn hetcons_nine_in_three_groups() {
    let learners = r#"
        version = 1
        [acceptors]
        a1 = {}
        a2 = {}
        a3 = {}
        b1 = {}
        b2 = {}
        b3 = {}
        c1 = {}
        c2 = {}
        c3 = {}
        [learners.left]
        quorum = { at-least = 2, of = [["a1", "a2", "a3"], ["b1", "b2", "b3"], ["c1", "c2", "c3"]] }
        [learners.right]
        quorum = { at-least = 2, of = [["a1", "a2", "a3"], ["b1", "b2", "b3"], ["c1", "c2", "c3"]] }
    "#;
    let as_given = edge(
        "left",
        "right",
        r#"{ any-of = [
            ["a1", "a2", "a3", "b1", "b2", "b3", "c1"],
            ["a1", "a2", "a3", "b1", "b2", "b3", "c2"],
            ["a1", "a2", "a3", "b1", "b2", "b3", "c3"],
            ["a1", "a2", "a3", "b1", "c1", "c2", "c3"],
            ["a1", "a2", "a3", "b2", "c1", "c2", "c3"],
            ["a1", "a2", "a3", "b3", "c1", "c2", "c3"],
            ["a1", "b1", "b2", "b3", "c1", "c2", "c3"],
            ["a2", "b1", "b2", "b3", "c1", "c2", "c3"],
            ["a3", "b1", "b2", "b3", "c1", "c2", "c3"],
        ] }"#,
    );
    let expected_rows = ["left-left valid", "left-right declared valid", "right-right valid"];
    let (given, checked_given) = checked_edges(learners, std::slice::from_ref(&as_given));
    assert_eq!(rows(&checked_given), expected_rows);
    // A learner agrees with itself while each group has a good acceptor, a weaker condition.
    assert_eq!((checked_given.valid, checked_given.sends), (Some(true), Some(4)));
    let expected = ["left halts 2 forks 3", "right halts 2 forks 3", "left-right disagree 2"];
    assert_eq!(prices(&given, "all"), expected);
    let selves = ["left-left", "right-right"];
    let both = ["left-left", "left-right", "right-right"];
    let learners_live = ["left", "right"];
    for (byzantine, pairs, live) in [
        (&["c1", "c2"][..], &both[..], &learners_live[..]),
        (&["c1", "c2", "c3"], &[], &learners_live),
        (&["a1", "b1"], &selves, &[]),
    ] {
        assert_eq!(left_with(&given, byzantine), (owned(pairs), owned(live)));
    }

    // The same quorums allow for more: any good acceptor in each group.
    let (largest, checked_largest) =
        checked_edges(learners, &[edge("left", "right", r#""largest""#)]);
    assert_eq!(rows(&checked_largest), expected_rows);
    assert_eq!((checked_largest.valid, checked_largest.sends), (Some(true), Some(3)));
    let expected = ["left halts 2 forks 3", "right halts 2 forks 3", "left-right disagree 3"];
    assert_eq!(prices(&largest, "all"), expected);

    // Levelled, the published edge saves a send, and each learner's own chain pays for it.
    let log = "[logs.\"left+right\"]\nlearners = [\"left\", \"right\"]\nedges = \"level\"\n";
    let level = graph(&format!("{learners}\n{as_given}\n{log}"));
    let checked_level = checked(&level, "left+right");
    assert_eq!(rows(&checked_level), expected_rows);
    assert_eq!((checked_level.valid, checked_level.sends), (Some(true), Some(3)));
    let expected = ["left halts 2 forks 2", "right halts 2 forks 2", "left-right disagree 2"];
    assert_eq!(prices(&level, "left+right"), expected);
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The case of three observers and three participants, asymmetric, in the same file: no edge is
/// given between b and c, and one follows.
#[test]
fn hetcons_asymmetric() {
    let learners = r#"
        version = 1
        acceptors = { p = {}, q = {}, r = {} }
        [learners]
        a.quorum = { any-of = [["p", "q"], ["p", "r"], ["q", "r"]] }
        b.quorum = { any-of = [["p", "q"], ["q", "r"]] }
        c.quorum = { any-of = [["p", "r"], ["q", "r"]] }
    "#;
    let (graph, checked) = checked_edges(
        learners,
        &[edge("a", "b", r#"["p", "q", "r"]"#), edge("a", "c", r#"["p", "q", "r"]"#)],
    );
    let expected = [
        "a-a valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b valid",
        "b-c valid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
    assert_eq!(uncovered(&checked), [""; 0]);
    let expected = [
        "a halts 2 forks 1",
        "b halts 1 forks 1",
        "c halts 1 forks 1",
        "a-b disagree 1",
        "a-c disagree 1",
        "b-c disagree 1",
    ];
    assert_eq!(prices(&graph, "all"), expected);
}

/// The graph by which we explain the answer of `hpaxos graph check`: LG4 with a–b = {a2} and
/// without an edge between b and c, which follows, and is invalid.
#[test]
fn example_of_check() {
    let (_, checked) =
        checked_edges(LG4, &[edge("a", "b", r#"["a2"]"#), edge("a", "c", r#"["a1"]"#)]);
    let expected = [
        "a-a valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b valid",
        "b-c invalid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(false), Some(4)));
    assert_eq!(uncovered(&checked), ["a b c", "a c b", "b a c", "c a b"]);
    let expected = [vec!["a1", "a2"], vec!["a2", "a3"], vec!["a1", "a3"]];
    assert_eq!(counterexample(&checked, ["b", "c"]), expected);
}

/// The file by which we explain the format, and the answer of `hpaxos graph analyze` to it.
#[test]
fn example_of_analyze() {
    let graph = graph(
        r#"
        version = 1
        acceptors = { alice = {}, bob = {}, carol = {}, dave = {}, erin = {} }
        [learners.red]
        stake = { alice = 30, bob = 25, carol = 25, dave = 20 }
        quorum = "> 2/3"
        [learners.blue]
        quorum = { at-least = 4, of = ["alice", "bob", "carol", "dave", "erin"] }
        [learners.green]
        quorum = { at-least = 2, of = [
            "alice", { at-least = 2, of = ["bob", "carol", "dave"] }, "erin",
        ] }
        [[edges]]
        between = ["red", "blue"]
        safe = "overlap"
        [[edges]]
        between = ["red", "red"]
        safe = { at-least = 3, of = ["alice", "bob", "carol", "dave"] }
        [logs."red+blue"]
        learners = ["red", "blue"]
        edges = "as-given"
        "#,
    );
    let expected = ["blue halts 2 forks 3", "red halts 2 forks 2", "blue-red disagree 2"];
    assert_eq!(prices(&graph, "red+blue"), expected);
    assert_eq!(prices(&graph, "green"), ["green halts 2 forks 1"]);
    let both = checked(&graph, "red+blue");
    let expected = ["blue-blue valid", "blue-red declared valid", "red-red declared valid"];
    assert_eq!(rows(&both), expected);
    assert_eq!((both.valid, both.sends), (Some(true), Some(4)));
    let green = checked(&graph, "green");
    assert_eq!(rows(&green), ["green-green valid"]);
    assert_eq!((green.valid, green.sends), (Some(true), Some(3)));
    let names: Vec<String> = graph.logs().iter().map(|log| log.name().to_owned()).collect();
    assert_eq!(names, ["green", "red+blue"]);
}

/// D4, a regression of the protocol found by this project's searches: Heterogeneous Paxos 2.0 as
/// published comes to a state here in which neither learner can decide any more, although
/// {p, q, r} is a quorum of both. A draft with a fourth phase lets a, accurate with r and s
/// Byzantine, decide twice.
#[test]
fn regression_d4() {
    let learners = r#"
        version = 1
        acceptors = { p = {}, q = {}, r = {}, s = {} }
        [learners]
        a.quorum = { any-of = [["p", "r", "s"], ["p", "q", "r"]] }
        b.quorum = { any-of = [["q", "r", "s"], ["p", "q", "r"]] }
        [[edges]]
        between = ["a", "a"]
        safe = "largest"
        [[edges]]
        between = ["b", "b"]
        safe = "largest"
    "#;
    for (safe, disagree) in [(r#"["r"]"#, 1), (r#""largest""#, 2)] {
        let (graph, checked) = checked_edges(learners, &[edge("a", "b", safe)]);
        let expected = ["a-a declared valid", "a-b declared valid", "b-b declared valid"];
        assert_eq!(rows(&checked), expected);
        assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
        assert_eq!(uncovered(&checked), [""; 0]);
        let disagree = format!("a-b disagree {disagree}");
        let expected = ["a halts 1 forks 2", "b halts 1 forks 2", &disagree];
        assert_eq!(prices(&graph, "all"), expected);
        let (pairs, live) = left_with(&graph, &["s"]);
        assert_eq!(pairs, ["a-a", "a-b", "b-b"]);
        assert_eq!(live, ["a", "b"]);
        let (pairs, _) = left_with(&graph, &["r", "s"]);
        assert_eq!(pairs, ["a-a", "b-b"]);
    }
}

/// R5, a regression of the protocol found by this project's searches: letting go of soft locks
/// alone is unsafe here.
#[test]
fn regression_r5() {
    let learners = r#"
        version = 1
        acceptors = { i = {}, p = {}, q = {}, s = {}, t = {} }
        [learners]
        a.quorum = { any-of = [["i", "p", "s"], ["p", "s", "t"], ["i", "p", "q", "t"]] }
        b.quorum = ["q", "s"]
        c.quorum = ["i", "q", "t"]
    "#;
    let (graph, checked) = checked_edges(
        learners,
        &[
            edge("a", "c", r#"["i", "p", "t"]"#),
            edge("b", "c", r#"["q", "s"]"#),
            edge("a", "b", r#"["i", "p", "q", "s", "t"]"#),
            edge("a", "a", r#"{ any-of = [["p"], ["i", "s", "t"]] }"#),
        ],
    );
    let expected = [
        "a-a declared valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b valid",
        "b-c declared valid",
        "c-c valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
    assert_eq!(uncovered(&checked), ["a c b", "b c a", "c a b", "c b a"]);
    let expected = [
        "a halts 1 forks 2",
        "b halts 1 forks 2",
        "c halts 1 forks 3",
        "a-b disagree 1",
        "a-c disagree 1",
        "b-c disagree 1",
    ];
    assert_eq!(prices(&graph, "all"), expected);
}

/// R4, a regression of the protocol found by this project's searches: with uncovered triples, an
/// equivocation that is exposed too late can leave a learner undecided, whatever the rules.
#[test]
fn regression_r4() {
    let learners = r#"
        version = 1
        acceptors = { p = {}, q = {}, r = {}, s = {} }
        [learners]
        a.quorum = { any-of = [["p", "q", "r"], ["p", "r", "s"]] }
        b.quorum = ["q", "s"]
        c.quorum = ["q", "r"]
    "#;
    let (graph, checked) = checked_edges(
        learners,
        &[
            edge("a", "a", r#"{ any-of = [["p"], ["r"]] }"#),
            edge("a", "b", r#"["q", "r", "s"]"#),
            edge("a", "c", r#"["r"]"#),
            edge("b", "b", r#"{ any-of = [["q"], ["s"]] }"#),
            edge("b", "c", r#"["q", "s"]"#),
            edge("c", "c", r#"{ any-of = [["q"], ["r"]] }"#),
        ],
    );
    let expected = [
        "a-a declared valid",
        "a-b declared valid",
        "a-c declared valid",
        "b-b declared valid",
        "b-c declared valid",
        "c-c declared valid",
    ];
    assert_eq!(rows(&checked), expected);
    assert_eq!((checked.valid, checked.sends), (Some(true), Some(4)));
    assert_eq!(uncovered(&checked), ["a c b", "b c a", "c a b", "c b a"]);
    let expected = [
        "a halts 1 forks 2",
        "b halts 1 forks 2",
        "c halts 1 forks 2",
        "a-b disagree 1",
        "a-c disagree 1",
        "b-c disagree 1",
    ];
    assert_eq!(prices(&graph, "all"), expected);
}
