//! What a run must bring about now and then: a comparison that never sees a lock let go compares nothing.

use hpaxos_spec::naive::dag::{Id, Kind, Reply};
use hpaxos_spec::naive::protocol::{Protocol, Strength};
use hpaxos_spec::naive::random_trust::RandomLog;
use hpaxos_spec::naive::well_formed::Flaw;
use std::collections::{BTreeMap, BTreeSet};

/// In how many DAGs each situation occurred.
pub type Seen = BTreeMap<String, usize>;

/// Each situation, and in how many of 10,000 DAGs it must occur at least.
const COMMON: [(&str, usize); 27] = [
    ("2a, 3 sends", 1_000),
    ("2a, 4 sends", 3_000),
    ("2b", 1_500),
    ("2a for some only", 1_000),
    ("2b for some only", 300),
    ("2a that names more", 100),
    ("2b that names more", 50),
    ("2a above a vote of another ballot", 1_000),
    ("1b fresh for nobody", 300),
    ("1b fresh for some only", 300),
    ("soft lock let go", 300),
    ("soft lock kept", 300),
    ("hard lock let go, 3 sends", 100),
    ("hard lock let go, 4 sends", 100),
    ("hard lock kept", 300),
    ("hard lock kept where a soft one goes", 50),
    ("lock for the disconnected", 50),
    ("lower lock of another value", 100),
    ("caught where branches meet", 2_000),
    ("caught disconnects", 1_000),
    ("fork", 3_000),
    ("long chain forked", 300),
    ("decision", 1_000),
    ("two values decided, valid edges", 10),
    ("two values decided, invalid edges", 50),
    ("equal quorums", 1_000),
    ("a quorum on two ballots of a round", 50),
];

/// The situations that are rarer than they should be, in a long run.
pub fn rare(seen: &Seen) -> Vec<String> {
    let flaws = Flaw::ALL.map(|flaw| (format!("{flaw:?}"), 300));
    let others = COMMON.map(|(name, least)| (name.to_owned(), least));
    let expected = flaws.into_iter().chain(others);
    let count = |name: &String| seen.get(name).copied().unwrap_or_default();
    expected.filter(|(name, least)| count(name) < *least).map(|(name, _)| name).collect()
}

/// The situations of one DAG.
pub fn situations(protocol: &Protocol<'_>, log: &RandomLog) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let dag = protocol.dag();
    let mut held = BTreeSet::new();
    for x in dag.ids() {
        found.extend(protocol.flaws(x).iter().map(|flaw| format!("{flaw:?}")));
        if let Some(reply) = dag.reply(x).filter(|_| protocol.is_well_formed(x)) {
            found.extend(of_caught(protocol, x, reply).into_iter().map(str::to_owned));
            found.extend(match reply.kind {
                Kind::OneB => of_vote(protocol, x),
                Kind::TwoA | Kind::TwoB => of_accept(protocol, x, reply),
            });
        }
        if protocol.is_well_formed(x) {
            held.insert(x);
        }
    }
    let forked = protocol.forked(&held);
    if forked > 0 {
        found.insert("fork".to_owned());
    }
    let height = |x: Id| std::iter::successors(Some(x), |y| dag.reply(*y)?.prev).count();
    let is_long = |x: &Id| {
        dag.reply(*x).is_some_and(|reply| forked >> reply.signer & 1 == 1) && height(*x) > 6
    };
    if held.iter().any(is_long) {
        found.insert("long chain forked".to_owned());
    }
    let decided = protocol.decided(&held);
    let values: BTreeSet<u8> = decided.values().flatten().map(|ballot| ballot.value).collect();
    if !values.is_empty() {
        found.insert("decision".to_owned());
    }
    if values.len() > 1 {
        let validity = if log.is_valid() { "valid" } else { "invalid" };
        found.insert(format!("two values decided, {validity} edges"));
    }
    if has_equal_quorums(log) {
        found.insert("equal quorums".to_owned());
    }
    found
}

fn has_equal_quorums(log: &RandomLog) -> bool {
    let quorum = |l: &usize| &log.graph.learners[*l];
    log.learners.iter().any(|l| log.learners.iter().any(|k| l != k && quorum(l) == quorum(k)))
}

fn of_caught(protocol: &Protocol<'_>, x: Id, reply: &Reply) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let caught = protocol.caught(x);
    if caught == 0 {
        return found;
    }
    if reply.refs.iter().fold(0, |all, y| all | protocol.caught(*y)) != caught {
        found.insert("caught where branches meet");
    }
    let trust = protocol.trust();
    if trust.learners().iter().any(|l| protocol.connected(*l, x) != trust.connected(*l, 0)) {
        found.insert("caught disconnects");
    }
    found
}

fn of_vote(protocol: &Protocol<'_>, x: Id) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let learners = protocol.trust().learners();
    let fresh = protocol.fresh(x);
    if fresh.is_empty() {
        found.insert("1b fresh for nobody".to_owned());
    } else if fresh != learners {
        found.insert("1b fresh for some only".to_owned());
    }
    let locks = protocol.locks(x);
    let values: BTreeSet<_> = locks.iter().map(|lock| protocol.value(lock.message)).collect();
    if values.len() > 1 {
        found.insert("lower lock of another value".to_owned());
    }
    for lock in locks {
        if protocol.value(lock.message) == protocol.value(x) {
            continue;
        }
        for l in learners {
            for k in protocol.learners(lock.message) {
                if !protocol.connected(*l, x).contains(k) {
                    found.insert("lock for the disconnected".to_owned());
                    continue;
                }
                let goes = protocol.lets_go(lock, *k, *l, x);
                let kept = if goes { "let go" } else { "kept" };
                found.insert(match (lock.strength, goes) {
                    (Strength::Soft, _) => format!("soft lock {kept}"),
                    (Strength::Hard, true) => {
                        format!("hard lock let go, {} sends", protocol.trust().sends())
                    }
                    (Strength::Hard, false) => "hard lock kept".to_owned(),
                });
                if lock.strength == Strength::Hard && !goes && protocol.soft_lets_go(lock, *k, x) {
                    found.insert("hard lock kept where a soft one goes".to_owned());
                }
            }
        }
    }
    found
}

fn of_accept(protocol: &Protocol<'_>, x: Id, reply: &Reply) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (dag, kind, sends) = (protocol.dag(), reply.kind, protocol.trust().sends());
    found.insert(match kind {
        Kind::TwoB => "2b".to_owned(),
        _ => format!("{kind}, {sends} sends"),
    });
    if protocol.learners(x) != protocol.trust().learners() {
        found.insert(format!("{kind} for some only"));
    }
    let votes = dag.below(x).iter().filter(|y| {
        dag.reply(**y).is_some_and(|reply| reply.kind == Kind::OneB)
            && protocol.ballot(**y) != protocol.ballot(x)
    });
    if kind == Kind::TwoA && votes.count() > 0 {
        found.insert("2a above a vote of another ballot".to_owned());
    }
    let mut others = dag.below(x).iter().filter(|y| {
        **y != x
            && dag.reply(**y).is_some_and(|r| r.kind == kind && r.signer == reply.signer)
            && protocol.ballot(**y) == protocol.ballot(x)
    });
    if others.next().is_some() {
        found.insert(format!("{kind} that names more"));
    }
    let of_round = dag.below(x).iter().filter_map(|y| dag.proposal(*y));
    let round = protocol.ballot(x).map(|ballot| ballot.round);
    if of_round.filter(|ballot| Some(ballot.round) == round).count() > 1 {
        found.insert("a quorum on two ballots of a round".to_owned());
    }
    found
}
