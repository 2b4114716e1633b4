//! What one acceptor may come to know and say: the engine's own steps, each taken once.
//!
//! An acceptor's next step depends on nothing but its own state and what happens to it. So the states that an acceptor can be
//! in are numbered, and what the engine makes of an event in one of them is worked out the first time and looked up from
//! then on. A state of the whole model is a few such numbers.

use super::past::Past;
use super::setup::{Mode, Setup};
use super::universe::{Msg, Said, Universe, hash_of};
use crate::properties::Property;
use hpaxos_consensus::message::{Kind, Message, NoSigner, Refs, Verified};
use hpaxos_consensus::{
    Config, Effects, Engine, Instance, Judgement, Peer, Record, Round, SlotEvent, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// The number of a [`Local`].
pub type LocalId = u32;

/// What can happen to an acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// A message comes, with what below it is missing; it is taken in at once if it may be.
    Deliver(Msg),
    /// The units at hand are all here: the acceptor tries a 2a, and then a 2b.
    Answer,
    /// It crashes, and comes back with what it has stored.
    Restart,
    /// It loses its store, comes back, and hears first what it said itself.
    Forget,
}

impl Happening {
    /// A number of its own.
    fn code(self) -> u32 {
        match self {
            Happening::Deliver(msg) => msg,
            Happening::Answer => u32::MAX,
            Happening::Restart => u32::MAX - 1,
            Happening::Forget => u32::MAX - 2,
        }
    }
}

/// A state that an acceptor can be in. There are millions: it is kept small.
pub struct Local {
    /// Whose.
    pub owner: AcceptorId,
    /// What it has said, in order; a crash does not unsay it.
    pub chain: Box<[Msg]>,
    /// Equal for equal states only, as far as 64 bits go; in the faithful mode.
    pub identity: u64,
    /// Equal for states, right after a message, that no guard can tell apart whatever the others did.
    pub class: u64,
    /// What went wrong on the way here.
    pub flaw: Option<Box<(Property, Arc<str>)>>,
    /// The messages in its DAG, ascending.
    held: Box<[Held]>,
    /// Whose forks it knows.
    forked: Box<[AcceptorId]>,
    origin: Option<(LocalId, Happening)>,
}

/// A message that an acceptor holds: its number, whether it is taken in, whether it is on disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Held(u32);

impl Held {
    const TAKEN: u32 = 1 << 31;
    const STORED: u32 = 1 << 30;

    fn msg(self) -> Msg {
        self.0 & !(Held::TAKEN | Held::STORED)
    }
}

impl Local {
    /// Whether it holds a message.
    pub fn holds(&self, msg: Msg) -> bool {
        self.held.binary_search_by_key(&msg, |held| held.msg()).is_ok()
    }

    /// The messages that it has taken in, ascending.
    pub fn taken(&self) -> impl Iterator<Item = Msg> + Clone + '_ {
        self.held.iter().filter(|held| held.0 & Held::TAKEN != 0).map(|held| held.msg())
    }

    /// What is on its disk, ascending.
    pub fn stored(&self) -> impl Iterator<Item = Msg> + Clone + '_ {
        self.held.iter().filter(|held| held.0 & Held::STORED != 0).map(|held| held.msg())
    }

    /// Whether it knows of a fork of `signer`.
    pub fn has_caught(&self, signer: AcceptorId) -> bool {
        self.forked.contains(&signer)
    }

    /// The round of its last vote.
    pub fn answered(&self, universe: &Universe) -> Option<Round> {
        let votes = self.chain.iter().rev().map(|msg| universe.said(*msg));
        let mut votes = votes.filter(|said| said.kind == Kind::OneB);
        votes.next().map(|said| said.facts.ballot.round)
    }

    /// What it said last.
    pub fn last(&self) -> Option<Msg> {
        self.chain.last().copied()
    }
}

/// What a state is told from others by, as far as 128 bits go.
type Key = (u64, u64);

/// A step that was worked out: from where, and what happened.
type Taken = (LocalId, u32);

/// Where a step leads that leads nowhere.
const NOWHERE: LocalId = LocalId::MAX;

/// Engines kept for the states that were met last: making one anew takes as long as its past.
const ENGINES_MAX: usize = 2_000;

/// The states that acceptors can be in.
pub struct Locals {
    setup: Setup,
    universe: Arc<Universe>,
    configs: HashMap<AcceptorId, Arc<Config>>,
    values: Vec<ValueHash>,
    /// A round above all ballots: whoever is in it may answer any of them, and nobody has to wait.
    round: Round,
    take_in: u64,
    states: boxcar::Vec<Local>,
    numbers: Mutex<HashMap<Key, LocalId>>,
    next: RwLock<HashMap<Taken, LocalId>>,
    engines: Mutex<HashMap<LocalId, Arc<Instance>>>,
    fired: Vec<AtomicU64>,
}

impl Locals {
    /// None yet.
    pub fn new(setup: &Setup, universe: Arc<Universe>) -> Self {
        let config = |acceptor: AcceptorId| {
            let signer = Arc::new(NoSigner);
            let (network, trust) = (setup.setting.network, setup.trust.clone());
            let mut config = Config::new(network, trust, Some(acceptor), signer);
            config.rules = setup.rules;
            // A round is no part of a state: the acceptor is in a late one, and may answer all before it.
            config.lenient_turns = u64::MAX;
            (acceptor, Arc::new(config))
        };
        let guards = Instance::GUARDS;
        let take_in = guards.iter().position(|guard| guard.name == "may_take_in");
        Locals {
            configs: setup.setting.acceptors.iter().copied().map(config).collect(),
            values: setup.values().into_iter().collect(),
            round: Round(setup.rounds()),
            take_in: 1 << take_in.expect("the engine has this guard"),
            states: boxcar::Vec::new(),
            numbers: Mutex::default(),
            next: RwLock::default(),
            engines: Mutex::default(),
            fired: guards.iter().map(|_| AtomicU64::new(0)).collect(),
            setup: setup.clone(),
            universe,
        }
    }

    /// The state with a number.
    pub fn get(&self, id: LocalId) -> &Local {
        &self.states[id as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.states.count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the steps, each counted once, each guard let pass.
    pub fn fired(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = Instance::GUARDS.iter().map(|guard| guard.name);
        names.zip(self.fired.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// An acceptor that has just opened the slot.
    pub fn fresh(&self, owner: AcceptorId) -> LocalId {
        let mut out = Effects::default();
        let instance = self.recovered(owner, std::iter::empty(), &mut out);
        let past = Past::default();
        self.enter(owner, instance, past, None)
    }

    /// What happens next, if anything does.
    pub fn after(&self, id: LocalId, event: Happening) -> Option<LocalId> {
        let taken = (id, event.code());
        let known = self.next.read().expect("no thread panics with the lock");
        if let Some(found) = known.get(&taken) {
            return Some(*found).filter(|found| *found != NOWHERE);
        }
        drop(known);
        let next = self.work_out(id, event);
        self.next.write().expect("as above").insert(taken, next.unwrap_or(NOWHERE));
        next
    }

    /// The engine in a state.
    pub fn engine(&self, id: LocalId) -> Arc<Instance> {
        let mut path = Vec::new();
        let mut at = id;
        let mut instance = loop {
            let kept = self.engines.lock().expect("no thread panics with the lock");
            if let Some(found) = kept.get(&at) {
                break found.clone();
            }
            drop(kept);
            let local = self.get(at);
            match local.origin {
                Some((before, event)) if event != Happening::Restart => {
                    path.push(event);
                    at = before;
                }
                _ => {
                    let mut out = Effects::default();
                    break Arc::new(self.recovered(local.owner, local.stored(), &mut out));
                }
            }
        };
        for event in path.into_iter().rev() {
            let mut out = Effects::default();
            let next = self.apply(self.get(at), &instance, event, &mut out);
            at = self.after(at, event).expect("the path was taken before");
            instance = Arc::new(next);
        }
        self.keep(id, instance.clone());
        instance
    }

    fn keep(&self, id: LocalId, instance: Arc<Instance>) {
        let mut engines = self.engines.lock().expect("no thread panics with the lock");
        if engines.len() >= ENGINES_MAX {
            engines.clear();
        }
        engines.insert(id, instance);
    }

    fn work_out(&self, id: LocalId, event: Happening) -> Option<LocalId> {
        let before = self.get(id);
        if before.flaw.is_some() {
            return None;
        }
        let instance = self.engine(id);
        let mut out = Effects::default();
        let result =
            catch_unwind(AssertUnwindSafe(|| self.apply(before, &instance, event, &mut out)));
        let mut past =
            Past { chain: before.chain.to_vec(), stored: before.stored().collect(), flaw: None };
        let Ok(after) = result else {
            past.flaw = Some((Property::Assertions, "an assertion of the engine failed".into()));
            return Some(self.enter(
                before.owner,
                Instance::clone(&instance),
                past,
                Some((id, event)),
            ));
        };
        for (index, count) in self.fired.iter().enumerate() {
            count.fetch_add(out.fired >> index & 1, Ordering::Relaxed);
        }
        if event == Happening::Forget {
            past.stored.clear();
            out.faults.clear();
        }
        past.take_note(&self.universe, before.owner, &out, &self.setup);
        let silent = past.chain.len() == before.chain.len() && past.flaw.is_none();
        if event == Happening::Answer && silent {
            return None;
        }
        Some(self.enter(before.owner, after, past, Some((id, event))))
    }

    /// The engine after an event.
    fn apply(
        &self,
        local: &Local,
        before: &Instance,
        event: Happening,
        out: &mut Effects,
    ) -> Instance {
        let owner = local.owner;
        match event {
            Happening::Deliver(msg) => {
                let mut instance = before.clone();
                // What is missing was hidden by forkers, and comes because the message needs it: the highest first.
                let below = self.universe.said(msg).below.iter().rev();
                for one in below {
                    let message = self.heard_by(owner, *one);
                    if instance.dag().find(&message.id()).is_none() {
                        let from = Peer::Acceptor(message.signer());
                        instance.handle(
                            SlotEvent::Message { from, message, hint: Refs::default() },
                            out,
                        );
                    }
                }
                while instance.handle_of(&SlotEvent::Settle, self.take_in, out) {}
                instance
            }
            Happening::Answer => {
                let mut instance = before.clone();
                instance.settle(out);
                instance
            }
            Happening::Restart => self.recovered(owner, local.stored(), out),
            Happening::Forget => {
                let mut instance = self.recovered(owner, std::iter::empty(), out);
                for msg in local.stored() {
                    let message = self.heard_by(owner, msg);
                    let from = Peer::Acceptor(message.signer());
                    let hint = Refs::default();
                    instance.handle(SlotEvent::Message { from, message, hint }, out);
                }
                while instance.handle_of(&SlotEvent::Settle, self.take_in, out) {}
                instance
            }
        }
    }

    /// An acceptor that starts with what is on its disk.
    fn recovered(
        &self,
        owner: AcceptorId,
        stored: impl Iterator<Item = Msg>,
        out: &mut Effects,
    ) -> Instance {
        let slot = self.setup.slot;
        let messages = stored.map(|msg| self.heard_by(owner, msg)).collect();
        let records =
            vec![Record::Round { slot, round: self.round }, Record::Messages { slot, messages }];
        let config = self.configs[&owner].clone();
        let mut instance = Instance::recover(config, slot, records, false, out);
        for value in &self.values {
            let judgement = Judgement::Valid;
            instance.handle(SlotEvent::Value { value: *value, judgement }, out);
        }
        instance
    }

    /// A message as an acceptor hears it. It hears its own proposals as if they were somebody else's: so it may answer them
    /// late, like all others.
    pub fn heard_by(&self, owner: AcceptorId, msg: Msg) -> Arc<Verified<Message>> {
        let Said { message, kind, signer, .. } = self.universe.said(msg);
        if *kind == Kind::OneA && *signer == owner {
            let other = self.setup.setting.acceptors.iter().find(|one| **one != owner);
            return self.universe.sign(message.body.clone(), *other.unwrap_or(&owner));
        }
        message.clone()
    }

    fn enter(
        &self,
        owner: AcceptorId,
        instance: Instance,
        past: Past,
        origin: Option<(LocalId, Happening)>,
    ) -> LocalId {
        let dag = instance.dag();
        let held = dag.nodes().map(|(ix, node)| {
            let msg = self.universe.number(&node.message);
            let taken = if instance.has_taken(ix) { Held::TAKEN } else { 0 };
            let stored = if past.stored.binary_search(&msg).is_ok() { Held::STORED } else { 0 };
            Held(msg | taken | stored)
        });
        let mut held: Box<[Held]> = held.collect();
        held.sort_unstable_by_key(|held| held.msg());
        let flaw = past.flaw.as_ref().map(|(property, _)| *property);
        let key = {
            let content = (owner, &held, &past.chain, flaw);
            (hash_of(&content), hash_of(&(0, content)))
        };
        let mut numbers = self.numbers.lock().expect("no thread panics with the lock");
        if let Some(known) = numbers.get(&key) {
            return *known;
        }
        let chain = past.chain.iter().map(|msg| self.universe.said(*msg).classes[0].last);
        let faithful = self.setup.mode == Mode::Faithful;
        let local = Local {
            owner,
            identity: if faithful { self.identity(owner, &held, &past.chain, flaw) } else { 0 },
            class: hash_of(&(owner, chain.collect::<Vec<u64>>(), flaw)),
            forked: dag.forked().iter().collect(),
            held,
            chain: past.chain.into(),
            flaw: past.flaw.map(Box::new),
            origin,
        };
        let id = self.states.push(local) as LocalId;
        numbers.insert(key, id);
        drop(numbers);
        self.keep(id, Arc::new(instance));
        id
    }

    /// The same whatever numbers the messages have in this run.
    fn identity(
        &self,
        owner: AcceptorId,
        held: &[Held],
        chain: &[Msg],
        flaw: Option<Property>,
    ) -> u64 {
        let id = |msg: Msg| self.universe.said(msg).message.id();
        let mut held: Vec<_> =
            held.iter().map(|one| (id(one.msg()), one.0 & (Held::TAKEN | Held::STORED))).collect();
        held.sort_unstable();
        let chain: Vec<_> = chain.iter().map(|msg| id(*msg)).collect();
        hash_of(&(owner, held, chain, flaw))
    }
}
