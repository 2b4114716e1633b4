//! Cheapest sets that need no search.
//!
//! A threshold is met most cheaply by its heaviest members, if all cost the same, or by its cheapest members, if all
//! weigh the same. "At least k of these conditions" by the k that are cheapest to meet, if no acceptor helps two of them,
//! or if k is 1. So a federation's tree of organisations has a closed form.

use super::{Question, Witness};
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::condition::{Condition, Threshold, Weight};

/// The answer to `question`, if it asks for a cheapest set of one role and a closed form gives it.
pub(super) fn solve(question: &Question) -> Option<Witness> {
    let costs = question.cost.as_ref()?;
    let one_role = question.options.iter().all(|option| option & !1 == 0);
    if !one_role || question.requirements.is_empty() {
        return None;
    }
    // What meets the dearest requirement and all the others costs no more than any answer must.
    let mut dearest: Option<(u128, AcceptorSet)> = None;
    for (_, condition) in &question.requirements {
        if !condition.support().is_subset(&question.acceptors) {
            return None;
        }
        let (cost, set) = cheapest(condition, costs)?;
        if dearest.is_none_or(|(most, _)| cost > most) {
            dearest = Some((cost, set));
        }
    }
    let (cost, set) = dearest?;
    let all_met = question.requirements.iter().all(|(_, condition)| condition.holds(&set));
    all_met.then_some(Witness { sets: [set, AcceptorSet::EMPTY, AcceptorSet::EMPTY], cost })
}

/// A cheapest set at which `condition` holds, and its cost.
fn cheapest(condition: &Condition, costs: &[u128]) -> Option<(u128, AcceptorSet)> {
    match condition {
        Condition::Threshold(threshold) => cheapest_of_threshold(threshold, costs),
        Condition::AtLeast { at_least, of } => {
            if *at_least > 1 && !have_nobody_in_common(of) {
                return None;
            }
            let mut parts: Vec<(u128, AcceptorSet)> =
                of.iter().map(|part| cheapest(part, costs)).collect::<Option<_>>()?;
            parts.sort();
            let chosen = parts.into_iter().take(*at_least);
            Some(chosen.fold((0, AcceptorSet::EMPTY), |(cost, set), (more, other)| {
                (cost + more, set.union(&other))
            }))
        }
        Condition::Meets(_) => None,
    }
}

fn have_nobody_in_common(conditions: &[Condition]) -> bool {
    let mut seen = AcceptorSet::EMPTY;
    conditions.iter().all(|condition| {
        let support = condition.support();
        let apart = seen.count_common(&support) == 0;
        seen = seen.union(&support);
        apart
    })
}

fn cheapest_of_threshold(threshold: &Threshold, costs: &[u128]) -> Option<(u128, AcceptorSet)> {
    let mut members: Vec<AcceptorId> = threshold.members().iter().collect();
    let cost = |acceptor: &AcceptorId| costs[acceptor.index()];
    let same_cost = members.windows(2).all(|pair| cost(&pair[0]) == cost(&pair[1]));
    if !same_cost && !threshold.is_count() {
        return None;
    }
    members
        .sort_by_key(|acceptor| (cost(acceptor), std::cmp::Reverse(threshold.weight(*acceptor))));
    let mut missing = threshold.threshold();
    let mut chosen = (0, AcceptorSet::EMPTY);
    for acceptor in members {
        if missing == Weight::ZERO {
            break;
        }
        missing = missing.saturating_sub(threshold.weight(acceptor));
        chosen.0 += cost(&acceptor);
        chosen.1.insert(acceptor);
    }
    Some(chosen)
}
