//! What somebody sees who sees everything that was said: which learners decide, and whether that may be.
//!
//! It is a node of the product that votes nowhere, so what decides is the engine's learner.

use super::local::Local;
use super::setup::Setup;
use super::universe::{Msg, Universe, hash_of};
use crate::properties::{Properties, Property};
use hpaxos_consensus::message::{NoSigner, Refs};
use hpaxos_consensus::{Config, Effects, Engine, Fault, Instance, Peer, SlotEvent, ValueHash};
use hpaxos_learner_graph::LearnerId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// What is seen in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who decided what.
    pub decided: BTreeSet<(LearnerId, ValueHash)>,
    /// In which rounds something was decided.
    pub rounds: BTreeSet<u64>,
    /// What must not be.
    pub flaw: Option<(Property, Arc<str>)>,
}

/// Remembers what was seen.
pub struct Observer {
    setup: Setup,
    universe: Arc<Universe>,
    config: Arc<Config>,
    seen: RwLock<HashMap<u64, Arc<Seen>>>,
    /// How often each guard let something pass.
    fired: Vec<AtomicU64>,
}

impl Observer {
    /// One that has seen nothing.
    pub fn new(setup: &Setup, universe: Arc<Universe>) -> Self {
        let (network, trust) = (setup.setting.network, setup.trust.clone());
        let mut config = Config::new(network, trust, None, Arc::new(NoSigner));
        config.rules = setup.rules;
        let (setup, config) = (setup.clone(), Arc::new(config));
        let fired = Instance::GUARDS.iter().map(|_| AtomicU64::new(0)).collect();
        Observer { setup, universe, config, seen: RwLock::default(), fired }
    }

    /// What is seen where `locals` and `lies` were said. It depends on who said what of which ballot and named whom, and on
    /// nothing else.
    pub fn see<'a>(
        &self,
        locals: impl Iterator<Item = &'a Local> + Clone,
        lies: &[Msg],
    ) -> (u64, Arc<Seen>) {
        let sum = |index: usize| {
            let said = locals.clone().flat_map(|local| local.chain.iter()).chain(lies);
            let said = said.map(|msg| self.universe.said(*msg).sayings[index]);
            hash_of(&said.fold(0, u64::wrapping_add))
        };
        // Exchanging acceptors changes no decision.
        let sum = (0..self.universe.permutations().len()).map(sum).min().unwrap_or_default();
        if let Some(seen) = self.seen.read().expect("no thread panics with the lock").get(&sum) {
            return (sum, seen.clone());
        }
        let said = locals.flat_map(|local| local.chain.iter()).chain(lies).copied();
        let seen = Arc::new(self.look(said.collect()));
        self.seen.write().expect("as above").insert(sum, seen.clone());
        (sum, seen)
    }

    /// In how many different observations each guard let something pass.
    pub fn fired(&self) -> impl Iterator<Item = u64> + '_ {
        self.fired.iter().map(|count| count.load(Ordering::Relaxed))
    }

    /// What was seen in all states.
    pub fn all(&self) -> BTreeMap<u64, Arc<Seen>> {
        let seen = self.seen.read().expect("no thread panics with the lock");
        seen.iter().map(|(sum, seen)| (*sum, seen.clone())).collect()
    }

    fn look(&self, said: BTreeSet<Msg>) -> Seen {
        let mut all: BTreeSet<Msg> = BTreeSet::new();
        for msg in said {
            all.extend(self.universe.said(msg).below.iter());
        }
        let mut instance = Instance::new(self.config.clone(), self.setup.slot);
        let mut out = Effects::default();
        for msg in &all {
            let message = self.universe.said(*msg).message.clone();
            let from = Peer::Acceptor(message.signer());
            instance.handle(SlotEvent::Recorded { from, message, hint: Refs::default() }, &mut out);
        }
        for (index, count) in self.fired.iter().enumerate() {
            count.fetch_add(out.fired >> index & 1, Ordering::Relaxed);
        }
        let mut seen = Seen::default();
        for decision in &out.decided {
            let (learner, ballot) = (decision.learner, decision.ballot);
            if !self.universe.decides(&all, learner, ballot) {
                let detail = format!("{learner:?} decides {ballot}, and the definitions say no");
                seen.flaw = Some((Property::WellFormedness, detail.into()));
            }
            seen.decided.insert((decision.learner, decision.ballot.value));
            seen.rounds.insert(decision.ballot.round.0);
        }
        for fault in &out.faults {
            if let Fault::Divergence { learner, second, .. } = fault {
                seen.decided.insert((*learner, *second));
            }
        }
        seen.flaw = seen.flaw.take().or_else(|| self.judge(&seen));
        seen
    }

    /// The simulator's property of decisions.
    fn judge(&self, seen: &Seen) -> Option<(Property, Arc<str>)> {
        let mut properties = Properties::new(&self.setup.trust, self.setup.byzantine);
        for value in self.setup.values() {
            properties.value(value, true);
        }
        let node = self.setup.setting.acceptors[0];
        for (learner, value) in &seen.decided {
            properties.decided(node, self.setup.slot, *learner, *value);
        }
        let violation = properties.take_violation()?;
        Some((violation.property, violation.detail.into()))
    }
}
