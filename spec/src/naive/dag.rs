//! The messages of one instance as plain data: a list in which references point backward. Nothing keeps ill-formed ones
//! out, and nothing here tells which they are.

use super::learner_graph::Learner;
use super::random_graph::ACCEPTORS;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A message: its place in the list.
pub type Id = usize;

/// Round, then value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// The round.
    pub round: u64,
    /// The value, instead of its hash.
    pub value: u8,
}

/// The kinds of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A vote.
    OneB,
    /// An accept.
    TwoA,
    /// A commit.
    TwoB,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A 1a.
    Proposal(Ballot),
    /// A 1b, 2a or 2b.
    Reply(Reply),
}

/// An acceptor's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 1b, 2a or 2b.
    pub kind: Kind,
    /// The acceptor.
    pub signer: usize,
    /// The signer's previous reply, as it says.
    pub prev: Option<Id>,
    /// What it references.
    pub refs: BTreeSet<Id>,
}

impl Message {
    /// The reply, unless it is a 1a.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Message::Proposal(_) => None,
            Message::Reply(reply) => Some(reply),
        }
    }

    fn refs(&self) -> impl Iterator<Item = Id> {
        self.reply().into_iter().flat_map(|reply| reply.refs.iter().copied())
    }
}

/// The messages of an instance.
#[derive(Clone, Debug, Default)]
pub struct Dag {
    messages: Vec<Message>,
    below: Vec<OnceCell<BTreeSet<Id>>>,
}

impl Dag {
    /// Adds a message that references earlier ones.
    pub fn push(&mut self, message: Message) -> Id {
        let id = self.messages.len();
        assert!(message.refs().all(|below| below < id), "references point backward");
        self.messages.push(message);
        self.below.push(OnceCell::new());
        id
    }

    /// Takes away the last message.
    pub fn pop(&mut self) {
        self.messages.pop();
        self.below.pop();
    }

    /// All messages, references first.
    pub fn ids(&self) -> std::ops::Range<Id> {
        0..self.messages.len()
    }

    /// The message.
    pub fn message(&self, id: Id) -> &Message {
        &self.messages[id]
    }

    /// The message, if it is a reply.
    pub fn reply(&self, id: Id) -> Option<&Reply> {
        self.messages[id].reply()
    }

    /// The ballot of a 1a.
    pub fn proposal(&self, id: Id) -> Option<Ballot> {
        match &self.messages[id] {
            Message::Proposal(ballot) => Some(*ballot),
            Message::Reply(_) => None,
        }
    }

    /// Whether the same message is there.
    pub fn contains(&self, message: &Message) -> bool {
        self.messages.contains(message)
    }

    // ANCHOR: below
    /// below(x): x and, recursively, everything it references.
    pub fn below(&self, x: Id) -> &BTreeSet<Id> {
        self.below[x].get_or_init(|| {
            let mut below = BTreeSet::from([x]);
            for referenced in self.messages[x].refs() {
                below.extend(self.below(referenced));
            }
            below
        })
    }
    // ANCHOR_END: below

    /// Those of `ids` that lie below no other of them.
    pub fn maximal(&self, ids: &BTreeSet<Id>) -> BTreeSet<Id> {
        let covered = |x: &Id| ids.iter().any(|y| x != y && self.below(*y).contains(x));
        ids.iter().copied().filter(|x| !covered(x)).collect()
    }

    /// Without x, and what cannot be without it.
    pub fn without(&self, x: Id) -> Dag {
        let mut rest = Dag::default();
        let mut moved: BTreeMap<Id, Id> = BTreeMap::new();
        for (id, message) in self.messages.iter().enumerate() {
            let prev = message.reply().and_then(|reply| reply.prev);
            if id == x || message.refs().chain(prev).any(|below| !moved.contains_key(&below)) {
                continue;
            }
            let mut message = message.clone();
            if let Message::Reply(reply) = &mut message {
                reply.prev = reply.prev.map(|prev| moved[&prev]);
                reply.refs = reply.refs.iter().map(|below| moved[below]).collect();
            }
            moved.insert(id, rest.push(message));
        }
        rest
    }
}

/// `1b p, prev 3, refs 0 3 5`
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Proposal(ballot) => write!(f, "1a {ballot}"),
            Message::Reply(Reply { kind, signer, prev, refs }) => {
                let prev = prev.map_or("none".to_owned(), |prev| prev.to_string());
                write!(f, "{kind} {}, prev {prev}, refs", ACCEPTORS[*signer])?;
                refs.iter().try_for_each(|below| write!(f, " {below}"))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::OneB => "1b",
            Kind::TwoA => "2a",
            Kind::TwoB => "2b",
        })
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.round, self.value)
    }
}

/// Learners' names.
pub fn names(learners: &BTreeSet<Learner>) -> String {
    let names = learners.iter().map(|learner| super::random_graph::LEARNERS[*learner]);
    names.collect::<Vec<_>>().join(" ")
}
