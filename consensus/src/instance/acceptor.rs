//! The acceptor: takes messages in from the DAG, and answers.

use super::{Action, Instance, Judgement, SlotEvent};
use crate::MessageId;
use crate::dag::{Dag, Ix};
use crate::engine::{Effects, Peer, Target, Timer, TimerKind};
use crate::ids::Round;
use crate::message::Verified;
use crate::message::{Acceptor as Signer, Body, Kind, Message, Packet, Refs, Reply, ReplyKind};
use crate::record::Record;
use crate::rules::{Draft, Facts, Mutant};
use crate::trust::{ClassSet, Sends};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// 1a's of one round that an acceptor takes in of its own choice.
const PROPOSALS_OF_CHOICE_MAX: u8 = 2;

// ANCHOR: state
/// What an acceptor has taken in, and said.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    me: AcceptorId,
    taken: Vec<bool>,
    /// In the DAG, not taken in.
    pending: BTreeSet<Ix>,
    /// The maximal ones of what was taken in since the last reply, and that reply.
    recent: BTreeSet<Ix>,
    last: Option<Ix>,
    /// The last reply taken in of each signer, while it is not caught.
    tips: BTreeMap<AcceptorId, Ix>,
    /// Signers caught in what was taken in.
    caught: AcceptorSet,
    /// The round of the last own 1b.
    answered: Option<Round>,
    /// 1a's taken in of its own choice, by round.
    chosen: BTreeMap<Round, u8>,
    /// What a proposer had taken in before its 1a, while that is waited for.
    hints: BTreeMap<Ix, Vec<MessageId>>,
    /// Whether something was taken in since the last attempt to reply.
    news: bool,
    /// Whether a pending message may have become ripe.
    stirred: bool,
    /// On disk.
    stored: Vec<bool>,
    /// Signs nothing.
    silent: bool,
}
// ANCHOR_END: state

impl Acceptor {
    pub fn new(me: AcceptorId) -> Self {
        Acceptor {
            me,
            taken: Vec::new(),
            pending: BTreeSet::new(),
            recent: BTreeSet::new(),
            last: None,
            tips: BTreeMap::new(),
            caught: AcceptorSet::EMPTY,
            answered: None,
            chosen: BTreeMap::new(),
            hints: BTreeMap::new(),
            news: false,
            stirred: false,
            stored: Vec::new(),
            silent: false,
        }
    }

    /// Takes note of a message that entered the DAG.
    pub fn arrived(&mut self, ix: Ix) {
        self.taken.resize(ix.index() + 1, false);
        self.stored.resize(ix.index() + 1, false);
        if !self.has_taken(ix) {
            self.pending.insert(ix);
            self.stirred = true;
        }
    }

    /// Takes note that a round, a value or a hint changed: what was not ripe may be.
    pub fn stir(&mut self) {
        self.stirred = true;
    }

    /// The end of a batch.
    pub fn rest(&mut self) {
        self.news = false;
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }

    pub fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
        self.news = true;
        self.stirred = true;
    }

    pub fn last(&self) -> Option<Ix> {
        self.last
    }

    /// The maximal ones of what it has taken in.
    pub fn recent(&self) -> impl Iterator<Item = Ix> + '_ {
        self.recent.iter().copied()
    }

    pub fn has_taken(&self, ix: Ix) -> bool {
        self.taken.get(ix.index()).copied().unwrap_or_default()
    }

    /// Takes note that `ix` and everything below it is on disk.
    fn store(&mut self, dag: &Dag, root: Ix) -> Vec<Arc<Verified<Message>>> {
        let unstored = dag.closure(&[root], |ix| self.stored[ix.index()]);
        for ix in &unstored {
            self.stored[ix.index()] = true;
        }
        unstored.into_iter().map(|ix| dag.node(ix).message.clone()).collect()
    }

    // ANCHOR: take
    /// Takes in one message, all of whose references are taken in.
    fn take(&mut self, dag: &Dag, ix: Ix) {
        let node = dag.node(ix);
        self.taken[ix.index()] = true;
        self.pending.remove(&ix);
        self.hints.remove(&ix);
        self.news = true;
        if node.kind() == Kind::OneA {
            return;
        }
        for below in node.refs.iter() {
            self.recent.remove(below);
        }
        self.recent.insert(ix);
        let signer = node.signer();
        if node.prev == self.tips.get(&signer).copied() {
            self.tips.insert(signer, ix);
        } else {
            self.caught.insert(signer);
        }
    }
    // ANCHOR_END: take
}

// ANCHOR: may_take_in
/// Whether something of the DAG may be ready to be taken in.
pub(super) fn may_take_in(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let acceptor = instance.acceptor.as_ref()?;
    let ready = matches!(event, SlotEvent::Settle) && acceptor.stirred;
    (ready && !acceptor.pending.is_empty()).then_some(Action::TakeIn)
}
// ANCHOR_END: may_take_in

// ANCHOR: may_accept
/// Whether a 2a is due: well-formed, with what was taken in so far, and not too late.
pub(super) fn may_accept(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    may_reply(instance, event, ReplyKind::TwoA)
}
// ANCHOR_END: may_accept

// ANCHOR: may_commit
/// Whether a 2b is due.
pub(super) fn may_commit(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let four = instance.config.trust.sends() == Sends::Four;
    if four { may_reply(instance, event, ReplyKind::TwoB) } else { None }
}
// ANCHOR_END: may_commit

// ANCHOR: may_reply
fn may_reply(instance: &Instance, event: &SlotEvent, kind: ReplyKind) -> Option<Action> {
    let acceptor = instance.acceptor.as_ref()?;
    let asked = matches!(event, SlotEvent::Settle) && acceptor.news && !acceptor.silent;
    if !asked {
        return None;
    }
    if instance.config.rules.are_sound() && !acceptor.may_name(&instance.dag, kind) {
        return None;
    }
    let draft = acceptor.draft(&instance.dag, kind, None);
    let facts = instance.dag.derive(&draft).ok()?;
    let late = instance.rounds.is_over(facts.ballot.round)
        && !instance.config.rules.breaks(Mutant::AcceptLate);
    (!late).then_some(Action::Reply(draft, facts))
}
// ANCHOR_END: may_reply

// ANCHOR: may_stop_waiting
/// A 1a whose proposer's knowledge did not come in time is answered without it.
pub(super) fn may_stop_waiting(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Timer(TimerKind::Hint(round)) = event else { return None };
    let acceptor = instance.acceptor.as_ref()?;
    let waits = |ix: &Ix| instance.dag.node(*ix).facts.ballot.round <= *round;
    acceptor.hints.keys().any(waits).then_some(Action::StopWaiting(*round))
}
// ANCHOR_END: may_stop_waiting

// ANCHOR: may_judge
/// A value was judged.
pub(super) fn may_judge(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Value { value, judgement } = event else { return None };
    let news = !instance.values.contains_key(value);
    news.then_some(Action::Judge(*value, *judgement))
}
// ANCHOR_END: may_judge

impl Acceptor {
    /// Whether a 2a or 2b would name somebody new: nearly always it would not, and this is quicker to say than to derive.
    fn may_name(&self, dag: &Dag, kind: ReplyKind) -> bool {
        let refs = || self.recent.iter().chain(&self.last).map(|ix| &dag.node(*ix).facts);
        let Some(ballot) = refs().map(|facts| facts.ballot).max() else { return false };
        let last = self.last.map(|last| &dag.node(last).facts).filter(|last| last.ballot == ballot);
        let named = match (last, kind) {
            (Some(last), ReplyKind::TwoA) => last.accepted,
            (Some(last), _) => last.committed,
            (None, _) => ClassSet::EMPTY,
        };
        let trust = dag.trust();
        trust.classes().filter(|class| !named.contains(*class)).any(|class| {
            let of_ballot = refs().filter(|facts| facts.ballot == ballot);
            let signers = of_ballot.filter_map(|facts| facts.classes.get(class)).fold(
                AcceptorSet::EMPTY,
                |signers, facts| match kind {
                    ReplyKind::TwoA => signers.union(&facts.votes),
                    _ => signers.union(&facts.accepts),
                },
            );
            trust.is_quorum(class, &signers)
        })
    }

    // ANCHOR: draft
    /// What a reply would be now.
    fn draft(&self, dag: &Dag, kind: ReplyKind, proposal: Option<Ix>) -> Draft {
        let mut refs = self.recent.clone();
        refs.extend(self.last);
        refs.extend(proposal);
        let mut refs: Vec<Ix> = refs.into_iter().collect();
        refs.sort_unstable_by_key(|ix| dag.node(*ix).message.id());
        Draft { kind, signer: self.me, prev: self.last, refs: refs.into() }
    }
    // ANCHOR_END: draft
}

impl Instance {
    // ANCHOR: take_in
    /// Takes in whatever is ready, unit by unit, and answers the 1a's among it.
    pub(super) fn take_in(&mut self, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        acceptor.stirred = false;
        let pending: Vec<Ix> = acceptor.pending.iter().copied().collect();
        let mut blocked = BTreeSet::new();
        for ix in &pending {
            let node = self.dag.node(*ix);
            let unripe = node.kind() == Kind::OneA && !self.is_ripe(*ix);
            if unripe || node.refs.iter().any(|below| blocked.contains(below)) {
                blocked.insert(*ix);
            }
        }
        for ix in pending {
            if self.dag.node(ix).kind() == Kind::OneA {
                for hinted in self.hinted(ix) {
                    self.take_unit(hinted, &blocked, out);
                }
            }
            self.take_unit(ix, &blocked, out);
        }
    }
    // ANCHOR_END: take_in

    // ANCHOR: take_unit
    /// Takes in a message with what below it is missing, references first, if the acceptor wants it of its own choice.
    fn take_unit(&mut self, root: Ix, blocked: &BTreeSet<Ix>, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        if acceptor.has_taken(root) || blocked.contains(&root) {
            return;
        }
        let node = self.dag.node(root);
        if node.kind() == Kind::OneA {
            let chosen = acceptor.chosen.entry(node.facts.ballot.round).or_default();
            if *chosen >= PROPOSALS_OF_CHOICE_MAX {
                return;
            }
            *chosen += 1;
        } else if acceptor.caught.contains(node.signer()) {
            return;
        }
        for ix in self.dag.closure(&[root], |ix| acceptor.has_taken(ix)) {
            self.take_one(ix, out);
        }
    }

    fn take_one(&mut self, ix: Ix, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        acceptor.take(&self.dag, ix);
        if self.dag.node(ix).kind() == Kind::OneA {
            self.vote(ix, out);
        }
    }
    // ANCHOR_END: take_unit

    // ANCHOR: vote
    /// Answers a 1a, if its value is valid, no 1a of its round was answered before, and a 1b for it is well-formed: else it
    /// is stale, and becomes known unanswered.
    fn vote(&mut self, proposal: Ix, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let rules = self.config.rules;
        let ballot = self.dag.node(proposal).facts.ballot;
        let valid = self.values.get(&ballot.value) == Some(&Judgement::Valid)
            || rules.breaks(Mutant::VoteUnjudged);
        let first = acceptor.answered.is_none_or(|answered| answered < ballot.round);
        let draft = acceptor.draft(&self.dag, ReplyKind::OneB, Some(proposal));
        if valid
            && first
            && !acceptor.silent
            && let Ok(facts) = self.dag.derive(&draft)
        {
            self.reply(draft, facts, out);
        } else if rules.breaks(Mutant::StaleProposalsReferenced) {
            acceptor.recent.insert(proposal);
        }
    }
    // ANCHOR_END: vote

    // ANCHOR: reply
    /// Signs, stores and sends a reply, and takes it in.
    pub(super) fn reply(&mut self, draft: Draft, facts: Facts, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let me = acceptor.me;
        let ids = |ixs: &[Ix]| Refs::new(ixs.iter().map(|ix| self.dag.node(*ix).message.id()));
        let body = Body::Reply(Reply {
            kind: draft.kind,
            acceptor: Signer(me),
            prev: draft.prev.map(|ix| self.dag.node(ix).message.id()),
            refs: ids(&draft.refs),
        });
        assert!(
            self.dag.last(me) == draft.prev && !self.dag.forked().contains(me),
            "an acceptor's replies form one chain"
        );
        if draft.kind == ReplyKind::OneB {
            acceptor.answered = Some(facts.ballot.round);
        }
        let round = facts.ballot.round;
        let message = Message { place: self.place.clone(), body };
        let message = Arc::new(self.config.sign(message, me));
        let ix = self.dag.extend(message.clone(), draft, facts);
        acceptor.arrived(ix);
        acceptor.take(&self.dag, ix);
        acceptor.recent = BTreeSet::from([ix]);
        acceptor.last = Some(ix);
        let slot = self.place.slot;
        let mut messages = acceptor.store(&self.dag, ix);
        if self.config.rules.breaks(Mutant::StoreOwnOnly) {
            messages.retain(|one| one.id() == message.id());
        }
        if !self.config.rules.breaks(Mutant::SendBeforeStore) {
            out.store.push(Record::Messages { slot, messages });
        }
        out.send.push((Target::All, Packet::Message(message, Refs::default())));
        self.rounds.hear(me, round);
        self.arrive(ix, out);
    }
    // ANCHOR_END: reply

    /// Stores what is not on disk yet, for the time when this slot is not in memory.
    pub(crate) fn store_rest(&mut self, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let maximal: Vec<Ix> = self.dag.maximal().collect();
        let mut messages = Vec::new();
        for root in maximal {
            messages.extend(acceptor.store(&self.dag, root));
        }
        if !messages.is_empty() {
            out.store.push(Record::Messages { slot: self.place.slot, messages });
        }
    }

    // ANCHOR: publish
    /// Stores and sends an own proposal.
    pub(super) fn publish(&mut self, ix: Ix, out: &mut Effects) {
        let slot = self.place.slot;
        let Some(acceptor) = &mut self.acceptor else { return };
        let recent: Vec<Ix> = acceptor.recent().collect();
        let hint = Refs::new(recent.into_iter().map(|ix| self.dag.node(ix).message.id()));
        acceptor.arrived(ix);
        let messages = acceptor.store(&self.dag, ix);
        out.store.push(Record::Messages { slot, messages });
        let message = self.dag.node(ix).message.clone();
        out.send.push((Target::All, Packet::Message(message, hint)));
        self.arrive(ix, out);
    }
    // ANCHOR_END: publish

    // ANCHOR: is_ripe
    /// Whether a 1a may be taken in. Nothing above one that is not ripe is: taking in a vote before answering its 1a would
    /// cost the own vote.
    fn is_ripe(&self, ix: Ix) -> bool {
        let ballot = self.dag.node(ix).facts.ballot;
        if ballot.round != self.rounds.round() {
            return ballot.round < self.rounds.round();
        }
        let judged = self.values.contains_key(&ballot.value)
            || self.config.rules.breaks(Mutant::DoNotWaitForValues)
            || self.config.rules.breaks(Mutant::VoteUnjudged);
        let hints = self.acceptor.as_ref().and_then(|acceptor| acceptor.hints.get(&ix));
        judged && hints.into_iter().flatten().all(|id| self.dag.find(id).is_some())
    }
    // ANCHOR_END: is_ripe

    /// What the proposer of a 1a had taken in, as far as it is here.
    fn hinted(&self, proposal: Ix) -> Vec<Ix> {
        let hints = self.acceptor.as_ref().and_then(|acceptor| acceptor.hints.get(&proposal));
        hints.into_iter().flatten().filter_map(|id| self.dag.find(id)).collect()
    }

    // ANCHOR: wait_for_hint
    /// Before a 1a is answered, what its proposer had taken in is waited for.
    pub(super) fn wait_for_hint(&mut self, ix: Ix, from: Peer, hint: &Refs, out: &mut Effects) {
        let Some(acceptor) = &mut self.acceptor else { return };
        acceptor.hints.insert(ix, hint.to_vec());
        let missing = hint.iter().copied().filter(|id| self.dag.find(id).is_none());
        let missing: Vec<MessageId> = missing.collect();
        if missing.is_empty() {
            return;
        }
        let proposer = Some(self.dag.node(ix).signer());
        let unasked = self.inbox.hear_of(from, missing.into_iter(), proposer);
        self.want(from, unasked);
        let round = self.dag.node(ix).facts.ballot.round;
        let patience = self.rounds.length(round) / 2;
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Hint(round) };
        out.timers.push((timer, patience..patience * 11 / 10));
    }
    // ANCHOR_END: wait_for_hint

    // ANCHOR: stop_waiting
    pub(super) fn stop_waiting(&mut self, round: Round) {
        let dag = &self.dag;
        let Some(acceptor) = &mut self.acceptor else { return };
        acceptor.hints.retain(|ix, _| dag.node(*ix).facts.ballot.round > round);
        acceptor.stir();
    }
    // ANCHOR_END: stop_waiting

    // ANCHOR: recall
    /// Takes in, after a restart, what had been taken in: everything below the last own reply.
    pub(super) fn recall(&mut self) {
        let Some(acceptor) = &mut self.acceptor else { return };
        let dag = &self.dag;
        acceptor.stored = vec![true; dag.len()];
        acceptor.taken = vec![false; dag.len()];
        if self.config.rules.breaks(Mutant::ForgetOwnChain) {
            return;
        }
        let me = acceptor.me;
        let own = |ix: &Ix| {
            let node = dag.node(*ix);
            node.signer() == me && node.kind() != Kind::OneA
        };
        let last = dag.nodes().map(|(ix, _)| ix).filter(own).last();
        acceptor.pending = dag.nodes().map(|(ix, _)| ix).collect();
        for ix in dag.closure(last.as_slice(), |_| false) {
            acceptor.take(dag, ix);
            if own(&ix) && dag.node(ix).kind() == Kind::OneB {
                acceptor.answered = Some(dag.node(ix).facts.ballot.round);
            }
        }
        acceptor.last = last;
        acceptor.recent = last.into_iter().collect();
        acceptor.stirred = true;
    }
    // ANCHOR_END: recall
}
