//! All messages that occur in any state of a model, each once, with what the engine derives of it.

use super::setup::Setup;
use super::symmetry::{Permutation, moved, permutations};
use crate::naive::trust as naive;
use crate::replay::oracle::{Derived, Oracle};
use hpaxos_consensus::dag::{Dag, Ix};
use hpaxos_consensus::message::{Acceptor, Body, Kind, Message, NoSigner, Refs, Reply, Verified};
use hpaxos_consensus::rules::{Draft, Facts};
use hpaxos_consensus::{Ballot, MessageId, NetworkId, Place, Sends, Trust};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, RwLock};

/// A message of the universe. References have lower numbers.
pub type Msg = u32;

/// A message, with what is asked of it over and over.
pub struct Said {
    /// The message.
    pub message: Arc<Verified<Message>>,
    /// Its kind.
    pub kind: Kind,
    /// Its signer.
    pub signer: AcceptorId,
    /// The signer's previous reply.
    pub prev: Option<Msg>,
    /// What it references.
    pub refs: Box<[Msg]>,
    /// It and everything below it, ascending.
    pub below: Box<[Msg]>,
    /// What the engine derives of it.
    pub facts: Arc<Facts>,
    /// Whether the definitions say something else of it.
    pub differs: bool,
    /// What guards can tell apart; one for each way in which acceptors may be exchanged.
    pub classes: Box<[Classes]>,
    /// Equal for messages that say the same to learners: signer, kind, ballot, whom it names; in the same way. 0 for votes,
    /// which learners do not look at.
    pub sayings: Box<[u64]>,
}

/// What guards can tell apart of a message, by what may still happen to it: equal if they cannot. Byzantine messages below it
/// always count.
#[derive(Clone, Copy, Debug)]
pub struct Classes {
    /// As its signer's last: all facts.
    pub last: u64,
    /// As an earlier one: its signer's locks are those of the last.
    pub earlier: u64,
    /// Once every honest acceptor is in a higher ballot, and Byzantine acceptors sign nothing any more, which votes and accepts it
    /// counts makes no difference.
    pub old: u64,
    /// And for a vote nothing but what lies below it.
    pub old_vote: u64,
}

/// Hashes the same on every machine and in every run.
pub fn hash_of(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// The messages of a model.
pub struct Universe {
    trust: Arc<Trust>,
    network: NetworkId,
    place: Place,
    byzantine: AcceptorSet,
    permutations: Vec<Permutation>,
    oracle: Option<Mutex<Oracle<'static>>>,
    dag: RwLock<Dag>,
    numbers: RwLock<HashMap<MessageId, Msg>>,
    messages: boxcar::Vec<(Said, Ix)>,
}

impl Universe {
    /// An empty one, for one instance.
    pub fn new(setup: &Setup) -> Self {
        let (trust, byzantine) = (setup.trust.clone(), setup.byzantine);
        Universe {
            network: setup.setting.network,
            place: setup.setting.place(setup.slot),
            permutations: permutations(&trust, &byzantine),
            oracle: setup.definitions.then(|| Mutex::new(oracle(setup))),
            dag: RwLock::new(Dag::new(trust.clone(), setup.rules)),
            numbers: RwLock::default(),
            messages: boxcar::Vec::new(),
            trust,
            byzantine,
        }
    }

    /// The message called `msg`.
    pub fn said(&self, msg: Msg) -> &Said {
        &self.messages[msg as usize].0
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a message, which is added if it is new.
    ///
    /// # Panics
    /// If it is not well-formed: honest acceptors sign no such messages.
    pub fn number(&self, message: &Arc<Verified<Message>>) -> Msg {
        if let Some(known) = self.find(&message.id()) {
            return known;
        }
        let mut dag = self.dag.write().expect("no thread panics with the lock");
        // Somebody else may have been faster.
        if let Some(known) = self.find(&message.id()) {
            return known;
        }
        let refs = dag.resolve(message).expect("references come first");
        let ix = dag.insert(message.clone(), refs).expect("what an acceptor signs is well-formed");
        let node = dag.node(ix);
        let numbered = |ix: &Ix| ix.index() as Msg;
        let differs = self.differs(message, &node.facts);
        let said = self.describe(
            message.clone(),
            differs,
            node.prev.as_ref().map(numbered),
            node.refs.iter().map(numbered).collect(),
            node.facts.clone(),
            ix.index() as Msg,
        );
        let number = self.messages.push((said, ix)) as Msg;
        assert_eq!(number as usize, ix.index(), "both lists grow together");
        self.numbers.write().expect("as above").insert(message.id(), number);
        number
    }

    fn find(&self, id: &MessageId) -> Option<Msg> {
        self.numbers.read().expect("no thread panics with the lock").get(id).copied()
    }

    /// The well-formed reply that a Byzantine acceptor might sign, if it is one.
    pub fn forge(&self, reply: &Forged) -> Option<Msg> {
        let at = |msg: &Msg| self.messages[*msg as usize].1;
        let mut refs: Vec<Msg> = reply.refs.to_vec();
        refs.sort_unstable_by_key(|msg| self.said(*msg).message.id());
        let draft = Draft {
            kind: reply.kind,
            signer: reply.signer,
            prev: reply.prev.as_ref().map(at),
            refs: refs.iter().map(at).collect(),
        };
        self.dag.read().expect("no thread panics with the lock").derive(&draft).ok()?;
        let id = |msg: &Msg| self.said(*msg).message.id();
        let body = Body::Reply(Reply {
            kind: reply.kind,
            acceptor: Acceptor(reply.signer),
            prev: reply.prev.as_ref().map(id),
            refs: Refs::new(refs.iter().map(id)),
        });
        Some(self.number(&self.sign(body, reply.signer)))
    }

    /// A message with a signature that nobody checks.
    pub fn sign(&self, body: Body, signer: AcceptorId) -> Arc<Verified<Message>> {
        let message = Message { place: self.place.clone(), body };
        Arc::new(Verified::sign(message, &self.network, signer, &NoSigner))
    }

    /// Whether the definitions say something else of a message than the engine.
    fn differs(&self, message: &Verified<Message>, facts: &Facts) -> bool {
        let Some(oracle) = &self.oracle else { return false };
        let mut oracle = oracle.lock().expect("no thread panics with the lock");
        let named = self.trust.members_of(facts.named).iter().map(|one| one.index());
        let derived = Derived {
            ballot: (facts.ballot.round.0, facts.ballot.value),
            learners: named.collect(),
        };
        oracle.add(message) != Some(derived)
    }

    /// Whether the definitions let `learner` decide a ballot where all this was said; always if they are not asked.
    pub fn decides(&self, said: &BTreeSet<Msg>, learner: LearnerId, ballot: Ballot) -> bool {
        let Some(oracle) = &self.oracle else { return true };
        let held = said.iter().map(|msg| self.said(*msg).message.id()).collect();
        let oracle = oracle.lock().expect("no thread panics with the lock");
        oracle.decides(&held, learner.index(), ballot.round.0, ballot.value)
    }

    fn describe(
        &self,
        message: Arc<Verified<Message>>,
        differs: bool,
        prev: Option<Msg>,
        refs: Box<[Msg]>,
        facts: Arc<Facts>,
        number: Msg,
    ) -> Said {
        let mut below: Vec<Msg> =
            refs.iter().flat_map(|msg| self.said(*msg).below.iter().copied()).collect();
        below.push(number);
        below.sort_unstable();
        below.dedup();
        let (kind, signer) = (message.kind(), message.signer());
        let is_byzantine = |msg: &&Msg| {
            **msg != number && {
                let said = self.said(**msg);
                said.kind != Kind::OneA && self.byzantine.contains(said.signer)
            }
        };
        let lies: Vec<Msg> = below.iter().filter(is_byzantine).copied().collect();
        let before = prev.filter(|_| self.byzantine.contains(signer));
        let class = |(index, permutation): (usize, &Permutation)| {
            let class_of = |msg: &Msg| self.said(*msg).classes[index].last;
            let mut lies: Vec<u64> = lies.iter().map(class_of).collect();
            lies.sort_unstable();
            let facts = exchanged(&facts, permutation);
            let said = (kind, permutation[signer.index()], facts.ballot, facts.named);
            let overtakers: Vec<_> = facts.classes.iter().map(|class| class.overtakers).collect();
            let counted: Vec<_> =
                facts.classes.iter().map(|class| (class.votes, class.accepts)).collect();
            let before = before.as_ref().map(class_of);
            Classes {
                last: hash_of(&(said, &facts, &lies, before)),
                earlier: hash_of(&(said, counted, &overtakers, facts.caught, &lies)),
                old: hash_of(&(said, &overtakers, &lies)),
                old_vote: hash_of(&(&overtakers, &lies)),
            }
        };
        let classes = self.permutations.iter().enumerate().map(class).collect();
        let saying = |permutation: &Permutation| match kind {
            Kind::TwoA | Kind::TwoB => {
                hash_of(&(kind, permutation[signer.index()], facts.ballot, facts.named))
            }
            _ => 0,
        };
        let sayings = self.permutations.iter().map(saying).collect();
        Said {
            message,
            differs,
            kind,
            signer,
            prev,
            refs,
            below: below.into(),
            facts,
            classes,
            sayings,
        }
    }

    /// What honest acceptors found caught.
    pub fn all_caught(&self) -> BTreeSet<AcceptorSet> {
        let honest = |said: &&Said| !self.byzantine.contains(said.signer);
        let all = self.messages.iter().map(|(_, (said, _))| said).filter(honest);
        all.map(|said| said.facts.caught).collect()
    }

    /// The trust model.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// The ways in which acceptors may be exchanged, the identity first.
    pub fn permutations(&self) -> &[Permutation] {
        &self.permutations
    }

    /// The ballot of a message.
    pub fn ballot(&self, msg: Msg) -> Ballot {
        self.said(msg).facts.ballot
    }
}

/// The definitions, for one instance. They borrow their trust model, which therefore stays for good: it is small.
fn oracle(setup: &Setup) -> Oracle<'static> {
    let sends = if setup.trust.sends() == Sends::Three { 3 } else { 4 };
    let trust = naive::Trust::of_log(setup.trust.log()).with_sends(sends);
    Oracle::new(Box::leak(Box::new(trust)), setup.values())
}

/// Facts where acceptors are exchanged.
fn exchanged(facts: &Facts, permutation: &Permutation) -> Facts {
    let mut facts = facts.clone();
    facts.caught = moved(&facts.caught, permutation);
    for class in &mut facts.classes {
        class.votes = moved(&class.votes, permutation);
        class.accepts = moved(&class.accepts, permutation);
    }
    facts
}

/// A reply that a Byzantine acceptor might sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forged {
    /// Its kind.
    pub kind: hpaxos_consensus::message::ReplyKind,
    /// Its signer.
    pub signer: AcceptorId,
    /// The previous reply that it names.
    pub prev: Option<Msg>,
    /// What it references, `prev` included; ascending.
    pub refs: Box<[Msg]>,
}
