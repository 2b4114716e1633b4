//! One log: its replica, and what its driver keeps beside it.

use super::pace::Pace;
use super::status::Silent;
use super::tracer::Tracer;
use super::values::Values;
use crate::store::{LogIndex, Loss, Store, StoreError, Turn};
use hpaxos_consensus::message::{Kind, Packet};
use hpaxos_consensus::{
    Config, Decision, Effects, Event, Fault, Instance, Peer, Record, Recovery, Replica, Round,
    Silence, Slot, Timer, TimerKind, Trust,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the driver of a log is told when it is made.
pub struct LogSetting {
    /// The log, as this node numbers it.
    pub index: LogIndex,
    /// For its replica.
    pub config: Config,
    /// Between two slots that this node opens.
    pub slot_min: Duration,
    /// Without anything to decide, a slot is opened after this.
    pub idle_slot: Duration,
}

/// One log.
pub(super) struct LogDriver {
    pub index: LogIndex,
    pub trust: Arc<Trust>,
    pub replica: Replica,
    /// What the replica wants done: nothing of it may leave before [`super::commit::commit`].
    pub effects: Effects,
    /// What was decided, is written, and is told once it is on disk.
    pub untold: Vec<Decision>,
    /// What the replica is to see next.
    pub queue: VecDeque<Event>,
    /// Timers that run, with the count at which each was armed.
    pub armed: BTreeMap<Timer, u64>,
    pub count: u64,
    pub values: Values,
    /// All acceptors of the log but this node.
    pub others: Vec<AcceptorId>,
    pub slot_min: Duration,
    pub idle_slot: Duration,
    pub last_opened: Option<Instant>,
    /// Since when bundles wait that nobody has proposed.
    pub waits_since: Option<Instant>,
    /// When the last proposal for a slot in which there was none was seen.
    pub last_proposed: Option<Instant>,
    pub last_decided: Instant,
    /// Whether a wake for the next slot is planned, and for when.
    pub opening: Option<Instant>,
    /// Up to where each learner's slots are certified, of those that the engine has still to be told.
    pub certified: BTreeMap<LearnerId, Slot>,
    /// When each peer was last sent certificates.
    pub helped: BTreeMap<Peer, Instant>,
    /// What decisions take.
    pub pace: Pace,
    /// When a proposal was first seen in each open slot.
    pub proposed: BTreeMap<Slot, Instant>,
    /// The number of the next record.
    records: u64,
    /// How the store was lost, if it ever was.
    pub loss: Option<Loss>,
    /// What may not be signed, as was last told.
    pub silent: Option<Silent>,
    /// Whom it waits for before it opens a new slot, as was last told.
    pub waits_for: Vec<String>,
    /// Whether anything happened since the last settling.
    touched: bool,
}

/// A replica as the store left it. Of slots that are parked no more is read than that they are there, and of those that are
/// retired only how many there are.
///
/// # Errors
/// If the store cannot be read.
pub fn recover(
    config: Config,
    index: LogIndex,
    store: &Store,
    effects: &mut Effects,
) -> Result<Replica, StoreError> {
    let trust = config.trust.clone();
    let mut recovery = Recovery::new(config);
    let retired = store.retired_below(index)?;
    (0..retired.0).for_each(|slot| recovery.note(&Record::Retired { slot: Slot(slot) }));
    for record in store.progress(index, retired, trust.schedule()) {
        recovery.note(&record?);
    }
    let from = recovery.needed_from();
    let records = store.records_from(index, from, trust.schedule())?;
    let parked = recovery.parked().count().max(1) as u64;
    let bytes = store.message_bytes_below(index, from) / parked;
    Ok(recovery.finish(records, |_| bytes, effects))
}

impl LogDriver {
    /// One that goes on where the store ends.
    pub fn recover(setting: LogSetting, store: &Store) -> Result<Self, StoreError> {
        let LogSetting { index, mut config, slot_min, idle_slot } = setting;
        let trust = config.trust.clone();
        let me = config.me;
        let pace = Pace::new(config.first_timer, trust.schedule().turn());
        let loss = store.loss(index)?;
        config.opened = Slot(loss.as_ref().map_or(0, |loss| loss.opened));
        let mut effects = Effects::default();
        let replica = recover(config, index, store, &mut effects)?;
        let others = trust.acceptors().iter().filter(|one| Some(*one) != me).collect();
        Ok(LogDriver {
            index,
            trust,
            replica,
            effects,
            untold: Vec::new(),
            queue: VecDeque::new(),
            armed: BTreeMap::new(),
            count: 0,
            values: Values::default(),
            others,
            slot_min,
            idle_slot,
            last_opened: None,
            waits_since: None,
            last_proposed: None,
            last_decided: Instant::now(),
            opening: None,
            certified: BTreeMap::new(),
            helped: BTreeMap::new(),
            pace,
            proposed: BTreeMap::new(),
            records: store.first_number()?,
            loss,
            silent: None,
            waits_for: Vec::new(),
            touched: true,
        })
    }

    /// Goes on where the store ends now. Numbers are never used twice.
    pub fn begin_anew(&mut self, store: &Store) -> Result<(), StoreError> {
        let setting = LogSetting {
            index: self.index,
            config: self.replica.config().clone(),
            slot_min: self.slot_min,
            idle_slot: self.idle_slot,
        };
        let anew = LogDriver::recover(setting, store)?;
        let before = std::mem::replace(self, anew);
        self.records = before.records;
        self.count = before.count;
        self.helped = before.helped;
        self.pace = before.pace;
        self.silent = before.silent;
        self.waits_for = before.waits_for;
        self.opening = before.opening;
        self.untold = before.untold;
        // What was decided is still to be fetched.
        self.values.take_over(before.values);
        Ok(())
    }

    /// A timer ended. Where it is that of the slot's round, and nothing was decided, the round was in vain; unless little was
    /// expected of it.
    pub fn time_is_up(&mut self, timer: Timer, caught: &AcceptorSet) {
        let TimerKind::Round(round) = timer.kind else { return };
        let instance = self.replica.instance(timer.slot);
        let is_vain = instance.is_some_and(|one| one.round() == round && !one.is_decided());
        if is_vain && !caught.contains(self.proposer(timer.slot, round)) {
            self.pace.ended_in_vain();
        }
    }

    /// How long to wait for a timer that the engine armed; of those who were `caught` little is expected.
    pub fn wait(
        &self,
        timer: Timer,
        range: Range<Duration>,
        caught: &AcceptorSet,
    ) -> RangeInclusive<Duration> {
        let range = range.start..=range.end;
        let Some(instance) = self.replica.instance(timer.slot) else { return range };
        let round = match timer.kind {
            TimerKind::Round(round) | TimerKind::Propose(round) | TimerKind::Hint(round) => round,
            TimerKind::Quiet | TimerKind::Fetch => instance.round(),
        };
        let is_caught = caught.contains(self.proposer(timer.slot, round));
        self.pace.cut(timer.kind, round, is_caught, range)
    }

    /// Who may propose.
    pub fn proposer(&self, slot: Slot, round: Round) -> AcceptorId {
        self.trust.schedule().proposer(slot, round)
    }

    /// Tells a trace what is here from before.
    pub fn tell_restored(&self, tracer: &Tracer) {
        if self.replica.silence() == Some(Silence::Everything) {
            tracer.lost();
        }
        for slot in self.replica.open_slots() {
            tracer.restored(slot, &self.replica);
        }
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        self.trust.log().name()
    }

    /// Lets the replica see an event.
    pub fn tell(&mut self, event: Event, tracer: Option<&Tracer>) {
        self.touched = true;
        if let Some(tracer) = tracer {
            tracer.before(&event, &self.replica);
        }
        let announcement = match &event {
            Event::Packet { packet: Packet::Announcement(announcement), .. }
                if tracer.is_some() =>
            {
                Some(announcement.clone())
            }
            _ => None,
        };
        let loaded = match &event {
            Event::Loaded { slot, .. } => Some(*slot),
            _ => None,
        };
        self.replica.handle(event, &mut self.effects);
        if let Some((tracer, slot)) = tracer.zip(loaded) {
            tracer.restored(slot, &self.replica);
        }
        if let Some((tracer, announcement)) = tracer.zip(announcement) {
            tracer.announced(&announcement, &self.replica);
        }
        self.note_received(tracer);
    }

    /// Lets the replica answer.
    pub fn settle(&mut self, tracer: Option<&Tracer>) {
        if std::mem::take(&mut self.touched) {
            self.replica.settle(&mut self.effects);
            self.note_received(tracer);
        }
    }

    /// What was decided in this turn is told once it is on disk.
    pub fn keep_decided(&mut self) {
        if !self.effects.decided.is_empty() {
            self.last_decided = Instant::now();
            self.untold.append(&mut self.effects.decided);
        }
    }

    /// Whether something is likely to be signed within moments.
    pub fn is_busy(&self, moments: Duration) -> bool {
        let mut open = self.replica.open_slots().filter_map(|slot| self.replica.instance(slot));
        let voting =
            |instance: &Instance| !instance.is_decided() && !instance.dag().proposals().is_empty();
        self.waits_since.is_some() || self.idle_slot < moments || open.any(voting)
    }

    fn note_received(&mut self, tracer: Option<&Tracer>) {
        for message in self.effects.received.drain(..) {
            if message.kind() == Kind::OneA
                && let Entry::Vacant(first) = self.proposed.entry(message.place.slot)
            {
                let now = Instant::now();
                first.insert(now);
                self.last_proposed = Some(now);
            }
            if let Some(tracer) = tracer {
                tracer.received(&message, &self.replica);
            }
        }
        if let Some(tracer) = tracer {
            tracer.end_of_event();
        }
    }

    /// Adds what must be stored to a turn.
    pub fn store(&mut self, store: &Store, turn: &mut Turn) -> Result<(), StoreError> {
        let mut has_retired = false;
        for record in self.effects.store.drain(..) {
            store.put_record(turn, self.index, self.records, &record)?;
            self.records += 1;
            if let Record::Retired { slot } = record {
                self.values.forget(slot);
                has_retired = true;
            }
        }
        if has_retired {
            // A slot is retired when all learners have a certificate for it.
            let learners = self.trust.learners().iter();
            let below = learners.map(|learner| self.replica.next_uncertified(learner)).min();
            store.put_retired_below(turn, self.index, below.unwrap_or_default());
        }
        for fault in &self.effects.faults {
            match fault {
                Fault::Proven(evidence) => store.put_evidence(turn, self.index, evidence),
                Fault::OwnMessageUnknown { id } => {
                    let why = format!(
                        "it does not know message {id}, which this key signed: it is an old one, or somebody else uses the key"
                    );
                    let loss = Loss { why, opened: self.replica.opened().0 };
                    store.put_loss(turn, self.index, &loss);
                    self.loss = Some(loss);
                }
                _ => {}
            }
        }
        self.values.store(self.index, store, turn);
        Ok(())
    }
}
