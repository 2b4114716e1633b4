//! The messages of one instance, with what is derived of each.
//!
//! References point downward and come first, so a message's place in the list, [`Ix`], is a topological order. Facts are
//! derived once, from those of the references; none is ever revised. The DAG relies on its caller for bounds and on
//! [`crate::message`] for signatures; it holds nothing that is not well-formed.

mod chains;
mod needed;

use crate::ids::{Ballot, MessageId};
use crate::message::{Body, Kind, Message, Verified};
use crate::rules::{Draft, Facts, Flaw, Overtakers, Rules, well_formed};
use crate::trust::Trust;
use chains::Chains;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use needed::Needed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The place of a message in a [`Dag`]: above everything it references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(u32);

impl Ix {
    fn new(index: usize) -> Self {
        Ix(u32::try_from(index).expect("an instance holds fewer than 2^32 messages"))
    }

    /// Its index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A message with what was derived of it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// The message.
    pub message: Arc<Verified<Message>>,
    /// What it references, as in the message.
    pub refs: Arc<[Ix]>,
    /// The signer's previous reply.
    pub prev: Option<Ix>,
    /// What follows from all that lies below it.
    pub facts: Arc<Facts>,
}

impl Node {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.message.kind()
    }

    /// Its signer.
    pub fn signer(&self) -> AcceptorId {
        self.message.signer()
    }
}

/// The messages of one instance.
#[derive(Clone, Debug)]
pub struct Dag {
    trust: Arc<Trust>,
    rules: Rules,
    nodes: Vec<Node>,
    index: BTreeMap<MessageId, Ix>,
    maximal: BTreeSet<Ix>,
    chains: Chains,
    needed: Needed,
    proposals: BTreeMap<Ballot, Ix>,
    overtakers: Vec<Overtakers>,
}

impl Dag {
    /// An empty one.
    pub fn new(trust: Arc<Trust>, rules: Rules) -> Self {
        let everyone = trust.log().everyone().len();
        let overtakers = vec![Overtakers::default(); trust.class_count()];
        Dag {
            trust,
            rules,
            nodes: Vec::new(),
            index: BTreeMap::new(),
            maximal: BTreeSet::new(),
            chains: Chains::new(everyone),
            needed: Needed::new(everyone),
            proposals: BTreeMap::new(),
            overtakers,
        }
    }

    /// The trust model.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// The rules.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Where the message called `id` is.
    pub fn find(&self, id: &MessageId) -> Option<Ix> {
        self.index.get(id).copied()
    }

    /// The node at `ix`.
    pub fn node(&self, ix: Ix) -> &Node {
        &self.nodes[ix.index()]
    }

    /// All nodes, references first.
    pub fn nodes(&self) -> impl Iterator<Item = (Ix, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (Ix::new(index), node))
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The messages that no other references.
    pub fn maximal(&self) -> impl Iterator<Item = Ix> + '_ {
        self.maximal.iter().copied()
    }

    /// The proposals, by ballot.
    pub fn proposals(&self) -> &BTreeMap<Ballot, Ix> {
        &self.proposals
    }

    /// Signers with two replies of equal `prev`.
    pub fn forked(&self) -> &AcceptorSet {
        self.chains.forked()
    }

    /// Two replies of `acceptor` with equal `prev`, if there are.
    pub fn fork(&self, acceptor: AcceptorId) -> Option<(Ix, Ix)> {
        self.chains.fork(acceptor)
    }

    /// The last reply of `acceptor`; while it is not forked, everything else it said is below.
    pub fn last(&self, acceptor: AcceptorId) -> Option<Ix> {
        self.chains.last(acceptor)
    }

    /// For each class the highest 2a's that name it, of all.
    pub fn overtakers(&self) -> &[Overtakers] {
        &self.overtakers
    }

    /// Messages of `acceptor` that lie below nobody else's.
    pub fn unneeded(&self, acceptor: AcceptorId) -> usize {
        self.needed.unneeded(acceptor)
    }

    // ANCHOR: derive
    /// Derives what a reply with these references would be, without adding it.
    ///
    /// # Errors
    /// The first rule of well-formedness that it breaks.
    pub fn derive(&self, draft: &Draft) -> Result<Facts, Flaw> {
        let caught = self.chains.caught(&self.nodes, draft, self.rules);
        well_formed(&self.trust, self.rules, &self.nodes, draft, caught)
    }
    // ANCHOR_END: derive

    /// Where the references of a message are.
    ///
    /// # Errors
    /// The references that are not here.
    pub fn resolve(&self, message: &Message) -> Result<Arc<[Ix]>, Vec<MessageId>> {
        let refs = message.refs();
        let found: Arc<[Ix]> = refs.iter().filter_map(|id| self.find(id)).collect();
        if found.len() == refs.len() {
            return Ok(found);
        }
        Err(refs.iter().filter(|id| self.find(id).is_none()).copied().collect())
    }

    /// Adds a message whose references are at `refs`.
    ///
    /// # Errors
    /// The first rule of well-formedness that it breaks; then nothing has changed.
    pub fn insert(&mut self, message: Arc<Verified<Message>>, refs: Arc<[Ix]>) -> Result<Ix, Flaw> {
        if let Some(ix) = self.find(&message.id()) {
            return Ok(ix);
        }
        match &message.body {
            Body::Proposal { round, value } => {
                let ballot = Ballot { round: *round, value: *value };
                let facts = Arc::new(Facts::proposal(ballot));
                Ok(self.push(Node { message, refs: Arc::default(), prev: None, facts }))
            }
            Body::Reply(reply) => {
                let prev = match &reply.prev {
                    Some(id) => {
                        let index = reply.refs.binary_search(id);
                        Some(refs[index.map_err(|_| Flaw::PrevNotReferenced)?])
                    }
                    None => None,
                };
                let signer = message.signer();
                let draft = Draft { kind: reply.kind, signer, prev, refs };
                let facts = self.derive(&draft)?;
                Ok(self.extend(message, draft, facts))
            }
        }
    }

    /// Adds a reply that was made of `draft`, with what was derived of it.
    pub(crate) fn extend(
        &mut self,
        message: Arc<Verified<Message>>,
        draft: Draft,
        facts: Facts,
    ) -> Ix {
        self.push(Node { message, refs: draft.refs, prev: draft.prev, facts: Arc::new(facts) })
    }

    fn push(&mut self, node: Node) -> Ix {
        let ix = Ix::new(self.nodes.len());
        self.index.insert(node.message.id(), ix);
        for below in node.refs.iter() {
            self.maximal.remove(below);
        }
        self.maximal.insert(ix);
        match node.kind() {
            Kind::OneA => {
                self.proposals.insert(node.facts.ballot, ix);
            }
            Kind::TwoA => {
                for class in node.facts.named.iter() {
                    self.overtakers[class].add(node.facts.ballot);
                }
            }
            _ => {}
        }
        self.nodes.push(node);
        self.chains.add(&self.nodes, ix);
        self.needed.add(&self.nodes, ix);
        ix
    }

    // ANCHOR: closure
    /// Everything at and below `roots` that `known` does not hold of, references first. Nothing below what `known` holds
    /// of is looked at.
    pub fn closure(&self, roots: &[Ix], known: impl Fn(Ix) -> bool) -> Vec<Ix> {
        let Some(top) = roots.iter().max() else { return Vec::new() };
        let mut found = vec![false; top.index() + 1];
        let mut open: Vec<Ix> = roots.to_vec();
        let mut closure = Vec::new();
        while let Some(ix) = open.pop() {
            if !std::mem::replace(&mut found[ix.index()], true) && !known(ix) {
                closure.push(ix);
                let below = self.node(ix).refs.iter().copied();
                open.extend(below.filter(|below| !found[below.index()]));
            }
        }
        closure.sort_unstable();
        closure
    }
    // ANCHOR_END: closure
}
