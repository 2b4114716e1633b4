//! The engine of the product, explored exhaustively.
//!
//! A state is what every honest acceptor holds and has said, and what Byzantine acceptors have signed. Messages are never
//! taken back, so they may come late, never, twice, and in any order. Steps are the engine's guarded actions
//! ([`local`]); learners look on ([`observer`]); Byzantine acceptors sign whatever is well-formed ([`forgery`]).
//!
//! What is left out, and why that loses nothing: all proposals exist from the start, whoever proposed them and why; every
//! acceptor is in a round above all ballots and every value is known and valid, so that whatever has to wait elsewhere need
//! not wait here, and may. Of each round there is one proposal, unless several are asked for. Timers, rounds and proposers that choose are there where
//! liveness is checked.
//!
//! In the *faithful* mode each receipt is a step, and so is each answer. The *reduced* mode has the same steps, several in
//! one: an acceptor takes in whatever there may be, up to a message of its own; and
//!
//! - what it took in beside that message's past is forgotten: it may come again, and a crash would lose it too;
//! - a Byzantine message is signed right before the step that takes it in first, or at the end, where it can still be counted by
//!   learners: what it rests on was there before, and stays;
//! - states whose messages no guard can tell apart are one: of a message guards read its signer, its kind and its facts, and
//!   of Byzantine signers which of their messages lie below; and of its facts less and less ([`universe::Classes`]).
//!
//! Where the faithful mode finishes, tests compare what can be observed in both. A third one goes in lock step: [`rounds`].

pub mod diagram;
pub mod explore;
pub mod forgery;
pub mod knowledge;
pub mod local;
pub mod observer;
pub mod page;
mod past;
mod prefix;
mod quotient;
pub mod rounds;
pub mod setup;
mod spoiler;
pub mod stabilised;
mod steps;
pub mod symmetry;
pub mod telling;
pub mod trace;
pub mod universe;
pub mod witness;

use crate::properties::Property as Sentence;
use forgery::Forgery;
use hpaxos_consensus::Round;
use hpaxos_consensus::message::Body;
use hpaxos_learner_graph::AcceptorSet;
use local::{Happening, Local, LocalId, Locals};
use observer::{Observer, Seen};
use rounds::Clock;
use setup::{Mode, Setup};
use stabilised::{Outcome, Stabiliser};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use universe::{Msg, Universe};

/// Production engines in a world of every order, every delay and every lie.
#[derive(Clone)]
pub struct Engines {
    setup: Setup,
    universe: Arc<Universe>,
    locals: Arc<Locals>,
    observer: Arc<Observer>,
    forgery: Arc<Forgery>,
    stabiliser: Arc<Stabiliser>,
    continuations: Arc<Mutex<Continuations>>,
    /// For each pattern, the proposals.
    proposals: Vec<Vec<Msg>>,
    /// How it begins, if that is stated: the steps, and at the end where they lead.
    prefix: Arc<[(State, Option<Step>)]>,
    /// Whether no state has a step any more: for who gives up.
    ended: Arc<AtomicBool>,
}

/// What came of states that were taken as the moment of stabilisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Continuations {
    /// How many states took so many periods until every live learner had decided.
    pub periods: BTreeMap<u32, u64>,
    /// How many took so many ballots.
    pub ballots: BTreeMap<u64, u64>,
    /// How many are excused.
    pub excused: u64,
}

impl Continuations {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Decided { periods, ballots } => {
                *self.periods.entry(*periods).or_default() += 1;
                *self.ballots.entry(*ballots).or_default() += 1;
            }
            Outcome::Excused => self.excused += 1,
            Outcome::Undecided { .. } | Outcome::Broken { .. } => {}
        }
    }
}

/// A state of the model.
#[derive(Clone, Debug)]
pub struct State {
    pattern: u8,
    crashes: u8,
    amnesias: u8,
    /// Of each honest acceptor, in order, its state.
    honest: Box<[LocalId]>,
    /// What Byzantine acceptors signed.
    lies: Box<[Msg]>,
    /// How many of the last lies nobody has taken in yet; in the reduced mode.
    fresh: u8,
    /// Where it is, in lock step.
    clock: Option<Clock>,
    /// Equal for states that are one.
    key: u64,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key.hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// A step of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An honest acceptor, by its place among them, goes on: faithfully by one thing that happens, else up to a message.
    Honest {
        /// Its place.
        place: usize,
        /// What happens, in order.
        events: Vec<Happening>,
        /// From which state of the acceptor.
        from: LocalId,
        /// Where that leads.
        to: LocalId,
        /// How many messages were lost on the way, in lock step.
        lost: u8,
    },
    /// A Byzantine acceptor signs something.
    Lie(Msg),
}

impl Engines {
    /// The model of a set-up.
    pub fn new(setup: Setup) -> Self {
        let universe = Arc::new(Universe::new(&setup));
        let schedule = setup.trust.schedule();
        let proposal = |(round, value): &(u64, _)| {
            let round = Round(*round);
            let body = Body::Proposal { round, value: *value };
            universe.number(&universe.sign(body, schedule.proposer(setup.slot, round)))
        };
        let of_pattern = |ballots: &Vec<_>| ballots.iter().map(proposal).collect();
        let proposals = setup.patterns.iter().map(of_pattern).collect();
        Engines {
            locals: Arc::new(Locals::new(&setup, universe.clone())),
            observer: Arc::new(Observer::new(&setup, universe.clone())),
            forgery: Arc::default(),
            stabiliser: Arc::new(Stabiliser::new(&setup)),
            continuations: Arc::default(),
            universe,
            proposals,
            prefix: Arc::default(),
            ended: Arc::default(),
            setup,
        }
    }

    /// The same from where a stated beginning leads, as `prefix.rs` reads it. What Byzantine acceptors sign in it is not counted.
    ///
    /// # Errors
    /// Which line of the prefix cannot be performed, and why.
    pub fn from_prefix(mut self, text: &str) -> Result<Self, String> {
        let mut path = prefix::play(&self, text)?;
        if let Some((last, _)) = path.last_mut() {
            self.setup.lies += last.lies.len();
            last.fresh = 0;
            last.key = self.key(last);
        }
        self.prefix = path.into();
        Ok(self)
    }

    /// Lets no state have a step any more, in clones neither, so that an exploration ends; or takes that back.
    pub(crate) fn end_here(&self, ended: bool) {
        self.ended.store(ended, Ordering::Relaxed);
    }

    /// A path with how the model begins.
    pub fn with_prefix(&self, path: &[(State, Option<Step>)]) -> Vec<(State, Option<Step>)> {
        let before = self.prefix.split_last().map_or(&[][..], |(_, before)| before);
        before.iter().chain(path).cloned().collect()
    }

    /// What it is of.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// All messages that occurred.
    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// All states of acceptors that occurred.
    pub fn locals(&self) -> &Locals {
        &self.locals
    }

    /// What was observed, in all states.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The proposals of a state's pattern.
    pub fn proposals(&self, state: &State) -> &[Msg] {
        &self.proposals[usize::from(state.pattern)]
    }

    /// The acceptors' states.
    pub fn honest<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Local> + Clone {
        state.honest.iter().map(|id| self.locals.get(*id))
    }

    /// The numbers of the acceptors' states.
    pub fn honest_ids<'a>(&self, state: &'a State) -> impl Iterator<Item = LocalId> + use<'a> {
        state.honest.iter().copied()
    }

    /// What Byzantine acceptors signed.
    pub fn lies<'a>(&self, state: &'a State) -> &'a [Msg] {
        &state.lies
    }

    /// What is observed in a state.
    pub fn seen(&self, state: &State) -> Arc<Seen> {
        self.observer.see(self.honest(state), &state.lies).1
    }

    /// What came of the states that were asked whether live learners decide in time from there on.
    pub fn continuations(&self) -> Continuations {
        self.continuations.lock().expect("no thread panics with the lock").clone()
    }

    /// What comes of a state if everything arrives in time from then on.
    pub fn go_on(&self, state: &State) -> Outcome {
        let honest: Vec<&Local> = self.honest(state).collect();
        let proposals = &self.proposals[usize::from(state.pattern)];
        self.stabiliser.go_on(&self.universe, &honest, proposals, &state.lies)
    }

    /// Whether live learners decide in time from a state on, if that is asked.
    pub(crate) fn goes_on(&self, state: &State) -> bool {
        let ended = self.ended.load(Ordering::Relaxed);
        if !self.setup.liveness || ended || self.honest(state).any(|local| local.flaw.is_some()) {
            return true;
        }
        let outcome = self.go_on(state);
        self.continuations.lock().expect("no thread panics with the lock").count(&outcome);
        matches!(outcome, Outcome::Decided { .. } | Outcome::Excused)
    }

    /// What is wrong with a state, or with what comes of it, in words.
    pub fn why(&self, state: &State) -> Option<String> {
        if let Some((property, detail)) = self.flaw(state) {
            return Some(format!("{}: {detail}", property.name()));
        }
        match self.go_on(state) {
            Outcome::Undecided { learner, why } => {
                Some(format!("from then on {} does not decide: {why}", self.learner(learner)))
            }
            Outcome::Broken { property, detail } => {
                Some(format!("from then on {}: {detail}", property.name()))
            }
            Outcome::Decided { .. } | Outcome::Excused => None,
        }
    }

    /// What must not be in a state, if anything.
    pub fn flaw(&self, state: &State) -> Option<(Sentence, Arc<str>)> {
        let here = self.honest(state).find_map(|local| local.flaw.as_deref().cloned());
        here.or_else(|| self.seen(state).flaw.clone())
    }

    /// What makes the properties mean something, and whether it occurred: a decision in the first ballot and in the last, an
    /// acceptor that was caught, a pair of learners that was disconnected, and learners that disagree and may.
    pub fn witnesses(&self) -> BTreeMap<&'static str, bool> {
        let seen = self.observer.all();
        let last = self.setup.rounds().saturating_sub(1);
        let decided = |round: u64| seen.values().any(|seen| seen.rounds.contains(&round));
        let values =
            |seen: &Seen| seen.decided.iter().map(|(_, value)| *value).collect::<BTreeSet<_>>();
        let allowed = |seen: &&Arc<Seen>| seen.flaw.is_none() && values(seen).len() > 1;
        let caught: BTreeSet<_> = self.universe.all_caught();
        let trust = &self.setup.trust;
        let disconnects = |caught: &AcceptorSet| witness::disconnects(trust, caught);
        BTreeMap::from([
            ("first-ballot-decided", decided(0)),
            ("last-ballot-decided", decided(last)),
            ("caught", caught.iter().any(|one| !one.is_empty())),
            ("disconnected", caught.iter().any(disconnects)),
            ("allowed-disagreement", seen.values().any(|seen| allowed(&seen))),
        ])
    }
}

impl Model for Engines {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        if let Some((last, _)) = self.prefix.last() {
            return vec![last.clone()];
        }
        let acceptors = self.setup.setting.acceptors.iter().copied();
        let honest = acceptors.filter(|one| !self.setup.byzantine.contains(*one));
        let honest: Box<[_]> = honest.map(|one| self.locals.fresh(one)).collect();
        let state = |pattern| {
            let (honest, lies) = (honest.clone(), Box::default());
            let clock = (self.setup.mode == Mode::Rounds).then(|| Clock::new(honest.len()));
            let (crashes, amnesias, fresh, key) = (0, 0, 0, 0);
            let mut state = State { pattern, crashes, amnesias, honest, lies, fresh, clock, key };
            state.key = self.key(&state);
            state
        };
        (0..self.proposals.len() as u8).map(state).collect()
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if self.ended.load(Ordering::Relaxed) {
            return;
        }
        if let Some(clock) = &state.clock {
            self.steps_of_rounds(state, clock, steps);
            if !clock.is_between() {
                return;
            }
        }
        for place in 0..state.honest.len() {
            match self.setup.mode {
                Mode::Faithful => self.faithful_steps(state, place, steps),
                Mode::Reduced => self.reduced_steps(state, place, steps),
                Mode::Rounds => {}
            }
        }
        steps.extend(self.lies_to_tell(state).into_iter().map(Step::Lie));
    }

    fn format_action(&self, step: &Step) -> String {
        self.told(step)
    }

    fn format_step(&self, state: &State, step: Step) -> Option<String> {
        self.next_state(state, step).map(|next| self.described(&next))
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        match step {
            Step::Honest { place, events, to, lost, .. } => {
                next.honest[place] = to;
                next.fresh = 0;
                if let Some(clock) = &state.clock {
                    let lengths = self.honest(&next).map(|local| local.chain.len());
                    next.clock = Some(clock.next(lost, lengths, state.lies.len()));
                }
                next.crashes += u8::from(events == [Happening::Restart]);
                next.amnesias += u8::from(events == [Happening::Forget]);
            }
            Step::Lie(msg) => {
                let mut lies = next.lies.to_vec();
                lies.push(msg);
                next.lies = lies.into();
                next.fresh += u8::from(self.setup.mode == Mode::Reduced);
            }
        }
        next.key = self.key(&next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($sentence:ident),+) => {
                vec![$(Property::always(Sentence::$sentence.name(), |model: &Engines, state: &State| {
                    !matches!(model.flaw(state), Some((Sentence::$sentence, _)))
                })),+]
            };
        }
        let mut all = always![
            Agreement,
            Validity,
            OneChain,
            Evidence,
            WellFormedness,
            Durability,
            BoundedMemory,
            Assertions
        ];
        all.push(Property::always(Sentence::Liveness.name(), Engines::goes_on));
        all
    }
}
