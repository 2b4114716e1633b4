//! Branch and bound for questions of weighted thresholds: a multiple-choice covering knapsack.
//!
//! Each requirement is a demand, each option of an acceptor contributes to some demands. Acceptors are placed one after
//! the other, the weighty ones first; alike acceptors take their options in order, which removes their symmetry. A node
//! is given up when one demand alone cannot be met any more, or when a Lagrangian bound says so: for multipliers λ ≥ 0,
//! cost ≥ Σ_j λ_j·demand_j + Σ_i min over options (cost − Σ_j λ_j·gain_j). Multipliers are guessed in floating point
//! ([`super::multipliers`]); the bound itself is computed in integers and so is exact whatever the guess.

use super::multipliers::{Bounds, Relaxed};
use super::{Answer, Effort, Question, ROLES_MAX, Witness};
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Weight};

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
    /// Only what costs less counts.
    below: u128,
    minimise: bool,
}

/// Nodes between two attempts to find multipliers that suit the part of the tree at hand.
const REFINE_NODES: u64 = 2_048;

pub(super) fn solve(question: &Question, effort: &mut Effort) -> Answer {
    effort.begin_question();
    let mut search = Search::new(question);
    let root_bound = search.bounds.root_bound(&search.demands);
    let done = search.run(effort);
    let best = search
        .best
        .as_ref()
        .map(|(cost, chosen)| Witness { sets: search.sets(chosen), cost: *cost });
    match (done, best) {
        (true, Some(witness)) => Answer::Found(witness),
        (true, None) => Answer::Impossible,
        (false, best) => {
            let at_least = best.as_ref().map_or(root_bound, |witness| root_bound.min(witness.cost));
            Answer::Undecided { at_least, best }
        }
    }
}

impl Search {
    fn new(question: &Question) -> Self {
        let thresholds: Vec<_> = question
            .requirements
            .iter()
            .map(|(role, condition)| match &**condition {
                Condition::Threshold(threshold) => (*role, threshold),
                _ => unreachable!("only questions of weighted thresholds come here"),
            })
            .collect();
        let demands: Vec<Weight> =
            thresholds.iter().map(|(_, threshold)| threshold.threshold()).collect();
        let items: Vec<(AcceptorId, Vec<Choice>)> = question
            .acceptors
            .iter()
            .map(|acceptor| {
                let choices = question.options.iter().map(|roles| Choice {
                    cost: match &question.cost {
                        Some(cost) if roles & 1 == 1 => cost[acceptor.index()],
                        _ => 0,
                    },
                    gains: thresholds
                        .iter()
                        .map(|(role, threshold)| match roles >> role & 1 {
                            1 => threshold.weight(acceptor),
                            _ => Weight::ZERO,
                        })
                        .collect(),
                    roles: *roles,
                });
                (acceptor, choices.collect())
            })
            .collect();

        let below = question.below.unwrap_or(u128::MAX);
        let relaxed = Relaxed::new(&demands, items.iter().map(|(_, choices)| choices.as_slice()));
        let mut bounds = Bounds::new(relaxed, question.cost.is_some());
        let target = if question.cost.is_some() { Some(below) } else { None };
        bounds.refine(0, &demands, 0, target);
        let order = bounds.order();
        let items = in_order(items, &order, &bounds);
        bounds.reorder(items.iter().map(|item| item.choices.as_slice()), &demands);

        let mut gains_left = vec![vec![Weight::ZERO; demands.len()]];
        for item in items.iter().rev() {
            let mut left = gains_left.last().expect("starts with one").clone();
            for (demand, left) in left.iter_mut().enumerate() {
                *left += item
                    .choices
                    .iter()
                    .map(|choice| choice.gains[demand])
                    .max()
                    .unwrap_or_default();
            }
            gains_left.push(left);
        }
        gains_left.reverse();
        Search {
            items,
            demands,
            gains_left,
            bounds,
            best: None,
            below,
            minimise: question.cost.is_some(),
        }
    }

    /// Searches everything; false if the effort was spent before.
    fn run(&mut self, effort: &mut Effort) -> bool {
        let step = 1 + self.demands.len() as u64 / 2;
        let depth_max = self.items.len();
        let mut residuals = vec![self.demands.clone(); depth_max + 1];
        let mut costs = vec![0u128; depth_max + 1];
        let mut chosen: Vec<usize> = Vec::with_capacity(depth_max);
        let mut since_refined = 0;
        // next[depth]: the choice to try next for that item.
        let mut next = vec![0usize; depth_max + 1];
        if self.give_up(0, &residuals[0], 0) {
            return true;
        }
        loop {
            let depth = chosen.len();
            if residuals[depth].iter().all(|residual| residual.is_zero())
                && self.record(&chosen, costs[depth])
            {
                return true;
            }
            let exhausted = depth == depth_max || next[depth] == self.items[depth].choices.len();
            if exhausted || residuals[depth].iter().all(|residual| residual.is_zero()) {
                if chosen.pop().is_none() {
                    return true;
                }
                continue;
            }
            if !effort.take(step) {
                return false;
            }
            let choice = next[depth];
            next[depth] += 1;
            let (done, rest) = residuals.split_at_mut(depth + 1);
            let gains = &self.items[depth].choices[choice].gains;
            for ((after, before), gain) in rest[0].iter_mut().zip(&done[depth]).zip(gains) {
                *after = before.saturating_sub(*gain);
            }
            costs[depth + 1] = costs[depth] + self.items[depth].choices[choice].cost;
            since_refined += 1;
            if self.give_up(depth + 1, &residuals[depth + 1], costs[depth + 1]) {
                continue;
            }
            if since_refined >= REFINE_NODES {
                since_refined = 0;
                let target = self.minimise.then_some(self.below);
                let steps =
                    self.bounds.refine(depth + 1, &residuals[depth + 1], costs[depth + 1], target);
                if !effort.take(steps) {
                    return false;
                }
            }
            chosen.push(choice);
            next[depth + 1] = match self.items.get(depth + 1) {
                Some(item) if item.like_previous => choice,
                _ => 0,
            };
        }
    }

    /// Whether no answer that counts lies below this node.
    fn give_up(&mut self, depth: usize, residual: &[Weight], cost: u128) -> bool {
        cost >= self.below
            || residual.iter().zip(&self.gains_left[depth]).any(|(residual, left)| residual > left)
            || self.bounds.exclude(depth, residual, cost, self.below)
    }

    /// A node at which all demands are met; true if nothing better is wanted.
    fn record(&mut self, chosen: &[usize], cost: u128) -> bool {
        if cost >= self.below {
            return false;
        }
        self.below = cost;
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
