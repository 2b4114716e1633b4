//! What one acceptor may come to know and say: the engine's own steps, each taken once.
//!
//! An acceptor's next step depends on nothing but its own state and what happens to it. So the states that an acceptor can be
//! in are numbered, and what the engine makes of an event in one of them is worked out the first time and looked up from
//! then on. A state of the whole model is a few such numbers.

use super::setup::Setup;
use super::universe::{Msg, Said, Universe, hash_of};
use crate::properties::Property;
use hpaxos_consensus::message::{Kind, Message, NoSigner, Packet, Refs, Verified};
use hpaxos_consensus::{
    Config, Effects, Engine, Fault, Instance, Judgement, Peer, Record, Round, Sends, SlotEvent,
    ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
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

/// A state that an acceptor can be in.
pub struct Local {
    /// Whose.
    pub owner: AcceptorId,
    /// The messages in its DAG, ascending.
    pub holds: Box<[Msg]>,
    /// Those that it has taken in, ascending.
    pub taken: Box<[Msg]>,
    /// What it has said, in order; a crash does not unsay it.
    pub chain: Box<[Msg]>,
    /// Whose forks it knows.
    pub forked: AcceptorSet,
    /// What is on its disk, ascending.
    pub stored: Box<[Msg]>,
    /// Equal for equal states only, as far as 64 bits go.
    pub identity: u64,
    /// Equal for states, right after a message, that no guard can tell apart whatever the others did.
    pub class: u64,
    /// Equal for states in which it has said the same, in the same way.
    pub sayings: Box<[u64]>,
    /// What went wrong on the way here.
    pub flaw: Option<(Property, Arc<str>)>,
    origin: Option<(LocalId, Happening)>,
}

impl Local {
    /// Whether it holds a message.
    pub fn holds(&self, msg: Msg) -> bool {
        self.holds.binary_search(&msg).is_ok()
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

#[derive(PartialEq, Eq, Hash)]
struct Key {
    owner: AcceptorId,
    holds: Box<[Msg]>,
    taken: Box<[Msg]>,
    chain: Box<[Msg]>,
    stored: Box<[Msg]>,
    flaw: Option<Property>,
}

/// Engines kept for the states that were met last: making one anew takes as long as its past.
const ENGINES_MAX: usize = 20_000;

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
    next: RwLock<HashMap<(LocalId, Happening), Option<LocalId>>>,
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
        let instance = self.recovered(owner, &[], &mut out);
        let past = Past::default();
        self.enter(owner, instance, past, None)
    }

    /// What happens next, if anything does.
    pub fn after(&self, id: LocalId, event: Happening) -> Option<LocalId> {
        let known = self.next.read().expect("no thread panics with the lock");
        if let Some(found) = known.get(&(id, event)) {
            return *found;
        }
        drop(known);
        let next = self.work_out(id, event);
        self.next.write().expect("as above").insert((id, event), next);
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
                    break Arc::new(self.recovered(local.owner, &local.stored, &mut out));
                }
            }
        };
        let owner = self.get(id).owner;
        for event in path.into_iter().rev() {
            let mut out = Effects::default();
            let stored = self.get(at).stored.clone();
            let next = self.apply(owner, &instance, &stored, event, &mut out);
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
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.apply(before.owner, &instance, &before.stored, event, &mut out)
        }));
        let mut past =
            Past { chain: before.chain.to_vec(), stored: before.stored.to_vec(), flaw: None };
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
        owner: AcceptorId,
        before: &Instance,
        stored: &[Msg],
        event: Happening,
        out: &mut Effects,
    ) -> Instance {
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
            Happening::Restart => self.recovered(owner, stored, out),
            Happening::Forget => {
                let mut instance = self.recovered(owner, &[], out);
                for msg in stored {
                    let message = self.heard_by(owner, *msg);
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
    fn recovered(&self, owner: AcceptorId, stored: &[Msg], out: &mut Effects) -> Instance {
        let slot = self.setup.slot;
        let messages = stored.iter().map(|msg| self.heard_by(owner, *msg)).collect();
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
        let mut holds = Vec::with_capacity(dag.len());
        let mut taken = Vec::with_capacity(dag.len());
        for (ix, node) in dag.nodes() {
            let msg = self.universe.number(&node.message);
            holds.push(msg);
            if instance.has_taken(ix) {
                taken.push(msg);
            }
        }
        holds.sort_unstable();
        taken.sort_unstable();
        let key = Key {
            owner,
            holds: holds.into(),
            taken: taken.into(),
            chain: past.chain.into(),
            stored: past.stored.into(),
            flaw: past.flaw.as_ref().map(|(property, _)| *property),
        };
        let mut numbers = self.numbers.lock().expect("no thread panics with the lock");
        if let Some(known) = numbers.get(&key) {
            return *known;
        }
        let said = |msg: &Msg| self.universe.said(*msg);
        let ids = |msgs: &[Msg]| -> Vec<_> {
            let mut ids: Vec<_> = msgs.iter().map(|msg| said(msg).message.id()).collect();
            ids.sort_unstable();
            ids
        };
        let local = Local {
            owner,
            forked: *dag.forked(),
            identity: hash_of(&(
                owner,
                ids(&key.holds),
                ids(&key.taken),
                ids(&key.chain),
                ids(&key.stored),
                key.flaw,
            )),
            class: {
                let chain = key.chain.iter().map(|msg| said(msg).classes[0].last);
                hash_of(&(owner, chain.collect::<Vec<u64>>(), key.flaw))
            },
            sayings: (0..self.universe.permutations().len())
                .map(|index| {
                    let sayings = key.chain.iter().map(|msg| said(msg).sayings[index]);
                    sayings.fold(0, u64::wrapping_add)
                })
                .collect(),
            holds: key.holds.clone(),
            taken: key.taken.clone(),
            chain: key.chain.clone(),
            stored: key.stored.clone(),
            flaw: past.flaw,
            origin,
        };
        let id = self.states.push(local) as LocalId;
        numbers.insert(key, id);
        drop(numbers);
        self.keep(id, Arc::new(instance));
        id
    }
}

/// What an acceptor has done that a crash does not undo.
#[derive(Default)]
struct Past {
    chain: Vec<Msg>,
    stored: Vec<Msg>,
    flaw: Option<(Property, Arc<str>)>,
}

impl Past {
    /// Takes note of what the engine wants done, in the order of the lanes.
    fn take_note(&mut self, universe: &Universe, owner: AcceptorId, out: &Effects, setup: &Setup) {
        let phases = if setup.trust.sends() == Sends::Three { 1 } else { 2 };
        let replies_max = 1 + phases * setup.trust.learners().len();
        for record in &out.store {
            if let Record::Messages { messages, .. } = record {
                self.stored.extend(messages.iter().map(|message| universe.number(message)));
            }
        }
        self.stored.sort_unstable();
        self.stored.dedup();
        for (_, packet) in &out.send {
            let Packet::Message(message, _) = packet else { continue };
            if message.signer() != owner || message.kind() == Kind::OneA {
                continue;
            }
            let msg = universe.number(message);
            if self.chain.contains(&msg) {
                continue;
            }
            let said = universe.said(msg);
            if said.prev != self.chain.last().copied() {
                self.fail(Property::OneChain, || format!("{owner:?} signs two replies after one"));
            }
            if said.differs {
                self.fail(Property::WellFormedness, || {
                    format!("the definitions say something else of a {} of {owner:?}", said.kind)
                });
            }
            self.chain.push(msg);
            let of_ballot = self.chain.iter().map(|msg| universe.ballot(*msg));
            if of_ballot.filter(|ballot| *ballot == said.facts.ballot).count() > replies_max {
                self.fail(Property::BoundedMemory, || {
                    format!("{owner:?} replies to a ballot more than {replies_max} times")
                });
            }
            let on_disk = |msg: &Msg| self.stored.binary_search(msg).is_ok();
            if !said.below.iter().all(on_disk) {
                self.fail(Property::Durability, || {
                    format!("{owner:?} sends a {} before it is on disk", said.kind)
                });
            }
        }
        for fault in &out.faults {
            match fault {
                Fault::Proven(evidence) if !setup.byzantine.contains(evidence.acceptor()) => {
                    let whom = evidence.acceptor();
                    self.fail(Property::Evidence, || format!("evidence against {whom:?}"));
                }
                Fault::IllFormed { signer, flaw, .. } => self
                    .fail(Property::WellFormedness, || {
                        format!("{owner:?} refuses what {signer:?} signed: {flaw:?}")
                    }),
                Fault::OwnMessageUnknown { id } => self.fail(Property::OneChain, || {
                    format!("{owner:?} signed {id:?}, and does not know it")
                }),
                _ => {}
            }
        }
    }

    fn fail(&mut self, property: Property, detail: impl FnOnce() -> String) {
        self.flaw.get_or_insert_with(|| (property, detail().into()));
    }
}
