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

/// A value for which a quorum of `target` would be fresh, given all that `dag` holds: the value of the highest 2a that
/// names a learner connected to the target; if nothing binds, the proposer's own; else any that was proposed. If there is
/// no such value, the first again: some vote may still turn out to be fresh. Only `available` values are candidates.
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
    let proposed = dag.proposals().keys().rev().map(|ballot| ballot.value);
    let proposed = proposed.filter(|value| available(*value)).map(Choice::Value);
    let mut candidates = bound.into_iter().chain([Choice::Own]).chain(proposed);
    let hopeful = candidates.find(|choice| has_fresh_quorum(dag, target, *choice, rules));
    hopeful.or(bound).unwrap_or(Choice::Own)
}

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
