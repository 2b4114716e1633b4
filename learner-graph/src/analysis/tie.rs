//! Edges of the condensed graph, in the search.
//!
//! A condensed edge holds where *some path* of edges does, and fails where *some cut* does. Neither paths nor cuts are
//! listed: the search starts without them, looks at the cheapest answer, and where that does not have the path (or the
//! cut) that is wanted, branches on the next edge of the path (or on which edge of a path that still holds to break).
//! Best first, so that the first answer that fits is the cheapest.

use crate::acceptor_set::AcceptorSet;
use crate::condition::Condition;
use crate::learner_set::{LearnerId, LearnerSet};
use crate::log::Log;
use crate::search::{Answer, Effort, Question, Role, Witness, solve};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// An edge of the condensed graph of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// Some edge at the learner holds.
    Accurate(LearnerId),
    /// Edges that hold connect all these learners, two or more.
    Connected(LearnerSet),
}

impl Tie {
    /// S(a, b): of a levelled log, what all its edges have in common.
    pub(super) fn between(log: &Log, a: LearnerId, b: LearnerId) -> Tie {
        if log.is_levelled() && log.learners().len() > 1 {
            Tie::Connected(log.learners())
        } else if a == b {
            Tie::Accurate(a)
        } else {
            Tie::Connected(LearnerSet::from_iter([a, b]))
        }
    }

    /// Whether it holds when all of `safe` are safe.
    pub(super) fn holds(self, log: &Log, safe: &AcceptorSet) -> bool {
        let holding = |index: &usize| log.links()[*index].condition.holds(safe);
        match self {
            Tie::Accurate(learner) => links_at(log, learner).any(|index| holding(&index)),
            Tie::Connected(learners) => {
                let from = first(learners);
                learners.is_subset(Reached::from(log, from, holding).learners)
            }
        }
    }
}

/// A search over one kind of question about a log, asked with different ties; remembers what it settled.
pub(super) struct TieSearch<'a> {
    log: &'a Log,
    template: Question,
    known: BTreeMap<Edges, Answer>,
    impossible: Vec<Edges>,
}

/// What is asked of a [`TieSearch`] besides its template: each tie with the role at whose set it is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// This tie holds at the set of the role.
    pub hold: Option<(Role, Tie)>,
    /// This tie fails at the complement of the set of the role.
    pub fail: Option<(Role, Tie)>,
}

/// Links that are required to hold, and links that are required to fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Edges {
    holding: BTreeSet<usize>,
    failing: BTreeSet<usize>,
}

/// A part of what there is to search.
#[derive(Clone, Debug)]
struct Case {
    edges: Edges,
    /// Links that other cases require to hold, or to fail.
    elsewhere: Edges,
    /// The end of the path so far.
    tip: Option<LearnerId>,
}

/// The most nodes that wait at a time: 100 MiB.
const NODES_MAX: usize = 100_000;

impl<'a> TieSearch<'a> {
    /// A search in `log` for answers to `template`.
    pub(super) fn new(log: &'a Log, template: Question) -> Self {
        TieSearch { log, template, known: BTreeMap::new(), impossible: Vec::new() }
    }

    /// A cheapest answer with the ties that are wanted.
    pub(super) fn find(&mut self, wanted: Wanted, effort: &mut Effort) -> Answer {
        let mut open: BTreeMap<usize, (Case, Witness)> = BTreeMap::new();
        let mut queue: BinaryHeap<Reverse<(u128, usize)>> = BinaryHeap::new();
        let mut best: Option<Witness> = None;
        let mut undecided: Option<u128> = None;
        let mut created = 0;
        let mut cases = vec![self.root(wanted)];
        loop {
            for case in cases {
                match self.ask(wanted, &case.edges, effort) {
                    Answer::Impossible => {}
                    Answer::Undecided { at_least, best: candidate } => {
                        undecided = Some(undecided.map_or(at_least, |least| least.min(at_least)));
                        let fits = candidate.filter(|witness| self.branch(wanted, &case, witness).is_none());
                        best = cheaper(best, fits);
                    }
                    Answer::Found(witness) => {
                        if self.template.cost.is_none() && self.branch(wanted, &case, &witness).is_none() {
                            return Answer::Found(witness);
                        }
                        if open.len() >= NODES_MAX {
                            undecided = Some(undecided.map_or(witness.cost, |least| least.min(witness.cost)));
                            continue;
                        }
                        queue.push(Reverse((witness.cost, created)));
                        open.insert(created, (case, witness));
                        created += 1;
                    }
                }
            }
            let Some(Reverse((cost, id))) = queue.pop() else { break };
            let (case, witness) = open.remove(&id).expect("what is queued is open");
            match self.branch(wanted, &case, &witness) {
                Some(parts) => cases = parts,
                None => {
                    best = cheaper(best, Some(witness));
                    if undecided.is_none_or(|least| least >= cost) {
                        return Answer::Found(best.expect("just put there"));
                    }
                    break;
                }
            }
        }
        match undecided {
            None => Answer::Impossible,
            Some(at_least) => Answer::Undecided { at_least, best },
        }
    }

    fn root(&self, wanted: Wanted) -> Case {
        let mut edges = Edges::default();
        if let Some((_, Tie::Accurate(learner))) = wanted.fail {
            edges.failing.extend(links_at(self.log, learner));
        }
        let tip = match wanted.hold {
            Some((_, Tie::Connected(learners))) => Some(first(learners)),
            _ => None,
        };
        Case { edges, elsewhere: Edges::default(), tip }
    }

    /// The template's question with these links.
    fn ask(&mut self, wanted: Wanted, edges: &Edges, effort: &mut Effort) -> Answer {
        if self.impossible.iter().any(|known| {
            known.holding.is_subset(&edges.holding) && known.failing.is_subset(&edges.failing)
        }) {
            return Answer::Impossible;
        }
        if let Some(answer) = self.known.get(edges) {
            return answer.clone();
        }
        let mut question = self.template.clone();
        let condition = |index: &usize| &self.log.links()[*index].condition;
        if let Some((role, _)) = wanted.hold {
            edges.holding.iter().for_each(|index| require(&mut question, role, condition(index)));
        }
        if let Some((role, _)) = wanted.fail {
            edges.failing.iter().for_each(|index| require(&mut question, role, &Arc::new(condition(index).dual())));
        }
        let answer = solve(&question, effort);
        match &answer {
            Answer::Impossible => self.impossible.push(edges.clone()),
            Answer::Found(_) if self.known.len() < NODES_MAX => {
                self.known.insert(edges.clone(), answer.clone());
            }
            _ => {}
        }
        answer
    }

    /// None if the witness has what is wanted; else the cases among which what has it must be, if anything does.
    fn branch(&self, wanted: Wanted, case: &Case, witness: &Witness) -> Option<Vec<Case>> {
        if let Some((role, tie)) = wanted.hold
            && !tie.holds(self.log, &witness.sets[role])
        {
            return Some(match tie {
                Tie::Accurate(learner) => {
                    links_at(self.log, learner).map(|index| case.with_holding(index, None)).collect()
                }
                Tie::Connected(learners) => self.extend_path(learners, case),
            });
        }
        if let Some((role, tie)) = wanted.fail {
            let safe = self.log.everyone().difference(&witness.sets[role]);
            if tie.holds(self.log, &safe) {
                return Some(match tie {
                    Tie::Accurate(_) => unreachable!("all links at an accurate learner fail from the start"),
                    Tie::Connected(learners) => self.break_path(learners, case, &safe),
                });
            }
        }
        None
    }

    fn extend_path(&self, learners: LearnerSet, case: &Case) -> Vec<Case> {
        let start = first(learners);
        let reached = Reached::from(self.log, start, |index| case.edges.holding.contains(index)).learners;
        // Between two learners a path suffices, and grows at its tip; among more, a tree grows anywhere.
        let path = learners.len() == 2;
        let growing = if path { LearnerSet::from_iter(case.tip) } else { reached };
        let mut rest = case.clone();
        let mut cases = Vec::new();
        for (index, link) in self.log.links().iter().enumerate() {
            let (a, b) = link.between;
            let new = match (growing.contains(a) && !reached.contains(b), growing.contains(b) && !reached.contains(a)) {
                (true, _) => b,
                (_, true) => a,
                _ => continue,
            };
            if rest.elsewhere.holding.contains(&index) {
                continue;
            }
            cases.push(rest.with_holding(index, Some(new)));
            if !path {
                rest.elsewhere.holding.insert(index);
            }
        }
        cases
    }

    fn break_path(&self, learners: LearnerSet, case: &Case, safe: &AcceptorSet) -> Vec<Case> {
        let holding = |index: &usize| self.log.links()[*index].condition.holds(safe);
        let reached = Reached::from(self.log, first(learners), holding);
        let mut rest = case.clone();
        let mut cases = Vec::new();
        for index in reached.tree_to(self.log, learners) {
            if rest.elsewhere.failing.contains(&index) || rest.edges.holding.contains(&index) {
                continue;
            }
            let mut part = rest.clone();
            part.edges.failing.insert(index);
            cases.push(part);
            rest.elsewhere.failing.insert(index);
        }
        cases
    }
}

impl Case {
    fn with_holding(&self, index: usize, tip: Option<LearnerId>) -> Case {
        let mut case = Case { tip, ..self.clone() };
        case.edges.holding.insert(index);
        case
    }
}

/// Adds the conjuncts of `condition`, each once.
fn require(question: &mut Question, role: Role, condition: &Arc<Condition>) {
    let conjuncts = condition.conjuncts();
    let parts: Vec<Arc<Condition>> = match conjuncts.as_slice() {
        [_] => vec![condition.clone()],
        several => several.iter().map(|part| Arc::new((*part).clone())).collect(),
    };
    for part in parts {
        let known = question.requirements.iter().any(|(other, known)| *other == role && *known == part);
        if !known {
            question.requirements.push((role, part));
        }
    }
}

fn cheaper(a: Option<Witness>, b: Option<Witness>) -> Option<Witness> {
    a.into_iter().chain(b).min_by_key(|witness| witness.cost)
}

fn first(learners: LearnerSet) -> LearnerId {
    learners.iter().next().expect("a tie is between learners")
}

fn links_at(log: &Log, learner: LearnerId) -> impl Iterator<Item = usize> {
    let links = log.links().iter().enumerate();
    links.filter(move |(_, link)| link.between.0 == learner || link.between.1 == learner).map(|(index, _)| index)
}

/// What can be reached from a learner over some of the links, breadth first.
struct Reached {
    learners: LearnerSet,
    /// The link by which a learner was reached first.
    by: BTreeMap<LearnerId, usize>,
    start: LearnerId,
}

impl Reached {
    fn from(log: &Log, start: LearnerId, over: impl Fn(&usize) -> bool) -> Self {
        let mut reached = Reached { learners: LearnerSet::from_iter([start]), by: BTreeMap::new(), start };
        let over: Vec<usize> = (0..log.links().len()).filter(over).collect();
        let mut ring = reached.learners;
        while !ring.is_empty() {
            let mut next = LearnerSet::EMPTY;
            for index in &over {
                let (a, b) = log.links()[*index].between;
                let to = match (ring.contains(a), ring.contains(b)) {
                    (true, false) => b,
                    (false, true) => a,
                    _ => continue,
                };
                if !reached.learners.contains(to) && !next.contains(to) {
                    next.insert(to);
                    reached.by.insert(to, *index);
                }
            }
            reached.learners = reached.learners.union(next);
            ring = next;
        }
        reached
    }

    /// The links by which `learners` were reached, from the start outwards.
    fn tree_to(&self, log: &Log, learners: LearnerSet) -> BTreeSet<usize> {
        let mut tree = BTreeSet::new();
        for learner in learners.iter() {
            let mut at = learner;
            while at != self.start {
                let link = self.by[&at];
                tree.insert(link);
                let (a, b) = log.links()[link].between;
                at = if a == at { b } else { a };
            }
        }
        tree
    }
}
