//! A slot of four acceptors, of which one is the node that crashes, with its driver and its store; and a clock.

use super::disk::{NETWORK, Subject};
use crate::driver::SHARING_TIME_MAX;
use crate::driver::commit::commit;
use crate::store::LogIndex;
use hpaxos_consensus::message::{Body, Kind, Message, NoSigner, Packet, Verified};
use hpaxos_consensus::{
    Config, Decision, Effects, Event, Judgement, MessageId, Peer, Replica, Request, Round, Slot,
    Target, Timer, Trust, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerId, file};
use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_mut;
use std::sync::Arc;
use std::time::Duration;

pub const LOG: LogIndex = LogIndex(0);
pub const SLOT: Slot = Slot(0);
pub const NODES: usize = 4;
/// Replies of earlier rounds are lost on the way, as long as their sender is in one: nothing is decided in them.
pub const DECIDING: Round = Round(2);
/// How long a message travels, how long a node is away, and how long all may take.
const TRAVEL: Duration = Duration::from_millis(5);
const AWAY: Duration = Duration::from_millis(20);
const ALL: Duration = Duration::from_secs(60);
/// How long it goes on after everybody has decided.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Two learners whose edges differ, so that a decision takes four sends.
const GRAPH: &str = r#"
version = 1
[acceptors.p]
[acceptors.q]
[acceptors.r]
[acceptors.s]
[learners.red]
quorum = { at-least = 3, of = ["p", "q", "r", "s"] }
[learners.blue]
quorum = { at-least = 2, of = ["p", "q", "r"] }
[[edges]]
between = ["red", "blue"]
safe = "overlap"
[logs."red+blue"]
learners = ["red", "blue"]
"#;

/// What is on its way to a node.
#[derive(Clone)]
enum Coming {
    Event(Event),
    Timer(Timer, u64),
    Sync,
}

/// Everything but the node that crashes.
#[derive(Clone)]
pub struct World {
    pub subject: usize,
    others: BTreeMap<usize, Replica>,
    now: Duration,
    coming: BTreeMap<(Duration, u64), (usize, Coming)>,
    count: u64,
    /// When each timer was armed last, by count.
    armed: BTreeMap<(usize, Timer), u64>,
    pub decided: BTreeMap<(usize, LearnerId), ValueHash>,
    /// The rounds of what was decided.
    pub rounds: BTreeSet<Round>,
    /// What the subject signed and let out, by id.
    pub said: BTreeMap<MessageId, Arc<Verified<Message>>>,
    /// The highest round in which the subject said that it is.
    pub announced: Round,
    /// By when decisions of the subject that wait for a sync get one.
    sync_due: Option<Duration>,
    /// Until when it goes on, once everybody has decided.
    end: Option<Duration>,
    wrong: Vec<String>,
}

/// Whether the subject lives on after a write, or crashes with so many thousandths let out of what it justifies.
pub enum Fate {
    Lives,
    Crashes(usize),
}

fn trust() -> Arc<Trust> {
    let graph = file::read(GRAPH).unwrap();
    Arc::new(Trust::new(graph.log("red+blue").unwrap()).unwrap())
}

pub fn config(node: usize) -> Config {
    Config::new(NETWORK, trust(), Some(AcceptorId::new(node)), Arc::new(NoSigner))
}

/// The round that a node is in.
pub fn round(replica: &Replica) -> Round {
    replica.instance_or_leaving(SLOT).map_or(Round(0), |instance| instance.round())
}

fn value(node: usize) -> ValueHash {
    ValueHash([node as u8 + 1; 32])
}

impl World {
    pub fn new(subject: usize) -> Self {
        let others = (0..NODES).filter(|node| *node != subject);
        let mut world = World {
            subject,
            others: others.map(|node| (node, Replica::new(config(node)))).collect(),
            now: Duration::ZERO,
            coming: BTreeMap::new(),
            count: 0,
            armed: BTreeMap::new(),
            decided: BTreeMap::new(),
            rounds: BTreeSet::new(),
            said: BTreeMap::new(),
            announced: Round(0),
            sync_due: None,
            end: None,
            wrong: Vec::new(),
        };
        for node in 0..NODES {
            world.come(Duration::ZERO, node, Coming::Event(Event::Open));
        }
        world
    }

    fn come(&mut self, after: Duration, node: usize, what: Coming) {
        self.count += 1;
        self.coming.insert((self.now + after, self.count), (node, what));
    }

    /// Runs until every learner has decided everywhere, the subject has let go of the slot, and what was on its way then has
    /// come. Tells of each write of the subject, before anything that it justifies is let out. Whether the subject lives.
    pub fn run(
        &mut self,
        subject: &mut Subject,
        mut written: impl FnMut(&World, &Subject, &Effects) -> Fate,
    ) -> bool {
        let learners: Vec<LearnerId> = trust().learners().iter().collect();
        while let Some((&(at, _), &(node, _))) = self.coming.first_key_value() {
            if self.end.is_none() && self.decided.len() == learners.len() * NODES {
                self.end = Some(at + AFTERWARDS);
                // By now a quorum of each learner has attested what it executed.
                for learner in &learners {
                    let value = self.decided[&(self.subject, *learner)];
                    let event = Event::Certified { slot: SLOT, learner: *learner, value };
                    self.come(AFTERWARDS / 2, self.subject, Coming::Event(event));
                }
            }
            if self.end.is_some_and(|end| at > end) {
                break;
            }
            assert!(at < ALL, "not decided in time: {:?}", self.decided);
            self.now = at;
            let events = self.take(at, node);
            if node == self.subject {
                if !self.turn(subject, events, &mut written) {
                    return false;
                }
            } else if let Some(replica) = self.others.get_mut(&node) {
                let mut effects = Effects::default();
                events.into_iter().for_each(|event| replica.handle(event, &mut effects));
                replica.settle(&mut effects);
                let round = round(replica);
                self.release((node, round), effects, 1000);
            }
        }
        true
    }

    /// What comes to a node at a time, as far as nothing comes to another in between.
    fn take(&mut self, at: Duration, node: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 == at
            && entry.get().0 == node
        {
            match entry.remove().1 {
                Coming::Event(event) => events.push(event),
                Coming::Timer(timer, armed) if self.armed.get(&(node, timer)) == Some(&armed) => {
                    events.push(Event::Timer(timer));
                }
                Coming::Timer(..) | Coming::Sync => {}
            }
        }
        events
    }

    /// A turn of the subject. Whether it lives on.
    fn turn(
        &mut self,
        subject: &mut Subject,
        events: Vec<Event>,
        written: &mut impl FnMut(&World, &Subject, &Effects) -> Fate,
    ) -> bool {
        for event in events {
            if let Event::Block { slot, value, .. } | Event::Value { slot, value, .. } = &event {
                subject.driver.values.made(*slot, *value, value.0.as_slice().into());
            }
            subject.driver.tell(event, None);
        }
        let before = subject.store.changes();
        let Subject { driver, store, metrics } = &mut *subject;
        let may_wait = self.sync_due.is_none_or(|due| due > self.now);
        let free = commit(from_mut(driver), store, None, metrics, may_wait);
        let free = free.unwrap().remove(0);
        let waits = !driver.untold.is_empty();
        if waits && self.sync_due.is_none() {
            self.come(SHARING_TIME_MAX, self.subject, Coming::Sync);
        }
        let due = self.now + SHARING_TIME_MAX;
        self.sync_due = waits.then(|| self.sync_due.unwrap_or(due));
        let fate = match subject.store.changes() == before {
            true => Fate::Lives,
            false => written(self, subject, &free),
        };
        let from = (self.subject, round(&subject.driver.replica));
        match fate {
            Fate::Lives => self.release(from, free, 1000),
            Fate::Crashes(part) => self.release(from, free, part),
        }
        matches!(fate, Fate::Lives)
    }

    /// Lets out so many thousandths of what a node says in a round, in the order in which a driver does.
    pub fn release(&mut self, (from, round): (usize, Round), mut effects: Effects, part: usize) {
        let all = effects.send.len() + effects.decided.len();
        let some = (all * part).div_ceil(1000);
        for (target, packet) in effects.send.drain(..).take(some) {
            self.send((from, round), target, &packet);
        }
        for (timer, range) in effects.timers.drain(..) {
            self.count += 1;
            let armed = self.count;
            self.armed.insert((from, timer), armed);
            self.come(range.start, from, Coming::Timer(timer, armed));
        }
        let shown = if some == all { all } else { 0 };
        for Decision { learner, ballot, .. } in effects.decided.drain(..).take(shown) {
            self.rounds.insert(ballot.round);
            let before = self.decided.insert((from, learner), ballot.value);
            if before.is_some_and(|before| before != ballot.value) {
                self.wrong.push(format!("{from} decides twice"));
            }
        }
        for fault in effects.faults.drain(..) {
            self.wrong.push(format!("{from}: {fault:?}"));
        }
        for request in effects.requests.drain(..) {
            let event = match request {
                Request::Block { slot, round } => Event::Block { slot, round, value: value(from) },
                Request::Value { slot, value, .. } => {
                    Event::Value { slot, value, judgement: Judgement::Valid }
                }
                Request::Certificates { .. } | Request::Load { .. } => continue,
            };
            self.come(Duration::ZERO, from, Coming::Event(event));
        }
    }

    fn send(&mut self, (from, round): (usize, Round), target: Target, packet: &Packet) {
        if from == self.subject {
            match packet {
                Packet::Message(message, _) if message.signer() == AcceptorId::new(from) => {
                    self.said.insert(message.id(), message.clone());
                }
                Packet::Announcement(announcement) if announcement.signer().index() == from => {
                    self.announced = self.announced.max(announcement.round);
                }
                _ => {}
            }
        }
        if let Packet::Message(message, _) = packet
            && round < DECIDING
            && message.kind() != Kind::OneA
        {
            return;
        }
        let to: Vec<usize> = match target {
            Target::All => (0..NODES).filter(|node| *node != from).collect(),
            Target::One(Peer::Acceptor(acceptor)) => vec![acceptor.index()],
            Target::One(Peer::Follower(_)) => Vec::new(),
        };
        for node in to {
            let from = Peer::Acceptor(AcceptorId::new(from));
            let event = Event::Packet { from, packet: packet.clone() };
            self.come(TRAVEL, node, Coming::Event(event));
        }
    }

    /// The subject is away, with all that it had in memory, and comes back.
    pub fn crash(&mut self) {
        let subject = self.subject;
        self.coming.retain(|_, (node, _)| *node != subject);
        self.armed.retain(|(node, _), _| *node != subject);
        (self.end, self.sync_due) = (None, None);
        let peer = |node| Event::Connected { peer: Peer::Acceptor(AcceptorId::new(node)) };
        let others: Vec<usize> = self.others.keys().copied().collect();
        for other in others {
            self.come(AWAY, other, Coming::Event(peer(subject)));
            self.come(AWAY, subject, Coming::Event(peer(other)));
        }
    }

    /// All decided alike, and the subject has contradicted nothing that it ever let out.
    pub fn check(&self, what: &str) {
        assert_eq!(self.wrong, [""; 0], "{what}");
        let values: BTreeSet<ValueHash> = self.decided.values().copied().collect();
        assert_eq!(values.len(), 1, "{what}: {:?}", self.decided);
        let mut places = BTreeSet::new();
        for message in self.said.values() {
            let place = match &message.body {
                Body::Proposal { round, .. } => (Some(*round), None),
                Body::Reply(reply) => (None, Some(reply.prev)),
            };
            assert!(places.insert(place), "{what}: an equivocation, {message:?}");
        }
    }
}
