//! Edges of the condensed graph, in the search.
//!
//! A condensed edge holds where *some path* of edges does, and fails where *some cut* does. Neither paths nor cuts are
//! listed: the search starts without them, looks at the cheapest answer, and where that does not have the path that is
//! wanted, some edge must hold that leads out of what is reached; where it does not have the cut, some edge must fail of
//! a path that still holds. It branches on which. Best first, so that the first answer that fits is the cheapest.

use crate::acceptor_set::AcceptorSet;
use crate::condition::Condition;
use crate::learner_set::{LearnerId, LearnerSet};
use crate::log::{Link, Log, SharedConditions};
use crate::search::{Answer, Effort, Question, Role, Witness, solve};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// An edge of the condensed graph of a log: S(a, b), a ≤ b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie(LearnerId, LearnerId);

impl Tie {
    /// S(a, b).
    pub(super) fn between(a: LearnerId, b: LearnerId) -> Tie {
        Tie(a.min(b), a.max(b))
    }

    /// Whether it holds when all of `safe` are safe.
    pub(super) fn holds(self, log: &Log, safe: &AcceptorSet) -> bool {
        !self.witnesses(log, &log.holding(safe)).is_empty()
    }

    /// Some of the links that are `holding`, which together make the tie hold: a path, or one link at a
    /// learner. Empty if it does not hold.
    fn witnesses(self, log: &Log, holding: &[bool]) -> Vec<usize> {
        let Tie(a, b) = self;
        if a == b {
            links_at(log, a).find(|index| holding[*index]).into_iter().collect()
        } else {
            path(log, a, b, holding)
        }
    }
}

/// A case with its cheapest answer so far.
struct Node {
    case: Case,
    witness: Witness,
    /// Nothing is cheaper.
    exact: bool,
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

/// Links that are required to hold, and conjuncts of links (link, conjunct) that are required to fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Edges {
    holding: BTreeSet<usize>,
    failing: BTreeSet<(usize, usize)>,
}

/// A part of what there is to search.
#[derive(Clone, Debug, Default)]
struct Case {
    edges: Edges,
    /// What other cases require to hold, or to fail.
    elsewhere: Edges,
}

/// The most nodes that wait at a time: 100 MiB.
const NODES_MAX: usize = 100_000;

impl<'a> TieSearch<'a> {
    /// A search in `log` for answers to `template`.
    pub(super) fn new(log: &'a Log, template: Question) -> Self {
        TieSearch { log, template, known: BTreeMap::new(), impossible: Vec::new() }
    }

    /// The caller has a proof that nothing answers the template where all of `condition` holds.
    pub(super) fn exclude_holding(&mut self, condition: &Condition) {
        let conjuncts = condition.conjuncts();
        let implies = |of_link: &Condition| {
            let of_link = of_link.conjuncts();
            conjuncts.iter().all(|part| of_link.contains(part))
        };
        let mut shared = SharedConditions::default();
        for (index, link) in self.log.links().iter().enumerate() {
            if shared.ask(link, implies) {
                let holding = BTreeSet::from([index]);
                self.impossible.push(Edges { holding, failing: BTreeSet::new() });
            }
        }
    }

    /// A cheapest answer with the ties that are wanted.
    pub(super) fn find(&mut self, wanted: Wanted, effort: &mut Effort) -> Answer {
        let mut open: BTreeMap<usize, Node> = BTreeMap::new();
        let mut queue: BinaryHeap<Reverse<(u128, usize)>> = BinaryHeap::new();
        let mut best: Option<Witness> = None;
        // The least cost of anything that may have been missed.
        let mut missed: Option<u128> = None;
        let mut miss =
            |at_least: u128| missed = Some(missed.map_or(at_least, |least| least.min(at_least)));
        let mut created = 0;
        let mut cases = vec![self.first_case(wanted)];
        loop {
            for case in cases {
                let (at_least, exact, witness) = match self.ask(wanted, &case.edges, effort) {
                    Answer::Impossible => continue,
                    Answer::Found(witness) => (witness.cost, true, witness),
                    Answer::Undecided { at_least, best: Some(witness) } => {
                        (at_least, false, witness)
                    }
                    Answer::Undecided { at_least, best: None } => {
                        miss(at_least);
                        continue;
                    }
                };
                if self.template.cost.is_none() && self.branch(wanted, &case, &witness).is_none() {
                    return Answer::Found(witness);
                }
                if open.len() >= NODES_MAX {
                    miss(at_least);
                    continue;
                }
                queue.push(Reverse((at_least, created)));
                open.insert(created, Node { case, witness, exact });
                created += 1;
            }
            let Some(Reverse((at_least, id))) = queue.pop() else { break };
            let node = open.remove(&id).expect("what is queued is open");
            match self.branch(wanted, &node.case, &node.witness) {
                Some(parts) => cases = parts,
                None => {
                    best = cheaper(best, Some(node.witness));
                    if node.exact {
                        break;
                    }
                    miss(at_least);
                    cases = Vec::new();
                }
            }
        }
        match (best, missed) {
            (Some(witness), None) => Answer::Found(witness),
            (Some(witness), Some(at_least)) if at_least >= witness.cost => Answer::Found(witness),
            (None, None) => Answer::Impossible,
            (best, Some(at_least)) => Answer::Undecided { at_least, best },
        }
    }

    /// Where the search starts: what must fail for sure does.
    fn first_case(&self, wanted: Wanted) -> Case {
        let mut case = Case::default();
        if let Some((_, Tie(a, b))) = wanted.fail {
            let all_must = |link: &Link| {
                let direct = link.between == (a, b);
                let at_learner = a == b && (link.between.0 == a || link.between.1 == a);
                (direct || at_learner) && link.condition.conjuncts().len() == 1
            };
            let links = self.log.links().iter().enumerate().filter(|(_, link)| all_must(link));
            case.edges.failing.extend(links.map(|(index, _)| (index, 0)));
        }
        case
    }

    /// The template's question with these links.
    fn ask(&mut self, wanted: Wanted, edges: &Edges, effort: &mut Effort) -> Answer {
        // Looking at the links, and through what is known to be impossible.
        let steps = 1 + 4 * self.log.links().len() + self.impossible.len();
        if !effort.take_besides(steps as u64) {
            return Answer::Undecided { at_least: 0, best: None };
        }
        if self.impossible.iter().any(|known| {
            known.holding.is_subset(&edges.holding) && known.failing.is_subset(&edges.failing)
        }) {
            return Answer::Impossible;
        }
        if let Some(answer) = self.known.get(edges) {
            return answer.clone();
        }
        let links = self.log.links();
        let holding: Vec<&Condition> =
            edges.holding.iter().flat_map(|index| links[*index].condition.conjuncts()).collect();
        let failing: Vec<&Condition> = edges
            .failing
            .iter()
            .map(|(index, part)| links[*index].condition.conjuncts()[*part])
            .collect();
        if failing.iter().any(|part| holding.contains(part)) {
            return Answer::Impossible;
        }
        let mut question = self.template.clone();
        if let Some((role, _)) = wanted.hold {
            holding.iter().for_each(|part| require(&mut question, role, (*part).clone()));
        }
        if let Some((role, _)) = wanted.fail {
            failing.iter().for_each(|part| require(&mut question, role, part.dual()));
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
            return Some(self.hold_one(tie, case, &witness.sets[role]));
        }
        if let Some((role, tie)) = wanted.fail {
            let safe = self.log.everyone().difference(&witness.sets[role]);
            let holding = tie.witnesses(self.log, &self.log.holding(&safe));
            if !holding.is_empty() {
                return Some(self.break_one(&holding, case));
            }
        }
        None
    }

    /// One link holds that does not at `safe`: one that leads out of what the tie's first learner reaches there.
    fn hold_one(&self, Tie(start, end): Tie, case: &Case, safe: &AcceptorSet) -> Vec<Case> {
        let links = self.log.links();
        let reached = match start == end {
            true => LearnerSet::from_iter([start]),
            false => reach(self.log, start, &self.log.holding(safe)).0,
        };
        let leads_out = |index: &usize| {
            let (a, b) = links[*index].between;
            (start == end && a == b && a == start) || reached.contains(a) != reached.contains(b)
        };
        let mut rest = case.clone();
        let mut cases = Vec::new();
        for index in (0..links.len()).filter(leads_out) {
            if rest.elsewhere.holding.contains(&index) {
                continue;
            }
            let mut one = rest.clone();
            one.edges.holding.insert(index);
            cases.push(one);
            rest.elsewhere.holding.insert(index);
        }
        cases
    }

    /// One conjunct of one of these links fails.
    fn break_one(&self, holding: &[usize], case: &Case) -> Vec<Case> {
        let mut rest = case.clone();
        let mut cases = Vec::new();
        for index in holding.iter().filter(|index| !case.edges.holding.contains(index)) {
            for part in 0..self.log.links()[*index].condition.conjuncts().len() {
                if rest.elsewhere.failing.contains(&(*index, part)) {
                    continue;
                }
                let mut one = rest.clone();
                one.edges.failing.insert((*index, part));
                cases.push(one);
                rest.elsewhere.failing.insert((*index, part));
            }
        }
        cases
    }
}

/// Adds a requirement, unless it is there.
fn require(question: &mut Question, role: Role, condition: Condition) {
    let known =
        question.requirements.iter().any(|(other, known)| *other == role && **known == condition);
    if !known {
        question.requirements.push((role, Arc::new(condition)));
    }
}

fn cheaper(a: Option<Witness>, b: Option<Witness>) -> Option<Witness> {
    a.into_iter().chain(b).min_by_key(|witness| witness.cost)
}

fn links_at(log: &Log, learner: LearnerId) -> impl Iterator<Item = usize> {
    let links = log.links().iter().enumerate();
    links
        .filter(move |(_, link)| link.between.0 == learner || link.between.1 == learner)
        .map(|(index, _)| index)
}

/// A shortest path from `start` to another learner over links that are `holding`; empty if there is none.
fn path(log: &Log, start: LearnerId, end: LearnerId, holding: &[bool]) -> Vec<usize> {
    let (_, by) = reach(log, start, holding);
    let mut links = Vec::new();
    let mut at = end;
    while let Some(index) = by.get(&at) {
        links.push(*index);
        let (a, b) = log.links()[*index].between;
        at = if a == at { b } else { a };
    }
    links
}

/// What can be reached from `start` over links that are `holding`, breadth first: the learners, `start` included,
/// and for each other one the link by which it was reached.
fn reach(
    log: &Log,
    start: LearnerId,
    holding: &[bool],
) -> (LearnerSet, BTreeMap<LearnerId, usize>) {
    let over: Vec<usize> = (0..log.links().len()).filter(|index| holding[*index]).collect();
    let mut reached = LearnerSet::from_iter([start]);
    let mut by = BTreeMap::new();
    let mut ring = reached;
    while !ring.is_empty() {
        let mut next = LearnerSet::EMPTY;
        for index in &over {
            let (a, b) = log.links()[*index].between;
            let to = match (ring.contains(a), ring.contains(b)) {
                (true, false) => b,
                (false, true) => a,
                _ => continue,
            };
            if !reached.contains(to) && !next.contains(to) {
                next.insert(to);
                by.insert(to, *index);
            }
        }
        reached = reached.union(next);
        ring = next;
    }
    (reached, by)
}
