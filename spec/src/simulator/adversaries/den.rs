//! What a Byzantine acceptor knows, and its forge.

use super::super::setting::Setting;
use super::super::surroundings::Surroundings;
use super::super::wire::Wire;
use hpaxos_consensus::dag::{Dag, Ix};
use hpaxos_consensus::message::{
    Acceptor, Announcement, Body, Kind, Message, Packet, Refs, Reply, ReplyKind, Verified,
};
use hpaxos_consensus::rules::{Draft, Flaw, Rules};
use hpaxos_consensus::{Ballot, Judgement, MessageId, Round, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Messages sent in answer to one question.
const ANSWER_MAX: usize = 128;
/// What the puppets of one acceptor say in a run at most. Those in league can drive each other on for ever.
const WORDS_MAX: u32 = 5_000;
/// Slots that its last words are about.
const LAST_SLOTS: usize = 8;
/// How often it asks for a message.
const ASKED_MAX: u32 = 3;
/// Slots beyond those of the run of which it keeps nothing.
const SLOTS_MARGIN: u64 = 8;

/// What it knows of a slot.
pub struct View {
    /// All messages, its own included.
    pub dag: Dag,
    waiting: BTreeMap<MessageId, Vec<Arc<Verified<Message>>>>,
    /// How often it asked for what is missing.
    asked: BTreeMap<MessageId, u32>,
    /// Own messages that nobody may see yet.
    pub hidden: BTreeSet<MessageId>,
    /// The highest round that somebody announced.
    pub round: Round,
}

/// What a Byzantine acceptor knows, and its forge.
pub struct Den {
    me: AcceptorId,
    /// Whose key it signs with: its own, but for those in league that lend each other theirs.
    hand: AcceptorId,
    setting: Arc<Setting>,
    rules: Rules,
    /// Acceptors that are safe.
    safe: AcceptorSet,
    /// Those in league with it.
    league: AcceptorSet,
    views: BTreeMap<Slot, View>,
    /// Messages that it may still make up.
    acts: u32,
    slots: u64,
    mood: u32,
    /// What its puppets may still say.
    words: u32,
}

impl Den {
    /// Nothing yet.
    pub fn new(me: AcceptorId, world: &Surroundings) -> Self {
        let league = world.scenario.traitors();
        Den {
            me,
            hand: me,
            setting: world.setting.clone(),
            rules: world.rules,
            safe: world.setting.trust.acceptors().difference(&league),
            league,
            views: BTreeMap::new(),
            acts: world.scenario.acts,
            slots: world.scenario.slots,
            mood: 0,
            words: WORDS_MAX,
        }
    }

    /// Who it is.
    pub fn me(&self) -> AcceptorId {
        self.me
    }

    /// Signs with the key of one in league with it from now on.
    pub fn sign_as(&mut self, hand: AcceptorId) {
        assert!(self.league.contains(hand), "nobody signs for a safe acceptor");
        self.hand = hand;
    }

    /// Acceptors that are safe.
    pub fn safe(&self) -> AcceptorSet {
        self.safe
    }

    /// Those in league with it, itself included.
    pub fn league(&self) -> AcceptorSet {
        self.league
    }

    /// Where it is.
    pub fn setting(&self) -> &Arc<Setting> {
        &self.setting
    }

    /// Gets its breath back: it does not answer every message with a storm of its own.
    pub fn rest(&mut self, world: &mut Surroundings) {
        self.mood = world.rng.random_range(2..10);
    }

    /// Whether it may still make something up.
    pub fn may_act(&self) -> bool {
        self.acts > 0 && self.mood > 0
    }

    /// Whether a puppet may say one thing more.
    pub fn may_speak(&mut self) -> bool {
        self.words = self.words.saturating_sub(1);
        self.words > 0
    }

    fn act(&mut self) -> bool {
        if !self.may_act() {
            return false;
        }
        self.acts -= 1;
        self.mood -= 1;
        true
    }

    /// The slots that it knows of.
    pub fn slots(&self) -> Vec<Slot> {
        self.views.keys().copied().collect()
    }

    /// What it knows of a slot.
    pub fn view(&mut self, slot: Slot) -> &mut View {
        let (trust, rules) = (&self.setting.trust, self.rules);
        self.views.entry(slot).or_insert_with(|| View {
            dag: Dag::new(trust.clone(), rules),
            waiting: BTreeMap::new(),
            asked: BTreeMap::new(),
            hidden: BTreeSet::new(),
            round: Round(0),
        })
    }

    /// A random one of the slots it knows of, mostly a late one.
    pub fn some_slot(&self, world: &mut Surroundings) -> Option<Slot> {
        let count = self.views.len();
        let back = world.rng.random_range(0..count.clamp(1, 8));
        self.views.keys().copied().nth_back(back)
    }

    /// A random set of nodes.
    pub fn some_nodes(&self, world: &mut Surroundings) -> AcceptorSet {
        let share = [0.2, 0.5, 0.8][world.rng.random_range(0..3)];
        self.safe.iter().filter(|_| world.rng.random_bool(share)).collect()
    }

    /// Takes note of what came, asks for what is missing, and answers questions. The slot in which there is news.
    pub fn absorb(
        &mut self,
        from: AcceptorId,
        wire: &Wire,
        world: &mut Surroundings,
    ) -> Option<Slot> {
        match wire {
            Wire::Packet(packet) => {
                let slot = packet.place().slot;
                if slot.0 > self.slots + SLOTS_MARGIN {
                    return None;
                }
                match packet {
                    Packet::Message(message, _) => self.keep(from, message.clone(), world),
                    Packet::Announcement(announcement) => {
                        let view = self.view(slot);
                        // Its own league drags rounds up; only what safe ones say counts.
                        if announcement.round > view.round && from == announcement.signer() {
                            view.round = announcement.round;
                            return Some(slot);
                        }
                        None
                    }
                    Packet::Ask { want, have, .. } => {
                        self.answer(from, slot, want, have, world);
                        None
                    }
                    Packet::Tips { tips, .. } => {
                        let dag = &self.view(slot).dag;
                        let unknown = tips.iter().copied().filter(|id| dag.find(id).is_none());
                        let unknown: Vec<MessageId> = unknown.collect();
                        self.ask(from, slot, unknown, world);
                        None
                    }
                    Packet::Highest { .. } => None,
                }
            }
            Wire::AskValue { slot, value } => {
                if world.judge(value) == Judgement::Valid {
                    let (slot, value) = (*slot, *value);
                    world.send(self.me, from, &Arc::new(Wire::Value { slot, value }));
                }
                None
            }
            Wire::Value { .. } | Wire::Attest(_) | Wire::Certificates(_) => None,
        }
    }

    fn keep(
        &mut self,
        from: AcceptorId,
        message: Arc<Verified<Message>>,
        world: &mut Surroundings,
    ) -> Option<Slot> {
        let slot = message.place.slot;
        let mut open = vec![message];
        let mut news = None;
        while let Some(message) = open.pop() {
            let view = self.view(slot);
            if view.dag.find(&message.id()).is_some() {
                continue;
            }
            match view.dag.resolve(&message) {
                Ok(refs) => {
                    if view.dag.insert(message.clone(), refs).is_ok() {
                        news = Some(slot);
                        open.extend(view.waiting.remove(&message.id()).unwrap_or_default());
                    }
                }
                Err(missing) => {
                    let waiting = view.waiting.entry(missing[0]).or_default();
                    if waiting.iter().all(|one| one.id() != message.id()) {
                        waiting.push(message);
                    }
                    self.ask(from, slot, missing, world);
                }
            }
        }
        news
    }

    fn ask(&mut self, from: AcceptorId, slot: Slot, ids: Vec<MessageId>, world: &mut Surroundings) {
        let view = self.view(slot);
        let mut ids = ids;
        ids.retain(|id| {
            let asked = view.asked.entry(*id).or_default();
            *asked += 1;
            *asked <= ASKED_MAX
        });
        if ids.is_empty() {
            return;
        }
        let dag = &self.view(slot).dag;
        let maximal = dag.maximal().take(Refs::COUNT_MAX);
        let have = Refs::new(maximal.map(|ix| dag.node(ix).message.id()));
        let place = self.setting.place(slot);
        let packet = Packet::Ask { place, want: Refs::new(ids), have };
        world.send(self.me, from, &Arc::new(Wire::Packet(packet)));
    }

    fn answer(
        &mut self,
        from: AcceptorId,
        slot: Slot,
        want: &Refs,
        have: &Refs,
        world: &mut Surroundings,
    ) {
        let me = self.me;
        let view = self.view(slot);
        let dag = &view.dag;
        let held = |ids: &Refs| -> Vec<Ix> { ids.iter().filter_map(|id| dag.find(id)).collect() };
        let known = dag.closure(&held(have), |_| false);
        let missing = dag.closure(&held(want), |ix| known.binary_search(&ix).is_ok());
        let shown = missing.into_iter().map(|ix| dag.node(ix).message.clone());
        let shown: Vec<_> = shown.filter(|one| !view.hidden.contains(&one.id())).collect();
        for message in shown.into_iter().take(ANSWER_MAX) {
            let wire = Arc::new(Wire::Packet(Packet::Message(message, Refs::default())));
            world.send(me, from, &wire);
        }
    }

    /// Makes a 1a, if it may propose in that round.
    pub fn propose(&mut self, slot: Slot, round: Round, value: ValueHash) -> Option<Ix> {
        let schedule = self.setting.trust.schedule();
        if schedule.proposer(slot, round) != self.hand || !self.act() {
            return None;
        }
        let message = self.sign(slot, Body::Proposal { round, value });
        self.view(slot).dag.insert(message, Arc::default()).ok()
    }

    /// Makes a reply with this `prev`, referencing `must` and as many of `may` as go with them.
    pub fn reply(
        &mut self,
        slot: Slot,
        kind: ReplyKind,
        prev: Option<Ix>,
        must: &[Ix],
        may: &[Ix],
    ) -> Option<Ix> {
        if !self.may_act() {
            return None;
        }
        let me = self.hand;
        let dag = &self.view(slot).dag;
        let draft = |refs: &[Ix]| {
            let mut refs: Vec<Ix> = prev.iter().chain(refs).copied().collect();
            refs.sort_unstable_by_key(|ix| dag.node(*ix).message.id());
            refs.dedup();
            Draft { kind, signer: me, prev, refs: refs.into() }
        };
        let mut refs = must.to_vec();
        refs.extend(may);
        if dag.derive(&draft(&refs)).is_err() {
            refs = must.to_vec();
            for ix in may {
                refs.push(*ix);
                let spoilt = |flaw| {
                    matches!(
                        flaw,
                        Flaw::SignerCaught
                            | Flaw::CrowdedReferences
                            | Flaw::TwoProposals
                            | Flaw::ProposalNotReferenced
                            | Flaw::BallotAnswered
                            | Flaw::ProposalReferenced
                    )
                };
                if dag.derive(&draft(&refs)).is_err_and(spoilt) {
                    refs.pop();
                }
            }
        }
        let draft = draft(&refs);
        dag.derive(&draft).ok()?;
        let ids = |ixs: &[Ix]| Refs::new(ixs.iter().map(|ix| dag.node(*ix).message.id()));
        let body = Body::Reply(Reply {
            kind,
            acceptor: Acceptor(me),
            prev: prev.map(|ix| dag.node(ix).message.id()),
            refs: ids(&draft.refs),
        });
        let message = self.sign(slot, body);
        self.act();
        let dag = &mut self.view(slot).dag;
        let refs = dag.resolve(&message).ok()?;
        dag.insert(message, refs).ok()
    }

    /// Contradicts what it said in the last slots, each time to a single safe acceptor.
    pub fn contradict(&mut self, world: &mut Surroundings) {
        (self.acts, self.mood) = (LAST_SLOTS as u32, LAST_SLOTS as u32);
        let slots = self.slots().into_iter().filter(|slot| slot.0 < self.slots);
        for slot in slots.rev().take(LAST_SLOTS).collect::<Vec<_>>() {
            let proposals: Vec<Ix> = self.view(slot).dag.proposals().values().copied().collect();
            let Some(proposal) = proposals.choose(&mut world.rng) else { continue };
            let nodes: Vec<Ix> = self.view(slot).dag.nodes().map(|(ix, _)| ix).collect();
            let may: Vec<Ix> = nodes.choose_multiple(&mut world.rng, 4).copied().collect();
            let fork = self.reply(slot, ReplyKind::OneB, None, &[*proposal], &may);
            let hearer = self.safe.iter().choose(&mut world.rng);
            if let Some((fork, hearer)) = fork.zip(hearer) {
                self.show(slot, fork, AcceptorSet::from_iter([hearer]), world);
            }
        }
    }

    /// Signs anything.
    pub fn sign(&self, slot: Slot, body: Body) -> Arc<Verified<Message>> {
        let signer = match &body {
            Body::Proposal { round, .. } => self.setting.trust.schedule().proposer(slot, *round),
            Body::Reply(_) => self.hand,
        };
        assert_eq!(signer, self.hand, "nobody signs for another");
        let message = Message { place: self.setting.place(slot), body };
        Arc::new(Verified::trusted(message, signer, [0; 64], &self.setting.network))
    }

    /// Announces a round.
    pub fn announce(
        &mut self,
        slot: Slot,
        round: Round,
        to: AcceptorSet,
        world: &mut Surroundings,
    ) {
        if !self.act() {
            return;
        }
        let dag = &self.view(slot).dag;
        let maximal = dag.maximal().take(4).map(|ix| dag.node(ix).message.id());
        let maximal = Refs::new(maximal);
        let place = self.setting.place(slot);
        let announcement = Announcement { place, acceptor: Acceptor(self.hand), round, maximal };
        let network = &self.setting.network;
        let announcement = Verified::trusted(announcement, self.hand, [0; 64], network);
        let wire = Arc::new(Wire::Packet(Packet::Announcement(Arc::new(announcement))));
        self.send(to, &wire, world);
    }

    /// Sends an own message to some, and no longer hides it.
    pub fn show(&mut self, slot: Slot, ix: Ix, to: AcceptorSet, world: &mut Surroundings) {
        let message = self.view(slot).dag.node(ix).message.clone();
        self.view(slot).hidden.remove(&message.id());
        if message.signer() == self.me || message.signer() == self.hand {
            world.first_sent(message.signer(), &message, Some(&to));
        }
        let proposed = match message.body {
            Body::Proposal { value, .. } => Some(value),
            Body::Reply(_) => None,
        };
        if let Some(value) = proposed.filter(|value| world.judge(value) == Judgement::Valid) {
            self.send(to, &Arc::new(Wire::Value { slot, value }), world);
        }
        let wire = Arc::new(Wire::Packet(Packet::Message(message, Refs::default())));
        self.send(to, &wire, world);
    }

    /// Sends anything to some.
    pub fn send(&self, to: AcceptorSet, wire: &Arc<Wire>, world: &mut Surroundings) {
        for to in to.iter() {
            world.send(self.me, to, wire);
        }
    }

    /// Its own replies in a slot.
    pub fn own_replies(&mut self, slot: Slot) -> Vec<Ix> {
        let me = self.me;
        let nodes = self.view(slot).dag.nodes();
        let own = nodes.filter(|(_, node)| node.signer() == me && node.kind() != Kind::OneA);
        own.map(|(ix, _)| ix).collect()
    }

    /// The last reply of each other acceptor to a ballot.
    pub fn replies_to(&mut self, slot: Slot, ballot: Ballot) -> Vec<Ix> {
        let me = self.hand;
        let mut last: BTreeMap<(AcceptorId, Option<Kind>), Ix> = BTreeMap::new();
        for (ix, node) in self.view(slot).dag.nodes() {
            let reply = node.kind() != Kind::OneA && node.signer() != me;
            if reply && node.facts.ballot == ballot {
                last.insert((node.signer(), None), ix);
            }
        }
        last.into_values().collect()
    }
}
