//! Exact search for sets of acceptors.
//!
//! Every question of the analysis has one form: give each acceptor one of a few *options*, each of which puts it into
//! some of up to three sets (*roles*), so that each of a list of conditions holds at its role's set, and the cost is
//! least. For instance "is there a quorum A of red and B of blue, with everyone outside A ∩ B a safe set?": roles A, B
//! and H, options {A, B}, {A, H}, {B, H}.
//!
//! What has a closed form needs no search. Questions of weighted thresholds only go to branch and bound with Lagrangian
//! bounds: SAT encodings of skewed weights are pigeonhole-like and slow. Nested and listed conditions go to a SAT solver.
//! Both count their steps against an [`Effort`] and say what they did settle when it is spent.

mod adder;
mod closed_form;
mod effort;
mod multipliers;
mod sat;
mod weighted;

pub use effort::{Effort, Progress};

use crate::acceptor_set::AcceptorSet;
use crate::condition::Condition;
use std::sync::Arc;

/// A set that the search chooses: its index among the question's roles.
pub type Role = usize;

/// The most roles that a question has.
pub const ROLES_MAX: usize = 3;

/// A question; see the module's text.
#[derive(Clone, Debug)]
pub struct Question {
    /// The acceptors to place; everybody else is in no set.
    pub acceptors: AcceptorSet,
    /// For each option the roles that it gives, as a bit set. Membership beyond an option's is never needed.
    pub options: &'static [u8],
    /// The conditions, each with the role at whose set it must hold.
    pub requirements: Vec<(Role, Arc<Condition>)>,
    /// What it costs that an acceptor, by index, is in the set of role 0; none: any answer will do.
    pub cost: Option<Arc<Vec<u128>>>,
}

/// Sets that satisfy a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The set of each role.
    pub sets: [AcceptorSet; ROLES_MAX],
    /// What it costs; 0 where nothing costs.
    pub cost: u128,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A cheapest one.
    Found(Witness),
    /// There is none.
    Impossible,
    /// The effort was spent.
    Undecided {
        /// Nothing costs less.
        at_least: u128,
        /// The cheapest that was found.
        best: Option<Witness>,
    },
}

/// Answers `question`.
pub fn solve(question: &Question, effort: &mut Effort) -> Answer {
    let all_weighted = question
        .requirements
        .iter()
        .all(|(_, condition)| matches!(**condition, Condition::Threshold(_)));
    let answer = match closed_form::solve(question) {
        Some(witness) => Answer::Found(witness),
        None if all_weighted => weighted::solve(question, effort),
        None => sat::solve(question, effort),
    };
    if let Answer::Found(witness) | Answer::Undecided { best: Some(witness), .. } = &answer {
        assert!(question.is_satisfied_by(witness), "what a search finds satisfies the question");
    }
    answer
}

impl Question {
    fn is_satisfied_by(&self, witness: &Witness) -> bool {
        let allowed = self.acceptors.iter().all(|acceptor| {
            let roles = (0..ROLES_MAX).filter(|role| witness.sets[*role].contains(acceptor));
            let roles = roles.fold(0u8, |roles, role| roles | 1 << role);
            self.options.iter().any(|option| roles & !option == 0)
        });
        allowed
            && self
                .requirements
                .iter()
                .all(|(role, condition)| condition.holds(&witness.sets[*role]))
            && self.cost_of(&witness.sets[0]) == witness.cost
    }

    fn cost_of(&self, set: &AcceptorSet) -> u128 {
        self.cost.as_ref().map_or(0, |cost| set.iter().map(|acceptor| cost[acceptor.index()]).sum())
    }
}
