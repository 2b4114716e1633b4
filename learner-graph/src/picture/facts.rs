//! What a picture shows, before it is drawn: both formats draw the same facts.

use super::palette::{Ink, inks};
use super::words;
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::analysis::{Breaking, By, CheckedLog, Counterexample, analyze_log, check_log};
use crate::expression::{Expression, Quorum, total};
use crate::graph::{ALL, LearnerGraph};
use crate::learner_set::{LearnerId, LearnerSet};
use crate::log::Log;
use crate::search::Effort;

/// Everything that is shown. Learners and acceptors are referred to by their position in these lists.
pub(super) struct Facts {
    pub learners: Vec<Learner>,
    pub acceptors: Vec<Acceptor>,
    pub logs: Vec<LogFacts>,
}

/// A learner; it may be in several logs.
pub(super) struct Learner {
    pub name: String,
    /// Short, as in "5 of 6 validators".
    pub quorum: String,
    /// Complete.
    pub rule: String,
    pub ink: Ink,
}

/// An acceptor, with what it is to each learner.
pub(super) struct Acceptor {
    pub name: String,
    pub seats: Vec<Seat>,
}

impl Acceptor {
    /// The learners that it is a member of, ascending.
    pub(super) fn membership(&self) -> Vec<usize> {
        let member = |learner: &usize| self.seats[*learner] != Seat::None;
        (0..self.seats.len()).filter(member).collect()
    }
}

/// What an acceptor is to a learner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seat {
    /// In no quorum.
    None,
    /// In a quorum that counts heads or groups.
    Vote,
    /// In a quorum that counts stake: its part of the total, above 0 and up to 1.
    Share(f64),
}

/// What is promised in one log.
pub(super) struct LogFacts {
    pub title: String,
    /// Whether its only learner commits on its own.
    pub alone: bool,
    pub members: Vec<Member>,
    pub pairs: Vec<Pair>,
    /// Whether all its promises can be kept; none if unknown.
    pub valid: Option<bool>,
}

/// A learner in a log.
pub(super) struct Member {
    pub learner: usize,
    pub halts: Breaking,
    pub forks: Breaking,
    pub validity: Validity,
}

/// Two learners of a log that are connected when all are safe.
pub(super) struct Pair {
    /// Positions among the log's members.
    pub ends: (usize, usize),
    /// Whether the file states the edge, rather than its following from others.
    pub declared: bool,
    pub disagree: Breaking,
    pub validity: Validity,
}

/// Whether a promise can be kept.
pub(super) enum Validity {
    /// Yes, or not known.
    Unharmed,
    /// No, and a sentence shows why.
    Invalid(String),
}

impl Facts {
    /// Finds out everything that the picture of `logs` shows.
    pub(super) fn of(graph: &LearnerGraph, logs: &[Log], effort: &mut Effort) -> Facts {
        let shown = logs.iter().fold(LearnerSet::EMPTY, |all, log| all.union(log.learners()));
        let ids: Vec<LearnerId> = shown.iter().collect();
        let names: Vec<&str> = ids.iter().map(|id| graph.learner_name(*id)).collect();
        let learners = ids.iter().zip(inks(&names)).map(|(id, ink)| learner(graph, *id, ink));
        let analyzed: Vec<_> =
            logs.iter().map(|log| analyze_log(graph, log, &By::Count, effort)).collect();
        let mut facts = Facts {
            learners: learners.collect(),
            acceptors: acceptors(graph, logs, &ids),
            logs: Vec::new(),
        };
        for (log, answer) in logs.iter().zip(analyzed) {
            let checked = check_log(graph, log, effort);
            let validity = |a: &str, b: &str| validity(&checked, a, b);
            let position = |name: &str| {
                let found = answer.learners.iter().position(|learner| learner.id == name);
                found.expect("a pair is of two learners of the log")
            };
            let pairs = answer.pairs.iter().map(|pair| {
                let [a, b] = &pair.between;
                let id = |name| graph.learner(name).expect("an answer names learners of the graph");
                Pair {
                    ends: (position(a), position(b)),
                    declared: graph.is_declared((id(a), id(b))),
                    disagree: pair.disagree_if.clone(),
                    validity: validity(a, b),
                }
            });
            let members = answer.learners.iter().map(|learner| Member {
                learner: names.iter().position(|name| *name == learner.id).expect("it is shown"),
                halts: learner.halts_if.clone(),
                forks: learner.forks_if.clone(),
                validity: validity(&learner.id, &learner.id),
            });
            facts.logs.push(LogFacts {
                title: title(graph, log),
                alone: log.learners().len() == 1,
                members: members.collect(),
                pairs: pairs.collect(),
                valid: checked.valid,
            });
        }
        facts
    }

    /// Whether every number is exact.
    pub(super) fn is_settled(&self) -> bool {
        self.logs.iter().all(|log| {
            let members = log.members.iter().flat_map(|member| [&member.halts, &member.forks]);
            let mut breaking = members.chain(log.pairs.iter().map(|pair| &pair.disagree));
            log.valid.is_some() && breaking.all(Breaking::is_settled)
        })
    }

    /// The name of the learner that is a member of `log`.
    pub(super) fn name(&self, log: &LogFacts, member: usize) -> &str {
        &self.learners[log.members[member].learner].name
    }
}

fn title(graph: &LearnerGraph, log: &Log) -> String {
    let level = if log.is_levelled() { ", edges levelled" } else { "" };
    let declared = graph.declarations().logs.iter().any(|declared| declared.name == log.name());
    match (declared, log.name()) {
        (false, ALL) => format!("All chains{level}"),
        (false, name) => format!("Chain {name}{level}"),
        (true, name) => format!("Log {name}{level}"),
    }
}

fn learner(graph: &LearnerGraph, id: LearnerId, ink: Ink) -> Learner {
    let quorum = &graph.declarations().learners[id.index()].quorum;
    let name = |acceptor: AcceptorId| graph.acceptor_name(acceptor).to_owned();
    Learner {
        name: graph.learner_name(id).to_owned(),
        quorum: words::quorum(quorum),
        rule: words::quorum_rule(quorum, &name),
        ink,
    }
}

/// The acceptors that matter to `logs`; all if all learners do. Those of most learners first, those of the same
/// learners together, the largest of these first.
fn acceptors(graph: &LearnerGraph, logs: &[Log], learners: &[LearnerId]) -> Vec<Acceptor> {
    let everyone = if learners.len() == graph.learners().count() {
        graph.acceptors()
    } else {
        let links = logs.iter().flat_map(|log| log.links()).map(|link| link.condition.support());
        logs.iter()
            .map(Log::acceptors)
            .chain(links)
            .fold(AcceptorSet::EMPTY, |all, set| all.union(&set))
    };
    let columns: Vec<Vec<Seat>> = learners.iter().map(|learner| seats(graph, *learner)).collect();
    let acceptor = |id: AcceptorId| Acceptor {
        name: graph.acceptor_name(id).to_owned(),
        seats: columns.iter().map(|column| column[id.index()]).collect(),
    };
    let mut acceptors: Vec<Acceptor> = everyone.iter().map(acceptor).collect();
    let share = |acceptor: &Acceptor| -> f64 {
        let shares = acceptor
            .seats
            .iter()
            .map(|seat| if let Seat::Share(share) = seat { *share } else { 0.0 });
        shares.sum()
    };
    acceptors.sort_by(|a, b| {
        let (of_a, of_b) = (a.membership(), b.membership());
        of_b.len()
            .cmp(&of_a.len())
            .then(of_a.cmp(&of_b))
            .then(share(b).total_cmp(&share(a)))
            .then_with(|| in_order(&a.name).cmp(&in_order(&b.name)))
    });
    acceptors
}

/// A key for names in the order of their numbers: v3 is before v10.
fn in_order(name: &str) -> (&str, usize, &str) {
    (name.trim_end_matches(|character: char| character.is_ascii_digit()), name.len(), name)
}

/// What each acceptor, by index, is to `learner`.
fn seats(graph: &LearnerGraph, learner: LearnerId) -> Vec<Seat> {
    let mut seats = vec![Seat::None; graph.acceptors().len()];
    graph.quorum(learner).support().iter().for_each(|id| seats[id.index()] = Seat::Vote);
    if let Quorum::Stake { stake, .. } | Quorum::Expression(Expression::Stake { stake, .. }) =
        &graph.declarations().learners[learner.index()].quorum
    {
        let total = total(stake) as f64;
        for (id, stake) in stake.iter().filter(|(_, stake)| *stake > 0) {
            seats[id.index()] = Seat::Share(*stake as f64 / total);
        }
    }
    seats
}

fn validity(checked: &CheckedLog, a: &str, b: &str) -> Validity {
    let mut found =
        checked.edges.iter().filter(|edge| edge.between[0] == a && edge.between[1] == b);
    match found.find_map(|edge| edge.counterexample.as_ref()) {
        None => Validity::Unharmed,
        Some(counterexample) => Validity::Invalid(why(counterexample)),
    }
}

fn why(counterexample: &Counterexample) -> String {
    let [a, b] = &counterexample.quorums;
    let set = |names: &[String]| format!("{{{}}}", words::list(names, 40));
    format!(
        "Not valid. Suppose only {} are safe: {} may decide with {} and {} with {}, and nobody safe is in both.",
        set(&counterexample.safe),
        a.learner,
        set(&a.acceptors),
        if b.learner == a.learner { "again" } else { &b.learner },
        set(&b.acceptors),
    )
}
