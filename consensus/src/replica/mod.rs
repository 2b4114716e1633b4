//! The slots of one log: a bounded window of instances, pipelined.
//!
//! ```text
// ANCHOR: window
//!   retired          parked            open                        not yet open
//!   all certified    on disk only      in memory                   refused
//!   ───────────────┬─────────────────┬───────────────┬───────────┬──────────────▶ slots
//!                                    W - depth       W           W + depth
//!                                            W: all slots below it were decided by some learner
// ANCHOR_END: window
//! ```

mod amnesia;
mod event;
mod parked;
mod progress;
mod recovery;
mod reputation;
mod window;

pub use amnesia::Silence;
pub use event::{Event, Judgement};
pub use recovery::Recovery;

use crate::config::Config;
use crate::engine::{Effects, Fault, Peer, Request, Target};
use crate::ids::{Place, Slot};
use crate::instance::{Instance, SlotEvent};
use crate::message::{Answer, Message, Packet, Verified};
use crate::record::Record;
use crate::rules::Mutant;
use amnesia::Amnesia;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use parked::Parked;
use progress::Progress;
use reputation::Reputation;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

// ANCHOR: state
/// One log, as one node runs it.
#[derive(Clone)]
pub struct Replica {
    config: Arc<Config>,
    instances: BTreeMap<Slot, Instance>,
    /// Of each learner, the slots that it decided.
    decided: BTreeMap<LearnerId, Progress>,
    /// Of each learner, the slots for which there is a certificate.
    certified: BTreeMap<LearnerId, Progress>,
    parked: Parked,
    /// Slots that were parked when the last batch ended: what was said in them is still to be told.
    leaving: BTreeMap<Slot, Instance>,
    /// Parked slots that were brought back.
    revived: VecDeque<Slot>,
    /// Of these, such as learners lack, the ones about which the others were asked.
    looked_at: BTreeSet<Slot>,
    /// Parked slots that the driver was asked for, and what waits for them.
    loading: BTreeMap<Slot, BTreeMap<Peer, Packet>>,
    /// How many slots were opened: one more than the highest.
    opened: Slot,
    /// How many slots each acceptor says it has opened.
    said: BTreeMap<AcceptorId, Slot>,
    /// How many so many of them have opened that some learner has no quorum of others.
    seen: Slot,
    /// Slots to settle.
    touched: BTreeSet<Slot>,
    /// Whether the window may have moved in this batch.
    moved: bool,
    /// The slots below are not in the window any more.
    passed: Slot,
    amnesia: Amnesia,
    /// Acceptors to which the link is down.
    unreachable: AcceptorSet,
    reputation: Reputation,
}
// ANCHOR_END: state

impl Replica {
    /// A new one, with an empty store.
    pub fn new(config: Config) -> Self {
        let learners = || config.trust.learners().iter();
        let none = || learners().map(|learner| (learner, Progress::default())).collect();
        Replica {
            instances: BTreeMap::new(),
            decided: none(),
            certified: none(),
            parked: Parked::default(),
            leaving: BTreeMap::new(),
            revived: VecDeque::new(),
            looked_at: BTreeSet::new(),
            loading: BTreeMap::new(),
            opened: Slot(0),
            said: BTreeMap::new(),
            seen: Slot(0),
            touched: BTreeSet::new(),
            moved: false,
            passed: Slot(0),
            amnesia: Amnesia::new(config.memory),
            unreachable: AcceptorSet::EMPTY,
            reputation: Reputation::default(),
            config: Arc::new(config),
        }
    }

    // ANCHOR: handle
    /// Lets one thing happen. What follows from several is worked out by [`Replica::settle`].
    pub fn handle(&mut self, event: Event, out: &mut Effects) {
        self.leaving.clear();
        match event {
            Event::Packet { from, packet } => self.receive(from, packet, out),
            Event::Connected { peer } => self.connected(peer, out),
            Event::Unreachable { acceptor } => {
                self.unreachable.insert(acceptor);
                self.tell_doubts();
            }
            Event::Value { slot, value, judgement } => {
                self.tell(slot, SlotEvent::Value { value, judgement }, out);
            }
            Event::Block { slot, value, .. } => {
                self.tell(slot, SlotEvent::Block { value }, out);
            }
            Event::Open => self.open_next(out),
            Event::Timer(timer) => self.tell(timer.slot, SlotEvent::Timer(timer.kind), out),
            Event::Certified { slot, learner, value } => {
                self.certify(slot, learner, value, out);
            }
            Event::Loaded { slot, records } => {
                let Some(waiting) = self.loading.remove(&slot) else { return };
                if !self.is_retired(slot) {
                    self.load(slot, records, out);
                    self.revive(slot, out);
                }
                for (from, packet) in waiting {
                    self.receive(from, packet, out);
                }
            }
        }
    }
    // ANCHOR_END: handle

    // ANCHOR: settle
    /// The end of a batch: takes in what arrived, answers, and moves the window.
    pub fn settle(&mut self, out: &mut Effects) {
        loop {
            while let Some(slot) = self.touched.pop_first() {
                let from = out.decided.len();
                if let Some(instance) = self.instances.get_mut(&slot) {
                    instance.settle(out);
                }
                self.note(slot, from, out);
            }
            if !std::mem::take(&mut self.moved) {
                break;
            }
            self.move_window(out);
        }
    }
    // ANCHOR_END: settle

    /// The instance of an open slot.
    pub fn instance(&self, slot: Slot) -> Option<&Instance> {
        self.instances.get(&slot)
    }

    /// The instance of an open slot, or of one that was parked when the last batch ended: its effects are not released yet.
    pub fn instance_or_leaving(&self, slot: Slot) -> Option<&Instance> {
        self.instance(slot).or_else(|| self.leaving.get(&slot))
    }

    /// The open slots.
    pub fn open_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.instances.keys().copied()
    }

    /// The parked slots.
    pub fn parked_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.parked.slots()
    }

    /// The first slot that `learner` has not decided.
    pub fn next_undecided(&self, learner: LearnerId) -> Slot {
        self.decided.get(&learner).map_or(Slot(0), Progress::next)
    }

    /// The first slot of `learner` for which there is no certificate.
    pub fn next_uncertified(&self, learner: LearnerId) -> Slot {
        self.certified.get(&learner).map_or(Slot(0), Progress::next)
    }

    /// How many slots were opened: one more than the highest.
    pub fn opened(&self) -> Slot {
        self.opened
    }

    /// What must not be signed, because the store was lost; none once some learner decided all that it might have been about.
    pub fn silence(&self) -> Option<Silence> {
        self.amnesia.silence(self.frontier())
    }

    /// Whether nothing may be signed in `slot`.
    pub fn is_silent_in(&self, slot: Slot) -> bool {
        self.amnesia.silences(slot)
    }

    /// Whether parked slots are so many that no new slot is opened.
    pub fn is_full(&self) -> bool {
        self.parked.total() > self.config.parked_bytes_max
    }

    /// Bytes on disk of parked slots.
    pub fn parked_bytes(&self) -> u64 {
        self.parked.total()
    }

    /// Other parked slots are too many from now on.
    pub fn set_parked_bytes_max(&mut self, bytes: u64) {
        Arc::make_mut(&mut self.config).parked_bytes_max = bytes;
    }

    /// What it was told when it was made.
    pub fn config(&self) -> &Config {
        &self.config
    }

    // ANCHOR: receive
    fn receive(&mut self, from: Peer, packet: Packet, out: &mut Effects) {
        let place = packet.place();
        if place.log != self.config.log || place.epoch != self.config.epoch {
            out.faults.push(Fault::WrongPlace { from });
            return;
        }
        let slot = place.slot;
        let votes = matches!(packet, Packet::Message(..) | Packet::Announcement(_));
        let voter =
            matches!(from, Peer::Acceptor(one) if self.config.trust.acceptors().contains(one));
        if votes && !voter {
            out.faults.push(Fault::NotAnAcceptor { from });
            return;
        }
        if let Packet::Highest { answer, .. } = packet {
            self.hear_highest(from, slot, answer, out);
            return;
        }
        if let Packet::Message(message, _) = &packet
            && self.is_forgotten(message)
        {
            out.faults.push(Fault::OwnMessageUnknown { id: message.id() });
            self.forget(out);
        }
        if self.is_parked(slot) {
            self.knock(from, packet, out);
            return;
        }
        if !self.admits(from, slot, out) {
            return;
        }
        let event = match packet {
            Packet::Message(message, hint) => SlotEvent::Message { from, message, hint },
            Packet::Announcement(announcement) => SlotEvent::Announcement { announcement },
            Packet::Tips { tips, answer, .. } => SlotEvent::Tips { from, tips, answer },
            Packet::Ask { want, have, .. } => SlotEvent::Ask { from, want, have },
            Packet::Highest { .. } => return,
        };
        self.tell(slot, event, out);
    }
    // ANCHOR_END: receive

    /// Lets something happen to an open slot; whatever comes for a closed one is stale.
    fn tell(&mut self, slot: Slot, event: SlotEvent, out: &mut Effects) {
        let from = out.decided.len();
        let Some(instance) = self.instances.get_mut(&slot) else { return };
        instance.handle(event, out);
        self.touched.insert(slot);
        self.note(slot, from, out);
    }

    /// Draws the conclusions of what an instance did.
    fn note(&mut self, slot: Slot, from: usize, out: &mut Effects) {
        for decision in &out.decided[from..] {
            self.mark_decided(decision.slot, decision.learner);
        }
        self.judge_proposer(slot);
        let stranger = self.instances.get(&slot).is_some_and(Instance::met_stranger);
        if stranger && !self.amnesia.silences(slot) {
            self.forget(out);
        }
        self.moved |= out.decided.len() > from;
    }

    /// Takes note of what a proposer of a slot made of its turn.
    fn judge_proposer(&mut self, slot: Slot) {
        let Some(instance) = self.instances.get_mut(&slot) else { return };
        let Some(outcome) = instance.take_outcome() else { return };
        let before = self.reputation.doubted();
        self.reputation.note(outcome);
        if self.reputation.doubted() != before {
            self.tell_doubts();
        }
    }

    // ANCHOR: is_forgotten
    /// Whether this node must have signed a message, and has nothing of its slot.
    fn is_forgotten(&self, message: &Verified<Message>) -> bool {
        let slot = message.place.slot;
        self.config.me == Some(message.signer())
            && !self.amnesia.silences(slot)
            && !self.instances.contains_key(&slot)
            && !self.is_retired(slot)
            && !self.parked.contains(slot)
            && !self.loading.contains_key(&slot)
    }
    // ANCHOR_END: is_forgotten

    // ANCHOR: forget
    /// The store was lost, or is not what it was.
    fn forget(&mut self, out: &mut Effects) {
        if self.config.rules.breaks(Mutant::IgnoreAmnesia) {
            return;
        }
        self.amnesia.lose();
        out.store.push(Record::LOST);
        self.instances.values_mut().for_each(Instance::silence);
        self.say_highest(Target::All, out);
    }
    // ANCHOR_END: forget

    fn connected(&mut self, peer: Peer, out: &mut Effects) {
        if !self.config.rules.breaks(Mutant::SayOnce) {
            self.say_highest(Target::One(peer), out);
        }
        if let Peer::Acceptor(acceptor) = peer {
            self.unreachable.remove(acceptor);
            self.tell_doubts();
        }
        let slots: Vec<Slot> = self.instances.keys().copied().collect();
        for slot in slots {
            self.tell(slot, SlotEvent::Connected { peer }, out);
        }
        self.revive_wanted(out);
    }

    /// Whom to wait for only briefly.
    fn doubted(&self) -> AcceptorSet {
        self.unreachable.union(&self.reputation.doubted())
    }

    fn tell_doubts(&mut self) {
        let doubted = self.doubted();
        self.instances.values_mut().for_each(|instance| instance.set_doubted(doubted));
    }

    fn say_highest(&self, target: Target, out: &mut Effects) {
        let answer = if self.amnesia.is_lost() { Answer::Wanted } else { Answer::Given };
        let place = self.place(self.opened);
        out.send.push((target, Packet::Highest { place, answer }));
    }

    // ANCHOR: hear_highest
    fn hear_highest(&mut self, from: Peer, opened: Slot, answer: Answer, out: &mut Effects) {
        if answer == Answer::Wanted {
            let place = self.place(self.opened);
            out.send.push((Target::One(from), Packet::Highest { place, answer: Answer::Given }));
        }
        let Peer::Acceptor(acceptor) = from else { return };
        self.hear_opened(acceptor, opened);
        // Whoever has gone further may be done with slots that are open here, and will not mention them.
        for instance in self.instances.range(..opened).map(|(_, instance)| instance) {
            if !instance.is_decided() {
                instance.look_at(Target::One(from), out);
            }
        }
        self.hear_report(acceptor, opened, out);
    }
    // ANCHOR_END: hear_highest

    fn hear_report(&mut self, acceptor: AcceptorId, opened: Slot, out: &mut Effects) {
        let Some(through) = self.amnesia.report(acceptor, opened, &self.config) else { return };
        out.store.push(Record::Silent { through });
        for (slot, instance) in &mut self.instances {
            if !self.amnesia.silences(*slot) {
                instance.unsilence();
                self.touched.insert(*slot);
            }
        }
    }

    fn mark_decided(&mut self, slot: Slot, learner: LearnerId) {
        self.decided.get_mut(&learner).map(|progress| progress.mark(slot));
    }

    fn place(&self, slot: Slot) -> Place {
        Place { epoch: self.config.epoch, log: self.config.log.clone(), slot }
    }

    /// Whether every learner has a certificate for `slot`.
    fn is_retired(&self, slot: Slot) -> bool {
        self.certified.values().all(|progress| progress.holds(slot))
    }

    fn request(&self, request: Request, out: &mut Effects) {
        out.requests.push(request);
    }
}
