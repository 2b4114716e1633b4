//! Branch and bound for questions of weighted thresholds: a multiple-choice covering knapsack.
//!
//! Each requirement is a demand, each option of an acceptor contributes to some demands. Acceptors are placed one after
//! the other, the weighty ones first; alike acceptors take their options in order, which removes their symmetry. A node
//! is given up when one demand alone cannot be met any more, or when a Lagrangian bound says so: for multipliers λ ≥ 0,
//! cost ≥ Σ_j λ_j·demand_j + Σ_i min over options (cost − Σ_j λ_j·gain_j). Multipliers are guessed in floating point
//! ([`super::multipliers`]); the bound itself is computed in integers and so is exact whatever the guess.

use super::multipliers::{Bounds, Relaxed};
use super::{Answer, Effort, Question, ROLES_MAX, Role, Witness};
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Threshold, Weight};

/// One acceptor's option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Choice {
    pub cost: u128,
    pub gains: Vec<Weight>,
    roles: u8,
}

/// An acceptor with its options, the preferred one first.
struct Item {
    acceptor: AcceptorId,
    choices: Vec<Choice>,
    like_previous: bool,
}

/// A question in numbers: items[i].choices[o].gains[j] towards demands[j].
struct Search {
    items: Vec<Item>,
    demands: Vec<Weight>,
    /// gains_left[i][j]: what items i.. can contribute to demand j at the most.
    gains_left: Vec<Vec<Weight>>,
    bounds: Bounds,
    best: Option<(u128, Vec<usize>)>,
    /// What the best so far costs: only what costs less counts.
    below: Option<u128>,
    minimise: bool,
}

/// Nodes between two attempts to find multipliers that suit the part of the tree at hand.
const REFINE_NODES: u64 = 2_048;

pub(super) fn solve(question: &Question, effort: &mut Effort) -> Answer {
    effort.begin_question();
    if effort.question_left() == 0 {
        return Answer::Undecided { at_least: 0, best: None };
    }
    let (mut search, steps) = Search::new(question);
    let root_bound = search.bounds.root_bound(&search.demands);
    let done = effort.take(steps) && search.run(effort);
    let best = search.best.as_ref();
    let best = best.map(|(cost, chosen)| Witness { sets: search.sets(chosen), cost: *cost });
    match (done, best) {
        (true, Some(witness)) => Answer::Found(witness),
        (true, None) => Answer::Impossible,
        (false, best) => {
            let at_least = best.as_ref().map_or(root_bound, |witness| root_bound.min(witness.cost));
            Answer::Undecided { at_least, best }
        }
    }
}

/// The acceptors placed so far, with what is left to meet and what it costs; index 0 is before the first.
struct Path {
    chosen: Vec<usize>,
    residuals: Vec<Vec<Weight>>,
    costs: Vec<u128>,
    /// next[depth]: the choice to try next for that item.
    next: Vec<usize>,
}

impl Path {
    fn is_met(&self) -> bool {
        self.residuals[self.chosen.len()].iter().all(|residual| residual.is_zero())
    }

    /// Works out the node that `choice` leads to, without going there.
    fn look_at(&mut self, choice: &Choice) {
        let depth = self.chosen.len();
        let (done, rest) = self.residuals.split_at_mut(depth + 1);
        for ((after, before), gain) in rest[0].iter_mut().zip(&done[depth]).zip(&choice.gains) {
            *after = before.saturating_sub(*gain);
        }
        self.costs[depth + 1] = self.costs[depth] + choice.cost;
    }
}

impl Search {
    /// The question in numbers, with bounds, and the steps that these took.
    fn new(question: &Question) -> (Self, u64) {
        let thresholds: Vec<(Role, &Threshold)> = question
            .requirements
            .iter()
            .map(|(role, condition)| match &**condition {
                Condition::Threshold(threshold) => (*role, threshold),
                _ => unreachable!("only questions of weighted thresholds come here"),
            })
            .collect();
        let demands: Vec<Weight> =
            thresholds.iter().map(|(_, threshold)| threshold.threshold()).collect();
        let placed = question.acceptors.iter();
        let items: Vec<(AcceptorId, Vec<Choice>)> =
            placed.map(|acceptor| (acceptor, choices(question, &thresholds, acceptor))).collect();

        let minimise = question.cost.is_some();
        let relaxed = Relaxed::new(&demands, items.iter().map(|(_, choices)| choices.as_slice()));
        let mut bounds = Bounds::new(relaxed, minimise);
        let steps = bounds.refine(0, &demands, 0, None);
        let order = bounds.order();
        let items = in_order(items, &order, &bounds);
        bounds.reorder(items.iter().map(|item| item.choices.as_slice()), &demands);
        let gains_left = gains_left(&items, demands.len());
        (Search { items, demands, gains_left, bounds, best: None, below: None, minimise }, steps)
    }

    /// Searches everything; false if the effort was spent before.
    fn run(&mut self, effort: &mut Effort) -> bool {
        let step = 1 + self.demands.len() as u64 / 2;
        let end = self.items.len();
        let mut path = Path {
            chosen: Vec::with_capacity(end),
            residuals: vec![self.demands.clone(); end + 1],
            costs: vec![0; end + 1],
            next: vec![0; end + 1],
        };
        let mut since_refined = 0;
        if self.give_up(0, &path.residuals[0], 0) {
            return true;
        }
        loop {
            let depth = path.chosen.len();
            let met = path.is_met();
            if met && self.record(&path.chosen, path.costs[depth]) {
                return true;
            }
            if met || depth == end || path.next[depth] == self.items[depth].choices.len() {
                if path.chosen.pop().is_none() {
                    return true;
                }
                continue;
            }
            if !effort.take(step) {
                return false;
            }
            let choice = path.next[depth];
            path.next[depth] += 1;
            path.look_at(&self.items[depth].choices[choice]);
            let (residual, cost) = (&path.residuals[depth + 1], path.costs[depth + 1]);
            since_refined += 1;
            if self.give_up(depth + 1, residual, cost) {
                continue;
            }
            if since_refined >= REFINE_NODES {
                since_refined = 0;
                let target = self.below.filter(|_| self.minimise);
                if !effort.take(self.bounds.refine(depth + 1, residual, cost, target)) {
                    return false;
                }
            }
            path.chosen.push(choice);
            path.next[depth + 1] = match self.items.get(depth + 1) {
                Some(item) if item.like_previous => choice,
                _ => 0,
            };
        }
    }

    /// Whether no answer that counts lies below this node.
    fn give_up(&mut self, depth: usize, residual: &[Weight], cost: u128) -> bool {
        self.below.is_some_and(|below| cost >= below)
            || residual.iter().zip(&self.gains_left[depth]).any(|(residual, left)| residual > left)
            || self.bounds.exclude(depth, residual, cost, self.below)
    }

    /// A node at which all demands are met; true if nothing better is wanted.
    fn record(&mut self, chosen: &[usize], cost: u128) -> bool {
        if self.below.is_some_and(|below| cost >= below) {
            return false;
        }
        self.below = Some(cost);
        self.best = Some((cost, chosen.to_vec()));
        !self.minimise || cost == 0
    }

    /// The sets of the roles; who was not placed is put where it costs nothing.
    fn sets(&self, chosen: &[usize]) -> [AcceptorSet; ROLES_MAX] {
        let mut sets = [AcceptorSet::EMPTY; ROLES_MAX];
        for (index, item) in self.items.iter().enumerate() {
            let free = || item.choices.iter().find(|choice| choice.cost == 0);
            let choice = match chosen.get(index) {
                Some(choice) => Some(&item.choices[*choice]),
                None => free(),
            };
            let roles = choice.map_or(0, |choice| choice.roles);
            (0..ROLES_MAX)
                .filter(|role| roles >> role & 1 == 1)
                .for_each(|role| sets[role].insert(item.acceptor));
        }
        sets
    }
}

fn choices(
    question: &Question,
    thresholds: &[(Role, &Threshold)],
    acceptor: AcceptorId,
) -> Vec<Choice> {
    let gives = |roles: u8, role: Role| roles >> role & 1 == 1;
    let cost = question.cost.as_ref().map_or(0, |cost| cost[acceptor.index()]);
    let gain = |roles: u8, (role, threshold): &(Role, &Threshold)| {
        if gives(roles, *role) { threshold.weight(acceptor) } else { Weight::ZERO }
    };
    let choice = |roles: &u8| Choice {
        cost: if gives(*roles, 0) { cost } else { 0 },
        gains: thresholds.iter().map(|threshold| gain(*roles, threshold)).collect(),
        roles: *roles,
    };
    question.options.iter().map(choice).collect()
}

/// For each suffix of the items what it can contribute to each demand at the most.
fn gains_left(items: &[Item], demands: usize) -> Vec<Vec<Weight>> {
    let mut suffixes = vec![vec![Weight::ZERO; demands]];
    for item in items.iter().rev() {
        let mut left = suffixes.last().expect("starts with one").clone();
        for (demand, left) in left.iter_mut().enumerate() {
            let gains = item.choices.iter().map(|choice| choice.gains[demand]);
            *left += gains.max().unwrap_or_default();
        }
        suffixes.push(left);
    }
    suffixes.reverse();
    suffixes
}

/// The items in `order`, alike ones side by side, each with its most promising choice first.
fn in_order(items: Vec<(AcceptorId, Vec<Choice>)>, order: &[i128], bounds: &Bounds) -> Vec<Item> {
    let mut ranked: Vec<(i128, Vec<Choice>, AcceptorId)> = items
        .into_iter()
        .enumerate()
        .map(|(index, (acceptor, choices))| {
            (order[index], bounds.preferred_first(index, choices), acceptor)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)).then_with(|| a.2.cmp(&b.2)));
    let mut items: Vec<Item> = Vec::with_capacity(ranked.len());
    for (_, choices, acceptor) in ranked {
        let like_previous = items.last().is_some_and(|previous| previous.choices == choices);
        items.push(Item { acceptor, choices, like_previous });
    }
    items
}
