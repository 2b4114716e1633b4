//! Which value a proposer may hope for.

use super::connected::Connected;
use super::{Mutant, Rules, Vote, fresh};
use crate::dag::Dag;
use crate::ids::{Ballot, ValueHash};
use hpaxos_learner_graph::{AcceptorSet, LearnerId};

/// What to propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A value that was proposed before.
    Value(ValueHash),
    /// A new block.
    Own,
}

// ANCHOR: choose
/// A value for which a quorum of `target` would be fresh, given all that `dag` holds: the value of the highest 2a that
/// names a learner connected to the target; if nothing binds, the proposer's own; else one that somebody locked: any other
/// has no more fresh votes than the proposer's own. If there is no such value, the first again: some vote may still turn
/// out to be fresh. Only `available` values are candidates.
pub fn choose(dag: &Dag, target: LearnerId, available: impl Fn(ValueHash) -> bool) -> Choice {
    let (trust, rules) = (dag.trust(), dag.rules());
    if rules.breaks(Mutant::ProposeOwnAlways) {
        return Choice::Own;
    }
    let connected = Connected::new(trust, rules, dag.forked()).to(target);
    let highest = trust.classes_of(connected).iter().filter_map(|class| {
        dag.overtakers()[class].ballots().filter(|ballot| available(ballot.value)).max()
    });
    let bound = highest.max().map(|ballot: Ballot| Choice::Value(ballot.value));
    let locked = locked_values(dag, target).into_iter();
    let locked = locked.filter(|value| available(*value)).map(Choice::Value);
    let mut candidates = bound.into_iter().chain([Choice::Own]).chain(locked);
    let hopeful = candidates.find(|choice| has_fresh_quorum(dag, target, *choice, rules));
    hopeful.or(bound).unwrap_or(Choice::Own)
}
// ANCHOR_END: choose

// ANCHOR: locked_values
/// The values that members of `target` have locked, by falling ballot.
fn locked_values(dag: &Dag, target: LearnerId) -> Vec<ValueHash> {
    let members = dag.trust().log().members(target);
    let last = members.iter().filter_map(|acceptor| dag.last(acceptor));
    let facts = last.flat_map(|last| dag.node(last).facts.classes.iter());
    let mut locks: Vec<Ballot> =
        facts.flat_map(|facts| facts.soft.iter().chain(&facts.hard)).copied().collect();
    locks.sort_unstable_by(|a, b| b.cmp(a));
    locks.dedup();
    let mut values: Vec<ValueHash> = Vec::new();
    for lock in locks {
        if !values.contains(&lock.value) {
            values.push(lock.value);
        }
    }
    values
}
// ANCHOR_END: locked_values

// ANCHOR: has_fresh_quorum
/// Whether a quorum of `target` would be fresh for a value, computed over all acceptors that are not caught.
fn has_fresh_quorum(dag: &Dag, target: LearnerId, choice: Choice, rules: Rules) -> bool {
    let trust = dag.trust();
    let class = trust.class_of(target);
    let value = match choice {
        Choice::Value(value) => Some(value),
        Choice::Own => None,
    };
    let overtakers = |class: usize| dag.overtakers()[class];
    let mut voters = AcceptorSet::EMPTY;
    for acceptor in trust.log().members(target).difference(dag.forked()).iter() {
        let locks = match dag.last(acceptor) {
            Some(last) => &dag.node(last).facts.classes[..],
            None => &[],
        };
        let vote = Vote { value, locks, caught: dag.forked() };
        if fresh(trust, rules, &vote, &overtakers, [class].into_iter()).contains(class) {
            voters.insert(acceptor);
        }
    }
    trust.is_quorum(class, &voters)
}
// ANCHOR_END: has_fresh_quorum
