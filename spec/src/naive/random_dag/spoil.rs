//! Messages that are almost well-formed.

use super::some_of;
use crate::naive::dag::{Dag, Id, Kind, Message, Reply};
use crate::naive::protocol::Protocol;
use crate::naive::well_formed::Flaw;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use std::collections::BTreeSet;

/// A message like one that is there, but for a change that aims at one clause of well-formedness, and may miss it.
pub fn spoil(rng: &mut impl Rng, protocol: &Protocol<'_>) -> Option<Message> {
    let dag = protocol.dag();
    let (well_formed, ill_formed): (BTreeSet<Id>, BTreeSet<Id>) =
        dag.ids().partition(|id| protocol.is_well_formed(*id));
    let proposals = || well_formed.iter().copied().filter(|id| dag.proposal(*id).is_some());
    let replies = || well_formed.iter().copied().filter(|id| dag.reply(*id).is_some());
    let signer = |id: Id| dag.reply(id).map(|reply| reply.signer);
    let is_accept = |id: &Id| dag.reply(*id).is_some_and(|reply| reply.kind != Kind::OneB);
    let flaw = *Flaw::ALL.choose(rng).expect("there are some");
    let original = match flaw {
        Flaw::ProposalReferenced | Flaw::NothingNew => replies().filter(is_accept).choose(rng)?,
        _ => replies().choose(rng)?,
    };
    let mut spoilt = dag.reply(original)?.clone();
    match flaw {
        Flaw::Reference => spoilt.refs.extend(ill_formed.iter().choose(rng)),
        Flaw::NoBallot => spoilt = Reply { prev: None, refs: BTreeSet::new(), ..spoilt },
        Flaw::PrevNotReferenced => {
            spoilt.refs.remove(&spoilt.prev?);
        }
        Flaw::PrevNotOwn if rng.random_bool(0.5) => {
            spoilt.prev = proposals().choose(rng);
            spoilt.refs.extend(spoilt.prev);
        }
        Flaw::PrevNotOwn => {
            let refs = spoilt.refs.iter().copied();
            spoilt.prev = refs.filter(|id| signer(*id) != Some(spoilt.signer)).choose(rng);
        }
        Flaw::SignerCaught if rng.random_bool(0.5) => {
            let own = replies().filter(|id| signer(*id) == Some(spoilt.signer));
            spoilt.refs.extend(own.choose(rng));
        }
        Flaw::SignerCaught => spoilt.prev = dag.reply(spoilt.prev?)?.prev,
        Flaw::CrowdedReferences => {
            let one = replies().choose(rng).and_then(signer);
            spoilt.refs.extend(some_of(rng, replies().filter(|id| signer(*id) == one), 3));
        }
        Flaw::TwoProposals | Flaw::ProposalReferenced => {
            spoilt.refs.extend(proposals().choose(rng));
        }
        Flaw::ProposalNotReferenced => {
            let proposal = proposal_of(dag, &spoilt)?;
            spoilt.refs.remove(&proposal);
            spoilt.refs.extend(proposals().choose(rng).filter(|_| rng.random_bool(0.3)));
        }
        Flaw::BallotAnswered => {
            let refs = proposal_of(dag, &spoilt).into_iter().chain([original]).collect();
            spoilt = Reply { kind: Kind::OneB, prev: Some(original), refs, ..spoilt };
        }
        Flaw::NoLearners => {
            spoilt = Reply { kind: Kind::TwoA, refs: spoilt.prev.into_iter().collect(), ..spoilt };
        }
        Flaw::NothingNew => {
            spoilt = Reply { prev: Some(original), refs: BTreeSet::from([original]), ..spoilt };
        }
        Flaw::NoTwoB => spoilt.kind = Kind::TwoB,
    }
    Some(Message::Reply(spoilt))
}

/// The 1a that a reply references.
fn proposal_of(dag: &Dag, reply: &Reply) -> Option<Id> {
    reply.refs.iter().copied().find(|id| dag.proposal(*id).is_some())
}
