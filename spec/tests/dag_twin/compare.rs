//! One DAG in the engine and by the definitions.

use hpaxos_consensus::dag::{Dag, Ix};
use hpaxos_consensus::message::{Acceptor, Body, Message, Refs, Reply, ReplyKind, Verified};
use hpaxos_consensus::rules::{Draft, Facts, Overtakers, Rules};
use hpaxos_consensus::{
    Ballot, ClassSet, Epoch, LogName, MessageId, NetworkId, Place, Round, Sends, Slot, Trust,
    ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId, LearnerSet};
use hpaxos_spec::naive::dag as naive;
use hpaxos_spec::naive::dag::{Id, Kind};
use hpaxos_spec::naive::learner_graph::{Learner, Set};
use hpaxos_spec::naive::protocol::{Protocol, Strength};
use hpaxos_spec::naive::random_dag::SLOT;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

/// What differs, if anything does.
pub type Verdict = Result<(), String>;

/// The engine and the definitions, asked about the same messages.
pub struct Comparison<'a> {
    protocol: &'a Protocol<'a>,
    trust: &'a Arc<Trust>,
    rules: Rules,
    messages: Vec<Arc<Verified<Message>>>,
}

impl<'a> Comparison<'a> {
    pub fn new(protocol: &'a Protocol<'a>, trust: &'a Arc<Trust>, rules: Rules) -> Self {
        let mut messages = Vec::new();
        for id in protocol.dag().ids() {
            messages.push(Arc::new(message(protocol, &messages, id)));
        }
        Comparison { protocol, trust, rules, messages }
    }

    /// What depends on the graph alone.
    pub fn compare_trust(&self) -> Verdict {
        let (engine, naive) = (self.trust, self.protocol.trust());
        let sends = if engine.sends() == Sends::Three { 3 } else { 4 };
        same("sends", sends, naive.sends())?;
        same("acceptors", *engine.acceptors(), acceptors(naive.acceptors()))?;
        for class in engine.classes() {
            let first = engine.first(class);
            for k in naive.learners() {
                let covers = learners(&naive.covers(first.index(), *k));
                let found = engine.covers(class, LearnerId::new(*k));
                same(&format!("covers({first:?}, {k})"), found, engine.classes_of(covers))?;
            }
        }
        for round in 0..16 {
            let proposer = engine.schedule().proposer(Slot(SLOT), Round(round));
            same("proposer", proposer.index(), naive.proposer(SLOT, round))?;
        }
        Ok(())
    }

    /// Inserts all messages in `order`, and compares after each, and then all.
    pub fn compare(&self, order: &[Id]) -> Result<Vec<Option<Facts>>, String> {
        let mut dag = Dag::new(self.trust.clone(), self.rules);
        let mut facts = vec![None; self.messages.len()];
        for id in order {
            let inserted =
                self.insert(&mut dag, *id).map_err(|why| format!("message {id}: {why}"))?;
            if let Some(ix) = inserted {
                self.compare_facts(&dag.node(ix).facts, *id)
                    .map_err(|why| format!("message {id}: {why}"))?;
                facts[*id] = Some(Facts::clone(&dag.node(ix).facts));
            }
        }
        self.compare_whole(&dag)?;
        self.derive_again(&dag)?;
        Ok(facts)
    }

    fn insert(&self, dag: &mut Dag, id: Id) -> Result<Option<Ix>, String> {
        let message = &self.messages[id];
        let flaws = self.protocol.flaws(id);
        let count = dag.len();
        let refused = match dag.resolve(message) {
            Ok(refs) => match dag.insert(message.clone(), refs) {
                Ok(ix) if flaws.is_empty() => return Ok(Some(ix)),
                Ok(_) => return Err(format!("it is taken, but breaks {flaws:?}")),
                Err(flaw) => format!("{flaw:?}"),
            },
            Err(_) => "Reference".to_owned(),
        };
        if !flaws.iter().any(|flaw| format!("{flaw:?}") == refused) {
            return Err(format!("it is refused for {refused}, but breaks {flaws:?}"));
        }
        same("messages after a refusal", dag.len(), count)?;
        same("what was refused", dag.find(&message.id()), None)?;
        Ok(None)
    }

    fn compare_facts(&self, facts: &Facts, x: Id) -> Verdict {
        let protocol = self.protocol;
        same("ballot", Some(facts.ballot), protocol.ballot(x).map(ballot))?;
        same("caught", facts.caught, set(protocol.caught(x)))?;
        let Some(reply) = protocol.dag().reply(x) else {
            return same("classes", facts.classes.len(), 0);
        };
        let named = match reply.kind {
            Kind::OneB => protocol.fresh(x),
            Kind::TwoA | Kind::TwoB => protocol.learners(x),
        };
        self.same_learners("named", facts.named, named)?;
        self.same_learners("accepted", facts.accepted, &self.own_learners(x, Kind::TwoA))?;
        self.same_learners("committed", facts.committed, &self.own_learners(x, Kind::TwoB))?;
        let connections = self.trust.log().connections(&facts.caught);
        for l in protocol.trust().learners() {
            let of = |what: &str| format!("{what} of {}", naive::names(&BTreeSet::from([*l])));
            let id = LearnerId::new(*l);
            let class = &facts.classes[self.trust.class_of(id)];
            let connected = learners(&protocol.connected(*l, x));
            same(&of("connected"), connections.connected(id), connected)?;
            same(&of("votes"), class.votes, set(protocol.votes(*l, x)))?;
            same(&of("accepts"), class.accepts, set(protocol.accepts(*l, x)))?;
            let overtakers = self.highest_two_a(protocol.dag().below(x), *l);
            same(&of("overtakers"), ballots(&class.overtakers), overtakers)?;
            same(&of("soft lock"), class.soft, self.highest_lock(x, *l, Strength::Soft))?;
            same(&of("hard lock"), class.hard, self.highest_lock(x, *l, Strength::Hard))?;
        }
        Ok(())
    }

    /// The learners of the signer's own 2a's or 2b's of x's ballot, at or below x.
    fn own_learners(&self, x: Id, kind: Kind) -> BTreeSet<Learner> {
        let dag = self.protocol.dag();
        let signer = dag.reply(x).map(|reply| reply.signer);
        let own = dag.below(x).iter().filter(|y| {
            dag.reply(**y).is_some_and(|reply| reply.kind == kind && Some(reply.signer) == signer)
                && self.protocol.ballot(**y) == self.protocol.ballot(x)
        });
        own.flat_map(|y| self.protocol.learners(*y)).copied().collect()
    }

    /// The highest ballot of a 2a among `messages` that names l, and the highest of another value.
    fn highest_two_a(&self, messages: &BTreeSet<Id>, l: Learner) -> Vec<Ballot> {
        let dag = self.protocol.dag();
        let naming = messages.iter().filter(|y| {
            dag.reply(**y).is_some_and(|reply| reply.kind == Kind::TwoA)
                && self.protocol.learners(**y).contains(&l)
        });
        let all: BTreeSet<Ballot> =
            naming.filter_map(|y| self.protocol.ballot(*y)).map(ballot).collect();
        let highest = all.last().copied();
        let of_another = |one: &&Ballot| Some(one.value) != highest.map(|highest| highest.value);
        highest.into_iter().chain(all.iter().rev().find(of_another).copied()).collect()
    }

    fn highest_lock(&self, x: Id, l: Learner, strength: Strength) -> Option<Ballot> {
        let locks = self.protocol.locks(x).into_iter();
        let naming = locks.filter(|lock| {
            lock.strength == strength && self.protocol.learners(lock.message).contains(&l)
        });
        naming.filter_map(|lock| self.protocol.ballot(lock.message)).map(ballot).max()
    }

    fn same_learners(&self, what: &str, found: ClassSet, expected: &BTreeSet<Learner>) -> Verdict {
        same(what, self.trust.members_of(found), learners(expected))
    }

    /// What the DAG says of all its messages.
    fn compare_whole(&self, dag: &Dag) -> Verdict {
        let all = self.protocol.dag();
        let held: BTreeSet<Id> = all.ids().filter(|id| self.protocol.is_well_formed(*id)).collect();
        let found = dag.nodes().map(|(_, node)| node.message.id());
        self.same_messages("messages", found, &held)?;
        let found = dag.maximal().map(|ix| dag.node(ix).message.id());
        self.same_messages("maximal", found, &all.maximal(&held))?;
        let proposals = held.iter().filter(|id| all.proposal(**id).is_some()).copied();
        let found = dag.proposals().values().map(|ix| dag.node(*ix).message.id());
        self.same_messages("proposals", found, &proposals.collect())?;
        let forked = self.protocol.forked(&held);
        same("forked", *dag.forked(), set(forked))?;
        for acceptor in self.protocol.trust().acceptors() {
            let id = AcceptorId::new(acceptor);
            self.compare_fork(dag, id)?;
            let own: BTreeSet<Id> =
                held.iter().copied().filter(|x| self.messages[*x].signer() == id).collect();
            if forked >> acceptor & 1 == 0 {
                let replies = own.iter().copied().filter(|x| all.reply(*x).is_some());
                let last = dag.last(id).map(|ix| dag.node(ix).message.id());
                self.same_messages("last", last.into_iter(), &all.maximal(&replies.collect()))?;
            }
            let needed = |x: &Id| {
                let foreign = held.iter().filter(|y| self.messages[**y].signer() != id);
                foreign.into_iter().any(|y| all.below(*y).contains(x))
            };
            let unneeded = own.iter().filter(|x| !needed(x)).count();
            same("unneeded", dag.unneeded(id), unneeded)?;
        }
        for l in self.protocol.trust().learners() {
            let found = &dag.overtakers()[self.trust.class_of(LearnerId::new(*l))];
            same("overtakers of all", ballots(found), self.highest_two_a(&held, *l))?;
        }
        Ok(())
    }

    fn compare_fork(&self, dag: &Dag, acceptor: AcceptorId) -> Verdict {
        let Some((one, other)) = dag.fork(acceptor) else {
            return same("fork", dag.forked().contains(acceptor), false);
        };
        let (one, other) = (dag.node(one), dag.node(other));
        let replies = [one, other].map(|node| node.message.reply());
        same("kinds of a fork", replies.iter().all(Option::is_some), true)?;
        same("signers of a fork", [one.signer(), other.signer()], [acceptor; 2])?;
        same("one message is no fork", one.message.id() != other.message.id(), true)?;
        same("`prev` of a fork", one.prev, other.prev)
    }

    /// What would be derived of a message once everything is there is what was derived when it came.
    fn derive_again(&self, dag: &Dag) -> Verdict {
        for (_, node) in dag.nodes() {
            if let Some(reply) = node.message.reply() {
                let (signer, refs) = (node.signer(), node.refs.clone());
                let draft = Draft { kind: reply.kind, signer, prev: node.prev, refs };
                let at = self.messages.iter().position(|m| m.id() == node.message.id());
                same(
                    &format!("derived again, {at:?}"),
                    dag.derive(&draft),
                    Ok(Facts::clone(&node.facts)),
                )?;
            }
        }
        Ok(())
    }

    fn same_messages(
        &self,
        what: &str,
        found: impl Iterator<Item = MessageId>,
        expected: &BTreeSet<Id>,
    ) -> Verdict {
        let known: BTreeMap<MessageId, Id> =
            self.messages.iter().enumerate().map(|(id, message)| (message.id(), id)).collect();
        let mut found: Vec<Id> = found.map(|id| known[&id]).collect();
        found.sort_unstable();
        same(what, found, expected.iter().copied().collect())
    }
}

/// The engine's message, those that it references being there.
fn message(
    protocol: &Protocol<'_>,
    earlier: &[Arc<Verified<Message>>],
    id: Id,
) -> Verified<Message> {
    let (body, signer) = match protocol.dag().message(id) {
        naive::Message::Proposal(proposal) => {
            let Ballot { round, value } = ballot(*proposal);
            let proposer = protocol.trust().proposer(SLOT, round.0);
            (Body::Proposal { round, value }, AcceptorId::new(proposer))
        }
        naive::Message::Reply(reply) => {
            let kind = match reply.kind {
                Kind::OneB => ReplyKind::OneB,
                Kind::TwoA => ReplyKind::TwoA,
                Kind::TwoB => ReplyKind::TwoB,
            };
            let signer = AcceptorId::new(reply.signer);
            let prev = reply.prev.map(|prev| earlier[prev].id());
            let refs = Refs::new(reply.refs.iter().map(|below| earlier[*below].id()));
            (Body::Reply(Reply { kind, acceptor: Acceptor(signer), prev, refs }), signer)
        }
    };
    let place = Place { epoch: Epoch(0), log: LogName("twin".into()), slot: Slot(SLOT) };
    Verified::trusted(Message { place, body }, signer, [0; 64], &NetworkId([0; 32]))
}

fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Verdict {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: the engine says {found:?}, the definitions {expected:?}"))
}

fn ballot(ballot: naive::Ballot) -> Ballot {
    Ballot { round: Round(ballot.round), value: ValueHash([ballot.value; 32]) }
}

fn ballots(overtakers: &Overtakers) -> Vec<Ballot> {
    overtakers.ballots().collect()
}

fn set(mask: Set) -> AcceptorSet {
    acceptors((0..8).filter(|acceptor| mask >> acceptor & 1 == 1))
}

fn acceptors(indices: impl IntoIterator<Item = usize>) -> AcceptorSet {
    indices.into_iter().map(AcceptorId::new).collect()
}

fn learners(indices: &BTreeSet<Learner>) -> LearnerSet {
    indices.iter().copied().map(LearnerId::new).collect()
}
