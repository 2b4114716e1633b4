//! `largest` edges: the safe sets are exactly those that meet every intersection of two quorums.
//!
//! Two plain counts have a closed form; otherwise the minimal intersections are listed, within bounds.

use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Meets, Threshold};
use crate::search::{Answer, Effort, Question, solve};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most minimal intersections that an edge may have: a run-time question stays below some 100 µs, an edge's list
/// at 2 MiB, and the search for the minimal ones among them below a second.
pub const INTERSECTIONS_MAX: usize = 32_768;

/// The most steps that listing them may take: seconds.
const STEPS_MAX: u64 = 1 << 21;

/// Why two learners have no `largest` edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLargest {
    /// A quorum of each that have no acceptor in common.
    Disjoint(AcceptorSet, AcceptorSet),
    /// The minimal intersections are too many to list.
    TooMany,
}

/// The `largest` edge of two quorum conditions.
///
/// # Errors
/// [`NoLargest`], with two disjoint quorums where there are any.
pub fn largest(a: &Condition, b: &Condition) -> Result<Condition, NoLargest> {
    if let (Condition::Threshold(a), Condition::Threshold(b)) = (a, b)
        && a.is_count()
        && b.is_count()
    {
        return largest_of_counts(a, b);
    }
    match listed(a, b) {
        // Too many to list; but perhaps there is no edge at all, which is easier to see.
        Err(NoLargest::TooMany) => Err(disjoint(a, b).unwrap_or(NoLargest::TooMany)),
        result => result,
    }
}

/// Two disjoint quorums, if a short search finds some.
fn disjoint(a: &Condition, b: &Condition) -> Option<NoLargest> {
    const OF_A: usize = 0;
    const OF_B: usize = 1;
    let question = Question {
        acceptors: a.support().union(&b.support()),
        options: &[1 << OF_A, 1 << OF_B],
        requirements: vec![(OF_A, Arc::new(a.clone())), (OF_B, Arc::new(b.clone()))],
        cost: None,
    };
    match solve(&question, &mut Effort::steps(STEPS_MAX * 32)) {
        Answer::Found(witness) => Some(NoLargest::Disjoint(witness.sets[OF_A], witness.sets[OF_B])),
        _ => None,
    }
}

fn listed(a: &Condition, b: &Condition) -> Result<Condition, NoLargest> {
    let (all_a, all_b) = (a.support(), b.support());
    let common = all_a.intersection(&all_b);
    let ground: Vec<AcceptorId> = common.iter().collect();
    let mut steps = Steps(STEPS_MAX);

    // Let `of_a` be the common part of a quorum of `a`. With the smallest quorum of `b` beside it, everything outside
    // `of_a` is free for `b`; what `b` needs besides is the intersection.
    let only_a = all_a.difference(&common);
    let quorums_a = minimal_sets(&ground, &mut steps, |set| a.holds(&only_a.union(set)))?;
    let mut intersections = BTreeSet::new();
    for of_a in quorums_a {
        let free = all_b.difference(&of_a);
        let ground: Vec<AcceptorId> = of_a.iter().collect();
        for needed in minimal_sets(&ground, &mut steps, |set| b.holds(&free.union(set)))? {
            if needed.is_empty() {
                return Err(NoLargest::Disjoint(only_a.union(&of_a), free));
            }
            intersections.insert((needed.len(), needed));
            if intersections.len() > INTERSECTIONS_MAX {
                return Err(NoLargest::TooMany);
            }
        }
    }
    Ok(Condition::Meets(Meets::new(without_supersets(intersections))))
}

/// At least k_a of n_a and k_b of n_b with c in common: quorums leave out n_a − k_a and n_b − k_b, so X meets each
/// intersection iff it has more than (n_a − k_a) + (n_b − k_b) of the common acceptors.
fn largest_of_counts(a: &Threshold, b: &Threshold) -> Result<Condition, NoLargest> {
    let common = a.members().intersection(&b.members());
    let left_out = |count: &Threshold| count.members().len() - count.threshold().to::<usize>();
    let needed = left_out(a) + left_out(b) + 1;
    if needed <= common.len() {
        return Ok(Condition::count(needed, common));
    }
    // Leave out of `a` as many of the common ones as it bears; `b` bears to be without the rest.
    let split: AcceptorSet = common.iter().take(left_out(a)).collect();
    let of_a = a.members().difference(&split);
    Err(NoLargest::Disjoint(of_a, b.members().difference(&of_a)))
}

struct Steps(u64);

impl Steps {
    fn take(&mut self) -> Result<(), NoLargest> {
        self.0 = self.0.checked_sub(1).ok_or(NoLargest::TooMany)?;
        Ok(())
    }
}

/// The minimal subsets of `ground` at which the monotone `holds` does.
fn minimal_sets(
    ground: &[AcceptorId],
    steps: &mut Steps,
    holds: impl Fn(&AcceptorSet) -> bool,
) -> Result<Vec<AcceptorSet>, NoLargest> {
    // Depth first over "chosen so far, still to choose from": leave an acceptor out first, then take it.
    let mut found = Vec::new();
    let mut open = vec![(AcceptorSet::EMPTY, 0)];
    while let Some((chosen, from)) = open.pop() {
        steps.take()?;
        if holds(&chosen) {
            let minimal = chosen.iter().all(|acceptor| {
                let mut fewer = chosen;
                fewer.remove(acceptor);
                !holds(&fewer)
            });
            if minimal {
                found.push(chosen);
            }
            continue;
        }
        let rest: AcceptorSet = ground[from..].iter().copied().collect();
        if from == ground.len() || !holds(&chosen.union(&rest)) {
            continue;
        }
        let mut with = chosen;
        with.insert(ground[from]);
        open.push((with, from + 1));
        open.push((chosen, from + 1));
    }
    Ok(found)
}

/// The sets that contain no other, of sets sorted by size.
fn without_supersets(sets: BTreeSet<(usize, AcceptorSet)>) -> Vec<AcceptorSet> {
    let mut minimal: Vec<AcceptorSet> = Vec::new();
    for (_, set) in sets {
        if !minimal.iter().any(|smaller| smaller.is_subset(&set)) {
            minimal.push(set);
        }
    }
    minimal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(range: std::ops::Range<usize>) -> AcceptorSet {
        range.map(AcceptorId::new).collect()
    }

    /// "At least k of these", in a form that is not recognised as a count.
    fn nested(at_least: usize, of: AcceptorSet) -> Condition {
        Condition::AtLeast { at_least, of: of.iter().map(Condition::acceptor).collect() }
    }

    #[test]
    fn counts_agree_with_listing() {
        for (k_a, k_b) in [(3, 3), (3, 4), (4, 4), (2, 4)] {
            let (a, b) = (members(0..4), members(1..6));
            let closed = largest(&Condition::count(k_a, a), &Condition::count(k_b, b));
            let enumerated = largest(&nested(k_a, a), &nested(k_b, b));
            match (closed, enumerated) {
                (Ok(closed), Ok(enumerated)) => {
                    for bits in 0..64u64 {
                        let set =
                            (0..6).filter(|i| bits >> i & 1 == 1).map(AcceptorId::new).collect();
                        assert_eq!(
                            closed.holds(&set),
                            enumerated.holds(&set),
                            "{k_a} {k_b} {set:?}"
                        );
                    }
                }
                (Err(NoLargest::Disjoint(x, y)), Err(NoLargest::Disjoint(..))) => {
                    assert!(x.intersection(&y).is_empty());
                    assert!(x.intersection(&a).len() >= k_a && y.intersection(&b).len() >= k_b);
                }
                other => panic!("{k_a} {k_b}: {other:?}"),
            }
        }
    }

    #[test]
    fn disjoint_quorums_are_found_where_intersections_are_too_many() {
        let all = members(0..40);
        let Err(NoLargest::Disjoint(x, y)) = largest(&nested(18, all), &nested(18, all)) else {
            panic!("18 and 18 of 40 may be disjoint")
        };
        assert!(x.intersection(&y).is_empty() && x.len() >= 18 && y.len() >= 18);
    }

    #[test]
    fn too_many_intersections_are_refused() {
        let all = members(0..40);
        assert_eq!(largest(&nested(27, all), &nested(27, all)), Err(NoLargest::TooMany));
    }
}
