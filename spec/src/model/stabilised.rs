//! Liveness as safety: from any state on, everything arrives in time, and nobody lies any more.
//!
//! The state is taken as the moment of stabilisation. All honest acceptors, but those that stop for good, start with what is on their disks, meet, and go on
//! with the engine's own rounds, timers and proposers; a packet takes one period. What Byzantine acceptors signed and some
//! honest one holds is passed on like everything else; in each round they announce the next one at once, and they spoil rounds
//! where they can (`spoiler.rs`). When all is decided,
//! what they signed and nobody took in comes to one acceptor, and has to become known to all if it proves a fork. The run is
//! deterministic, so that "a live learner decides in time" is a question about the state.

use super::local::Local;
use super::setup::Setup;
use super::spoiler::Spoilers;
use super::universe::{Msg, Universe};
use crate::properties::Property;
use hpaxos_consensus::message::{
    Acceptor, Announcement, Body, Message, NoSigner, Packet, Refs, ReplyKind, Verified,
};
use hpaxos_consensus::{
    Config, Effects, Instance, Judgement, MessageId, Peer, Record, Request, Round, SlotEvent,
    Target, TimerKind, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId, LearnerSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a packet takes: a tenth of the first round.
const PERIOD: Duration = Duration::from_millis(50);

/// Periods after which an instance that still moves is taken for one that does not end.
const PERIODS_MAX: u32 = 20_000;

/// What came of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every live learner decided, at every honest acceptor.
    Decided {
        /// Periods until the last of them did.
        periods: u32,
        /// Ballots since stabilisation until then: 0 if it needed none.
        ballots: u64,
    },
    /// A live learner did not decide in the rounds that were its own.
    Undecided {
        /// Which.
        learner: LearnerId,
        /// Why that is too late.
        why: String,
    },
    /// Something was said that must not be, or something that is proven did not get about.
    Broken {
        /// Which property does not hold.
        property: Property,
        /// What happened.
        detail: String,
    },
    /// Some learners did not, which [`Setting::uncovered`](crate::simulator::setting::Setting::uncovered) excuses.
    Excused,
}

/// Lets states go on.
pub struct Stabiliser {
    setup: Setup,
    configs: BTreeMap<AcceptorId, Arc<Config>>,
    live: LearnerSet,
}

pub(super) struct Node {
    pub me: AcceptorId,
    pub instance: Instance,
    timers: BTreeMap<TimerKind, u32>,
    decided: BTreeMap<LearnerId, u32>,
    /// Values that are here and valid.
    values: BTreeSet<ValueHash>,
    proposed: BTreeMap<Round, MessageId>,
}

pub(super) struct Run<'a> {
    pub setup: &'a Setup,
    now: u32,
    pub nodes: Vec<Node>,
    /// What arrives in the next period, by receiver.
    pub flying: Vec<VecDeque<SlotEvent>>,
    pub spoilers: Spoilers,
    /// Learners that decided, with the highest ballot by which one did.
    rounds: BTreeMap<LearnerId, Round>,
    /// The round that Byzantine acceptors have announced.
    dragged: Round,
    broken: Option<(Property, String)>,
}

/// Periods in which evidence has to reach everybody: it is passed on at once, and may have to be asked for.
const EVIDENCE_PERIODS: u32 = 8;

impl Stabiliser {
    /// For the states of a model.
    pub fn new(setup: &Setup) -> Self {
        let down = setup.byzantine.union(&setup.stopped);
        let honest = setup.trust.acceptors().difference(&down);
        let config = |me: AcceptorId| {
            let (network, trust) = (setup.setting.network, setup.trust.clone());
            let mut config = Config::new(network, trust, Some(me), Arc::new(NoSigner));
            config.rules = setup.rules;
            (me, Arc::new(config))
        };
        let live = setup.trust.learners().iter();
        let live = live.filter(|one| setup.trust.log().is_quorum(*one, &honest)).collect();
        Stabiliser { setup: setup.clone(), configs: honest.iter().map(config).collect(), live }
    }

    /// Lets a state go on until every live learner has decided, or one has not in time.
    pub fn go_on(
        &self,
        universe: &Universe,
        honest: &[&Local],
        proposals: &[Msg],
        lies: &[Msg],
    ) -> Outcome {
        // Whoever is down took what nobody else holds with it.
        let honest: Vec<&Local> = honest
            .iter()
            .filter(|local| self.configs.contains_key(&local.owner))
            .copied()
            .collect();
        let honest = &honest[..];
        let held: BTreeSet<Msg> = honest.iter().flat_map(|local| local.stored()).collect();
        let mut run = Run {
            now: 0,
            nodes: Vec::new(),
            flying: honest.iter().map(|_| VecDeque::new()).collect(),
            rounds: BTreeMap::new(),
            dragged: Round(0),
            broken: None,
            spoilers: Spoilers::new(universe, self.setup.byzantine.iter(), &held),
            setup: &self.setup,
        };
        let mut armed = Vec::new();
        for local in honest {
            let own = |msg: &&Msg| held.contains(msg) && universe.said(**msg).signer == local.owner;
            let own: Vec<Msg> = proposals.iter().filter(own).copied().collect();
            let (node, out) = self.woken(universe, local, &own);
            run.nodes.push(node);
            armed.push(out);
        }
        let start = run.nodes.iter().map(|node| node.instance.round()).max().unwrap_or(Round(0));
        for (index, out) in armed.into_iter().enumerate() {
            run.release(index, out);
            let others: Vec<AcceptorId> = run
                .nodes
                .iter()
                .map(|node| node.me)
                .filter(|one| *one != run.nodes[index].me)
                .collect();
            let met =
                others.into_iter().map(|one| SlotEvent::Connected { peer: Peer::Acceptor(one) });
            run.turn(index, met.collect());
        }
        let bounds: BTreeMap<LearnerId, Round> =
            self.live.iter().map(|learner| (learner, self.bound(learner, start))).collect();
        loop {
            if let Some(periods) = run.done(self.live) {
                let last = run.rounds.values().max().copied().unwrap_or(Round(0));
                run.hear_last_words(universe, lies);
                if let Some((property, detail)) = run.broken {
                    return Outcome::Broken { property, detail };
                }
                return Outcome::Decided { periods, ballots: last.0.saturating_sub(start.0) };
            }
            if let Some((property, detail)) = run.broken {
                return Outcome::Broken { property, detail };
            }
            if let Some((learner, why)) = run.late(&bounds) {
                let exposed = run.nodes.iter().any(|node| !node.instance.dag().forked().is_empty());
                let uncovered = &self.setup.setting.uncovered;
                if exposed && uncovered.iter().any(|triple| triple[0] == learner) {
                    return Outcome::Excused;
                }
                return Outcome::Undecided { learner, why };
            }
            run.next_period();
        }
    }

    /// An acceptor with what it has stored. Where it proposed, that is on its disk too, and it is in that round.
    fn woken(&self, universe: &Universe, local: &Local, own: &[Msg]) -> (Node, Effects) {
        let slot = self.setup.slot;
        let stored: BTreeSet<Msg> = local.stored().chain(own.iter().copied()).collect();
        let message = |msg: &Msg| -> Arc<Verified<Message>> { universe.said(*msg).message.clone() };
        let mut records =
            vec![Record::Messages { slot, messages: stored.iter().map(message).collect() }];
        if let Some(round) = own.iter().map(|msg| universe.ballot(*msg).round).max() {
            records.push(Record::Round { slot, round });
        }
        let mut out = Effects::default();
        let config = self.configs[&local.owner].clone();
        let mut instance = Instance::recover(config, slot, records, false, &mut out);
        // Of what it proposed and voted for it has the values.
        let said = stored.iter().map(|msg| universe.said(*msg));
        let values = said.filter(|said| said.signer == local.owner);
        let values: BTreeSet<ValueHash> = values.map(|said| said.facts.ballot.value).collect();
        for value in &values {
            let judgement = Judgement::Valid;
            instance.handle(SlotEvent::Value { value: *value, judgement }, &mut out);
        }
        let (timers, decided) = (BTreeMap::new(), BTreeMap::new());
        let proposed =
            own.iter().map(|msg| (universe.ballot(*msg).round, universe.said(*msg).message.id()));
        let proposed = proposed.collect();
        (Node { me: local.owner, instance, timers, decided, values, proposed }, out)
    }

    /// The last round that may pass before a learner has decided: its (1 + f)-th with a proposer that is honest and up, of those after
    /// `start`; where Byzantine acceptors can spoil lenient rounds, of the strict ones.
    fn bound(&self, learner: LearnerId, start: Round) -> Round {
        let strict = self.configs.values().map(|config| config.lenient_turns).max().unwrap_or(0)
            * self.setup.trust.schedule().turn();
        let lenient = if self.setup.byzantine.is_empty() { 0 } else { strict };
        let start = Round(start.0.max(lenient));
        let schedule = self.setup.trust.schedule();
        let slot = self.setup.slot;
        let mut left = 1 + self.setup.byzantine.len();
        let mut round = start;
        while left > 0 {
            round = round.next();
            let up = self.configs.contains_key(&schedule.proposer(slot, round));
            if up && schedule.target(slot, round) == learner {
                left -= 1;
            }
        }
        round
    }
}

impl Run<'_> {
    /// Periods until every live learner had decided at every node, if they have.
    fn done(&self, live: LearnerSet) -> Option<u32> {
        let decided = |node: &Node, learner: LearnerId| {
            let known = node.decided.get(&learner).copied();
            known.or_else(|| node.instance.decided(learner).map(|_| 0))
        };
        let pairs = self.nodes.iter().flat_map(|node| live.iter().map(move |one| (node, one)));
        pairs
            .map(|(node, learner)| decided(node, learner))
            .try_fold(0, |last, one| Some(last.max(one?)))
    }

    /// A live learner that is undecided somewhere although its rounds are over, or nothing moves.
    fn late(&self, bounds: &BTreeMap<LearnerId, Round>) -> Option<(LearnerId, String)> {
        let still = self.flying.iter().all(VecDeque::is_empty)
            && self.nodes.iter().all(|node| node.timers.is_empty());
        for (learner, bound) in bounds {
            let undecided = |node: &&Node| node.instance.decided(*learner).is_none();
            if !self.nodes.iter().any(|node| undecided(&node)) {
                continue;
            }
            let least = self.nodes.iter().map(|node| node.instance.round()).min();
            if least > Some(*bound) {
                return Some((*learner, format!("everybody has left round {}", bound.0)));
            }
            if still || self.now >= PERIODS_MAX {
                return Some((*learner, format!("nothing moves after {} periods", self.now)));
            }
        }
        None
    }

    fn next_period(&mut self) {
        self.drag();
        self.spoil();
        // Nothing happens until something arrives, or a timer ends.
        let quiet = self.flying.iter().all(VecDeque::is_empty);
        let due = self.nodes.iter().flat_map(|node| node.timers.values()).min().copied();
        self.now = match due {
            Some(due) if quiet => due.max(self.now + 1),
            _ => self.now + 1,
        };
        let arriving: Vec<_> = self.flying.iter_mut().map(std::mem::take).collect();
        for (index, packets) in arriving.into_iter().enumerate() {
            let mut events: Vec<SlotEvent> = packets.into();
            let now = self.now;
            let timers = &mut self.nodes[index].timers;
            let ended: Vec<TimerKind> =
                timers.iter().filter(|(_, due)| **due <= now).map(|(kind, _)| *kind).collect();
            for kind in ended {
                timers.remove(&kind);
                events.push(SlotEvent::Timer(kind));
            }
            if !events.is_empty() {
                self.turn(index, events);
            }
        }
    }

    /// Byzantine acceptors announce the round after the highest one.
    fn drag(&mut self) {
        let next = self.nodes.iter().map(|node| node.instance.round().next()).max();
        let Some(next) = next.filter(|next| *next > self.dragged) else { return };
        self.dragged = next;
        for byzantine in self.setup.byzantine.iter() {
            let place = self.setup.setting.place(self.setup.slot);
            let acceptor = Acceptor(byzantine);
            let announcement =
                Announcement { place, acceptor, round: next, maximal: Refs::default() };
            let network = &self.setup.setting.network;
            let announcement =
                Arc::new(Verified::sign(announcement, network, byzantine, &NoSigner));
            for flying in &mut self.flying {
                let announcement = announcement.clone();
                flying.push_back(SlotEvent::Announcement { announcement });
            }
        }
    }

    /// What Byzantine acceptors signed and nobody took in comes to the first acceptor. Then everybody has to know whoever is
    /// known to have forked.
    fn hear_last_words(&mut self, universe: &Universe, lies: &[Msg]) {
        let [first, _, ..] = &self.nodes[..] else { return };
        let new =
            |msg: &&Msg| first.instance.dag().find(&universe.said(**msg).message.id()).is_none();
        let new = lies.iter().filter(new).map(|msg| {
            let message = universe.said(*msg).message.clone();
            let from = Peer::Acceptor(message.signer());
            SlotEvent::Message { from, message, hint: Refs::default() }
        });
        let new: Vec<SlotEvent> = new.collect();
        self.flying[0].extend(new);
        // Not until a timer ends: then acceptors tell each other anyhow.
        let end = self.now + EVIDENCE_PERIODS;
        while self.now < end && self.flying.iter().any(|flying| !flying.is_empty()) {
            self.next_period();
        }
        let forked = |node: &Node| *node.instance.dag().forked();
        let all =
            self.nodes.iter().map(forked).fold(AcceptorSet::EMPTY, |all, one| all.union(&one));
        let lacks = self.nodes.iter().find(|node| forked(node) != all);
        if let Some(me) = lacks.map(|node| node.me) {
            self.broken =
                Some((Property::Evidence, format!("{me:?} has no evidence that others have")));
        }
    }

    /// A node lets things happen, one batch. Its new block is there at once; other values come a period later.
    fn turn(&mut self, index: usize, mut events: Vec<SlotEvent>) {
        while !events.is_empty() {
            let mut out = Effects::default();
            let node = &mut self.nodes[index];
            for event in events.drain(..) {
                if let SlotEvent::Value { value, .. } | SlotEvent::Block { value } = &event {
                    node.values.insert(*value);
                }
                node.instance.handle(event, &mut out);
            }
            node.instance.settle(&mut out);
            for request in &out.requests {
                match request {
                    Request::Block { round, .. } => {
                        let mut value = ValueHash([0xff; 32]);
                        value.0[0] = node.me.index() as u8;
                        value.0[1..9].copy_from_slice(&round.0.to_be_bytes());
                        events.push(SlotEvent::Block { value });
                    }
                    Request::Value { value, .. } => {
                        let judgement = Judgement::Valid;
                        self.flying[index].push_back(SlotEvent::Value { value: *value, judgement });
                    }
                    Request::Certificates { .. } | Request::Load { .. } => {}
                }
            }
            self.release(index, out);
        }
    }

    /// What must not be said: a vote for a value that is not here, or two proposals in one round.
    fn look_at(&mut self, index: usize, message: &Verified<Message>) {
        let node = &mut self.nodes[index];
        if message.signer() != node.me {
            return;
        }
        let me = node.me;
        match &message.body {
            Body::Proposal { round, .. } => {
                let first = *node.proposed.entry(*round).or_insert(message.id());
                if first != message.id() {
                    self.broken =
                        Some((Property::OneChain, format!("{me:?} proposes twice in {round:?}")));
                }
            }
            Body::Reply(reply) if reply.kind == ReplyKind::OneB => {
                let ix = node.instance.dag().find(&message.id());
                let ballot = ix.map(|ix| node.instance.dag().node(ix).facts.ballot);
                if ballot.is_some_and(|ballot| !node.values.contains(&ballot.value)) {
                    let detail = format!("{me:?} votes for a value that it does not have");
                    self.broken = Some((Property::Durability, detail));
                }
            }
            Body::Reply(_) => {}
        }
    }

    fn release(&mut self, index: usize, out: Effects) {
        let me = self.nodes[index].me;
        for (timer, range) in &out.timers {
            let periods = range.start.as_millis().div_ceil(PERIOD.as_millis()).max(1);
            let due = self.now.saturating_add(u32::try_from(periods).unwrap_or(u32::MAX));
            self.nodes[index].timers.insert(timer.kind, due);
        }
        for decision in &out.decided {
            self.nodes[index].decided.entry(decision.learner).or_insert(self.now);
            let round = self.rounds.entry(decision.learner).or_insert(decision.ballot.round);
            *round = decision.ballot.round.max(*round);
        }
        for (target, packet) in out.send {
            if let Packet::Message(message, _) = &packet {
                self.look_at(index, message);
            }
            for (other, node) in self.nodes.iter().enumerate() {
                let wanted = match target {
                    Target::All => node.me != me,
                    Target::One(peer) => peer == Peer::Acceptor(node.me),
                };
                if wanted {
                    self.flying[other].extend(heard(me, packet.clone()));
                }
            }
        }
    }
}

/// A packet as an event.
fn heard(from: AcceptorId, packet: Packet) -> Option<SlotEvent> {
    let from = Peer::Acceptor(from);
    Some(match packet {
        Packet::Message(message, hint) => SlotEvent::Message { from, message, hint },
        Packet::Announcement(announcement) => SlotEvent::Announcement { announcement },
        Packet::Tips { tips, answer, .. } => SlotEvent::Tips { from, tips, answer },
        Packet::Ask { want, have, .. } => SlotEvent::Ask { from, want, have },
        Packet::Highest { .. } => return None,
    })
}
