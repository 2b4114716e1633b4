//! Random runs of one instance, with Byzantine signers.
//!
//! Each acceptor acts in one or more *personas*, each with a chain and a view of its own: a Byzantine acceptor is one
//! with several. Personas answer with what they know, as the honest do, so that ballots get far; but they are deaf by
//! chance, branch off anywhere, hide what they say and show it late. Besides, there are messages that follow from no view
//! at all, and ill-formed ones, which nobody but an ill-formed message references.

mod habits;
mod parts;
mod spoil;

use super::dag::{Ballot, Dag, Id, Kind, Message, Reply};
use super::protocol::Protocol;
use super::trust::Trust;
use habits::Habits;
use parts::{nearly_disjoint_quorums, set_of};
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom, SliceRandom};
use spoil::spoil;
use std::collections::BTreeSet;

/// The instance to which all messages belong.
pub const SLOT: u64 = 5;

/// Different values.
const VALUES: u8 = 3;

/// A run of 15 to 40 messages.
pub fn dag<'a>(rng: &mut impl Rng, trust: &'a Trust) -> Protocol<'a> {
    let mut run = Run::new(rng, trust);
    for _ in 0..25 {
        if run.is_full() {
            break;
        }
        run.disturb();
        run.ballot();
    }
    run.protocol
}

/// As many of `all`, or all of them if there are fewer.
fn some_of<T>(rng: &mut impl Rng, all: impl Iterator<Item = T>, count: usize) -> Vec<T> {
    let mut some: Vec<T> = all.collect();
    some.shuffle(rng);
    some.truncate(count);
    some
}

struct Run<'a, 'r, R> {
    rng: &'r mut R,
    protocol: Protocol<'a>,
    habits: Habits,
    byzantine: Vec<usize>,
    personas: Vec<Persona>,
    /// Messages of which most will not hear.
    hidden: BTreeSet<Id>,
    round: u64,
    attempts: usize,
}

/// One chain of a signer.
#[derive(Clone, Default)]
struct Persona {
    signer: usize,
    part: usize,
    last: Option<Id>,
    known: BTreeSet<Id>,
    /// What it took in since its last message.
    recent: BTreeSet<Id>,
}

impl<'a, 'r, R: Rng> Run<'a, 'r, R> {
    fn new(rng: &'r mut R, trust: &'a Trust) -> Self {
        let signers = trust.acceptors();
        let habits = Habits::new(rng);
        let parts = nearly_disjoint_quorums(rng, trust);
        let count = rng.random_range(0..=3);
        let mut byzantine = some_of(rng, signers.iter().copied(), count);
        if habits.parted {
            byzantine = set_of(parts[0] & parts[1]).collect();
        }
        let mut personas = Vec::new();
        for signer in signers {
            let mut member_of: Vec<usize> =
                (0..2).filter(|part| parts[*part] >> signer & 1 == 1).collect();
            if member_of.is_empty() || !habits.parted {
                member_of = vec![rng.random_range(0..2)];
            }
            for part in member_of {
                personas.push(Persona { signer, part, ..Persona::default() });
            }
        }
        Run {
            protocol: Protocol::new(trust, Dag::default()),
            habits,
            byzantine,
            personas,
            hidden: BTreeSet::new(),
            round: 0,
            attempts: 0,
            rng,
        }
    }

    fn is_full(&self) -> bool {
        self.protocol.dag().ids().len() >= self.habits.messages
    }

    /// One attempt at a decision, or a part of it.
    fn ballot(&mut self) {
        let all = self.protocol.dag().ids().len();
        let parted = self.habits.parted && all * 3 < self.habits.messages * 2;
        let part = parted.then_some(self.attempts % 2);
        self.attempts += 1;
        let Some(proposal) = self.propose(part) else { return };
        let mut votes = Vec::new();
        for at in self.shuffled_personas(self.habits.vote, part) {
            let honest = !self.byzantine.contains(&self.personas[at].signer);
            if honest && self.rng.random_bool(1.0 - self.habits.honest_vote) {
                continue;
            }
            if !parted {
                let tips = self.protocol.dag().maximal(&self.visible());
                self.learn(at, tips, self.habits.hear);
            }
            votes.extend(self.answer(at, Kind::OneB, Some(proposal)));
        }
        let mut accepts = Vec::new();
        for at in self.shuffled_personas(self.habits.accept, part) {
            for _ in 0..self.rng.random_range(1..=2) {
                self.learn(at, votes.iter().copied(), 0.8);
                accepts.extend(self.answer(at, Kind::TwoA, None));
            }
        }
        let commit = if accepts.is_empty() { 0.05 } else { self.habits.commit };
        for at in self.shuffled_personas(commit, part) {
            for _ in 0..self.rng.random_range(1..=2) {
                self.learn(at, accepts.iter().copied(), 0.9);
                self.answer(at, Kind::TwoB, None);
            }
        }
    }

    /// A new 1a; at times another of the same round. None if it is there already.
    fn propose(&mut self, part: Option<usize>) -> Option<Id> {
        self.round += u64::from(self.rng.random_bool(0.7));
        let any = self.rng.random_range(0..VALUES);
        let value = part.map_or(any, |part| part as u8);
        self.offer(Message::Proposal(Ballot { round: self.round, value }))
    }

    fn shuffled_personas(&mut self, share: f64, part: Option<usize>) -> Vec<usize> {
        let there = |at: &usize| part.is_none_or(|part| self.personas[*at].part == part);
        let mut some: Vec<usize> = (0..self.personas.len()).filter(there).collect();
        some.retain(|_| self.rng.random_bool(share));
        some.shuffle(self.rng);
        some
    }

    fn well_formed(&self) -> BTreeSet<Id> {
        self.protocol.dag().ids().filter(|id| self.protocol.is_well_formed(*id)).collect()
    }

    fn visible(&self) -> BTreeSet<Id> {
        self.well_formed().difference(&self.hidden).copied().collect()
    }

    /// A persona takes in some of `messages`; seldom what would expose it to itself.
    fn learn(&mut self, at: usize, messages: impl IntoIterator<Item = Id>, share: f64) {
        for message in messages {
            let hidden = self.hidden.contains(&message) && self.rng.random_bool(0.7);
            if hidden || !self.rng.random_bool(share) {
                continue;
            }
            let dag = self.protocol.dag();
            let persona = &mut self.personas[at];
            let news: BTreeSet<Id> =
                dag.below(message).difference(&persona.known).copied().collect();
            let own = |id: &Id| dag.reply(*id).is_some_and(|reply| reply.signer == persona.signer);
            if !news.iter().any(own) || self.rng.random_bool(0.03) {
                persona.known.extend(&news);
                persona.recent.extend(news);
            }
        }
    }

    /// A persona says what follows from what it knows, if that is well-formed.
    fn answer(&mut self, at: usize, kind: Kind, proposal: Option<Id>) -> Option<Id> {
        if self.is_full() {
            return None;
        }
        let dag = self.protocol.dag();
        let persona = &self.personas[at];
        let replies = persona.recent.iter().copied().filter(|id| dag.reply(*id).is_some());
        let mut refs = dag.maximal(&replies.collect());
        if self.rng.random_bool(0.9) {
            refs = self.at_most_two_of_each(refs);
        }
        if self.rng.random_bool(0.05) {
            refs.extend(self.personas[at].recent.iter().copied().choose(self.rng));
        }
        let Persona { signer, last, .. } = self.personas[at];
        refs.extend(last.into_iter().chain(proposal));
        let id = self.offer(Message::Reply(Reply { kind, signer, prev: last, refs }))?;
        self.personas[at].said(id, self.protocol.dag().below(id));
        Some(id)
    }

    fn at_most_two_of_each(&mut self, refs: BTreeSet<Id>) -> BTreeSet<Id> {
        let dag = self.protocol.dag();
        let signer = |id: &Id| dag.reply(*id).map(|reply| reply.signer);
        let mut kept: Vec<Id> = Vec::new();
        for id in refs {
            if kept.iter().filter(|other| signer(other) == signer(&id)).count() < 2 {
                kept.push(id);
            }
        }
        kept.into_iter().collect()
    }

    /// Adds a message, and says so if it is well-formed. Few ill-formed ones stay.
    fn offer(&mut self, message: Message) -> Option<Id> {
        if self.protocol.dag().contains(&message) {
            return None;
        }
        let reply = message.reply().cloned();
        let id = self.protocol.push(message);
        if !self.protocol.is_well_formed(id) {
            if self.rng.random_bool(0.9) || !self.bears_another_ill_formed() {
                self.protocol.pop();
            }
            return None;
        }
        let hides = reply.is_some_and(|reply| self.byzantine.contains(&reply.signer));
        if hides && self.rng.random_bool(0.3) {
            self.hidden.insert(id);
        }
        Some(id)
    }

    fn bears_another_ill_formed(&self) -> bool {
        let all = self.protocol.dag().ids().len();
        (all - self.well_formed().len()) * 7 <= all
    }

    /// What no protocol foresees.
    fn disturb(&mut self) {
        if self.rng.random_bool(0.4) {
            let shown = self.hidden.iter().copied().choose(self.rng);
            shown.map(|shown| self.hidden.remove(&shown));
        }
        if self.rng.random_bool(self.habits.fork) {
            self.fork();
        }
        if self.rng.random_bool(self.habits.stray) {
            (0..3).for_each(|_| self.stray());
        }
        for _ in 0..2 {
            let spoilt = spoil(self.rng, &self.protocol);
            if let Some(spoilt) = spoilt.filter(|spoilt| !self.protocol.dag().contains(spoilt)) {
                let id = self.protocol.push(spoilt);
                if self.protocol.is_well_formed(id) || !self.bears_another_ill_formed() {
                    self.protocol.pop();
                }
            }
        }
    }

    /// A Byzantine signer gets another persona: a copy of one, or one that goes on from an older message of it.
    fn fork(&mut self) {
        let Some(signer) = self.byzantine.choose(self.rng).copied() else { return };
        let personas: Vec<&Persona> =
            self.personas.iter().filter(|persona| persona.signer == signer).collect();
        let copied = *personas.choose(self.rng).expect("each signer has one");
        let mut branch = copied.clone();
        if personas.len() > 2 {
            return;
        }
        if self.rng.random_bool(0.6) {
            let dag = self.protocol.dag();
            let chain = std::iter::successors(copied.last, |last| dag.reply(*last)?.prev);
            let last = chain.map(Some).chain([None]).choose(self.rng).flatten();
            let known = last.map(|last| dag.below(last).clone()).unwrap_or_default();
            branch = Persona { last, known, recent: BTreeSet::new(), ..branch };
        }
        self.personas.push(branch);
    }

    /// A message that follows from no view: any references, and any persona's chain.
    fn stray(&mut self) {
        if self.is_full() {
            return;
        }
        let byzantine = |persona: &&Persona| self.byzantine.contains(&persona.signer);
        let speaker = self.personas.iter().enumerate();
        let careless = self.rng.random_bool(0.3);
        let speaker = speaker.filter(|(_, persona)| careless || byzantine(persona));
        let Some((at, _)) = speaker.choose(self.rng) else { return };
        let dag = self.protocol.dag();
        let well_formed = self.well_formed();
        let replies = well_formed.iter().copied().filter(|id| dag.reply(*id).is_some());
        let count = self.rng.random_range(0..=5);
        let mut refs: BTreeSet<Id> = some_of(self.rng, replies, count).into_iter().collect();
        let Persona { signer, last, .. } = self.personas[at];
        refs.extend(last);
        let kind =
            *[Kind::OneB, Kind::OneB, Kind::TwoA, Kind::TwoB].choose(self.rng).expect("four");
        if kind == Kind::OneB {
            let ballot = refs.iter().filter_map(|id| self.protocol.ballot(*id)).max();
            let proposals = well_formed.iter().copied().filter(|id| dag.proposal(*id) > ballot);
            refs.extend(proposals.choose(self.rng));
        }
        if let Some(id) = self.offer(Message::Reply(Reply { kind, signer, prev: last, refs })) {
            self.personas[at].said(id, self.protocol.dag().below(id));
        }
    }
}

impl Persona {
    fn said(&mut self, id: Id, below: &BTreeSet<Id>) {
        self.last = Some(id);
        self.known.extend(below);
        self.recent.clear();
    }
}
