//! What must be true of every run, as sentences, and how each is checked after every step.
//!
//! The checks are incremental: each looks at what has just left a node, never at the whole world.

use crate::simulator::disk::{Batch, Entry};
use hpaxos_consensus::message::{Body, Message, Verified};
use hpaxos_consensus::{Ballot, Evidence, MessageId, Record, Round, Sends, Slot, Trust, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, Connections, LearnerId};
use std::collections::{BTreeMap, BTreeSet};

/// Something that must be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// See its sentence.
    Agreement,
    /// See its sentence.
    Validity,
    /// See its sentence.
    OneChain,
    /// See its sentence.
    Evidence,
    /// See its sentence.
    WellFormedness,
    /// See its sentence.
    Durability,
    /// See its sentence.
    BoundedMemory,
    /// See its sentence.
    Rounds,
    /// See its sentence.
    Liveness,
    /// See its sentence.
    Assertions,
}

impl Property {
    /// All of them.
    pub const ALL: &[Property] = &[
        Property::Agreement,
        Property::Validity,
        Property::OneChain,
        Property::Evidence,
        Property::WellFormedness,
        Property::Durability,
        Property::BoundedMemory,
        Property::Rounds,
        Property::Liveness,
        Property::Assertions,
    ];

    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Property::Agreement => "agreement",
            Property::Validity => "validity",
            Property::OneChain => "one-chain",
            Property::Evidence => "evidence",
            Property::WellFormedness => "well-formedness",
            Property::Durability => "durability",
            Property::BoundedMemory => "bounded-memory",
            Property::Rounds => "rounds",
            Property::Liveness => "liveness",
            Property::Assertions => "assertions",
        }
    }

    // ANCHOR: sentence
    /// What must be true.
    pub fn sentence(self) -> &'static str {
        match self {
            Property::Agreement => {
                "Entangled learners never decide differently in a slot, at any two nodes; a learner that is entangled \
                 with itself never decides twice."
            }
            Property::Validity => "A decided value was proposed, and is valid for the log.",
            Property::OneChain => {
                "A safe acceptor proposes once in a round, and its replies in a slot form one chain, also across \
                 crashes; so it is never caught."
            }
            Property::Evidence => {
                "Evidence names a Byzantine acceptor, a fork that reached a safe node is proven there, and once the \
                 network is synchronous, every safe node that has the slot in its window has evidence of some kind \
                 against who forked."
            }
            Property::WellFormedness => {
                "Well-formedness is a function of the message and what lies below it: no safe node refuses what \
                 another holds, and none sends or passes on what is ill-formed."
            }
            Property::Durability => {
                "When a message leaves a safe node, it and everything below it is on its disk, with the value of a \
                 proposal or vote; a decision is on disk before it is shown."
            }
            Property::BoundedMemory => {
                "A safe acceptor replies to a ballot once, and once more for each learner and phase; what nobody \
                 needs, and what waits, is bounded for each signer."
            }
            Property::Rounds => {
                "Byzantine acceptors that do not block every learner drag nobody: a turn of all learners takes the \
                 timer of a safe acceptor."
            }
            Property::Liveness => {
                "Once the network is synchronous and all safe nodes are up, every live learner decides every slot \
                 within the stated time, and every safe node knows it. Exempt are learners that `uncovered` lists, in \
                 slots where an equivocation was exposed."
            }
            Property::Assertions => "The engine's own assertions hold.",
        }
    }
    // ANCHOR_END: sentence
}

/// A property that does not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// What happened.
    pub detail: String,
}

/// Who decided what in a slot, each pair once.
type Decided = Vec<(LearnerId, ValueHash)>;

/// What one safe acceptor said in one slot.
#[derive(Default)]
struct Said {
    replies: BTreeMap<Option<MessageId>, MessageId>,
    proposals: BTreeMap<Round, MessageId>,
    per_ballot: BTreeMap<Ballot, usize>,
}

/// Watches a run.
pub struct Properties {
    byzantine: AcceptorSet,
    entangled: Connections,
    replies_max: usize,
    proposed: BTreeMap<ValueHash, bool>,
    decided: BTreeMap<Slot, Decided>,
    said: BTreeMap<(AcceptorId, Slot), Said>,
    refused: BTreeSet<MessageId>,
    /// In which slot which safe node has evidence, and against whom.
    proven: BTreeSet<(Slot, AcceptorId, AcceptorId)>,
    violation: Option<Violation>,
}

impl Properties {
    /// For a run in which `byzantine` are the Byzantine acceptors.
    pub fn new(trust: &Trust, byzantine: AcceptorSet) -> Self {
        let phases = match trust.sends() {
            Sends::Three => 1,
            Sends::Four => 2,
        };
        Properties {
            entangled: trust.log().connections(&byzantine),
            byzantine,
            replies_max: 1 + phases * trust.learners().len(),
            proposed: BTreeMap::new(),
            decided: BTreeMap::new(),
            said: BTreeMap::new(),
            refused: BTreeSet::new(),
            proven: BTreeSet::new(),
            violation: None,
        }
    }

    /// The first property that does not hold, if one does not.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Takes the violation.
    pub fn take_violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }

    /// Whether an equivocation was exposed in a slot.
    pub fn is_exposed(&self, slot: Slot) -> bool {
        self.proven.iter().any(|(of, ..)| *of == slot)
    }

    /// Whether a safe node has, or had, evidence against an acceptor from a slot.
    pub fn has_proof(&self, node: AcceptorId, slot: Slot, acceptor: AcceptorId) -> bool {
        self.proven.contains(&(slot, node, acceptor))
    }

    /// How many pairs of slot and learner have a decision somewhere.
    pub fn decisions(&self) -> usize {
        self.decided.values().map(Vec::len).sum()
    }

    /// Holds if `holds` does.
    pub fn check(&mut self, property: Property, holds: bool, detail: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(Violation { property, detail: detail() });
        }
    }

    /// A value exists.
    pub fn value(&mut self, value: ValueHash, valid: bool) {
        self.proposed.insert(value, valid);
    }

    /// A learner decided, or was certified, at a safe node.
    pub fn decided(&mut self, node: AcceptorId, slot: Slot, learner: LearnerId, value: ValueHash) {
        let known = self.decided.entry(slot).or_default();
        if known.contains(&(learner, value)) {
            return;
        }
        let entangled = self.entangled.connected(learner);
        let other = known
            .iter()
            .copied()
            .find(|(other, decided)| entangled.contains(*other) && *decided != value);
        known.push((learner, value));
        self.check(Property::Agreement, other.is_none(), || {
            format!(
                "at {node:?}, {slot:?}: {learner:?} decides {value:?}, but {other:?} is decided"
            )
        });
        // Whoever controls all quorums of a learner that nobody is entangled with may make it decide anything.
        if !entangled.is_empty() {
            let valid = self.proposed.get(&value) == Some(&true);
            self.check(Property::Validity, valid, || {
                format!("at {node:?}, {slot:?}: {learner:?} decides {value:?}, proposed by nobody or invalid")
            });
        }
    }

    /// An own message leaves a safe node for the first time or again. Whether it is new.
    pub fn says(&mut self, node: AcceptorId, message: &Verified<Message>) -> bool {
        let id = message.id();
        let said = self.said.entry((node, message.place.slot)).or_default();
        let (first, key) = match &message.body {
            Body::Proposal { round, .. } => {
                (*said.proposals.entry(*round).or_insert(id), format!("{round:?}"))
            }
            Body::Reply(reply) => {
                (*said.replies.entry(reply.prev).or_insert(id), format!("prev {:?}", reply.prev))
            }
        };
        let slot = message.place.slot;
        self.check(Property::OneChain, first == id, || {
            format!("{node:?} signs {first:?} and {id:?} in {slot:?}, both with {key}")
        });
        first == id
    }

    /// Counts a new reply of a safe acceptor.
    pub fn replies(&mut self, node: AcceptorId, slot: Slot, ballot: Ballot) {
        let said = self.said.entry((node, slot)).or_default();
        let count = said.per_ballot.entry(ballot).or_default();
        *count += 1;
        let (count, most) = (*count, self.replies_max);
        self.check(Property::BoundedMemory, count <= most, || {
            format!("{node:?} replies {count} times to {ballot} in {slot:?}; at most {most}")
        });
    }

    /// A safe node has evidence.
    pub fn proven(&mut self, node: AcceptorId, evidence: &Evidence) {
        let acceptor = evidence.acceptor();
        let [one, other] = &evidence.messages;
        let right = Evidence::new(one.clone(), other.clone()).as_ref() == Ok(evidence);
        self.proven.insert((one.place.slot, node, acceptor));
        let named = self.byzantine.contains(acceptor);
        self.check(Property::Evidence, right && named, || {
            format!("{node:?} holds evidence against {acceptor:?}: {evidence:?}")
        });
    }

    /// A safe node refused a message as ill-formed. Whether it may be that another safe node holds it has to be looked up.
    pub fn refused(
        &mut self,
        node: AcceptorId,
        from: AcceptorId,
        signer: AcceptorId,
        id: MessageId,
    ) {
        self.refused.insert(id);
        let honest = |acceptor| !self.byzantine.contains(acceptor);
        let blamed = [from, signer].into_iter().find(|acceptor| honest(*acceptor));
        self.check(Property::WellFormedness, blamed.is_none(), || {
            format!("{node:?} refuses {id:?} of {signer:?}, sent by {from:?}, as ill-formed")
        });
    }

    /// A safe node took a message into its DAG.
    pub fn held(&mut self, node: AcceptorId, id: MessageId) {
        if !self.refused.is_empty() {
            let agreed = !self.refused.contains(&id);
            self.check(Property::WellFormedness, agreed, || {
                format!("{node:?} holds {id:?}, which another safe node refused")
            });
        }
    }
}

/// What the synced disk of a node justifies.
#[derive(Clone, Debug, Default)]
pub struct Justified {
    /// Messages that are on disk with everything below them.
    messages: BTreeSet<MessageId>,
    decided: BTreeSet<(Slot, LearnerId)>,
    values: BTreeSet<ValueHash>,
}

impl Justified {
    /// Takes note of what a sync made last.
    pub fn add(&mut self, batches: &[Batch]) {
        batches.iter().flatten().for_each(|entry| self.entry(entry));
    }

    /// Takes note of one entry.
    pub fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Record(Record::Messages { messages, .. }) => {
                for message in messages {
                    if message.refs().iter().all(|id| self.messages.contains(id)) {
                        self.messages.insert(message.id());
                    }
                }
            }
            Entry::Record(Record::Decided { slot, learner, .. }) => {
                self.decided.insert((*slot, *learner));
            }
            Entry::Value(value, _) => {
                self.values.insert(*value);
            }
            Entry::Record(_) | Entry::Certificate(..) => {}
        }
    }

    /// Whether a message may leave.
    pub fn message(&self, id: &MessageId) -> bool {
        self.messages.contains(id)
    }

    /// Whether a value may be voted for.
    pub fn value(&self, value: &ValueHash) -> bool {
        self.values.contains(value)
    }

    /// Whether a decision may be shown.
    pub fn decision(&self, slot: Slot, learner: LearnerId) -> bool {
        self.decided.contains(&(slot, learner))
    }
}
