//! Well-formedness, and what is derived on the way.

use super::{ClassFacts, Draft, Facts, Flaw, Mutant, Overtakers, Rules, Vote, fresh};
use crate::dag::{Ix, Node};
use crate::ids::Ballot;
use crate::message::{Kind, ReplyKind};
use crate::trust::{ClassSet, Sends, Trust};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};

// ANCHOR: well_formed
/// The facts of a draft, all of whose references are well-formed, with `caught` = caught(draft).
pub(crate) fn well_formed(
    trust: &Trust,
    rules: Rules,
    nodes: &[Node],
    draft: &Draft,
    caught: AcceptorSet,
) -> Result<Facts, Flaw> {
    let refs = || draft.refs.iter().map(|ix| &nodes[ix.index()]);
    check_shape(trust, rules, nodes, draft)?;
    let ballot = refs().map(|node| node.facts.ballot).max().ok_or(Flaw::NoBallot)?;
    if caught.contains(draft.signer) && !rules.breaks(Mutant::ForkedSignersGoOn) {
        return Err(Flaw::SignerCaught);
    }
    check_proposal(nodes, draft, ballot, rules)?;
    let mut facts = gather(trust, nodes, draft, ballot, caught, rules);
    let signer = draft.signer;
    match draft.kind {
        ReplyKind::OneB => {
            let overtakers = |class: usize| -> Overtakers { facts.classes[class].overtakers };
            let vote =
                Vote { value: Some(ballot.value), locks: &facts.classes, caught: &facts.caught };
            let named = fresh(trust, rules, &vote, &overtakers, trust.classes());
            facts.named = named;
            named.iter().for_each(|class| facts.classes[class].votes.insert(signer));
        }
        ReplyKind::TwoA => {
            facts.named = quorums(trust, rules, &facts.classes, |class| &class.votes);
            check_named(facts.named, facts.accepted, rules)?;
            facts.accepted = facts.named;
            for class in facts.named.iter() {
                let facts = &mut facts.classes[class];
                facts.accepts.insert(signer);
                facts.overtakers.add(ballot);
                match trust.sends() {
                    Sends::Three => facts.hard = Some(ballot),
                    Sends::Four => facts.soft = Some(ballot),
                }
            }
        }
        ReplyKind::TwoB => {
            facts.named = quorums(trust, rules, &facts.classes, |class| &class.accepts);
            check_named(facts.named, facts.committed, rules)?;
            facts.committed = facts.named;
            facts.named.iter().for_each(|class| facts.classes[class].hard = Some(ballot));
        }
    }
    Ok(facts)
}
// ANCHOR_END: well_formed

// ANCHOR: check_shape
/// What can be said without any facts.
fn check_shape(trust: &Trust, rules: Rules, nodes: &[Node], draft: &Draft) -> Result<(), Flaw> {
    if draft.kind == ReplyKind::TwoB && trust.sends() == Sends::Three {
        return Err(Flaw::NoTwoB);
    }
    if let Some(prev) = draft.prev {
        let prev = &nodes[prev.index()];
        if prev.kind() == Kind::OneA || prev.signer() != draft.signer {
            return Err(Flaw::PrevNotOwn);
        }
    }
    let of_kind = |proposals: bool| {
        let refs = draft.refs.iter().filter(move |ix| Some(**ix) != draft.prev);
        refs.filter(move |ix| (nodes[ix.index()].kind() == Kind::OneA) == proposals)
    };
    if of_kind(true).count() > 1 && !rules.breaks(Mutant::StaleProposalsReferenced) {
        return Err(Flaw::TwoProposals);
    }
    let mut seen = [AcceptorSet::EMPTY; 2];
    for ix in of_kind(false) {
        let signer: AcceptorId = nodes[ix.index()].signer();
        if !seen[0].contains(signer) {
            seen[0].insert(signer);
        } else if !seen[1].contains(signer) {
            seen[1].insert(signer);
        } else {
            return Err(Flaw::CrowdedReferences);
        }
    }
    Ok(())
}
// ANCHOR_END: check_shape

// ANCHOR: check_proposal
/// Which 1a's and which replies of its ballot may lie below it.
fn check_proposal(nodes: &[Node], draft: &Draft, ballot: Ballot, rules: Rules) -> Result<(), Flaw> {
    let refs = || draft.refs.iter().map(|ix: &Ix| &nodes[ix.index()]);
    let mut proposals = refs().filter(|node| node.kind() == Kind::OneA);
    if draft.kind != ReplyKind::OneB {
        return match proposals.next() {
            Some(_) if !rules.breaks(Mutant::StaleProposalsReferenced) => {
                Err(Flaw::ProposalReferenced)
            }
            _ => Ok(()),
        };
    }
    if proposals.all(|node| node.facts.ballot != ballot) {
        return Err(Flaw::ProposalNotReferenced);
    }
    // A reply of this ballot that lies below is below a reference of this ballot: ballots never fall.
    let answered = refs().any(|node| node.kind() != Kind::OneA && node.facts.ballot == ballot);
    if answered { Err(Flaw::BallotAnswered) } else { Ok(()) }
}
// ANCHOR_END: check_proposal

// ANCHOR: gather
/// The facts that references hand on.
fn gather(
    trust: &Trust,
    nodes: &[Node],
    draft: &Draft,
    ballot: Ballot,
    caught: AcceptorSet,
    rules: Rules,
) -> Facts {
    let mut facts = Facts { caught, ..Facts::proposal(ballot) };
    facts.classes = vec![ClassFacts::default(); trust.class_count()].into();
    for node in draft.refs.iter().map(|ix| &nodes[ix.index()]) {
        let same = node.facts.ballot == ballot || rules.breaks(Mutant::VotesOfAnyBallot);
        for (into, from) in facts.classes.iter_mut().zip(&node.facts.classes) {
            into.overtakers.merge(&from.overtakers);
            if same {
                into.votes = into.votes.union(&from.votes);
                into.accepts = into.accepts.union(&from.accepts);
            }
        }
    }
    if let Some(prev) = draft.prev {
        let prev = &nodes[prev.index()].facts;
        for (into, from) in facts.classes.iter_mut().zip(&prev.classes) {
            (into.soft, into.hard) = (from.soft, from.hard);
        }
        if prev.ballot == ballot {
            (facts.accepted, facts.committed) = (prev.accepted, prev.committed);
        }
    }
    facts
}
// ANCHOR_END: gather

// ANCHOR: quorums
/// The classes of which `signers` contain a quorum.
fn quorums(
    trust: &Trust,
    rules: Rules,
    classes: &[ClassFacts],
    signers: impl Fn(&ClassFacts) -> &AcceptorSet,
) -> ClassSet {
    let mut named = ClassSet::EMPTY;
    for (class, facts) in classes.iter().enumerate() {
        let mut signers = *signers(facts);
        if rules.breaks(Mutant::QuorumMinusOne) {
            let missing = trust.log().members(trust.first(class)).difference(&signers);
            missing.iter().take(1).for_each(|one| signers.insert(one));
        }
        if trust.is_quorum(class, &signers) {
            named.insert(class);
        }
    }
    if rules.breaks(Mutant::NameEverybody) && !named.is_empty() {
        named = trust.classes_of(trust.learners());
    }
    named
}
// ANCHOR_END: quorums

// ANCHOR: check_named
/// A 2a or 2b names somebody, and somebody new.
fn check_named(named: ClassSet, before: ClassSet, rules: Rules) -> Result<(), Flaw> {
    if named.is_empty() {
        return Err(Flaw::NoLearners);
    }
    if named.is_subset(before) && !rules.breaks(Mutant::RepeatForEver) {
        return Err(Flaw::NothingNew);
    }
    Ok(())
}
// ANCHOR_END: check_named
