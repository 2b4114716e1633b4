//! Weighted sums for the SAT solver, by binary adders: any width, linear size.
//!
//! RustSAT's pseudo-Boolean encodings take machine-word weights; stakes and their products have up to 256 bits.

use crate::condition::Weight;
use rustsat::clause;
use rustsat::instances::{BasicVarManager, ManageVars};
use rustsat::types::{Clause, Lit};

/// Clauses that make "the weights of the true inputs sum to at least `threshold`" follow from the returned literal.
/// `threshold` is at least 1 and at most the sum of the weights.
pub(super) fn at_least(
    threshold: Weight,
    inputs: &[(Lit, Weight)],
    vars: &mut BasicVarManager,
    clauses: &mut Vec<Clause>,
) -> Lit {
    let sum = sum_bits(inputs, vars, clauses);
    // From the top: where the threshold has a 1 the sum has a 1, or has been above it further up.
    let width = sum.len().max(threshold.bit_len());
    let mut above_or_equal: Option<Lit> = None;
    for position in 0..width {
        let bit = sum.get(position).copied().flatten();
        let result = vars.new_lit();
        // `lower`: whether what lies below this position is at least the threshold's part there; none: it is.
        let lower = above_or_equal;
        match (threshold.bit(position), bit) {
            // 1 against 1: decided below. 1 against 0: less.
            (true, Some(bit)) => {
                clauses.push(clause![!result, bit]);
                if let Some(lower) = lower {
                    clauses.push(clause![!result, lower]);
                }
            }
            (true, None) => clauses.push(clause![!result]),
            // 0 against 1: more. 0 against 0: decided below.
            (false, Some(bit)) => match lower {
                Some(lower) => clauses.push(clause![!result, bit, lower]),
                None => continue,
            },
            (false, None) => match lower {
                Some(lower) => clauses.push(clause![!result, lower]),
                None => continue,
            },
        }
        above_or_equal = Some(result);
    }
    above_or_equal.expect("the threshold is not 0, so some position decides")
}

/// The binary digits of the sum, lowest first; none for a digit that is always 0.
fn sum_bits(
    inputs: &[(Lit, Weight)],
    vars: &mut BasicVarManager,
    clauses: &mut Vec<Clause>,
) -> Vec<Option<Lit>> {
    let width = inputs.iter().map(|(_, weight)| weight.bit_len()).max().unwrap_or(0);
    let mut columns: Vec<Vec<Lit>> = vec![Vec::new(); width];
    for (lit, weight) in inputs {
        (0..weight.bit_len())
            .filter(|bit| weight.bit(*bit))
            .for_each(|bit| columns[bit].push(*lit));
    }
    let mut sum = Vec::new();
    let mut position = 0;
    while position < columns.len() {
        // First in, first out keeps the adder tree shallow.
        let mut column = std::collections::VecDeque::from(std::mem::take(&mut columns[position]));
        while column.len() > 1 {
            let a = column.pop_front().expect("two or more");
            let b = column.pop_front().expect("two or more");
            let c = column.pop_front();
            let (digit, carry) = full_adder(a, b, c, vars, clauses);
            column.push_back(digit);
            if position + 1 == columns.len() {
                columns.push(Vec::new());
            }
            columns[position + 1].push(carry);
        }
        sum.push(column.pop_front());
        position += 1;
    }
    sum
}

/// digit = a ⊕ b ⊕ c, carry = at least two of them; without `c` a half adder.
fn full_adder(
    a: Lit,
    b: Lit,
    c: Option<Lit>,
    vars: &mut BasicVarManager,
    clauses: &mut Vec<Clause>,
) -> (Lit, Lit) {
    let (digit, carry) = (vars.new_lit(), vars.new_lit());
    match c {
        Some(c) => {
            for bits in 0..8u8 {
                let differs = |lit: Lit, bit: u8| if bits >> bit & 1 == 1 { !lit } else { lit };
                let result = if bits.count_ones() % 2 == 1 { digit } else { !digit };
                clauses.push(clause![differs(a, 0), differs(b, 1), differs(c, 2), result]);
            }
            for (x, y) in [(a, b), (a, c), (b, c)] {
                clauses.push(clause![!x, !y, carry]);
                clauses.push(clause![x, y, !carry]);
            }
        }
        None => {
            clauses.push(clause![!a, !b, !digit]);
            clauses.push(clause![a, b, !digit]);
            clauses.push(clause![!a, b, digit]);
            clauses.push(clause![a, !b, digit]);
            clauses.push(clause![!a, !b, carry]);
            clauses.push(clause![a, !carry]);
            clauses.push(clause![b, !carry]);
        }
    }
    (digit, carry)
}
