//! Nested and listed conditions, by a SAT solver (RustSAT with BatSat), minimised from above.
//!
//! One variable for each acceptor and role. Since conditions are monotone, a condition's literal need only imply it.
//! Counts are encoded by totalizers, weighted sums by adders.

use super::{Answer, Effort, Question, ROLES_MAX, Witness, adder};
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Weight};
use rustsat::clause;
use rustsat::encodings::card::{BoundLower, Totalizer};
use rustsat::instances::{BasicVarManager, ManageVars};
use rustsat::solvers::{Solve, SolverResult};
use rustsat::types::{Clause, Lit, TernaryVal};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Steps that one decision of the solver counts for.
const DECISION_STEPS: u64 = 4;
/// Variables and clauses beyond which a question is too large to write down: some 2 GiB.
const CLAUSES_MAX: usize = 20_000_000;

pub(super) fn solve(question: &Question, effort: &mut Effort) -> Answer {
    effort.begin_question();
    if effort.question_left() == 0 {
        return Answer::Undecided { at_least: 0, best: None };
    }
    let mut encoding = Encoding::new(question);
    for (role, condition) in &question.requirements {
        let holds = encoding.holds(condition, *role);
        encoding.clauses.push(clause![holds]);
    }
    if !effort.take(1 + encoding.clauses.len() as u64 / 16) || encoding.clauses.len() > CLAUSES_MAX
    {
        return Answer::Undecided { at_least: at_least(question), best: None };
    }
    let mut solver = rustsat_batsat::Solver::<Decisions>::default();
    let mut best: Option<Witness> = None;
    loop {
        if !feed(&mut solver, &mut encoding, effort) {
            return Answer::Undecided { at_least: at_least(question), best };
        }
        match search(&mut solver, effort) {
            SolverResult::Interrupted => {
                return Answer::Undecided { at_least: at_least(question), best };
            }
            SolverResult::Unsat => return best.map_or(Answer::Impossible, Answer::Found),
            SolverResult::Sat => {
                let witness = without_waste(question, encoding.witness(&solver, question));
                if question.cost.is_none() || witness.cost == 0 {
                    return Answer::Found(witness);
                }
                encoding.require_cost_below(question, witness.cost);
                best = Some(witness);
            }
        }
    }
}

/// What any answer costs, as far as is plain to see: if the empty set of role 0 will not do, its cheapest member.
fn at_least(question: &Question) -> u128 {
    let Some(cost) = &question.cost else { return 0 };
    let nobody = AcceptorSet::EMPTY;
    if question.requirements.iter().all(|(role, condition)| *role != 0 || condition.holds(&nobody))
    {
        return 0;
    }
    question.acceptors.iter().map(|acceptor| cost[acceptor.index()]).min().unwrap_or(0)
}

fn feed(
    solver: &mut rustsat_batsat::Solver<Decisions>,
    encoding: &mut Encoding,
    effort: &mut Effort,
) -> bool {
    let clauses = std::mem::take(&mut encoding.clauses);
    let steps = 1 + clauses.len() as u64 / 16;
    for clause in clauses {
        solver.add_clause(clause).expect("BatSat takes every clause");
    }
    effort.take(steps)
}

fn search(solver: &mut rustsat_batsat::Solver<Decisions>, effort: &mut Effort) -> SolverResult {
    // In slices, so that progress is shown; BatSat keeps what it learnt.
    const SLICE: u64 = 1 << 16;
    loop {
        let slice = SLICE.min(effort.question_left() / DECISION_STEPS);
        if slice == 0 {
            return SolverResult::Interrupted;
        }
        solver.batsat_mut().cb_mut().left.set(slice);
        let result = solver.solve().expect("BatSat does not fail");
        let used = slice - solver.batsat_mut().cb_mut().left.get();
        let in_time = effort.take(used.max(1) * DECISION_STEPS);
        if result != SolverResult::Interrupted || !in_time {
            return result;
        }
    }
}

/// Counts the solver's decisions down and stops it at 0: a clock would not be deterministic.
#[derive(Default)]
struct Decisions {
    left: Cell<u64>,
}

impl batsat::Callbacks for Decisions {
    fn stop(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left == 0
    }
}

struct Encoding {
    vars: BasicVarManager,
    clauses: Vec<Clause>,
    members: [BTreeMap<AcceptorId, Lit>; ROLES_MAX],
}

impl Encoding {
    fn new(question: &Question) -> Self {
        let mut encoding = Encoding {
            vars: BasicVarManager::default(),
            clauses: Vec::new(),
            members: std::array::from_fn(|_| BTreeMap::new()),
        };
        let roles = question.options.iter().fold(0, |all, option| all | option);
        for acceptor in question.acceptors.iter() {
            for role in (0..ROLES_MAX).filter(|role| roles >> role & 1 == 1) {
                let lit = encoding.vars.new_lit();
                encoding.members[role].insert(acceptor, lit);
            }
            encoding.forbid_what_no_option_gives(question, acceptor, roles);
        }
        encoding
    }

    fn forbid_what_no_option_gives(
        &mut self,
        question: &Question,
        acceptor: AcceptorId,
        roles: u8,
    ) {
        let given =
            |combination: u8| question.options.iter().any(|option| combination & !option == 0);
        let minimal = |combination: u8| {
            (0..ROLES_MAX)
                .map(|role| 1 << role)
                .filter(|bit| combination & bit != 0)
                .all(|bit| given(combination & !bit))
        };
        for combination in (1..=roles).filter(|combination| combination & !roles == 0) {
            if !given(combination) && minimal(combination) {
                let members = (0..ROLES_MAX).filter(|role| combination >> role & 1 == 1);
                self.clauses.push(members.map(|role| !self.members[role][&acceptor]).collect());
            }
        }
    }

    /// A literal that implies that `condition` holds at the set of `role`.
    fn holds(&mut self, condition: &Condition, role: usize) -> Lit {
        match condition {
            Condition::Threshold(threshold) => {
                let inputs: Vec<(Lit, Weight)> = threshold
                    .members()
                    .iter()
                    .filter_map(|acceptor| {
                        Some((*self.members[role].get(&acceptor)?, threshold.weight(acceptor)))
                    })
                    .collect();
                self.sum_at_least(threshold.threshold(), &inputs)
            }
            Condition::AtLeast { at_least, of } => {
                let one = Weight::from(1u64);
                let parts: Vec<(Lit, Weight)> =
                    of.iter().map(|part| (self.holds(part, role), one)).collect();
                self.sum_at_least(Weight::from(*at_least), &parts)
            }
            Condition::Meets(meets) => {
                let result = self.vars.new_lit();
                for set in meets.intersections() {
                    let mut clause: Clause = set
                        .iter()
                        .filter_map(|acceptor| self.members[role].get(&acceptor).copied())
                        .collect();
                    clause.add(!result);
                    self.clauses.push(clause);
                }
                result
            }
        }
    }

    /// A literal that implies that the true inputs weigh at least `threshold`.
    fn sum_at_least(&mut self, threshold: Weight, inputs: &[(Lit, Weight)]) -> Lit {
        let result = self.vars.new_lit();
        let total = inputs.iter().fold(Weight::ZERO, |total, (_, weight)| total + weight);
        let counts = inputs.iter().all(|(_, weight)| *weight == Weight::from(1u64));
        if threshold.is_zero() {
            return result;
        } else if threshold > total {
            self.clauses.push(clause![!result]);
        } else if threshold == total {
            self.clauses.extend(inputs.iter().map(|(input, _)| clause![!result, *input]));
        } else if counts && threshold == Weight::from(1u64) {
            let mut clause: Clause = inputs.iter().map(|(input, _)| *input).collect();
            clause.add(!result);
            self.clauses.push(clause);
        } else if counts {
            let count = threshold.to::<usize>();
            let mut totalizer: Totalizer = inputs.iter().map(|(input, _)| *input).collect();
            let mut collected = rustsat::instances::Cnf::new();
            totalizer
                .encode_lb(count..=count, &mut collected, &mut self.vars)
                .expect("memory suffices");
            self.clauses.extend(collected);
            let enforced = totalizer.enforce_lb(count).expect("this bound was encoded");
            self.clauses.extend(enforced.into_iter().map(|lit| clause![!result, lit]));
        } else {
            let sum = adder::at_least(threshold, inputs, &mut self.vars, &mut self.clauses);
            self.clauses.push(clause![!result, sum]);
        }
        result
    }

    /// Σ cost over the set of role 0 < `below`, as: those outside weigh more than the total minus `below`.
    fn require_cost_below(&mut self, question: &Question, below: u128) {
        let Some(cost) = &question.cost else { return };
        let outside: Vec<(Lit, Weight)> = self.members[0]
            .iter()
            .map(|(acceptor, lit)| (!*lit, Weight::from(cost[acceptor.index()])))
            .filter(|(_, weight)| !weight.is_zero())
            .collect();
        let total = outside.iter().fold(Weight::ZERO, |total, (_, weight)| total + weight);
        let at_least = (total + Weight::from(1u64)).saturating_sub(Weight::from(below));
        let holds = self.sum_at_least(at_least, &outside);
        self.clauses.push(clause![holds]);
    }

    fn witness(&self, solver: &rustsat_batsat::Solver<Decisions>, question: &Question) -> Witness {
        let is_true =
            |lit: &Lit| solver.lit_val(*lit).expect("the solver has a model") == TernaryVal::True;
        let mut sets = [AcceptorSet::EMPTY; ROLES_MAX];
        for acceptor in question.acceptors.iter() {
            let lit = |role: &usize| self.members[*role].get(&acceptor);
            let roles = (0..ROLES_MAX).filter(|role| lit(role).is_some_and(is_true));
            let roles = roles.fold(0u8, |roles, role| roles | 1 << role);
            let option = question.options.iter().find(|option| roles & !**option == 0);
            let option = option.expect("the clauses forbid what no option gives");
            (0..ROLES_MAX)
                .filter(|role| option >> role & 1 == 1)
                .for_each(|role| sets[role].insert(acceptor));
        }
        let mut witness = Witness { sets, cost: 0 };
        witness.cost = question.cost_of(&witness.sets[0]);
        witness
    }
}

/// The witness without acceptors of role 0, the dearest first, that cost something and that no condition needs.
fn without_waste(question: &Question, mut witness: Witness) -> Witness {
    let Some(cost) = &question.cost else { return witness };
    let mut members: Vec<AcceptorId> = witness.sets[0].iter().collect();
    members.sort_by_key(|acceptor| std::cmp::Reverse(cost[acceptor.index()]));
    for acceptor in members {
        let mut fewer = witness.sets[0];
        fewer.remove(acceptor);
        let needed = question
            .requirements
            .iter()
            .any(|(role, condition)| *role == 0 && !condition.holds(&fewer));
        if !needed {
            witness.sets[0] = fewer;
        }
    }
    witness.cost = question.cost_of(&witness.sets[0]);
    witness
}
