//! Snapshots that others are served: of which states there is one, and for how long their rows stay.
//!
//! A view's rows have versions, so that a snapshot is nothing but a height whose rows are not let go of while somebody asks for
//! them. Pieces are read when they are asked for; nothing is made ahead, and execution waits for nobody.

use crate::store::{LogIndex, reading};
use crate::views::Views;
use hpaxos_consensus::Peer;
use hpaxos_ledger::{Certificate, Offer, PIECE_BYTES, Piece, Prefix, View};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Heights of a log that this node offers at a time. Besides them each peer has one that somebody else offered.
const OFFERS_MAX: usize = 4;

/// How long a height stays after somebody asked for it.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a height stays at the most, however often somebody asks: nobody can keep this node from letting go of the past.
const HELD_MAX: Duration = Duration::from_secs(3_600);

/// How long one and the same height is offered, so that those who come at about the same time share it.
const OFFERED_MAX: Duration = Duration::from_secs(30);

/// Pieces that are read at a time: their rows are in memory then.
const READING_MAX: usize = 4;

/// Slots of which the certificates of each learner are remembered, until all learners have one of the same slot.
const SLOTS_MAX: usize = 32;

/// The snapshots of all logs of a node.
pub struct Snapshots {
    logs: Vec<Mutex<OfLog>>,
    reading: Semaphore,
}

#[derive(Default)]
struct OfLog {
    /// The latest slot that is certified for all learners, by certificates of that very slot.
    latest: Option<(u64, Vec<Certificate>)>,
    /// The latest certificates, by slot.
    heard: BTreeMap<u64, Vec<Certificate>>,
    /// Slots after which states are offered.
    offered: BTreeMap<u64, (Vec<Certificate>, Held)>,
    /// The slot after which a peer wants the state that somebody else offered it, so that several can send pieces.
    wanted: BTreeMap<Peer, (u64, Held)>,
}

/// How long a height is held already.
#[derive(Clone, Copy)]
struct Held {
    since: Instant,
    asked: Instant,
}

impl Held {
    fn from(now: Instant) -> Self {
        Held { since: now, asked: now }
    }

    fn goes_on(&self, now: Instant) -> bool {
        now - self.asked < IDLE_MAX && now - self.since < HELD_MAX
    }
}

impl OfLog {
    /// Lets go of what nobody asks for any more.
    fn tidy(&mut self, now: Instant) {
        self.offered.retain(|_, (_, held)| held.goes_on(now));
        self.wanted.retain(|_, (_, held)| held.goes_on(now));
    }

    /// What is offered now: what was a moment ago, or if there is room the latest state.
    fn offer(&mut self, now: Instant) -> Option<(u64, Vec<Certificate>)> {
        let full = self.offered.len() >= OFFERS_MAX;
        let last = self.offered.iter_mut().next_back();
        if let Some((slot, (certificates, held))) = last
            && (full || now - held.since < OFFERED_MAX)
        {
            held.asked = now;
            return Some((*slot, certificates.clone()));
        }
        let (slot, certificates) = self.latest.clone()?;
        self.offered.insert(slot, (certificates.clone(), Held::from(now)));
        Some((slot, certificates))
    }

    /// A peer asks for a piece of the state after a slot. Whether it had not asked for that one before.
    fn ask(&mut self, peer: Peer, slot: u64, now: Instant) -> bool {
        if let Some((_, held)) = self.offered.get_mut(&slot) {
            held.asked = now;
            return false;
        }
        match self.wanted.get_mut(&peer) {
            // Whoever wants another one lets go of the last, and holds it no longer for that.
            Some((wanted, held)) => {
                held.asked = now;
                std::mem::replace(wanted, slot) != slot
            }
            None => {
                self.wanted.insert(peer, (slot, Held::from(now)));
                true
            }
        }
    }

    /// The lowest height whose state is held.
    fn lowest(&self) -> Option<u64> {
        let offered = self.offered.keys().next();
        offered
            .into_iter()
            .chain(self.wanted.values().map(|(slot, _)| slot))
            .min()
            .map(|it| it.saturating_add(1))
    }
}

impl Snapshots {
    /// Of so many logs.
    pub fn new(logs: usize) -> Self {
        let logs = (0..logs).map(|_| Mutex::default()).collect();
        Snapshots { logs, reading: Semaphore::new(READING_MAX) }
    }

    fn of(&self, log: LogIndex) -> MutexGuard<'_, OfLog> {
        self.logs[usize::from(log.0)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a certificate of one of a log's learners, of which there are so many, and the slot is executed here with the
    /// same outcome.
    pub fn certified(&self, log: LogIndex, learners: usize, certificate: Certificate) {
        let slot = certificate.slot;
        let mut of_log = self.of(log);
        let of_slot = of_log.heard.entry(slot).or_default();
        of_slot.retain(|one| one.learner != certificate.learner);
        of_slot.push(certificate);
        if of_slot.len() == learners {
            let all = of_slot.clone();
            if of_log.latest.as_ref().is_none_or(|(latest, _)| *latest < slot) {
                of_log.latest = Some((slot, all));
            }
            of_log.heard = of_log.heard.split_off(&(slot + 1));
        }
        while of_log.heard.len() > SLOTS_MAX {
            of_log.heard.pop_first();
        }
    }

    /// The lowest height whose state somebody asks for.
    pub fn lowest(&self, log: LogIndex) -> Option<u64> {
        let mut of_log = self.of(log);
        of_log.tidy(Instant::now());
        of_log.lowest()
    }

    /// The lowest height whose state somebody asks for, or would be offered.
    pub fn needed(&self, log: LogIndex) -> Option<u64> {
        let latest = self.of(log).latest.as_ref().map(|(slot, _)| slot + 1);
        self.lowest(log).into_iter().chain(latest).min()
    }

    /// What is offered to somebody who asks.
    pub fn offer(&self, views: &Views, log: LogIndex) -> Option<Offer> {
        let now = Instant::now();
        let (slot, certificates) = {
            let mut of_log = self.of(log);
            of_log.tidy(now);
            of_log.offer(now)?
        };
        Offer::new(&views.frozen(log), slot, certificates)
    }

    /// A piece of the state after a slot, for a peer; none if it is not here any more.
    pub async fn piece(
        self: &Arc<Self>,
        views: &Arc<Views>,
        (log, slot): (LogIndex, u64),
        prefix: Prefix,
        peer: Peer,
    ) -> Option<Vec<u8>> {
        let now = Instant::now();
        let is_new = {
            let mut of_log = self.of(log);
            of_log.tidy(now);
            of_log.ask(peer, slot, now)
        };
        let _permit = self.reading.acquire().await.ok()?;
        let views = views.clone();
        let read = tokio::task::spawn_blocking(move || {
            reading(|| {
                let rows = views.frozen(log);
                let view = slot.checked_add(1).and_then(|height| View::at(&rows, height));
                Ok(view.and_then(|view| Piece::of(&view, &prefix, PIECE_BYTES)))
            })
        });
        let piece = read.await.ok()?.ok()?;
        if piece.is_none() && is_new {
            // What is not there needs no room.
            let mut of_log = self.of(log);
            if of_log.wanted.get(&peer).is_some_and(|(wanted, _)| *wanted == slot) {
                of_log.wanted.remove(&peer);
            }
        }
        piece.map(|piece| piece.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;
    use crate::executor::tests::{World, hear};
    use hpaxos_ledger::{EPOCH, History, ResultsRoot, StateRoot};

    fn certificate(slot: u64, learner: &str) -> Certificate {
        Certificate {
            epoch: EPOCH,
            log: "red+blue".into(),
            slot,
            learner: learner.into(),
            history: History([0; 32]),
            results_root: ResultsRoot([0; 32]),
            state_root: StateRoot([0; 32]),
            signatures: Vec::new(),
        }
    }

    #[test]
    fn a_state_is_offered_once_all_learners_have_certified_it() {
        let log = LogIndex(0);
        let snapshots = Snapshots::new(1);
        let latest = || snapshots.of(log).latest.as_ref().map(|(slot, _)| *slot);
        for (slot, learner, expected) in [
            (3, "red", None),
            (4, "red", None),
            (4, "red", None),
            (5, "blue", None),
            (3, "blue", Some(3)),
            (6, "red", Some(3)),
            (5, "red", Some(5)),
            (4, "blue", Some(5)),
        ] {
            snapshots.certified(log, 2, certificate(slot, learner));
            assert_eq!(latest(), expected, "{slot} {learner}");
        }
        for slot in 0..1_000 {
            snapshots.certified(log, 2, certificate(slot, "red"));
        }
        assert!(snapshots.of(log).heard.len() <= SLOTS_MAX);
    }

    const LOG: LogIndex = LogIndex(0);
    const PEERS: [Peer; 2] = [Peer::Follower(0), Peer::Follower(1)];

    /// One peer asks for pieces of every state that there is, on and on.
    #[test]
    fn each_peer_holds_one_height_that_others_offered() {
        let world = World::new(false);
        let mut heard = world.events.listen();
        world.decide("red", 0..10);
        hear(&mut heard, |event| matches!(event, Event::Executed { slot: 9, .. }));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let snapshots = Arc::new(Snapshots::new(1));
        let ask = |peer, slot| {
            let piece = snapshots.piece(&world.views, (LOG, slot), Prefix::ROOT, peer);
            runtime.block_on(piece).is_some()
        };
        for slot in 0..8 {
            assert!(ask(PEERS[0], slot), "{slot}");
        }
        assert_eq!(snapshots.lowest(LOG), Some(8), "it holds the last one only");
        assert!(ask(PEERS[1], 5), "others have theirs");
        assert_eq!(snapshots.lowest(LOG), Some(6));
        assert!(!ask(PEERS[1], 99), "it is not here");
        assert_eq!(snapshots.lowest(LOG), Some(8), "what is not here is not held");
        world.end();
    }

    #[test]
    fn whoever_asks_for_ever_other_heights_holds_none_for_longer() {
        let mut of_log = OfLog::default();
        let begun = Instant::now();
        let mut slot = 0;
        for minutes in 0..60 {
            of_log.tidy(begun + Duration::from_secs(60 * minutes));
            for second in [0, 30] {
                slot += 1;
                of_log.ask(PEERS[0], slot, begun + Duration::from_secs(60 * minutes + second));
            }
            assert_eq!(of_log.lowest(), Some(slot + 1));
        }
        of_log.tidy(begun + HELD_MAX);
        assert_eq!(of_log.lowest(), None);
        of_log.ask(PEERS[0], u64::MAX, begun + HELD_MAX);
        assert_eq!(of_log.lowest(), Some(u64::MAX), "no slot is too large to ask for");
    }

    /// Those who were offered states, and take them slowly, do not keep others from being offered one.
    #[test]
    fn with_no_room_for_another_offer_the_last_one_counts() {
        let mut of_log = OfLog::default();
        let begun = Instant::now();
        for round in 0..8 {
            let now = begun + OFFERED_MAX * round;
            of_log.latest = Some((u64::from(round), vec![certificate(u64::from(round), "red")]));
            let expected = u64::from(round).min(OFFERS_MAX as u64 - 1);
            assert_eq!(of_log.offer(now).map(|(slot, _)| slot), Some(expected));
            for slot in 0..=expected {
                assert!(!of_log.ask(PEERS[0], slot, now), "it is offered");
            }
        }
        assert!(of_log.offered.len() == OFFERS_MAX && of_log.wanted.is_empty());
    }
}
