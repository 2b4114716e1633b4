//! fresh(l, x): whether a vote lets l decide its value (TLA+ `Fresh`).

use super::locks::{Lock, Overtakers, lets_go_hard, lets_go_soft};
use super::{ClassFacts, Mutant, Rules, connected};
use crate::ids::ValueHash;
use crate::trust::Trust;
use hpaxos_learner_graph::{AcceptorSet, ConnectionsCache};

/// Whether a 1b for `value` is fresh for the learners of `class`: every lock of another value lets go (for them) for each
/// learner that it names and that they are connected to. `locks` are the facts of the signer's last reply, `overtakers`
/// the 2a's below the 1b that name each class, `caught` who is caught there.
pub fn fresh(
    trust: &Trust,
    rules: Rules,
    cache: &mut ConnectionsCache,
    class: usize,
    value: ValueHash,
    locks: &[ClassFacts],
    overtakers: &impl Fn(usize) -> Overtakers,
    caught: &AcceptorSet,
) -> bool {
    let binds = |lock: Option<Lock>| lock.filter(|lock| lock.value != value);
    let bound =
        locks.iter().any(|facts| binds(facts.soft).is_some() || binds(facts.hard).is_some());
    if !bound || rules.breaks(Mutant::AlwaysFresh) {
        return true;
    }
    let partners = connected(trust, rules, cache, caught, trust.first(class));
    for k in partners.iter() {
        let facts = &locks[trust.class_of(k)];
        if let Some(lock) = binds(facts.hard) {
            let goes = if rules.breaks(Mutant::HardLetsGoSoftly) {
                let seen = connected(trust, rules, cache, caught, k);
                lets_go_soft(trust, rules, lock, overtakers, seen)
            } else {
                lets_go_hard(trust, rules, lock, overtakers, class, k)
            };
            if !goes {
                return false;
            }
        }
        if let Some(lock) = binds(facts.soft) {
            let seen = connected(trust, rules, cache, caught, k);
            if !lets_go_soft(trust, rules, lock, overtakers, seen) {
                return false;
            }
        }
    }
    true
}
