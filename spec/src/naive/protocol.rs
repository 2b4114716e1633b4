//! The definitions of the protocol, word by word, on explicit sets of messages.
//!
//! Nothing is derived from the facts of references: every question about a message is a loop over all that lies below
//! it. What was answered for a message is remembered, and no more than that.

use super::dag::{Ballot, Dag, Id, Kind, Message, Reply};
use super::learner_graph::{Learner, Set};
use super::trust::Trust;
use super::well_formed::Flaw;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// The messages of an instance, with what the definitions say of them.
#[derive(Clone, Debug)]
pub struct Protocol<'a> {
    trust: &'a Trust,
    dag: Dag,
    pub(super) known: Vec<Known>,
}

/// What was found out about one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    ballot: OnceCell<Option<Ballot>>,
    caught: OnceCell<Set>,
    fresh: OnceCell<BTreeSet<Learner>>,
    learners: OnceCell<BTreeSet<Learner>>,
    pub(super) flaws: OnceCell<BTreeSet<Flaw>>,
}

/// A lock: an own 2a or 2b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The message.
    pub message: Id,
    /// How it binds.
    pub strength: Strength,
}

/// How a lock binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// A 2a where four sends decide.
    Soft,
    /// A 2b, or a 2a where three sends decide.
    Hard,
}

impl<'a> Protocol<'a> {
    /// What the definitions say of `dag`.
    pub fn new(trust: &'a Trust, dag: Dag) -> Self {
        let known = dag.ids().map(|_| Known::default()).collect();
        Protocol { trust, dag, known }
    }

    /// The trust model.
    pub fn trust(&self) -> &'a Trust {
        self.trust
    }

    /// The messages.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// Adds a message that references earlier ones.
    pub fn push(&mut self, message: Message) -> Id {
        self.known.push(Known::default());
        self.dag.push(message)
    }

    /// Takes away the last message.
    pub fn pop(&mut self) {
        self.known.pop();
        self.dag.pop();
    }

    // ANCHOR: ballot
    /// ballot(x): that of the highest 1a below x.
    pub fn ballot(&self, x: Id) -> Option<Ballot> {
        *self.known[x]
            .ballot
            .get_or_init(|| self.dag.below(x).iter().filter_map(|y| self.dag.proposal(*y)).max())
    }

    /// value(x).
    pub fn value(&self, x: Id) -> Option<u8> {
        self.ballot(x).map(|ballot| ballot.value)
    }
    // ANCHOR_END: ballot

    /// The replies of one kind below x, x included.
    pub(super) fn below_of_kind(&self, x: Id, kind: Kind) -> impl Iterator<Item = (Id, &Reply)> {
        let below = self.dag.below(x).iter();
        let replies = below.filter_map(|y| Some((*y, self.dag.reply(*y)?)));
        replies.filter(move |(_, reply)| reply.kind == kind)
    }

    // ANCHOR: caught
    /// caught(x): signers of two different replies below x with equal `prev`.
    pub fn caught(&self, x: Id) -> Set {
        *self.known[x].caught.get_or_init(|| self.forked(self.dag.below(x)))
    }

    /// Signers of two different replies among `messages` with equal `prev`.
    pub fn forked(&self, messages: &BTreeSet<Id>) -> Set {
        let mut forked = 0;
        for y in messages {
            for z in messages {
                let (Some(one), Some(other)) = (self.dag.reply(*y), self.dag.reply(*z)) else {
                    continue;
                };
                if y != z && one.signer == other.signer && one.prev == other.prev {
                    forked |= 1 << one.signer;
                }
            }
        }
        forked
    }
    // ANCHOR_END: caught

    // ANCHOR: connected
    /// connected(l, x): learners k with a safe set of S(l,k) free of caught(x).
    pub fn connected(&self, l: Learner, x: Id) -> BTreeSet<Learner> {
        self.trust.connected(l, self.caught(x))
    }
    // ANCHOR_END: connected

    // ANCHOR: locks
    /// The locks of x's signer: its own 2a's (3-send: the only locks; 4-send: soft ones) and 2b's (hard) below x.
    pub fn locks(&self, x: Id) -> Vec<Lock> {
        let Some(Reply { signer, .. }) = self.dag.reply(x) else { return Vec::new() };
        let own =
            |kind: Kind| self.below_of_kind(x, kind).filter(|(_, reply)| reply.signer == *signer);
        let of_two_a = if self.trust.sends() == 3 { Strength::Hard } else { Strength::Soft };
        let two_a = own(Kind::TwoA).map(|(message, _)| Lock { message, strength: of_two_a });
        let two_b = own(Kind::TwoB).map(|(message, _)| Lock { message, strength: Strength::Hard });
        two_a.chain(two_b).collect()
    }
    // ANCHOR_END: locks

    // ANCHOR: overtakers
    /// The overtakers of a lock at x: 2a's below x of a higher ballot and another value.
    pub fn overtakers(&self, lock: Lock, x: Id) -> BTreeSet<Id> {
        let overtakes = |z: &Id| {
            self.ballot(*z) > self.ballot(lock.message)
                && self.value(*z) != self.value(lock.message)
        };
        self.below_of_kind(x, Kind::TwoA).map(|(z, _)| z).filter(overtakes).collect()
    }
    // ANCHOR_END: overtakers

    // ANCHOR: lets_go
    /// Whether a soft lock for k lets go at x: some overtaker names a learner in connected(k, x).
    pub fn soft_lets_go(&self, lock: Lock, k: Learner, x: Id) -> bool {
        let connected = self.connected(k, x);
        self.overtakers(lock, x).iter().any(|z| !self.learners(*z).is_disjoint(&connected))
    }

    /// Whether a hard lock for k lets go, for l, at x: some overtaker names a learner in covers(l, k).
    pub fn hard_lets_go(&self, lock: Lock, k: Learner, l: Learner, x: Id) -> bool {
        let covers = self.trust.covers(l, k);
        self.overtakers(lock, x).iter().any(|z| !self.learners(*z).is_disjoint(&covers))
    }

    /// Whether a lock for k lets go, for l, at x.
    pub fn lets_go(&self, lock: Lock, k: Learner, l: Learner, x: Id) -> bool {
        match lock.strength {
            Strength::Soft => self.soft_lets_go(lock, k, x),
            Strength::Hard => self.hard_lets_go(lock, k, l, x),
        }
    }
    // ANCHOR_END: lets_go

    // ANCHOR: fresh
    /// fresh(l, x), for every l: each own lock of another value lets go (for l) for each learner it names that is in
    /// connected(l, x).
    pub fn fresh(&self, x: Id) -> &BTreeSet<Learner> {
        self.known[x].fresh.get_or_init(|| {
            let fresh = |l: &Learner| {
                let connected = self.connected(*l, x);
                let of_another = |lock: &Lock| self.value(lock.message) != self.value(x);
                self.locks(x).into_iter().filter(of_another).all(|lock| {
                    let names = self.learners(lock.message);
                    names.intersection(&connected).all(|k| self.lets_go(lock, *k, *l, x))
                })
            };
            self.trust.learners().iter().copied().filter(fresh).collect()
        })
    }
    // ANCHOR_END: fresh

    // ANCHOR: learners
    /// learners(x) of a 2a: those l for which the signers of 1b's of the same ballot below x that are fresh for l
    /// contain a quorum of l; of a 2b: the signers of 2a's of the same ballot below x that name l.
    pub fn learners(&self, x: Id) -> &BTreeSet<Learner> {
        self.known[x].learners.get_or_init(|| {
            let named = |l: &Learner| match self.dag.reply(x).map(|reply| reply.kind) {
                Some(Kind::TwoA) => self.trust.contain_quorum(*l, self.votes(*l, x)),
                Some(Kind::TwoB) => self.trust.contain_quorum(*l, self.accepts(*l, x)),
                _ => false,
            };
            self.trust.learners().iter().copied().filter(named).collect()
        })
    }
    // ANCHOR_END: learners

    // ANCHOR: votes
    /// The signers of 1b's of the same ballot below x that are fresh for l.
    pub fn votes(&self, l: Learner, x: Id) -> Set {
        let same = self
            .below_of_kind(x, Kind::OneB)
            .filter(|(y, _)| self.ballot(*y) == self.ballot(x) && self.fresh(*y).contains(&l));
        same.fold(0, |signers, (_, reply)| signers | 1 << reply.signer)
    }

    /// The signers of 2a's of the same ballot below x that name l.
    pub fn accepts(&self, l: Learner, x: Id) -> Set {
        let same = self
            .below_of_kind(x, Kind::TwoA)
            .filter(|(y, _)| self.ballot(*y) == self.ballot(x) && self.learners(*y).contains(&l));
        same.fold(0, |signers, (_, reply)| signers | 1 << reply.signer)
    }
    // ANCHOR_END: votes

    // ANCHOR: decided
    /// The ballots that each learner decides: those for which the signers of 2a's (3-send) or 2b's (4-send) among
    /// `messages` that name it contain a quorum.
    pub fn decided(&self, messages: &BTreeSet<Id>) -> BTreeMap<Learner, BTreeSet<Ballot>> {
        let kind = if self.trust.sends() == 3 { Kind::TwoA } else { Kind::TwoB };
        let deciding: Vec<Id> = messages
            .iter()
            .copied()
            .filter(|x| self.dag.reply(*x).is_some_and(|reply| reply.kind == kind))
            .collect();
        let mut decided: BTreeMap<Learner, BTreeSet<Ballot>> = BTreeMap::new();
        for l in self.trust.learners() {
            for ballot in deciding.iter().filter_map(|x| self.ballot(*x)) {
                let naming = deciding
                    .iter()
                    .filter(|x| self.ballot(**x) == Some(ballot) && self.learners(**x).contains(l));
                let signers = naming.filter_map(|x| self.dag.reply(*x)).map(|reply| reply.signer);
                if self.trust.contain_quorum(*l, signers.fold(0, |set, signer| set | 1 << signer)) {
                    decided.entry(*l).or_default().insert(ballot);
                }
            }
        }
        decided
    }
    // ANCHOR_END: decided
}
