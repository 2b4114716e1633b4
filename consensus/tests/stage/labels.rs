//! Names that a person can read, for messages, values, acceptors and learners.
//!
//! `p.1b.2` is the second 1b that p signed in its slot, `1a.3.v` proposes v in round 3, `3.v` is its ballot; in slots
//! other than 0, `@` and the slot follow. A value is its name: its hash is the name's bytes, so values sort as their names do.

use hpaxos_consensus::dag::{Dag, Node};
use hpaxos_consensus::message::{Body, Kind, Message, Verified};
use hpaxos_consensus::rules::{Flaw, Rules};
use hpaxos_consensus::{Ballot, MessageId, Slot, Trust, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph, LearnerId, LearnerSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that was signed so far, by its label, with what follows from it.
pub struct Labels {
    graph: LearnerGraph,
    trust: Arc<Trust>,
    labels: BTreeMap<MessageId, (usize, String)>,
    messages: BTreeMap<String, Arc<Verified<Message>>>,
    counts: BTreeMap<(Slot, AcceptorId, Kind), usize>,
    dags: BTreeMap<Slot, Dag>,
}

impl Labels {
    pub fn new(graph: LearnerGraph, trust: Arc<Trust>) -> Self {
        Labels {
            graph,
            trust,
            labels: BTreeMap::new(),
            messages: BTreeMap::new(),
            counts: BTreeMap::new(),
            dags: BTreeMap::new(),
        }
    }

    /// Names a message, unless it has a name.
    ///
    /// # Errors
    /// If it is ill-formed.
    pub fn note(&mut self, message: &Arc<Verified<Message>>) -> Result<(), Flaw> {
        if self.labels.contains_key(&message.id()) {
            return Ok(());
        }
        let slot = message.place.slot;
        let at = if slot == Slot(0) { String::new() } else { format!("@{slot}") };
        let label = match &message.body {
            Body::Proposal { round, value } => format!("1a.{round}.{}{at}", value_name(*value)),
            Body::Reply(_) => {
                let count = self.counts.entry((slot, message.signer(), message.kind()));
                let count = count.and_modify(|count| *count += 1).or_insert(1);
                let signer = self.graph.acceptor_name(message.signer());
                format!("{signer}.{}.{count}{at}", message.kind())
            }
        };
        self.labels.insert(message.id(), (self.labels.len(), label.clone()));
        self.messages.insert(label, message.clone());
        let new = || Dag::new(self.trust.clone(), Rules::default());
        let dag = self.dags.entry(slot).or_insert_with(new);
        let refs = dag.resolve(message).map_err(|_| Flaw::Reference)?;
        dag.insert(message.clone(), refs).map(|_| ())
    }

    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// All well-formed messages of a slot.
    pub fn dag(&self, slot: Slot) -> Option<&Dag> {
        self.dags.get(&slot)
    }

    pub fn holds(&self, id: &MessageId) -> bool {
        self.labels.contains_key(id)
    }

    pub fn label(&self, id: &MessageId) -> &str {
        self.labels.get(id).map_or("(unknown)", |(_, label)| label)
    }

    /// The labels of several messages, in the order in which they were signed.
    pub fn list<'a>(&self, ids: impl IntoIterator<Item = &'a MessageId>) -> String {
        let mut known: Vec<_> = ids.into_iter().map(|id| self.labels.get(id)).collect();
        known.sort();
        let labels = known.into_iter().map(|one| one.map_or("(unknown)", |(_, label)| label));
        joined(labels.collect(), "nothing")
    }

    pub fn message(&self, label: &str) -> Result<&Arc<Verified<Message>>, String> {
        self.messages.get(label).ok_or_else(|| format!("there is no message {label}"))
    }

    pub fn acceptor(&self, name: &str) -> Result<AcceptorId, String> {
        self.graph.acceptor(name).ok_or_else(|| format!("there is no acceptor {name}"))
    }

    pub fn learner(&self, name: &str) -> Result<LearnerId, String> {
        self.graph.learner(name).ok_or_else(|| format!("there is no learner {name}"))
    }

    pub fn name(&self, acceptor: AcceptorId) -> &str {
        self.graph.acceptor_name(acceptor)
    }

    pub fn acceptors(&self, set: &AcceptorSet) -> String {
        joined(set.iter().map(|one| self.graph.acceptor_name(one)).collect(), "nobody")
    }

    pub fn learners(&self, set: LearnerSet) -> String {
        joined(set.iter().map(|one| self.graph.learner_name(one)).collect(), "nobody")
    }

    pub fn place(&self, slot: Slot) -> String {
        if slot == Slot(0) { String::new() } else { format!(" of slot {slot}") }
    }

    /// What a well-formed message says, with all that follows from it.
    pub fn describe(&self, message: &Verified<Message>) -> String {
        let label = self.label(&message.id());
        let Some(node) = self.node(message) else { return format!("signs {label}") };
        let ballot = ballot_name(node.facts.ballot);
        let named = self.learners(self.trust.members_of(node.facts.named));
        let what = match node.kind() {
            Kind::OneB => format!("votes {label}: {ballot}, fresh for {named}"),
            Kind::TwoA => format!("accepts {label}: {ballot} for {named}"),
            Kind::TwoB => format!("commits {label}: {ballot} for {named}"),
            _ => return format!("proposes {label}"),
        };
        let caught = match &node.facts.caught {
            caught if caught.is_empty() => String::new(),
            caught => format!("; {} caught", self.acceptors(caught)),
        };
        format!("{what}{caught}; above {}", self.list(message.refs()))
    }

    fn node(&self, message: &Verified<Message>) -> Option<&Node> {
        let dag = self.dags.get(&message.place.slot)?;
        dag.find(&message.id()).map(|ix| dag.node(ix))
    }

    /// How many messages of each kind there are in a slot.
    pub fn count(&self, slot: Slot) -> String {
        let kinds = [Kind::OneA, Kind::OneB, Kind::TwoA, Kind::TwoB];
        let of = |kind: Kind| {
            let messages = self.messages.values().filter(|one| one.place.slot == slot);
            messages.filter(|one| one.kind() == kind).count()
        };
        let counts = kinds.map(|kind| (of(kind), kind));
        let total: usize = counts.iter().map(|(count, _)| count).sum();
        let parts = counts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, kind)| format!("{count} {kind}")).collect();
        format!("{} = {total} messages", parts.join(" + "))
    }
}

/// What the hash of a value called `name` is.
pub fn value(name: &str) -> ValueHash {
    let mut hash = [0; 32];
    hash[..name.len()].copy_from_slice(name.as_bytes());
    ValueHash(hash)
}

/// What the value of a hash is called.
pub fn value_name(value: ValueHash) -> String {
    let name = value.0.iter().take_while(|byte| **byte != 0);
    name.map(|byte| char::from(*byte)).collect()
}

/// A ballot as people write it.
pub fn ballot_name(ballot: Ballot) -> String {
    format!("{}.{}", ballot.round, value_name(ballot.value))
}

fn joined(parts: Vec<&str>, none: &str) -> String {
    if parts.is_empty() { none.to_owned() } else { parts.join(" ") }
}
