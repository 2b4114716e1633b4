//! From the network into the DAG: what is admitted, what waits, what is refused.

use super::exchange::ANSWER_MAX;
use super::{Action, Instance, SlotEvent};
use crate::dag::Ix;
use crate::engine::{Effects, Fault, Peer, Request, Target, Timer, TimerKind};
use crate::message::{Body, Kind, Message, Packet, Refs, Verified};
use crate::rules::{Flaw, Mutant};
use crate::{MessageId, ids::Ballot};
use std::sync::Arc;

// ANCHOR: unneeded_max
/// Messages of a signer in the DAG that nobody else's message needs: four ballots' worth. Honest acceptors take each
/// other's messages in; whoever's are taken in by nobody has to wait.
fn unneeded_max(learners: usize) -> usize {
    64.max(4 * (1 + 2 * learners))
}

/// Proposals of one round that are admitted without being needed: two are evidence, more are none.
const PROPOSALS_MAX: usize = 2;
// ANCHOR_END: unneeded_max

// ANCHOR: may_admit
/// A message that may enter the DAG or wait for what it references.
pub(super) fn may_admit(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let (from, message, hint, recorded) = match event {
        SlotEvent::Message { from, message, hint } => (from, message, hint, false),
        SlotEvent::Recorded { from, message, hint } => (from, message, hint, true),
        _ => return None,
    };
    if is_here(instance, message) || !recorded && !has_room(instance, message) {
        return None;
    }
    let (from, message, hint) = (*from, message.clone(), hint.clone());
    Some(Action::Admit { from, message, hint })
}

/// Whether a message is in the DAG, or waits.
fn is_here(instance: &Instance, message: &Verified<Message>) -> bool {
    let id = message.id();
    instance.dag.find(&id).is_some() || instance.inbox.holds(&id)
}

/// Whether a message is needed or welcome.
fn has_room(instance: &Instance, message: &Verified<Message>) -> bool {
    instance.inbox.needs(&message.id(), message.signer()) || is_welcome(instance, message)
}
// ANCHOR_END: may_admit

// ANCHOR: may_decline
/// A message that is neither needed nor welcome, but awaited, or in answer to a question.
pub(super) fn may_decline(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Message { from, message, hint } = event else { return None };
    let answers = instance.asked.is_some_and(|(peer, _)| peer == *from);
    if !answers && !instance.inbox.awaits(&message.id())
        || is_here(instance, message)
        || has_room(instance, message)
    {
        return None;
    }
    let (from, message, hint) = (*from, message.clone(), hint.clone());
    Some(Action::Decline { from, message, hint })
}
// ANCHOR_END: may_decline

// ANCHOR: is_welcome
/// Whether there is room for a message that nobody needs.
fn is_welcome(instance: &Instance, message: &Verified<Message>) -> bool {
    let signer = message.signer();
    let room = instance.dag.unneeded(signer) < unneeded_max(instance.config.trust.learners().len());
    match &message.body {
        Body::Proposal { round, value } => {
            let ballot = Ballot { round: *round, value: *value };
            room && proposals_of(instance, ballot).count() < PROPOSALS_MAX
        }
        Body::Reply(_) => room && !instance.dag.forked().contains(signer),
    }
}
// ANCHOR_END: is_welcome

/// The proposals of a ballot's round.
fn proposals_of(instance: &Instance, ballot: Ballot) -> impl Iterator<Item = Ix> {
    let first = Ballot { value: crate::ValueHash([0; 32]), ..ballot };
    let of_round = instance.dag.proposals().range(first..);
    of_round.take_while(move |(other, _)| other.round == ballot.round).map(|(_, ix)| *ix)
}

// ANCHOR: may_release
/// What arrived may be what others waited for.
pub(super) fn may_release(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    instance.inbox.lacks_any().then_some(Action::Release(*ix))
}
// ANCHOR_END: may_release

// ANCHOR: may_expose
/// What arrived may complete a proof.
pub(super) fn may_expose(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    let node = instance.dag.node(*ix);
    if node.kind() == Kind::OneA {
        let others: Vec<Ix> = proposals_of(instance, node.facts.ballot).collect();
        return (others.len() == 2).then(|| Action::Expose(others[0], others[1]));
    }
    let fork = instance.dag.fork(node.signer())?;
    (fork.1 == *ix).then_some(Action::Expose(fork.0, fork.1))
}
// ANCHOR_END: may_expose

// ANCHOR: may_fetch_value
/// A proposal whose value nobody has judged yet.
pub(super) fn may_fetch_value(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    let node = instance.dag.node(*ix);
    let unknown = node.kind() == Kind::OneA
        && !instance.values.contains_key(&node.facts.ballot.value)
        && instance.acceptor.is_some();
    unknown.then_some(Action::FetchValue(*ix))
}
// ANCHOR_END: may_fetch_value

// ANCHOR: may_ask
/// The batch left something missing.
pub(super) fn may_ask(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let left = matches!(event, SlotEvent::Settle) && !instance.unasked.is_empty();
    left.then_some(Action::AskAll)
}
// ANCHOR_END: may_ask

// ANCHOR: may_ask_again
/// Time to ask somebody else for what is missing.
pub(super) fn may_ask_again(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    match event {
        SlotEvent::Timer(TimerKind::Fetch) => Some(Action::AskAgain),
        // An answer brought some of it; the rest is asked for at once.
        SlotEvent::Settle => {
            let (peer, held) = instance.asked?;
            let more = instance.dag.len() >= held + ANSWER_MAX / 2 && instance.inbox.lacks_any();
            more.then_some(Action::AskOn(peer))
        }
        _ => None,
    }
}
// ANCHOR_END: may_ask_again

impl Instance {
    // ANCHOR: admit
    pub(super) fn admit(
        &mut self,
        from: Peer,
        message: Arc<Verified<Message>>,
        hint: &Refs,
        out: &mut Effects,
    ) {
        let own = self.config.me == Some(message.signer());
        let id = message.id();
        let hinted = message.kind() == Kind::OneA && from == Peer::Acceptor(message.signer());
        match self.dag.resolve(&message) {
            Err(missing) if missing.iter().any(|id| self.inbox.is_ill_formed(id)) => {
                self.refuse(from, &message, Flaw::Reference, out);
            }
            Err(missing) => {
                // What was declined a moment ago is looked at again, now that something needs it.
                self.mailbox.extend(missing.iter().filter_map(|id| self.declined.remove(id)));
                let unasked = self.inbox.wait((message, from), missing);
                self.want(from, unasked);
            }
            Ok(refs) => match self.dag.insert(message.clone(), refs) {
                Err(flaw) => self.refuse(from, &message, flaw, out),
                Ok(ix) => {
                    if hinted && !hint.is_empty() {
                        self.wait_for_hint(ix, from, hint, out);
                    }
                    if own {
                        self.own_unknown(id, out);
                    }
                    self.arrive(ix, out);
                }
            },
        }
    }
    // ANCHOR_END: admit

    // ANCHOR: decline
    /// Lets go of a message and of all that waits for it, which is its signer's too: nobody else needs it. If somebody does
    /// before the batch is over, it is looked at again; later, it is asked for.
    pub(super) fn decline(&mut self, from: Peer, message: Arc<Verified<Message>>, hint: Refs) {
        let id = message.id();
        self.inbox.discard(id);
        if self.declined.len() < ANSWER_MAX {
            self.declined.insert(id, SlotEvent::Message { from, message, hint });
        }
    }
    // ANCHOR_END: decline

    // ANCHOR: arrive
    /// Lets everything look at a message that entered the DAG.
    pub(super) fn arrive(&mut self, ix: Ix, out: &mut Effects) {
        out.received.push(self.dag.node(ix).message.clone());
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.arrived(ix);
        }
        self.mailbox.push_back(SlotEvent::Arrived(ix));
    }
    // ANCHOR_END: arrive

    // ANCHOR: refuse
    /// Refuses a message, and with it all that waited for it.
    fn refuse(&mut self, from: Peer, message: &Verified<Message>, flaw: Flaw, out: &mut Effects) {
        let mut refused = vec![(message.id(), message.signer(), from, flaw)];
        while let Some((id, signer, from, flaw)) = refused.pop() {
            out.faults.push(Fault::IllFormed { from, signer, id, flaw });
            let above = self.inbox.refuse(id).into_iter();
            refused
                .extend(above.map(|(one, from)| (one.id(), one.signer(), from, Flaw::Reference)));
        }
    }
    // ANCHOR_END: refuse

    // ANCHOR: own_unknown
    /// A message that only this node can have signed, and that it does not know.
    fn own_unknown(&mut self, id: MessageId, out: &mut Effects) {
        if !self.config.rules.breaks(Mutant::IgnoreAmnesia) {
            self.silence();
        }
        self.stranger = true;
        out.faults.push(Fault::OwnMessageUnknown { id });
    }
    // ANCHOR_END: own_unknown

    // ANCHOR: release
    pub(super) fn release(&mut self, ix: Ix) {
        let id = self.dag.node(ix).message.id();
        for (message, from) in self.inbox.arrived(&id) {
            self.mailbox.push_back(SlotEvent::Message { from, message, hint: Refs::default() });
        }
    }
    // ANCHOR_END: release

    // ANCHOR: expose
    pub(super) fn expose(&mut self, one: Ix, other: Ix, out: &mut Effects) {
        // What just came goes first: where the slot is parked only that waits, and the other is more likely there.
        let [newer, older] =
            [one.max(other), one.min(other)].map(|ix| self.dag.node(ix).message.clone());
        if !self.config.rules.breaks(Mutant::KeepEvidence) {
            for message in [&newer, &older] {
                let packet = Packet::Message(message.clone(), Refs::default());
                out.send.push((Target::All, packet));
            }
        }
        let evidence = crate::Evidence::new(newer, older).expect("the DAG shows a fork");
        out.faults.push(Fault::Proven(evidence));
    }
    // ANCHOR_END: expose

    // ANCHOR: fetch_value
    pub(super) fn fetch_value(&mut self, ix: Ix, out: &mut Effects) {
        let node = self.dag.node(ix);
        let (value, proposer) = (node.facts.ballot.value, node.signer());
        out.requests.push(Request::Value { slot: self.place.slot, value, proposer });
    }
    // ANCHOR_END: fetch_value

    /// Wants messages, which `peer` should have.
    pub(super) fn want(&mut self, peer: Peer, ids: Vec<MessageId>) {
        if !ids.is_empty() {
            // What does not fit into one question is asked for when the timer ends.
            let unasked = self.unasked.entry(peer).or_default();
            let room = Refs::COUNT_MAX.saturating_sub(unasked.len());
            unasked.extend(ids.into_iter().take(room));
        }
    }

    // ANCHOR: ask_all
    /// Asks for what came to be missing in this batch and did not arrive in it.
    pub(super) fn ask_all(&mut self, out: &mut Effects) {
        for (peer, ids) in std::mem::take(&mut self.unasked) {
            let missing = |id: &MessageId| self.dag.find(id).is_none() && !self.inbox.holds(id);
            let missing: Vec<MessageId> = ids.into_iter().filter(missing).collect();
            self.ask(peer, missing, out);
        }
    }
    // ANCHOR_END: ask_all

    // ANCHOR: ask
    /// Asks `peer` for messages, and starts the wait for them.
    fn ask(&mut self, peer: Peer, ids: Vec<MessageId>, out: &mut Effects) {
        if ids.is_empty() || self.config.rules.breaks(Mutant::NeverAsk) {
            return;
        }
        self.asked = Some((peer, self.dag.len()));
        let have = self.landmarks();
        out.send.push((Target::One(peer), Packet::ask(&self.place, ids, have)));
        if std::mem::replace(&mut self.fetching, true) {
            return;
        }
        let patience = self.config.first_timer * 2 / 5;
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Fetch };
        out.timers.push((timer, patience..patience * 11 / 10));
    }
    // ANCHOR_END: ask

    // ANCHOR: ask_again
    /// Asks the next acceptor in turn for everything that is missing.
    pub(super) fn ask_again(&mut self, out: &mut Effects) {
        self.fetching = false;
        let (ids, attempts) = self.inbox.ask();
        let others =
            || self.config.trust.acceptors().iter().filter(|one| Some(*one) != self.config.me);
        let count = others().count().max(1);
        if let Some(acceptor) = others().nth(attempts as usize % count) {
            self.ask(Peer::Acceptor(acceptor), ids, out);
        }
    }
    // ANCHOR_END: ask_again

    // ANCHOR: ask_on
    pub(super) fn ask_on(&mut self, peer: Peer, out: &mut Effects) {
        let (ids, _) = self.inbox.ask();
        self.ask(peer, ids, out);
    }
    // ANCHOR_END: ask_on

    // ANCHOR: landmarks
    /// What is held here, so that a peer can tell what it need not send: the maximal messages, and of each chain the last
    /// reply, and those one, two, four, eight … further down. Maximal messages alone would not do: a peer that knows none of
    /// them would begin with the oldest messages, the same ones each time.
    fn landmarks(&self) -> Refs {
        let mut landmarks: Vec<Ix> = self.dag.maximal().take(Refs::COUNT_MAX / 2).collect();
        let acceptors = self.config.trust.acceptors();
        let share = (Refs::COUNT_MAX - landmarks.len()) / acceptors.len().max(1);
        for acceptor in acceptors.iter() {
            let (mut at, mut steps, mut next, mut taken) = (self.dag.last(acceptor), 0, 0, 0);
            while let Some(ix) = at.filter(|_| taken < share) {
                if steps == next {
                    landmarks.push(ix);
                    taken += 1;
                    next = (2 * next).max(1);
                }
                steps += 1;
                at = self.dag.node(ix).prev;
            }
        }
        Refs::new(landmarks.into_iter().map(|ix| self.dag.node(ix).message.id()))
    }
    // ANCHOR_END: landmarks

    /// The maximal messages, as many as one packet takes.
    pub(super) fn tips(&self) -> Refs {
        let maximal = self.dag.maximal().take(Refs::COUNT_MAX);
        Refs::new(maximal.map(|ix| self.dag.node(ix).message.id()))
    }
}
