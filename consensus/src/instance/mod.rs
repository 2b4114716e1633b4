//! One slot: the roles of a node, as guarded actions on one DAG.

mod acceptor;
mod admission;
mod events;
mod exchange;
mod hearsay;
mod inbox;
mod learner;
mod proposer;
mod recovery;
mod rounds;

pub use events::{Action, SlotEvent};
pub use inbox::WAITING_BYTES_MAX;

use crate::config::Config;
use crate::dag::{Dag, Ix};
use crate::engine::{Effects, Engine, Guard, Peer, Timer, TimerKind};
use crate::ids::{MessageId, Place, Round, Slot, ValueHash};
use crate::replica::Judgement;
use acceptor::Acceptor;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId, LearnerSet};
use inbox::Inbox;
use learner::Learners;
use proposer::Proposer;
use rounds::Rounds;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

// ANCHOR: instance
/// One consensus instance, as one node sees it.
#[derive(Clone)]
pub struct Instance {
    config: Arc<Config>,
    place: Place,
    dag: Dag,
    inbox: Inbox,
    /// Values that are stored and judged.
    values: BTreeMap<ValueHash, Judgement>,
    acceptor: Option<Acceptor>,
    learners: Learners,
    proposer: Proposer,
    rounds: Rounds,
    /// Acceptors whose proposals are not waited for long in the first turn.
    doubted: AcceptorSet,
    /// What a proposer made of its turn, until the replica takes note.
    outcome: Option<Outcome>,
    /// What was declined in this batch.
    declined: BTreeMap<MessageId, SlotEvent>,
    /// What to ask for at the end of the batch, and whom.
    unasked: BTreeMap<Peer, BTreeSet<MessageId>>,
    /// Who was last asked for messages, and how many there were then.
    asked: Option<(Peer, usize)>,
    /// Whether the timer of the wait for missing messages runs: more to ask for must not put it off.
    fetching: bool,
    /// Whether a message turned up that only this node can have signed, and that it does not know.
    stranger: bool,
    mailbox: VecDeque<SlotEvent>,
}
// ANCHOR_END: instance

/// What a proposer made of its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Its round was the first in which something was decided.
    Decided(AcceptorId),
    /// Its round ended, and nothing had been decided.
    Ended(AcceptorId),
}

macro_rules! guards {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$(Guard { name: stringify!($name), ask: $module::$name }),+]
    };
}

impl Engine for Instance {
    type Event = SlotEvent;
    type Action = Action;

    // ANCHOR: guards
    const GUARDS: &'static [Guard<Self>] = guards![
        admission::may_admit,
        admission::may_decline,
        admission::may_release,
        admission::may_expose,
        admission::may_fetch_value,
        acceptor::may_judge,
        exchange::may_greet,
        exchange::may_compare,
        exchange::may_answer,
        admission::may_ask,
        admission::may_ask_again,
        learner::may_count,
        learner::may_decide,
        learner::may_certify,
        rounds::may_hear,
        rounds::may_place,
        rounds::may_catch_up,
        rounds::may_end_round,
        rounds::may_announce,
        rounds::may_speak_up,
        proposer::may_hurry,
        proposer::may_keep_block,
        acceptor::may_stop_waiting,
        acceptor::may_take_in,
        acceptor::may_accept,
        acceptor::may_commit,
        proposer::may_propose,
        rounds::may_start_timer,
    ];
    // ANCHOR_END: guards

    fn act(&mut self, action: Action, out: &mut Effects) {
        match action {
            Action::Admit { from, message, hint } => self.admit(from, message, &hint, out),
            Action::Decline { from, message, hint } => self.decline(from, message, hint),
            Action::Release(ix) => self.release(ix),
            Action::Expose(one, other) => self.expose(one, other, out),
            Action::FetchValue(ix) => self.fetch_value(ix, out),
            Action::Judge(value, judgement) => self.judge(value, judgement),
            Action::Greet(peer) => self.greet(peer, out),
            Action::Compare { from, tips, answer } => self.compare(from, &tips, answer, out),
            Action::Answer { from, want, have } => self.answer(from, &want, &have, out),
            Action::AskAll => self.ask_all(out),
            Action::AskAgain => self.ask_again(out),
            Action::AskOn(peer) => self.ask_on(peer, out),
            Action::Count(ix) => self.count(ix),
            Action::Decide { ballot, learners } => self.decide(ballot, learners, out),
            Action::Certify { learner, value } => self.certify(learner, value, out),
            Action::Hear(announcement) => self.hear(announcement, out),
            Action::Place(acceptor, round) => self.place_in(acceptor, round, out),
            Action::TakeIn => self.take_in(out),
            Action::StopWaiting(round) => self.stop_waiting(round),
            Action::Reply(draft, facts) => self.reply(draft, facts, out),
            Action::StartTimer => self.start_timer(out),
            Action::Rest => self.rest(out),
            Action::EndRound => self.end_round(out),
            Action::CatchUp => self.catch_up(out),
            Action::Announce => self.announce(out),
            Action::SpeakUp => self.speak_up(out),
            Action::Propose { round, value } => self.propose(round, value, out),
            Action::AskForBlock(round) => self.ask_for_block(round, out),
            Action::Hurry(round) => self.hurry(round),
            Action::KeepBlock(value) => self.keep_block(value),
        }
    }
}

/// The pause after [`PASSES_MAX`]: far less than a round.
const MOMENT: Duration = Duration::from_millis(10);
/// Passes over the guards at the end of a batch: each leaves at most one round behind, or makes one reply.
const PASSES_MAX: usize = 32;

impl Instance {
    /// A new one. [`crate::Replica`] makes them; so does who runs a trace again.
    pub fn new(config: Arc<Config>, slot: Slot) -> Self {
        let place = Place { epoch: config.epoch, log: config.log.clone(), slot };
        let rounds = Rounds::new(&config);
        Instance {
            place,
            dag: Dag::new(config.trust.clone(), config.rules),
            inbox: Inbox::default(),
            values: BTreeMap::new(),
            acceptor: config.me.map(Acceptor::new),
            learners: Learners::default(),
            proposer: Proposer::default(),
            rounds,
            doubted: AcceptorSet::EMPTY,
            outcome: None,
            declined: BTreeMap::new(),
            unasked: BTreeMap::new(),
            asked: None,
            fetching: false,
            stranger: false,
            mailbox: VecDeque::new(),
            config,
        }
    }

    /// Starts the wait for somebody to say something.
    pub(crate) fn open(&self, out: &mut Effects) {
        let patience = self.patience(Round(0)) / 4;
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Quiet };
        out.timers.push((timer, patience..patience * 11 / 10));
    }

    // ANCHOR: settle
    /// Lets one thing happen.
    pub fn handle(&mut self, event: SlotEvent, out: &mut Effects) {
        self.step(&event, out);
        self.drain(out);
    }

    /// Lets one thing happen, as far as some of the guards go: see [`Engine::step_of`]. Whether any action was taken.
    pub fn handle_of(&mut self, event: &SlotEvent, guards: u64, out: &mut Effects) -> bool {
        let acted = self.step_of(event, guards, out);
        self.drain(out);
        acted
    }

    /// The end of a batch: takes in what arrived, answers, and moves on.
    pub fn settle(&mut self, out: &mut Effects) {
        let mut passes = 0;
        while self.step(&SlotEvent::Settle, out) {
            self.drain(out);
            passes += 1;
            if passes == PASSES_MAX {
                // Others first: the rest after a moment. The timer is that of a round that is over, and ends nothing.
                let kind = TimerKind::Round(Round(self.rounds.round().0.saturating_sub(1)));
                out.timers.push((Timer { slot: self.place.slot, kind }, MOMENT..MOMENT * 2));
                break;
            }
        }
        self.declined.clear();
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.rest();
        }
    }

    fn drain(&mut self, out: &mut Effects) {
        while let Some(event) = self.mailbox.pop_front() {
            self.step(&event, out);
        }
    }
    // ANCHOR_END: settle

    // ANCHOR: judge
    fn judge(&mut self, value: ValueHash, judgement: Judgement) {
        self.values.insert(value, judgement);
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.stir();
        }
    }
    // ANCHOR_END: judge

    /// Signs nothing from now on.
    pub(crate) fn silence(&mut self) {
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.set_silent(true);
        }
    }

    /// May sign again.
    pub(crate) fn unsilence(&mut self) {
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.set_silent(false);
        }
    }

    /// Whether it signs nothing.
    pub fn is_silent(&self) -> bool {
        self.acceptor.as_ref().is_none_or(Acceptor::is_silent)
    }

    /// Whether a message turned up that only this node can have signed, and that it does not know.
    pub(crate) fn met_stranger(&self) -> bool {
        self.stranger
    }

    /// Takes note of whom to wait for only briefly.
    pub(crate) fn set_doubted(&mut self, doubted: AcceptorSet) {
        self.doubted = doubted;
    }

    /// What a proposer made of its turn, since this was last asked.
    pub(crate) fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// Roughly how many bytes its messages take on disk.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.dag.nodes().map(|(_, node)| 192 + 32 * node.refs.len() as u64);
        sizes.sum()
    }

    /// Its messages.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// The round this acceptor is in.
    pub fn round(&self) -> Round {
        self.rounds.round()
    }

    /// How many messages wait for what they reference.
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// What `learner` decided.
    pub fn decided(&self, learner: LearnerId) -> Option<ValueHash> {
        self.learners.decided(learner)
    }

    /// Learners for which a certificate is there.
    pub fn certified(&self) -> LearnerSet {
        self.learners.certified()
    }

    /// Whether every learner has decided.
    pub fn is_decided(&self) -> bool {
        self.config.trust.learners().iter().all(|learner| self.decided(learner).is_some())
    }

    /// Whether some learner decided.
    pub(crate) fn has_decided(&self) -> bool {
        self.config.trust.learners().iter().any(|learner| self.decided(learner).is_some())
    }

    /// Whether the acceptor has taken in a message of the DAG.
    pub fn has_taken(&self, ix: Ix) -> bool {
        self.acceptor.as_ref().is_some_and(|acceptor| acceptor.has_taken(ix))
    }

    /// The last own reply.
    pub fn last_reply(&self) -> Option<Ix> {
        self.acceptor.as_ref().and_then(Acceptor::last)
    }
}
