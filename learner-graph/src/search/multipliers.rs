//! Lagrangian bounds for [`super::weighted`].
//!
//! The numbers are first relaxed to 30 bits: gains and what is left of a demand are rounded up, costs down, so that
//! whatever satisfies the exact question satisfies the relaxed one. Multipliers come from a subgradient ascent in
//! floating point and are rounded to integers; with any multipliers at all the bound is valid, so the floats decide only
//! how good it is. (IEEE addition and multiplication give the same bits everywhere.)

use super::weighted::Choice;
use crate::condition::Weight;

/// Bits of a relaxed gain, demand or cost.
const BITS: usize = 30;
/// One unit of cost in the bounds' fixed-point numbers.
const UNIT: i128 = 1 << 60;
/// The largest sum of multipliers: 2⁸⁶ times a gain of 2³⁰, over 512 acceptors, stays within an `i128`.
const MULTIPLIERS_MAX: f64 = (1u128 << 86) as f64;
/// Multipliers remembered at a time; each costs every node a few nanoseconds.
const POOL: usize = 6;
const ROOT_ITERATIONS: usize = 400;
const NODE_ITERATIONS: usize = 40;

/// The relaxed numbers of a question.
pub(super) struct Relaxed {
    demand_shifts: Vec<usize>,
    cost_shift: usize,
    /// gains[(item · choices + choice) · demands + demand]
    gains: Vec<i128>,
    costs: Vec<i128>,
    choices: usize,
    demands: usize,
}

impl Relaxed {
    pub(super) fn new<'a>(
        demands: &[Weight],
        items: impl Iterator<Item = &'a [Choice]> + Clone,
    ) -> Self {
        let cost_bits = items
            .clone()
            .flatten()
            .map(|choice| 128 - choice.cost.leading_zeros() as usize)
            .max()
            .unwrap_or(0);
        let mut relaxed = Relaxed {
            demand_shifts: demands
                .iter()
                .map(|demand| demand.bit_len().saturating_sub(BITS))
                .collect(),
            cost_shift: cost_bits.saturating_sub(BITS),
            gains: Vec::new(),
            costs: Vec::new(),
            choices: 0,
            demands: demands.len(),
        };
        relaxed.fill(items);
        relaxed
    }

    fn fill<'a>(&mut self, items: impl Iterator<Item = &'a [Choice]>) {
        self.gains.clear();
        self.costs.clear();
        for item in items {
            self.choices = item.len();
            for choice in item {
                self.costs.push((choice.cost >> self.cost_shift) as i128);
                for (demand, gain) in choice.gains.iter().enumerate() {
                    let gain = self.round_up(demand, *gain);
                    self.gains.push(gain);
                }
            }
        }
    }

    fn items(&self) -> usize {
        self.costs.len().checked_div(self.choices).unwrap_or(0)
    }

    fn round_up(&self, demand: usize, weight: Weight) -> i128 {
        let shift = self.demand_shifts[demand];
        let low = weight & ((Weight::from(1u64) << shift) - Weight::from(1u64));
        (weight >> shift).to::<i128>() + i128::from(!low.is_zero())
    }
}

/// Multipliers, one for each demand, with the bound that they give for each suffix of the items.
struct Multipliers {
    lambda: Vec<i128>,
    guess: Vec<f64>,
    /// suffix[i] = Σ over items i.. of the least (cost − Σ_j λ_j·gain_j) of a choice.
    suffix: Vec<i128>,
}

/// A pool of multipliers for one question.
pub(super) struct Bounds {
    relaxed: Relaxed,
    /// The relaxed gains as parts of the whole demand.
    parts: Vec<f64>,
    wholes: Vec<f64>,
    pool: Vec<Multipliers>,
    oldest: usize,
    minimise: bool,
}

impl Bounds {
    pub(super) fn new(relaxed: Relaxed, minimise: bool) -> Self {
        Bounds {
            relaxed,
            parts: Vec::new(),
            wholes: Vec::new(),
            pool: Vec::new(),
            oldest: 1,
            minimise,
        }
    }

    /// Whether no answer below a node costs less than `below`, or none is there at all. The items from `depth` on are
    /// open; `residual` is what is left of the demands, `cost` what the placed items cost.
    pub(super) fn exclude(
        &self,
        depth: usize,
        residual: &[Weight],
        cost: u128,
        below: Option<u128>,
    ) -> bool {
        let affordable = match (self.minimise, below) {
            (false, _) => 0,
            (true, None) => return false,
            (true, Some(below)) => (below - 1) >> self.relaxed.cost_shift,
        };
        let Ok(affordable) = i128::try_from(affordable) else { return false };
        if affordable > 1 << 60 {
            return false;
        }
        self.pool
            .iter()
            .any(|multipliers| self.bound(multipliers, depth, residual, cost) > affordable * UNIT)
    }

    /// A lower bound on the cost of any answer.
    pub(super) fn root_bound(&self, demands: &[Weight]) -> u128 {
        let bounds = self.pool.iter().map(|multipliers| self.bound(multipliers, 0, demands, 0));
        let bound = bounds.max().unwrap_or(0).max(0);
        ((bound + UNIT - 1) / UNIT).unsigned_abs() << self.relaxed.cost_shift
    }

    /// How much each item matters: the most that one of its choices is worth at the root's multipliers.
    pub(super) fn order(&self) -> Vec<i128> {
        let zero = vec![0; self.relaxed.demands];
        let lambda = self.pool.first().map_or(&zero, |multipliers| &multipliers.lambda);
        let worth = |item: usize| {
            (0..self.relaxed.choices).map(move |choice| self.worth(lambda, item, choice)).max()
        };
        (0..self.relaxed.items()).map(|item| worth(item).unwrap_or(0)).collect()
    }

    /// The choices of `item`, the cheapest at the root's multipliers first.
    pub(super) fn preferred_first(&self, item: usize, choices: Vec<Choice>) -> Vec<Choice> {
        let Some(root) = self.pool.first() else { return choices };
        let mut ranked: Vec<(i128, Choice)> = choices
            .into_iter()
            .enumerate()
            .map(|(index, choice)| (self.reduced_cost(&root.lambda, item, index), choice))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, choice)| choice).collect()
    }

    /// The items and their choices are in another order now.
    pub(super) fn reorder<'a>(
        &mut self,
        items: impl Iterator<Item = &'a [Choice]>,
        demands: &[Weight],
    ) {
        self.relaxed.fill(items);
        self.prepare_parts(demands);
        for index in 0..self.pool.len() {
            let suffix = self.suffix(&self.pool[index].lambda);
            self.pool[index].suffix = suffix;
        }
    }

    /// Looks for multipliers that suit the node, and remembers them; returns the steps taken.
    pub(super) fn refine(
        &mut self,
        depth: usize,
        residual: &[Weight],
        cost: u128,
        below: Option<u128>,
    ) -> u64 {
        if self.relaxed.demands == 0 || self.relaxed.items() == 0 {
            return 1;
        }
        if self.wholes.is_empty() {
            self.prepare_parts(residual);
        }
        let root = self.pool.is_empty();
        let open: Vec<f64> = residual
            .iter()
            .enumerate()
            .map(|(demand, residual)| {
                self.relaxed.round_up(demand, *residual) as f64 / self.wholes[demand]
            })
            .collect();
        if root && self.minimise {
            let single = self.best_single();
            self.remember(single);
        }
        let start = self
            .pool
            .last()
            .map_or_else(|| self.first_guess(), |multipliers| multipliers.guess.clone());
        let target = below.map(|below| {
            ((below - 1) >> self.relaxed.cost_shift) as f64
                - (cost >> self.relaxed.cost_shift) as f64
        });
        let iterations = if root { ROOT_ITERATIONS } else { NODE_ITERATIONS };
        let (guess, used) = self.ascend(depth, &open, start, target, iterations);
        self.remember(guess);
        let open_items = self.relaxed.items() - depth;
        1 + (used * open_items * self.relaxed.choices * self.relaxed.demands / 128) as u64
    }

    fn remember(&mut self, guess: Vec<f64>) {
        let most = MULTIPLIERS_MAX / guess.len().max(1) as f64;
        let lambda: Vec<i128> = guess
            .iter()
            .zip(&self.wholes)
            .map(|(guess, whole)| (guess / whole * UNIT as f64).clamp(0.0, most).round() as i128)
            .collect();
        let suffix = self.suffix(&lambda);
        let multipliers = Multipliers { lambda, guess, suffix };
        if self.pool.len() < POOL {
            self.pool.push(multipliers);
        } else {
            self.pool[self.oldest] = multipliers;
            self.oldest = 1 + self.oldest % (POOL - 1);
        }
    }

    fn bound(
        &self,
        multipliers: &Multipliers,
        depth: usize,
        residual: &[Weight],
        cost: u128,
    ) -> i128 {
        let demanded: i128 = residual
            .iter()
            .zip(&multipliers.lambda)
            .enumerate()
            .filter(|(_, (_, lambda))| **lambda != 0)
            .map(|(demand, (residual, lambda))| lambda * self.relaxed.round_up(demand, *residual))
            .sum();
        (cost >> self.relaxed.cost_shift) as i128 * UNIT + demanded + multipliers.suffix[depth]
    }

    fn worth(&self, lambda: &[i128], item: usize, choice: usize) -> i128 {
        let start = (item * self.relaxed.choices + choice) * self.relaxed.demands;
        let gains = &self.relaxed.gains[start..start + self.relaxed.demands];
        gains.iter().zip(lambda).map(|(gain, lambda)| gain * lambda).sum()
    }

    fn reduced_cost(&self, lambda: &[i128], item: usize, choice: usize) -> i128 {
        self.relaxed.costs[item * self.relaxed.choices + choice] * UNIT
            - self.worth(lambda, item, choice)
    }

    fn suffix(&self, lambda: &[i128]) -> Vec<i128> {
        let mut suffix = vec![0; self.relaxed.items() + 1];
        for item in (0..self.relaxed.items()).rev() {
            let least = (0..self.relaxed.choices)
                .map(|choice| self.reduced_cost(lambda, item, choice))
                .min();
            suffix[item] = suffix[item + 1] + least.unwrap_or(0);
        }
        suffix
    }

    fn prepare_parts(&mut self, demands: &[Weight]) {
        self.wholes = demands
            .iter()
            .enumerate()
            .map(|(demand, whole)| (self.relaxed.round_up(demand, *whole) as f64).max(1.0))
            .collect();
        let demands = self.relaxed.demands;
        self.parts = self
            .relaxed
            .gains
            .iter()
            .enumerate()
            .map(|(i, gain)| *gain as f64 / self.wholes[i % demands])
            .collect();
    }

    /// Where the ascent starts where nothing costs: all demands alike.
    fn first_guess(&self) -> Vec<f64> {
        vec![1.0 / self.relaxed.demands as f64; self.relaxed.demands]
    }

    /// The best multipliers of which only one is not 0: the price per part at which a fractional purchase, the best
    /// bargains first, meets that demand. Where one demand decides, no ascent comes as close.
    fn best_single(&self) -> Vec<f64> {
        let demands = self.relaxed.demands;
        let single = |demand: usize| {
            let mut bargains: Vec<(f64, f64)> = (0..self.relaxed.costs.len())
                .map(|choice| {
                    (self.relaxed.costs[choice] as f64, self.parts[choice * demands + demand])
                })
                .filter(|(_, gain)| *gain > 0.0)
                .collect();
            bargains.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
            let mut missing = 1.0;
            let price = bargains.iter().find_map(|(cost, gain)| {
                missing -= gain;
                (missing <= 0.0).then(|| cost / gain)
            });
            let mut lambda = vec![0.0; demands];
            lambda[demand] =
                price.or(bargains.last().map(|(cost, gain)| cost / gain)).unwrap_or(0.0);
            lambda
        };
        let open = vec![1.0; demands];
        let value = |lambda: &Vec<f64>| self.lagrangian(0, &open, lambda).0;
        let singles = (0..demands).map(single);
        singles.max_by(|a, b| value(a).total_cmp(&value(b))).unwrap_or_default()
    }

    /// Subgradient ascent on the Lagrangian dual of the open items, with a level that is lowered when it seems out of
    /// reach. Returns the best multipliers met, per part of a demand, and the iterations used.
    fn ascend(
        &self,
        depth: usize,
        open: &[f64],
        start: Vec<f64>,
        target: Option<f64>,
        iterations: usize,
    ) -> (Vec<f64>, usize) {
        let mut lambda = start;
        let mut best = (f64::NEG_INFINITY, lambda.clone());
        let mut gap = if self.minimise {
            self.lagrangian(depth, open, &lambda).0.abs().max(1.0) * 0.2
        } else {
            0.1
        };
        let mut stale = 0;
        for iteration in 0..iterations {
            let (value, slope) = self.lagrangian(depth, open, &lambda);
            if value > best.0 {
                stale = if value > best.0 + gap * 0.1 { 0 } else { stale + 1 };
                best = (value, lambda.clone());
            } else {
                stale += 1;
            }
            let enough =
                if self.minimise { target.is_some_and(|t| value > t + 1e-6) } else { value > 1e-6 };
            let norm: f64 = slope.iter().map(|s| s * s).sum();
            if enough || norm < 1e-18 {
                return (best.1, iteration + 1);
            }
            if stale >= 12 {
                stale = 0;
                gap /= 2.0;
                lambda.clone_from(&best.1);
                continue;
            }
            let step = (best.0 + gap - value) / norm;
            for (lambda, slope) in lambda.iter_mut().zip(&slope) {
                *lambda = (*lambda + step * slope).max(0.0);
            }
            if !self.minimise {
                let sum: f64 = lambda.iter().sum();
                if sum <= 0.0 {
                    lambda.clone_from(&best.1);
                } else {
                    lambda.iter_mut().for_each(|lambda| *lambda /= sum);
                }
            }
        }
        (best.1, iterations)
    }

    fn lagrangian(&self, depth: usize, open: &[f64], lambda: &[f64]) -> (f64, Vec<f64>) {
        let (choices, demands) = (self.relaxed.choices, self.relaxed.demands);
        let mut slope = open.to_vec();
        let mut value: f64 = open.iter().zip(lambda).map(|(open, lambda)| open * lambda).sum();
        for item in depth..self.relaxed.items() {
            let mut least = (f64::INFINITY, 0);
            for choice in 0..choices {
                let start = (item * choices + choice) * demands;
                let worth: f64 = self.parts[start..start + demands]
                    .iter()
                    .zip(lambda)
                    .map(|(gain, lambda)| gain * lambda)
                    .sum();
                let reduced = self.relaxed.costs[item * choices + choice] as f64 - worth;
                if reduced < least.0 {
                    least = (reduced, start);
                }
            }
            value += least.0;
            for (slope, gain) in slope.iter_mut().zip(&self.parts[least.1..least.1 + demands]) {
                *slope -= gain;
            }
        }
        (value, slope)
    }
}
