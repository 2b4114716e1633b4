//! What the league does in one slot, stage by stage.

use super::super::{Den, Surroundings};
use super::cast::{Cast, naming};
use hpaxos_consensus::dag::Ix;
use hpaxos_consensus::message::{Kind, ReplyKind};
use hpaxos_consensus::{Ballot, Round, Sends, Slot};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;

/// Attempts in a slot.
const ATTEMPTS_MAX: u32 = 3;

/// What the league does in one slot.
pub struct Plot {
    pub(super) slot: Slot,
    /// The learner that is to decide twice.
    pub(super) victim: LearnerId,
    attempts: u32,
    stage: Stage,
    /// The rounds that safe acceptors announced.
    pub(super) heard: BTreeMap<AcceptorId, Round>,
    /// The last reply of each member, on the chain that is to look honest.
    pub(super) tips: BTreeMap<AcceptorId, Ix>,
    /// What is to be decided first, and the ballot above which that is looked for.
    pub(super) first: Option<Cast>,
    after: Option<Ballot>,
    /// The tips that everybody has seen.
    pub(super) seen: BTreeMap<AcceptorId, Ix>,
    /// How often a way to overtake was sought.
    pub(super) schemes: u32,
    /// A member that, in secret, goes on as if it had only voted for the first value.
    pub(super) forker: Option<AcceptorId>,
    /// Of each 2a that is to overtake, whether it is of the first value once more.
    pub(super) same: Vec<bool>,
    pub(super) overtakers: Vec<Ix>,
    /// The next of them, and a proposal for it that nobody answered.
    pub(super) step: Option<Cast>,
    pub(super) spare: Option<Ballot>,
    /// The last proposal; the members that have voted for it, or could not, and those that have announced its round.
    pub(super) last: Option<(Ballot, Ix)>,
    pub(super) voted: AcceptorSet,
    pub(super) announced: AcceptorSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A value is about to be decided.
    Help,
    /// It is to be overtaken, in secret.
    Overtake,
    /// Another is proposed as soon as the safe acceptors are in its round.
    Lure,
    /// They may follow.
    Follow,
    /// Nothing more is tried.
    Over,
}

/// Why a stage does not end.
pub(super) enum Halt {
    /// Something has to happen first.
    Wait,
    /// It cannot be.
    Fail,
}

impl Plot {
    pub fn new(slot: Slot, den: &mut Den, world: &mut Surroundings) -> Self {
        let trust = den.setting().trust.clone();
        let league = den.league();
        let connections = trust.log().connections(&league);
        let victims = trust.learners().iter().filter(|one| {
            connections.connected(*one).contains(*one) && trust.is_blocking(*one, &league)
        });
        let victims: Vec<LearnerId> = victims.collect();
        let victim = victims.choose(&mut world.rng).copied();
        Plot {
            slot,
            victim: victim.unwrap_or(trust.first(0)),
            attempts: 0,
            stage: if victim.is_some() { Stage::Help } else { Stage::Over },
            heard: BTreeMap::new(),
            tips: BTreeMap::new(),
            first: None,
            after: None,
            seen: BTreeMap::new(),
            schemes: 0,
            forker: None,
            same: Vec::new(),
            overtakers: Vec::new(),
            step: None,
            spare: None,
            last: None,
            voted: AcceptorSet::EMPTY,
            announced: AcceptorSet::EMPTY,
        }
    }

    /// A safe acceptor announced a round.
    pub fn hear(&mut self, from: AcceptorId, round: Round) {
        let heard = self.heard.entry(from).or_default();
        *heard = round.max(*heard);
    }

    /// The highest round that a safe acceptor announced.
    pub(super) fn highest(&self) -> Round {
        self.heard.values().max().copied().unwrap_or_default()
    }

    /// Does what can be done now.
    pub fn go_on(&mut self, den: &mut Den, world: &mut Surroundings) {
        while den.may_act() && self.stage != Stage::Over {
            let (end, next) = match self.stage {
                Stage::Help => (self.help(den, world), Stage::Overtake),
                Stage::Overtake => (self.overtake(den, world), Stage::Lure),
                Stage::Lure => (self.lure(den, world), Stage::Follow),
                Stage::Follow => (self.follow(den, world), Stage::Over),
                Stage::Over => return,
            };
            match end {
                Ok(()) => self.stage = next,
                Err(Halt::Wait) => return,
                Err(Halt::Fail) => self.begin_again(den),
            }
        }
    }

    fn begin_again(&mut self, den: &mut Den) {
        self.attempts += 1;
        self.stage = if self.attempts < ATTEMPTS_MAX { Stage::Help } else { Stage::Over };
        self.after = den.view(self.slot).dag.proposals().keys().last().copied();
        self.first = None;
        self.schemes = 0;
        self.overtakers.clear();
        self.step = None;
    }

    /// Helps a value through, but for the league's last messages.
    fn help(&mut self, den: &mut Den, world: &mut Surroundings) -> Result<(), Halt> {
        let (slot, victim) = (self.slot, self.victim);
        if self.first.is_none() {
            let after = self.after;
            let ballots = den.view(slot).dag.proposals().keys().copied();
            let ballots: Vec<Ballot> = ballots.filter(|ballot| Some(*ballot) > after).collect();
            let mut ballots = ballots.into_iter();
            self.first = ballots.find_map(|one| Cast::new((slot, one), victim, den, world));
        }
        let Some(cast) = self.first else { return self.propose_openly(None, den, world) };
        let members = cast.quorum.intersection(&den.league());
        for member in members.iter() {
            self.say(member, ReplyKind::OneB, cast.ballot, &[cast.proposal], den, Some(world))?;
        }
        let votes = cast.all(Kind::OneB, &den.view(slot).dag).ok_or(Halt::Wait)?;
        let four = den.setting().trust.sends() == Sends::Four;
        for member in members.iter().filter(|_| four) {
            self.say(member, ReplyKind::TwoA, cast.ballot, &votes, den, Some(world))?;
        }
        let dag = &den.view(slot).dag;
        let safe = cast.quorum.difference(&members);
        let deciding = if four { Kind::TwoB } else { Kind::TwoA };
        if safe.is_subset(&naming(dag, deciding, cast.ballot, victim)) {
            self.seen = self.tips.clone();
            self.scheme(den, world);
            return Ok(());
        }
        let mut last = safe.iter().filter_map(|one| dag.last(one));
        let gone = last.any(|last| dag.node(last).facts.ballot > cast.ballot);
        Err(if gone { Halt::Fail } else { Halt::Wait })
    }
}
