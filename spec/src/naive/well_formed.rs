//! Which messages are well-formed, clause by clause.

use super::dag::{Id, Kind, Message, Reply};
use super::protocol::Protocol;
use std::collections::BTreeSet;

/// A clause of well-formedness that a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// All references are well-formed.
    Reference,
    /// It has a ballot.
    NoBallot,
    /// `prev` is none, or among the references.
    PrevNotReferenced,
    /// `prev` is none, or an acceptor message of the same signer.
    PrevNotOwn,
    /// The signer is not caught.
    SignerCaught,
    /// At most two references per signer, `prev` apart. (1a's have a limit of their own.)
    CrowdedReferences,
    /// At most one 1a among the references.
    TwoProposals,
    /// A 1b references its highest 1a directly.
    ProposalNotReferenced,
    /// No other acceptor message of its ballot lies below a 1b.
    BallotAnswered,
    /// 2a and 2b reference no 1a directly.
    ProposalReferenced,
    /// `learners` is not empty.
    NoLearners,
    /// `learners` is not contained in those of an own 2a (2b) of the same ballot below it.
    NothingNew,
    /// 2b's exist where four sends decide.
    NoTwoB,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Flaw; 13] = [
        Flaw::Reference,
        Flaw::NoBallot,
        Flaw::PrevNotReferenced,
        Flaw::PrevNotOwn,
        Flaw::SignerCaught,
        Flaw::CrowdedReferences,
        Flaw::TwoProposals,
        Flaw::ProposalNotReferenced,
        Flaw::BallotAnswered,
        Flaw::ProposalReferenced,
        Flaw::NoLearners,
        Flaw::NothingNew,
        Flaw::NoTwoB,
    ];
}

impl Protocol<'_> {
    /// Whether x is well-formed.
    pub fn is_well_formed(&self, x: Id) -> bool {
        self.flaws(x).is_empty()
    }

    // ANCHOR: flaws
    /// The clauses of well-formedness that x breaks. If a reference is ill-formed, the others mean nothing.
    pub fn flaws(&self, x: Id) -> &BTreeSet<Flaw> {
        self.known[x].flaws.get_or_init(|| match self.dag().message(x) {
            Message::Proposal(_) => BTreeSet::new(),
            Message::Reply(reply) if reply.refs.iter().any(|y| !self.is_well_formed(*y)) => {
                BTreeSet::from([Flaw::Reference])
            }
            Message::Reply(reply) => {
                let mut flaws = self.flaws_of_references(x, reply);
                flaws.extend(match reply.kind {
                    _ if self.ballot(x).is_none() => BTreeSet::from([Flaw::NoBallot]),
                    Kind::OneB => self.flaws_of_vote(x, reply),
                    Kind::TwoA | Kind::TwoB => self.flaws_of_accept(x, reply),
                });
                flaws
            }
        })
    }

    /// What holds for replies of all kinds.
    fn flaws_of_references(&self, x: Id, reply: &Reply) -> BTreeSet<Flaw> {
        let mut flaws = BTreeSet::new();
        if let Some(prev) = reply.prev {
            if !reply.refs.contains(&prev) {
                flaws.insert(Flaw::PrevNotReferenced);
            }
            if self.dag().reply(prev).is_none_or(|previous| previous.signer != reply.signer) {
                flaws.insert(Flaw::PrevNotOwn);
            }
        }
        if self.caught(x) >> reply.signer & 1 == 1 {
            flaws.insert(Flaw::SignerCaught);
        }
        let apart = || reply.refs.iter().filter(|y| Some(**y) != reply.prev);
        for acceptor in self.trust().acceptors() {
            let signed = |y: &&Id| self.dag().reply(**y).is_some_and(|r| r.signer == acceptor);
            if apart().filter(signed).count() > 2 {
                flaws.insert(Flaw::CrowdedReferences);
            }
        }
        if reply.refs.iter().filter(|y| self.dag().proposal(**y).is_some()).count() > 1 {
            flaws.insert(Flaw::TwoProposals);
        }
        if reply.kind == Kind::TwoB && self.trust().sends() == 3 {
            flaws.insert(Flaw::NoTwoB);
        }
        flaws
    }

    fn flaws_of_vote(&self, x: Id, reply: &Reply) -> BTreeSet<Flaw> {
        let mut flaws = BTreeSet::new();
        if !reply
            .refs
            .iter()
            .any(|y| self.dag().proposal(*y).is_some_and(|b| Some(b) == self.ballot(x)))
        {
            flaws.insert(Flaw::ProposalNotReferenced);
        }
        let answers =
            |y: &Id| *y != x && self.dag().reply(*y).is_some() && self.ballot(*y) == self.ballot(x);
        if self.dag().below(x).iter().any(answers) {
            flaws.insert(Flaw::BallotAnswered);
        }
        flaws
    }

    fn flaws_of_accept(&self, x: Id, reply: &Reply) -> BTreeSet<Flaw> {
        let mut flaws = BTreeSet::new();
        if reply.refs.iter().any(|y| self.dag().proposal(*y).is_some()) {
            flaws.insert(Flaw::ProposalReferenced);
        }
        if self.learners(x).is_empty() {
            flaws.insert(Flaw::NoLearners);
        }
        let own = self.below_of_kind(x, reply.kind).filter(|(y, other)| {
            *y != x && other.signer == reply.signer && self.ballot(*y) == self.ballot(x)
        });
        if own.into_iter().any(|(y, _)| self.learners(x).is_subset(self.learners(y))) {
            flaws.insert(Flaw::NothingNew);
        }
        flaws
    }
    // ANCHOR_END: flaws
}
