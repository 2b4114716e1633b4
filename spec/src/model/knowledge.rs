//! What guards can read of all that an acceptor has taken in: it is the same for many sets of messages.

use super::local::Local;
use super::universe::{Msg, Said, Universe, hash_of};
use hpaxos_consensus::Ballot;
use hpaxos_consensus::message::Kind;
use hpaxos_learner_graph::AcceptorSet;
use std::collections::BTreeSet;

/// What guards can read.
#[derive(Default)]
struct Knowledge {
    ballot: Option<Ballot>,
    /// Byzantine messages: they say who is caught, and whose replies may still be prolonged.
    lies: BTreeSet<u64>,
    classes: Vec<ClassKnowledge>,
}

/// What guards can read of one class of learners.
#[derive(Clone, Default, Hash)]
struct ClassKnowledge {
    /// Signers of fresh votes and of accepts of the highest ballot.
    votes: AcceptorSet,
    accepts: AcceptorSet,
    overtakers: BTreeSet<Ballot>,
}

/// Equal for what an acceptor knows, if no guard can tell that apart: the ballot, the votes and accepts of that ballot, the two
/// hardest overtakers, and what Byzantine acceptors signed. What it said itself is not part of it.
pub fn knowledge(universe: &Universe, byzantine: &AcceptorSet, local: &Local) -> u64 {
    let past: &[Msg] = local.last().map_or(&[], |last| &universe.said(last).below);
    let own = local.taken().filter(|msg| past.binary_search(msg).is_err());
    let mut all: Vec<&Said> = local.last().into_iter().map(|last| universe.said(last)).collect();
    all.extend(own.map(|msg| universe.said(msg)));
    let mut known = Knowledge {
        classes: vec![Default::default(); universe.trust().class_count()],
        ..Default::default()
    };
    known.ballot =
        all.iter().filter(|said| said.kind != Kind::OneA).map(|said| said.facts.ballot).max();
    for said in all.iter().filter(|said| said.kind != Kind::OneA) {
        if byzantine.contains(said.signer) {
            known.lies.insert(said.classes[0].last);
        }
        for (into, from) in known.classes.iter_mut().zip(&said.facts.classes) {
            into.overtakers.extend(from.overtakers.ballots());
            if Some(said.facts.ballot) == known.ballot {
                into.votes = into.votes.union(&from.votes);
                into.accepts = into.accepts.union(&from.accepts);
            }
        }
    }
    for class in &mut known.classes {
        hardest(&mut class.overtakers);
    }
    hash_of(&(known.ballot, known.lies, known.classes))
}

/// Whether an acceptor whose last message is `last` can know more once it takes `msg` in.
pub fn teaches(universe: &Universe, byzantine: &AcceptorSet, last: Msg, msg: Msg) -> bool {
    let (last, said) = (universe.said(last), universe.said(msg));
    let below = |one: &Msg| last.below.binary_search(one).is_ok();
    if below(&msg) {
        return false;
    }
    let is_lie = |one: &&Msg| byzantine.contains(universe.said(**one).signer);
    let news = said.facts.ballot > last.facts.ballot
        || said.below.iter().filter(is_lie).any(|lie| !below(lie));
    news || last.facts.classes.iter().zip(&said.facts.classes).any(|(known, said_of_class)| {
        let mut all = BTreeSet::from_iter(known.overtakers.ballots());
        let before = all.clone();
        all.extend(said_of_class.overtakers.ballots());
        hardest(&mut all);
        let counted = said.facts.ballot == last.facts.ballot
            && !(said_of_class.votes.is_subset(&known.votes)
                && said_of_class.accepts.is_subset(&known.accepts));
        all != before || counted
    })
}

/// The highest, and the highest of another value.
fn hardest(overtakers: &mut BTreeSet<Ballot>) {
    let highest = overtakers.last().copied();
    let other = highest.and_then(|highest| {
        overtakers.iter().rev().find(|ballot| ballot.value != highest.value).copied()
    });
    overtakers.retain(|ballot| Some(*ballot) == highest || Some(*ballot) == other);
}
