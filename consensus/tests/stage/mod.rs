//! A stage for transcripts: replicas of one log, the links between them, and a person who lets things happen.
//!
//! A transcript begins with `graph`. Nodes are acceptors of its log, called as in the graph. What a replica sends is in
//! flight until the transcript lets it arrive; what arrives together is one batch, and is settled once. Nothing else
//! happens by itself, but for one thing: a value travels with its 1a, and is valid, unless `values by hand` was said.
//!
//! | command | what happens |
//! |---|---|
//! | `graph FILE [log=NAME] [depth=N] [parked=BYTES]` | the learner graph, and the window of slots |
//! | `start NODES` | new replicas; each meets all that run |
//! | `byzantine NODES` | nodes that the transcript plays, with `forge` |
//! | `slot N` | the slot that the commands below mean; 0 at first |
//! | `open NODES` | something waits to be decided |
//! | `block VALUE at NODES` | the new block that a proposer asked for |
//! | `values by hand`, `value VALUE valid\|invalid at NODES` | values are stored and judged when the transcript says so |
//! | `deliver`, `wave` | all that is in flight arrives, batch by batch until nothing is; one batch at each node |
//! | `deliver WHAT -> NODES [one by one]` | labels, what NODES sent, or `rounds` (announcements) arrive in one batch |
//! | `drop WHAT -> NODES`, `hold NODES -> NODES`, `release` | it is lost; it waits; it waits no longer |
//! | `timer NODES KIND` | an armed timer ends: round, propose, hint, quiet, fetch |
//! | `unreachable NODE at NODES`, `connect NODE NODE` | a link goes down, comes up |
//! | `crash NODES [before the last write]` | what the last turn wrote is lost, and what it sent was not sent |
//! | `restart NODES [empty store [unnoticed]]` | from what is on disk |
//! | `forge NODE KIND [LABEL=..] -> NODES` | see [`forge`] |
//! | `certify VALUE for LEARNERS at NODES` | the driver has certificates |
//! | `load NODES` | the driver has read a parked slot |
//! | `status`, `count` | the slot at each node; how many messages were signed in it |
//! | `published NODES VALUES`, `softly LABEL` | other rules: see [`published`] |
//!
//! `*` stands for all nodes; `briefly` after a command tells only what is decided or wrong.

mod arrivals;
mod commands;
mod forge;
mod labels;
mod moves;
mod network;
mod node;
mod published;
pub mod script;
mod tell;
mod words;

use hpaxos_consensus::message::{NoSigner, Packet};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, NetworkId, Peer, Place, Sends, Slot, Target, Trust,
};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph};
use labels::Labels;
use network::{Flight, Network};
use node::{Node, Store, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tell::{Sentence, Teller};

/// Whether a command could be performed.
type Done = Result<(), String>;

/// The network that all transcripts are of.
const NETWORK: NetworkId = NetworkId([0; 32]);

/// A heading and what follows from it, at one node or at several alike.
#[derive(Default)]
struct Told {
    names: Vec<String>,
    heading: String,
    sentences: Vec<String>,
}

/// What the acceptors of one transcript do.
pub struct Stage {
    config: Config,
    labels: Labels,
    nodes: BTreeMap<AcceptorId, Node>,
    byzantine: BTreeSet<AcceptorId>,
    network: Network,
    slot: Slot,
    values_by_hand: bool,
    tells_highest: bool,
    briefly: bool,
    turns: u64,
    /// What the current command has to say.
    said: Vec<Told>,
    /// Loud sentences, with the nodes about which they are.
    loud: Vec<(String, Vec<AcceptorId>)>,
    /// The guards that let an action pass: bit i is the i-th.
    pub fired: u64,
}

impl Stage {
    fn new(graph: LearnerGraph, config: Config) -> Self {
        let labels = Labels::new(graph, config.trust.clone());
        Stage {
            config,
            labels,
            nodes: BTreeMap::new(),
            byzantine: BTreeSet::new(),
            network: Network::default(),
            slot: Slot(0),
            values_by_hand: false,
            tells_highest: false,
            briefly: false,
            turns: 0,
            said: Vec::new(),
            loud: Vec::new(),
            fired: 0,
        }
    }

    /// Performs the transcript's first command, which is about `graph`: the stage, and what there is to see on it.
    pub fn set(graph: LearnerGraph, words: &[&str]) -> Result<(Self, Vec<String>), String> {
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
        let log = match option("log=") {
            Some(name) => graph.log(name).ok_or_else(|| format!("there is no log {name}"))?,
            None => graph.logs().into_iter().next().ok_or("the graph has no log")?,
        };
        let trust = Arc::new(Trust::new(log).map_err(|error| error.to_string())?);
        let mut config = Config::new(NETWORK, trust, None, Arc::new(NoSigner));
        if let Some(depth) = option("depth=") {
            config.depth = number(depth)?;
        }
        if let Some(bytes) = option("parked=") {
            config.parked_bytes_max = number(bytes)?;
        }
        let stage = Stage::new(graph, config);
        let scene = stage.scene();
        Ok((stage, scene))
    }

    fn scene(&self) -> Vec<String> {
        let trust = self.labels.trust();
        let sends = match trust.sends() {
            Sends::Three => "three sends",
            Sends::Four => "four sends",
        };
        let (acceptors, learners) = (trust.acceptors(), trust.learners());
        let (acceptors, learners) =
            (self.labels.acceptors(acceptors), self.labels.learners(learners));
        vec![format!("acceptors {acceptors}; learners {learners}; {sends}"), self.proposers()]
    }

    /// Who proposes in the first rounds of the slot.
    fn proposers(&self) -> String {
        let schedule = self.labels.trust().schedule();
        let rounds = (0..2 * schedule.turn().max(2)).map(|round| {
            let round = hpaxos_consensus::Round(round);
            let proposer = self.labels.name(schedule.proposer(self.slot, round));
            let target = [schedule.target(self.slot, round)].into_iter().collect();
            format!("{proposer} (for {})", self.labels.learners(target))
        });
        let rounds: Vec<String> = rounds.collect();
        format!("proposers of slot {}: {}, ...", self.slot, rounds.join(", "))
    }

    fn place(&self) -> Place {
        Place { epoch: self.config.epoch, log: self.config.log.clone(), slot: self.slot }
    }

    fn running(&self) -> Vec<AcceptorId> {
        let running = self.nodes.iter().filter(|(_, node)| node.replica.is_some());
        running.map(|(acceptor, _)| *acceptor).collect()
    }

    fn node(&mut self, acceptor: AcceptorId) -> Result<&mut Node, String> {
        let name = self.labels.name(acceptor);
        self.nodes.get_mut(&acceptor).ok_or_else(|| format!("{name} was not started"))
    }

    /// Lets something happen at a running node, and tells what follows. Whether anything did.
    fn happen(
        &mut self,
        acceptor: AcceptorId,
        heading: &str,
        events: Vec<Event>,
    ) -> Result<bool, String> {
        self.turns += 1;
        let number = self.turns;
        let node = self.node(acceptor)?;
        node.running()?;
        let turn = node.turn(number, events);
        Ok(self.conclude(acceptor, heading, turn, BTreeSet::new()))
    }

    /// What was in flight arrives at a running node as one batch. Whether anything followed.
    fn arrive(&mut self, acceptor: AcceptorId, flights: Vec<Flight>) -> Result<bool, String> {
        let mut events = Vec::new();
        let mut arrived = BTreeSet::new();
        let by_hand = self.values_by_hand;
        self.node(acceptor)?.running()?;
        let heading = match self.news(acceptor, &flights)? {
            nothing if nothing.is_empty() => nothing,
            arrivals => format!(" <- {arrivals}"),
        };
        let node = self.node(acceptor)?;
        for flight in flights {
            if let Packet::Message(message, _) = &flight.packet {
                arrived.insert(message.id());
                if let hpaxos_consensus::message::Body::Proposal { value, .. } = &message.body
                    && !by_hand
                {
                    let slot = message.place.slot;
                    events.extend(node.judge(slot, *value, Judgement::Valid));
                }
            }
            let from = Peer::Acceptor(flight.from);
            events.push(Event::Packet { from, packet: flight.packet });
        }
        self.turns += 1;
        let number = self.turns;
        let turn = self.node(acceptor)?.turn(number, events);
        Ok(self.conclude(acceptor, &heading, turn, arrived))
    }

    /// What arrives, but for announcements that tell the node nothing new.
    fn news(&mut self, acceptor: AcceptorId, flights: &[Flight]) -> Result<String, String> {
        let node = self.node(acceptor)?;
        let news = flights.iter().map(|flight| match &flight.packet {
            Packet::Announcement(announcement) => node.hear(announcement),
            _ => true,
        });
        let news: Vec<bool> = news.collect();
        let flights = flights.iter().zip(news).filter(|(_, news)| *news).map(|(flight, _)| flight);
        let told = flights.filter(|flight| self.is_told(&flight.packet));
        Ok(arrivals::news(&self.labels, told))
    }

    fn is_told(&self, packet: &Packet) -> bool {
        self.tells_highest || !matches!(packet, Packet::Highest { .. })
    }

    /// Releases what a turn sent, and tells about it. Whether anything followed.
    fn conclude(
        &mut self,
        acceptor: AcceptorId,
        heading: &str,
        turn: Turn,
        arrived: BTreeSet<hpaxos_consensus::MessageId>,
    ) -> bool {
        let effects = &turn.effects;
        self.fired |= effects.fired;
        let mut new = BTreeSet::new();
        for message in &effects.received {
            if message.signer() == acceptor && !arrived.contains(&message.id()) {
                new.insert(message.id());
                self.labels.note(message).expect("replicas sign nothing ill-formed");
            }
        }
        let tells_highest = self.tells_highest;
        let (labels, me, turn_told) = (&self.labels, acceptor, &turn);
        let teller = Teller { labels, me, turn: turn_told, new, arrived, tells_highest };
        let sentences = teller.sentences();
        let changed = !effects.received.is_empty() || turn.waiting.is_some();
        let quiet = sentences.is_empty() && !changed;
        self.say(acceptor, heading, sentences);
        self.release(acceptor, turn.effects);
        !quiet
    }

    fn say(&mut self, acceptor: AcceptorId, heading: &str, sentences: Vec<Sentence>) {
        if self.briefly {
            for sentence in sentences.into_iter().filter(|sentence| sentence.loud) {
                match self.loud.iter_mut().find(|(text, _)| *text == sentence.text) {
                    Some((_, nodes)) => nodes.push(acceptor),
                    None => self.loud.push((sentence.text, vec![acceptor])),
                }
            }
        } else if !heading.is_empty() || !sentences.is_empty() {
            let names = vec![self.labels.name(acceptor).to_owned()];
            let sentences = sentences.into_iter().map(|sentence| sentence.text).collect();
            self.said.push(Told { names, heading: heading.to_owned(), sentences });
        }
    }

    fn print(&mut self, line: String) {
        self.said.push(Told { heading: line, ..Told::default() });
    }

    /// What was said, with neighbours together where the same happened at each.
    fn printed(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut told = std::mem::take(&mut self.said).into_iter().peekable();
        while let Some(mut one) = told.next() {
            let same =
                |next: &Told| (&next.heading, &next.sentences) == (&one.heading, &one.sentences);
            let mut names = std::mem::take(&mut one.names);
            while !names.is_empty()
                && let Some(next) = told.next_if(same)
            {
                names.extend(next.names);
            }
            lines.push(format!("{}{}", names.join(" "), one.heading));
            lines.extend(one.sentences.into_iter().map(|sentence| format!("  {sentence}")));
        }
        lines
    }

    /// Sends, after everything of the turn is on disk.
    fn release(&mut self, from: AcceptorId, effects: Effects) {
        let turn = self.turns;
        let mut count = 0;
        for (target, packet) in effects.send {
            self.network.witness(from, &packet, turn);
            let to: Vec<AcceptorId> = match target {
                Target::All => self.config.trust.acceptors().iter().collect(),
                Target::One(Peer::Acceptor(to)) => vec![to],
                Target::One(Peer::Follower(_)) => Vec::new(),
            };
            let is_up = |to: &AcceptorId| {
                *to != from && self.nodes.get(to).is_some_and(|node| node.replica.is_some())
            };
            for to in to.into_iter().filter(is_up) {
                self.network.send(Flight { from, to, packet: packet.clone(), turn });
                count += 1;
            }
        }
        self.nodes.entry(from).and_modify(|node| node.released = (turn, count));
    }

    /// Two running nodes meet.
    fn meet(&mut self, acceptor: AcceptorId, other: AcceptorId) -> Result<(), String> {
        let heading = format!(": connected to {}", self.labels.name(other));
        let event = Event::Connected { peer: Peer::Acceptor(other) };
        let from = self.said.len();
        if !self.happen(acceptor, &heading, vec![event])? {
            self.said.truncate(from);
        }
        Ok(())
    }

    fn restart(&mut self, acceptor: AcceptorId, store: Store) -> Result<(), String> {
        let others: Vec<AcceptorId> =
            self.running().into_iter().filter(|other| *other != acceptor).collect();
        self.tells_highest |= store != Store::Kept;
        let peers: Vec<Peer> = others.iter().map(|other| Peer::Acceptor(*other)).collect();
        self.turns += 1;
        let number = self.turns;
        let turn = self.node(acceptor)?.restart(number, store, &peers);
        let heading = match store {
            Store::Kept => ": restart",
            _ => ": restart, its store is empty",
        };
        self.conclude(acceptor, heading, turn, BTreeSet::new());
        others.into_iter().try_for_each(|other| self.meet(other, acceptor))
    }
}
