//! Rounds: when an acceptor gives up on a proposer, without running ahead alone.

use super::{Action, Instance, Outcome, SlotEvent};
use crate::config::Config;
use crate::engine::{Effects, Peer, Target, Timer, TimerKind};
use crate::ids::Round;
use crate::message::{Acceptor, Announcement, Answer, Packet, Refs, Verified};
use crate::record::Record;
use crate::rules::Mutant;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a round lasts: half a day is for ever.
const LENGTH_MAX: Duration = Duration::from_secs(12 * 3_600);

/// Of a round in the first turn the part that is waited for a doubted proposer.
const DOUBTED_PART: u32 = 32;

/// How often the wait until it speaks up again doubles.
const SPOKEN_UP_MAX: u32 = 3;

/// Turns of all learners through which others may drag an acceptor before it pauses.
const TURNS_MAX: u64 = 2;

// ANCHOR: state
/// In which round this acceptor is, and in which the others are.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    first: Duration,
    /// Rounds in which each learner is the target once.
    turn: u64,
    /// The first round in which nothing that comes late counts.
    strict_from: u64,
    round: Round,
    /// The highest round of each acceptor that said one.
    heard: BTreeMap<AcceptorId, Round>,
    /// The highest announcement of each.
    announcements: BTreeMap<AcceptorId, Arc<Verified<Announcement>>>,
    /// Whether others have still to be told that this acceptor is in a new round.
    owed: bool,
    /// The round whose timer runs.
    running: Option<Round>,
    /// How often this acceptor spoke up in this round.
    spoken_up: u32,
    /// How many rounds were left because others were ahead, since the last pause.
    dragged: u64,
}
// ANCHOR_END: state

impl Rounds {
    pub fn new(config: &Config) -> Self {
        let turn = config.trust.schedule().turn();
        Rounds {
            first: config.first_timer,
            turn,
            strict_from: turn.saturating_mul(config.lenient_turns),
            round: Round(0),
            heard: BTreeMap::new(),
            announcements: BTreeMap::new(),
            owed: false,
            running: None,
            spoken_up: 0,
            dragged: 0,
        }
    }

    pub fn round(&self) -> Round {
        self.round
    }

    // ANCHOR: length
    /// How long a round lasts: half as long again with each turn of all learners.
    pub fn length(&self, round: Round) -> Duration {
        let turns = round.0 / self.turn;
        let mut length = self.first;
        for _ in 0..turns {
            if length >= LENGTH_MAX {
                return LENGTH_MAX;
            }
            length = length * 3 / 2;
        }
        length
    }
    // ANCHOR_END: length

    /// Whether each learner is the target for the first time.
    fn is_first_turn(&self, round: Round) -> bool {
        round.0 < self.turn
    }

    // ANCHOR: is_over
    /// Whether nothing that comes late counts in `round`. In the first turns it does: most slots end there, and a round may
    /// have been short. Later rounds are long, and what an acceptor has said when it announces one is all that binds it in
    /// it: else Byzantine acceptors could keep back their votes until then, have it accept by them unknown to the proposer,
    /// and so spoil round after round.
    pub fn is_strict(&self, round: Round) -> bool {
        round.0 >= self.strict_from
    }

    /// Whether nothing is accepted any more in `round`: it was left for a strict one.
    pub fn is_over(&self, round: Round) -> bool {
        round < self.round && self.is_strict(self.round)
    }
    // ANCHOR_END: is_over

    /// An acceptor said that it is in `round`.
    pub fn hear(&mut self, acceptor: AcceptorId, round: Round) {
        let heard = self.heard.entry(acceptor).or_insert(round);
        *heard = round.max(*heard);
    }

    /// The highest announcement of each acceptor.
    pub fn announcements(&self) -> impl Iterator<Item = &Arc<Verified<Announcement>>> {
        self.announcements.values()
    }

    /// Acceptors known in `round` or a later one.
    pub fn known_in(&self, round: Round) -> AcceptorSet {
        let known = self.heard.iter().filter(|(_, heard)| **heard >= round);
        known.map(|(acceptor, _)| *acceptor).collect()
    }

    /// Acceptors that announced `round` or a later one, with what they announced.
    pub fn announced(
        &self,
        round: Round,
    ) -> impl Iterator<Item = (AcceptorId, &Arc<Verified<Announcement>>)> {
        let announced = self.announcements.iter().map(|(acceptor, one)| (*acceptor, one));
        announced.filter(move |(_, announcement)| announcement.round >= round)
    }

    // ANCHOR: is_dragged
    /// Whether others dragged this acceptor so far that it stays for a quarter of the round. An acceptor in every quorum can
    /// keep the learners from deciding, and nobody can help that; but it must not make the others sign and store at full
    /// speed. Rounds grow longer with each turn, so however it drags, their number grows with the logarithm of time, and with
    /// it everything that can be said in them; and whoever is behind honestly has caught up before the current round is half
    /// over.
    fn is_dragged(&self) -> bool {
        self.dragged >= TURNS_MAX * self.turn
    }
    // ANCHOR_END: is_dragged

    /// A quarter of the round is over.
    pub fn catch_breath(&mut self) {
        self.dragged = 0;
    }

    /// Goes on from `round`, after a restart; to others who are further, after a pause: else each restart would be a licence
    /// to drag.
    pub fn restore(&mut self, round: Round) {
        self.round = self.round.max(round);
        if self.round > Round(0) {
            self.dragged = TURNS_MAX * self.turn;
        }
    }
}

// ANCHOR: may_hear
/// News about an acceptor's round.
pub(super) fn may_hear(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    match event {
        SlotEvent::Announcement { announcement, .. } => {
            let acceptor = announcement.signer();
            let known = instance.rounds.announcements.get(&acceptor);
            let news = known.is_none_or(|known| known.round < announcement.round);
            let foreign = Some(acceptor) != instance.config.me;
            (news && foreign).then(|| Action::Hear(announcement.clone()))
        }
        _ => None,
    }
}
// ANCHOR_END: may_hear

// ANCHOR: may_place
/// A reply of a round says that its signer is in it.
pub(super) fn may_place(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Arrived(ix) = event else { return None };
    let node = instance.dag.node(*ix);
    node.message.reply()?;
    let round = node.facts.ballot.round;
    let heard = instance.rounds.heard.get(&node.signer());
    let news = heard.is_none_or(|heard| *heard < round);
    news.then_some(Action::Place(node.signer(), round))
}
// ANCHOR_END: may_place

// ANCHOR: may_start_timer
/// Whether the round's timer may start: some learner without certificate has a quorum in this round, so nobody runs ahead
/// alone, and an instance in which nothing can be decided rests; and somebody wants more than has been decided here.
pub(super) fn may_start_timer(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let rounds = &instance.rounds;
    let idle = rounds.running != Some(rounds.round) && instance.acceptor.is_some();
    if !matches!(event, SlotEvent::Settle)
        || !idle
        || !instance.has_company()
        || !instance.is_wanted()
        || instance.config.rules.breaks(Mutant::NoTimers)
    {
        return None;
    }
    Some(Action::StartTimer)
}
// ANCHOR_END: may_start_timer

// ANCHOR: may_end_round
/// The round's timer ended: it is left, unless nothing can be decided in it by now.
pub(super) fn may_end_round(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Timer(TimerKind::Round(round)) = event else { return None };
    let rounds = &instance.rounds;
    let current = *round == rounds.round && rounds.running == Some(*round);
    let goes_on = instance.has_company() && instance.is_wanted();
    let action = if goes_on { Action::EndRound } else { Action::Rest };
    current.then_some(action)
}
// ANCHOR_END: may_end_round

// ANCHOR: may_catch_up
/// Whether so many have gone ahead that the target of this round has no quorum left in it; unless it is time for a pause.
pub(super) fn may_catch_up(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    if !matches!(event, SlotEvent::Settle) || instance.acceptor.is_none() {
        return None;
    }
    let rounds = &instance.rounds;
    let next = rounds.round.next();
    if rounds.is_dragged() || rounds.heard.values().all(|heard| *heard < next) {
        return None;
    }
    let trust = &instance.config.trust;
    let target = trust.schedule().target(instance.place.slot, rounds.round);
    let ahead = rounds.known_in(next);
    let blocking = trust.is_blocking(target, &ahead)
        || instance.config.rules.breaks(Mutant::RoundsFollowAnybody);
    blocking.then_some(Action::CatchUp)
}
// ANCHOR_END: may_catch_up

// ANCHOR: may_announce
/// Whether others have to be told of a new round. Of several that are left in one go, only the last is worth a word.
pub(super) fn may_announce(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let owed = matches!(event, SlotEvent::Settle) && instance.rounds.owed;
    let settled = owed && !instance.is_silent() && may_catch_up(instance, event).is_none();
    settled.then_some(Action::Announce)
}
// ANCHOR_END: may_announce

// ANCHOR: may_speak_up
/// Nobody else has spoken in this round, or not so many that it has a timer: they may not know that the slot is open here, or
/// may be done with it and have nothing more to say by themselves.
pub(super) fn may_speak_up(instance: &Instance, event: &SlotEvent) -> Option<Action> {
    let SlotEvent::Timer(TimerKind::Quiet) = event else { return None };
    let rests = instance.rounds.running != Some(instance.rounds.round)
        && !instance.config.rules.breaks(Mutant::SayOnce);
    let is_news = rests || !instance.has_spoken();
    (is_news && instance.is_wanted()).then_some(Action::SpeakUp)
}
// ANCHOR_END: may_speak_up

impl Instance {
    /// Tells those who went on beyond the round of a decision what it rests on: they may lack some of it.
    pub(super) fn help_on(&self, decided: Round, out: &mut Effects) {
        for (acceptor, _) in self.rounds.announced(decided.next()) {
            if Some(acceptor) != self.config.me {
                self.send_tips(Peer::Acceptor(acceptor), self.tips(), Answer::Given, out);
            }
        }
    }

    // ANCHOR: is_wanted
    /// Whether a learner is undecided here, or somebody has gone on into this round or a later one: it may lack what others
    /// decided by. Without that a slot is silent from its decision to its certificates.
    fn is_wanted(&self) -> bool {
        let round = self.rounds.round.max(Round(1));
        let mut ahead = self.rounds.announced(round).map(|(acceptor, _)| Some(acceptor));
        !self.is_decided() || ahead.any(|acceptor| acceptor != self.config.me)
    }
    // ANCHOR_END: is_wanted

    // ANCHOR: has_company
    /// Whether those known in this round, this acceptor included, are a quorum of a learner without certificate.
    fn has_company(&self) -> bool {
        let mut known = self.rounds.known_in(self.rounds.round);
        self.config.me.iter().for_each(|me| known.insert(*me));
        let trust = &self.config.trust;
        let open = trust.learners().difference(self.learners.certified());
        trust.classes_of(open).iter().any(|class| trust.is_quorum(class, &known))
    }
    // ANCHOR_END: has_company

    // ANCHOR: hear
    pub(super) fn hear(&mut self, announcement: Arc<Verified<Announcement>>, out: &mut Effects) {
        let (acceptor, round) = (announcement.signer(), announcement.round);
        let was_wanted = self.is_wanted();
        self.rounds.hear(acceptor, round);
        self.rounds.announcements.insert(acceptor, announcement.clone());
        // Others who have decided may each believe to be the only one left with it.
        if !was_wanted && self.is_wanted() {
            self.listen(out);
        }
        out.send.push((Target::All, Packet::Announcement(announcement.clone())));
        // Who has nothing yet came late, and nobody may have anything to say any more; nor to one that goes on where others
        // have decided, perhaps by a message that was withheld from it.
        let late = announcement.maximal.is_empty() && !self.dag.is_empty();
        if late || self.has_decided() {
            self.send_tips(Peer::Acceptor(acceptor), self.tips(), Answer::Given, out);
        }
        // Only the proposer needs what its voters hold.
        let schedule = self.config.trust.schedule();
        if self.config.me == Some(schedule.proposer(self.place.slot, round)) {
            let unknown = announcement.maximal.iter().filter(|id| self.dag.find(id).is_none());
            let unknown: Vec<_> = unknown.copied().collect();
            let teller = Peer::Acceptor(acceptor);
            let unasked = self.inbox.hear_of(teller, unknown.into_iter(), None);
            self.want(teller, unasked);
        }
    }
    // ANCHOR_END: hear

    // ANCHOR: place_in
    /// An acceptor spoke in `round`. One that is behind opened the slot late, and may have nobody else to tell it.
    pub(super) fn place_in(&mut self, acceptor: AcceptorId, round: Round, out: &mut Effects) {
        self.rounds.hear(acceptor, round);
        let own = self.config.me.and_then(|me| self.rounds.announcements.get(&me));
        if let Some(own) = own.filter(|own| own.round > round && Some(acceptor) != self.config.me) {
            let packet = Packet::Announcement(own.clone());
            out.send.push((Target::One(Peer::Acceptor(acceptor)), packet));
        }
    }
    // ANCHOR_END: place_in

    // ANCHOR: start_timer
    pub(super) fn start_timer(&mut self, out: &mut Effects) {
        let round = self.rounds.round;
        self.rounds.running = Some(round);
        let length = self.patience(round);
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Round(round) };
        out.timers.push((timer, length..length * 11 / 10));
    }
    // ANCHOR_END: start_timer

    // ANCHOR: patience
    /// How long the round is waited for. Only in the first turn is it short where the proposer is doubted: whoever is doubted
    /// wrongly, as all may be after a bad time, is waited for like anybody else in the others, and longer each time.
    pub(super) fn patience(&self, round: Round) -> Duration {
        let length = self.rounds.length(round);
        let proposer = self.config.trust.schedule().proposer(self.place.slot, round);
        let is_short = self.rounds.is_first_turn(round) && self.doubted.contains(proposer);
        if is_short { length / DOUBTED_PART } else { length }
    }
    // ANCHOR_END: patience

    // ANCHOR: end_round
    /// The round's timer ended.
    pub(super) fn end_round(&mut self, out: &mut Effects) {
        let round = self.rounds.round;
        if self.rounds.is_first_turn(round) && !self.has_decided() {
            let proposer = self.config.trust.schedule().proposer(self.place.slot, round);
            self.outcome = Some(Outcome::Ended(proposer));
        }
        self.leave_round(out);
    }
    // ANCHOR_END: end_round

    // ANCHOR: rest
    /// Nobody can decide any more in this round, as far as is known: its timer starts again when somebody can.
    pub(super) fn rest(&mut self, out: &mut Effects) {
        self.rounds.running = None;
        self.listen(out);
    }
    // ANCHOR_END: rest

    // ANCHOR: listen
    /// Waits for others to speak, as long as the round lasts, and longer each time that they were asked in vain; unless they
    /// need not.
    fn listen(&self, out: &mut Effects) {
        if !self.is_wanted() {
            return;
        }
        // All answer all: where everybody waits for what is slow to come, being asked must not be what slows it.
        let length = self.rounds.length(self.rounds.round) * (1 << self.rounds.spoken_up);
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Quiet };
        out.timers.push((timer, length..length * 11 / 10));
    }
    // ANCHOR_END: listen

    /// Whether the others were told that this acceptor is in this round.
    fn has_spoken(&self) -> bool {
        let heard = self.config.me.and_then(|me| self.rounds.heard.get(&me));
        heard.is_some_and(|heard| *heard >= self.rounds.round)
    }

    // ANCHOR: speak_up
    /// Says in which round this acceptor is; and if it said so before, asks what the others hold, which brings the slot back
    /// where it is parked. It goes on until nobody wants the slot or others are in the round: they may have nothing left to do
    /// here.
    pub(super) fn speak_up(&mut self, out: &mut Effects) {
        if self.has_spoken() || self.is_silent() {
            self.look_at(Target::All, out);
        }
        if !self.is_silent() {
            self.announce(out);
        }
        self.rounds.spoken_up = SPOKEN_UP_MAX.min(self.rounds.spoken_up + 1);
        self.listen(out);
    }
    // ANCHOR_END: speak_up

    // ANCHOR: catch_up
    /// Follows those who are ahead into the next round.
    pub(super) fn catch_up(&mut self, out: &mut Effects) {
        self.rounds.dragged += 1;
        self.leave_round(out);
    }
    // ANCHOR_END: catch_up

    // ANCHOR: leave_round
    /// Goes to the next round.
    pub(super) fn leave_round(&mut self, out: &mut Effects) {
        let round = self.rounds.round.next();
        self.rounds.round = round;
        self.rounds.spoken_up = 0;
        self.rounds.owed = true;
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.stir();
        }
        self.listen(out);
        let proposer = self.config.trust.schedule().proposer(self.place.slot, round);
        if self.config.me == Some(proposer) || self.rounds.is_dragged() {
            self.wait_a_quarter(out);
        }
    }
    // ANCHOR_END: leave_round

    /// Starts the wait for announcements of this round, and for the end of a pause.
    pub(super) fn wait_a_quarter(&self, out: &mut Effects) {
        let round = self.rounds.round;
        let patience = self.rounds.length(round) / 4;
        let timer = Timer { slot: self.place.slot, kind: TimerKind::Propose(round) };
        out.timers.push((timer, patience..patience * 11 / 10));
    }

    // ANCHOR: announce
    /// Stores the round, and says so.
    pub(super) fn announce(&mut self, out: &mut Effects) {
        let (Some(me), Some(acceptor)) = (self.config.me, &self.acceptor) else { return };
        let round = self.rounds.round;
        if std::mem::take(&mut self.rounds.owed) {
            out.store.push(Record::Round { slot: self.place.slot, round });
        }
        let maximal = acceptor.recent().map(|ix| self.dag.node(ix).message.id());
        let maximal = Refs::new(maximal);
        let place = self.place.clone();
        let announcement = Announcement { place, acceptor: Acceptor(me), round, maximal };
        let announcement = Arc::new(self.config.sign(announcement, me));
        self.rounds.hear(me, round);
        self.rounds.announcements.insert(me, announcement.clone());
        out.send.push((Target::All, Packet::Announcement(announcement)));
    }
    // ANCHOR_END: announce
}
