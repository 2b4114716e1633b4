//! Ways to overtake a value, tried at home.

use super::super::{Den, Surroundings};
use super::cast::{Cast, find, is_fresh};
use super::plot::{Halt, Plot};
use hpaxos_consensus::message::{Kind, ReplyKind};
use hpaxos_consensus::{Ballot, Round};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

/// Ways that are sought before one is gone of which it is known that nobody would follow.
const SCHEMES_MAX: u32 = 5;

/// The first value once more; another; another, and then one that only the former lets through.
const WAYS: [&[bool]; 4] = [&[true], &[false], &[false, false], &[false, false]];

impl Plot {
    /// Begins with another way.
    pub(super) fn scheme(&mut self, den: &mut Den, world: &mut Surroundings) {
        self.schemes += 1;
        self.same = WAYS[world.rng.random_range(0..WAYS.len())].to_vec();
        self.overtakers.clear();
        self.step = None;
        self.last = None;
        self.tips = self.seen.clone();
        self.forker = None;
        let Some(first) = self.first else { return };
        let members: Vec<AcceptorId> = first.quorum.intersection(&den.league()).iter().collect();
        if !self.same.contains(&true)
            && let Some(forker) = members.choose(&mut world.rng)
            && let Some(vote) = find(&den.view(self.slot).dag, *forker, Kind::OneB, first.ballot)
        {
            self.forker = Some(*forker);
            self.tips.insert(*forker, vote);
        }
    }

    /// Makes 2a's of higher ballots, in secret.
    pub(super) fn overtake(&mut self, den: &mut Den, world: &mut Surroundings) -> Result<(), Halt> {
        let first = self.first.ok_or(Halt::Fail)?;
        match self.overtake_once(first, den, world) {
            Err(Halt::Fail) if self.schemes < SCHEMES_MAX => {
                self.scheme(den, world);
                // The others get their turn before the next way is tried.
                Err(Halt::Wait)
            }
            end => end,
        }
    }

    fn overtake_once(
        &mut self,
        first: Cast,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(), Halt> {
        while let Some(same) = self.same.get(self.overtakers.len()).copied() {
            let cast = match self.step {
                Some(cast) => cast,
                None if same => self.cast_same(first, den, world)?,
                None => self.cast_other(first, den, world)?,
            };
            self.step = Some(cast);
            self.overtake_by(cast, den, world)?;
            self.step = None;
        }
        if self.last.is_none() {
            self.propose_last(first, den, world)?;
        }
        let well = self.schemes == SCHEMES_MAX || self.would_follow(first, den);
        if well { Ok(()) } else { Err(Halt::Fail) }
    }

    /// Another ballot of the first value, with the votes of safe acceptors that the others do not count as a quorum.
    fn cast_same(
        &mut self,
        first: Cast,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<Cast, Halt> {
        let (slot, value, floor) = (self.slot, first.ballot.value, self.floor(first, den));
        let again = |ballot: &Ballot| ballot.value == value && ballot.round > floor;
        let ballots = den.view(slot).dag.proposals().keys().rev().copied().filter(again);
        let ballots: Vec<Ballot> = ballots.collect();
        let learners = self.learners(den, world);
        for ballot in ballots {
            let mut learners = learners.iter();
            if let Some(cast) = learners.find_map(|one| Cast::new((slot, ballot), *one, den, world))
            {
                return Ok(cast);
            }
        }
        self.propose_openly(Some((floor, value)), den, world)?;
        Err(Halt::Wait)
    }

    /// A ballot of another value, in which the league is a quorum by itself.
    fn cast_other(
        &mut self,
        first: Cast,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<Cast, Halt> {
        let (slot, league, floor) = (self.slot, den.league(), self.floor(first, den));
        let ballot = match self.spare.filter(|ballot| ballot.round > floor) {
            Some(ballot) => ballot,
            None => {
                let round = self.next_round(floor, den, |one| league.contains(one));
                self.propose(round.ok_or(Halt::Fail)?, None, den, world)?.0
            }
        };
        self.spare = Some(ballot);
        for learner in self.learners(den, world) {
            let Some(cast) = Cast::new((slot, ballot), learner, den, world) else { continue };
            let dag = &den.view(slot).dag;
            let refs = || self.overtakers.iter().copied().chain([cast.proposal]);
            let tip = |one: &AcceptorId| self.tips.get(one).copied();
            if cast.quorum.iter().all(|one| is_fresh(dag, one, tip(&one), refs(), learner)) {
                self.spare = None;
                return Ok(cast);
            }
        }
        Err(Halt::Fail)
    }

    /// Learners that may have to agree with the victim, in any order.
    fn learners(&self, den: &Den, world: &mut Surroundings) -> Vec<LearnerId> {
        let connections = den.setting().trust.log().connections(&AcceptorSet::EMPTY);
        let mut learners: Vec<LearnerId> = connections.connected(self.victim).iter().collect();
        learners.shuffle(&mut world.rng);
        learners
    }

    /// Makes the votes of a ballot, and a 2a: of the forker, if it can be.
    fn overtake_by(
        &mut self,
        cast: Cast,
        den: &mut Den,
        world: &mut Surroundings,
    ) -> Result<(), Halt> {
        let members = cast.quorum.intersection(&den.league());
        for member in members.iter() {
            self.say(member, ReplyKind::OneB, cast.ballot, &[cast.proposal], den, None)?;
        }
        let votes = cast.all(Kind::OneB, &den.view(self.slot).dag).ok_or(Halt::Fail)?;
        let forker = self.forker.filter(|one| members.contains(*one));
        let forker = forker.filter(|_| world.rng.random_bool(0.7));
        let any: Vec<AcceptorId> = members.iter().collect();
        let maker = forker.or_else(|| any.choose(&mut world.rng).copied()).ok_or(Halt::Fail)?;
        self.say(maker, ReplyKind::TwoA, cast.ballot, &votes, den, None)?;
        self.overtakers.extend(self.tips.get(&maker));
        Ok(())
    }

    /// Whether the safe acceptors that helped to decide the first value would vote for the other, fresh for the victim.
    fn would_follow(&self, first: Cast, den: &mut Den) -> bool {
        let Some((_, proposal)) = self.last else { return false };
        let safe = first.quorum.intersection(&den.safe());
        let dag = &den.view(self.slot).dag;
        let refs = || self.overtakers.iter().copied().chain([proposal]);
        safe.iter().all(|one| is_fresh(dag, one, dag.last(one), refs(), self.victim))
    }

    /// The round of the last ballot that counts.
    pub(super) fn floor(&self, first: Cast, den: &mut Den) -> Round {
        let dag = &den.view(self.slot).dag;
        let last = self.overtakers.last().map(|ix| dag.node(*ix).facts.ballot.round);
        last.unwrap_or(first.ballot.round)
    }
}
