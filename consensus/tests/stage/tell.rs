//! What happened, as sentences.

use super::arrivals::talk;
use super::labels::{Labels, ballot_name, value_name};
use super::node::{Turn, timer_kind};
use hpaxos_consensus::message::{Announcement, Answer, Packet, Verified};
use hpaxos_consensus::{Ballot, Fault, MessageId, Peer, Record, Request, Slot, Target, TimerKind};
use hpaxos_learner_graph::{AcceptorId, LearnerId, LearnerSet};
use std::collections::{BTreeMap, BTreeSet};

/// A sentence about one node.
pub struct Sentence {
    pub text: String,
    /// Whether it is told even briefly: what is decided, and what is wrong.
    pub loud: bool,
}

fn quiet(text: String) -> Sentence {
    Sentence { text, loud: false }
}

fn loud(text: String) -> Sentence {
    Sentence { text, loud: true }
}

/// What one turn of `me` brought. `new` was signed in it, `arrived` came from others.
pub struct Teller<'a> {
    pub labels: &'a Labels,
    pub me: AcceptorId,
    pub turn: &'a Turn,
    pub new: BTreeSet<MessageId>,
    pub arrived: BTreeSet<MessageId>,
    /// Whether to say how many slots are open: only where stores get lost.
    pub tells_highest: bool,
}

impl Teller<'_> {
    pub fn sentences(&self) -> Vec<Sentence> {
        let mut told = self.slots();
        told.extend(self.entered());
        let faults = self.turn.effects.faults.iter();
        told.extend(faults.map(|fault| loud(self.fault(fault))));
        told.extend(self.signed());
        told.extend(self.decided());
        told.extend(self.sent());
        told.extend(self.stored());
        told.extend(self.timers());
        let requests = self.turn.effects.requests.iter();
        told.extend(requests.map(|request| quiet(self.request(request))));
        told
    }

    fn slots(&self) -> Vec<Sentence> {
        let slots = [
            ("opens", &self.turn.opened),
            ("parks", &self.turn.parked),
            ("retires", &self.turn.retired),
        ];
        let slots = slots.into_iter().filter(|(_, slots)| !slots.is_empty());
        slots.map(|(verb, slots)| quiet(format!("{verb} slot {}", numbers(slots)))).collect()
    }

    /// What entered the DAG without having just come, and how much still waits.
    fn entered(&self) -> Vec<Sentence> {
        let ids = self.turn.effects.received.iter().map(|message| message.id());
        let ids: Vec<MessageId> =
            ids.filter(|id| !self.new.contains(id) && !self.arrived.contains(id)).collect();
        let mut told = Vec::new();
        if !ids.is_empty() {
            told.push(quiet(format!("no longer waiting: {}", self.labels.list(ids.iter()))));
        }
        if let Some(waiting) = self.turn.waiting {
            told.push(quiet(format!("messages that wait for what they reference: {waiting}")));
        }
        told
    }

    fn signed(&self) -> Vec<Sentence> {
        let mut told = Vec::new();
        for (target, packet) in &self.turn.effects.send {
            if let Packet::Message(message, hint) = packet
                && self.new.contains(&message.id())
                && *target == Target::All
            {
                let hint = match hint.is_empty() {
                    true => String::new(),
                    false => format!(" (hint {})", self.labels.list(hint.iter())),
                };
                told.push(quiet(format!("{}{hint}; to all", self.labels.describe(message))));
            }
        }
        told
    }

    fn decided(&self) -> Vec<Sentence> {
        let mut ballots: BTreeMap<(Slot, Ballot), Vec<LearnerId>> = BTreeMap::new();
        for decision in &self.turn.effects.decided {
            ballots.entry((decision.slot, decision.ballot)).or_default().push(decision.learner);
        }
        let tell = |((slot, ballot), learners): ((Slot, Ballot), Vec<LearnerId>)| {
            let value = value_name(ballot.value);
            let learners = self.labels.learners(learners.into_iter().collect::<LearnerSet>());
            let (ballot, at) = (ballot_name(ballot), self.labels.place(slot));
            loud(format!("decides {value} for {learners}, ballot {ballot}{at}"))
        };
        ballots.into_iter().map(tell).collect()
    }

    /// What is sent besides what was just signed.
    fn sent(&self) -> Vec<Sentence> {
        let mut messages: Vec<(Target, Vec<MessageId>)> = Vec::new();
        let mut passed: BTreeMap<Target, BTreeSet<String>> = BTreeMap::new();
        let mut talks: Vec<(String, Vec<String>)> = Vec::new();
        let mut told = Vec::new();
        for (target, packet) in &self.turn.effects.send {
            match packet {
                Packet::Message(message, _) => {
                    let id = message.id();
                    if *target == Target::All && self.new.contains(&id) {
                        continue;
                    }
                    match messages.iter_mut().find(|(known, _)| known == target) {
                        Some((_, ids)) => ids.push(id),
                        None => messages.push((*target, vec![id])),
                    }
                }
                Packet::Announcement(one) if one.signer() == self.me && *target == Target::All => {
                    told.push(quiet(self.announced(one)));
                }
                Packet::Announcement(one) => {
                    let text = format!("{} in {}", self.labels.name(one.signer()), one.round);
                    passed.entry(*target).or_default().insert(text);
                }
                Packet::Highest { answer: Answer::Given, .. } if !self.tells_highest => {}
                packet => {
                    let (what, to) = (talk(self.labels, packet), self.target(*target));
                    match talks.iter_mut().find(|(known, _)| *known == what) {
                        Some((_, known)) if known.contains(&to) => {}
                        Some((_, known)) => known.push(to),
                        None => talks.push((what, vec![to])),
                    }
                }
            }
        }
        let tell =
            |(what, to): (String, Vec<String>)| quiet(format!("tells {}: {what}", to.join(" ")));
        told.extend(talks.into_iter().map(tell));
        for (target, ids) in messages {
            let (what, to) = (self.labels.list(ids.iter()), self.target(target));
            told.push(quiet(format!("sends {what}; to {to}")));
        }
        let mut to: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (target, passed) in passed {
            let passed = Vec::from_iter(passed).join(", ");
            to.entry(passed).or_default().push(self.target(target));
        }
        let tell = |(passed, to): (String, Vec<String>)| {
            quiet(format!("passes on rounds: {passed}; to {}", to.join(" ")))
        };
        told.extend(to.into_iter().map(tell));
        told
    }

    fn announced(&self, one: &Verified<Announcement>) -> String {
        let (round, at) = (one.round, self.labels.place(one.place.slot));
        let holds = match one.maximal.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.labels.list(one.maximal.iter())),
        };
        format!("announces round {round}{at}{holds}; to all")
    }

    fn stored(&self) -> Option<Sentence> {
        let mut records: Vec<String> = Vec::new();
        let mut deciders = LearnerSet::EMPTY;
        let mut certified = LearnerSet::EMPTY;
        for record in &self.turn.effects.store {
            match record {
                Record::Decided { learner, .. } => deciders.insert(*learner),
                Record::Certified { learner, .. } => certified.insert(*learner),
                record => records.push(self.record(record)),
            }
        }
        for (what, learners) in [("decisions", deciders), ("certificates", certified)] {
            if !learners.is_empty() {
                records.push(format!("{what} of {}", self.labels.learners(learners)));
            }
        }
        (!records.is_empty()).then(|| quiet(format!("stores {}", records.join(", "))))
    }

    fn record(&self, record: &Record) -> String {
        match record {
            Record::Messages { messages, .. } => {
                let ids: Vec<MessageId> = messages.iter().map(|message| message.id()).collect();
                self.labels.list(ids.iter())
            }
            Record::Round { slot, round } => format!("round {round}{}", self.labels.place(*slot)),
            Record::Decided { .. } | Record::Certified { .. } => String::new(),
            Record::Retired { slot } => format!("slot {slot} is retired"),
            Record::Silent { through: Slot(u64::MAX) } => "silent".to_owned(),
            Record::Silent { through } => format!("silent through slot {through}"),
        }
    }

    fn timers(&self) -> Option<Sentence> {
        let timers = self.turn.effects.timers.iter().map(|(timer, range)| {
            let round = match timer.kind {
                TimerKind::Round(round) | TimerKind::Propose(round) | TimerKind::Hint(round) => {
                    format!(" {round}")
                }
                TimerKind::Quiet | TimerKind::Fetch => String::new(),
            };
            let (kind, at) = (timer_kind(timer.kind), self.labels.place(timer.slot));
            format!("{kind}{round}{at} {} ms", range.start.as_millis())
        });
        let timers: Vec<String> = timers.collect();
        (!timers.is_empty()).then(|| quiet(format!("starts timer {}", timers.join(", "))))
    }

    fn request(&self, request: &Request) -> String {
        let labels = self.labels;
        match request {
            Request::Block { slot, round } => {
                format!("needs a block for round {round}{}", labels.place(*slot))
            }
            Request::Value { value, proposer, .. } => {
                format!("needs value {} of {}", value_name(*value), labels.name(*proposer))
            }
            Request::Certificates { slot, to } => {
                format!("owes {} the certificates of slot {slot}", self.peer(*to))
            }
            Request::Load { slot } => format!("needs slot {slot} from its disk"),
        }
    }

    fn fault(&self, fault: &Fault) -> String {
        let labels = self.labels;
        match fault {
            Fault::WrongPlace { from } => {
                format!("refuses what {} sent: not of this log", self.peer(*from))
            }
            Fault::BeyondWindow { from, slot } => {
                format!("refuses what {} sent: slot {slot} is not open yet", self.peer(*from))
            }
            Fault::IllFormed { from, id, flaw, .. } => {
                format!("refuses {} of {}: {flaw}", labels.label(id), self.peer(*from))
            }
            Fault::NotAnAcceptor { from } => {
                format!("refuses what {} sent: not an acceptor", self.peer(*from))
            }
            Fault::Proven(evidence) => {
                let ids = evidence.messages.each_ref().map(|message| message.id());
                let (kind, who) = (evidence.kind.name(), labels.name(evidence.acceptor()));
                format!("proves a {kind} of {who}: {}", labels.list(ids.iter()))
            }
            Fault::OwnMessageUnknown { id } => {
                format!("does not know {}, which only it can have signed", labels.label(id))
            }
            Fault::Divergence { learner, first, second, .. } => {
                let (first, second) = (value_name(*first), value_name(*second));
                format!("DIVERGENCE: {} decided {first} and now {second}", self.learner(*learner))
            }
        }
    }

    fn learner(&self, learner: LearnerId) -> String {
        self.labels.learners([learner].into_iter().collect())
    }

    fn target(&self, target: Target) -> String {
        match target {
            Target::All => "all".to_owned(),
            Target::One(peer) => self.peer(peer),
        }
    }

    fn peer(&self, peer: Peer) -> String {
        match peer {
            Peer::Acceptor(acceptor) => self.labels.name(acceptor).to_owned(),
            Peer::Follower(number) => format!("follower {number}"),
        }
    }
}

pub fn numbers(slots: &[Slot]) -> String {
    slots.iter().map(Slot::to_string).collect::<Vec<_>>().join(" ")
}
