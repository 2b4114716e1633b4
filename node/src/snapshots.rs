//! Snapshots that others are served: of which states there is one, and for how long their rows stay.
//!
//! A view's rows have versions, so that a snapshot is nothing but a height whose rows are not let go of while somebody asks for
//! them. Pieces are read when they are asked for; nothing is made ahead, and execution waits for nobody.

use crate::store::{LogIndex, reading};
use crate::views::Views;
use hpaxos_ledger::{Certificate, Offer, PIECE_BYTES, Piece, Prefix, View};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Heights of a log of which pieces are served at a time.
const HEIGHTS_MAX: usize = 4;

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
    /// Slots after which states are served.
    served: BTreeMap<u64, Served>,
}

struct Served {
    certificates: Vec<Certificate>,
    since: Instant,
    asked: Instant,
}

impl OfLog {
    /// Whether there is room for what is offered, if need be in the place of something that somebody only asked for.
    fn makes_room(&mut self) -> bool {
        if self.served.len() >= HEIGHTS_MAX {
            let not_offered = self.served.iter().find(|(_, it)| it.certificates.is_empty());
            let Some(slot) = not_offered.map(|(slot, _)| *slot) else { return false };
            self.served.remove(&slot);
        }
        true
    }

    /// Lets go of what nobody asks for any more.
    fn tidy(&mut self, now: Instant) {
        self.served
            .retain(|_, served| now - served.asked < IDLE_MAX && now - served.since < HELD_MAX);
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
        of_log.served.first_key_value().map(|(slot, _)| slot + 1)
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
            let young = of_log.served.iter_mut().next_back().filter(|(_, served)| {
                now - served.since < OFFERED_MAX && !served.certificates.is_empty()
            });
            if let Some((slot, served)) = young {
                served.asked = now;
                (*slot, served.certificates.clone())
            } else {
                let (slot, certificates) = of_log.latest.clone()?;
                if !of_log.served.contains_key(&slot) && !of_log.makes_room() {
                    return None;
                }
                let served = Served { certificates: certificates.clone(), since: now, asked: now };
                of_log.served.insert(slot, served);
                (slot, certificates)
            }
        };
        Offer::new(&views.frozen(log), slot, certificates)
    }

    /// A piece of the state after a slot; none if it is not here any more, or too much is asked for at a time.
    pub async fn piece(
        self: &Arc<Self>,
        views: &Arc<Views>,
        log: LogIndex,
        slot: u64,
        prefix: Prefix,
    ) -> Option<Vec<u8>> {
        let now = Instant::now();
        let is_new = {
            let mut of_log = self.of(log);
            of_log.tidy(now);
            let room = of_log.served.len() < HEIGHTS_MAX;
            match of_log.served.get_mut(&slot) {
                Some(served) => {
                    served.asked = now;
                    false
                }
                // Somebody else offered it: it is held here, too, so that several can send pieces.
                None if room => {
                    let served = Served { certificates: Vec::new(), since: now, asked: now };
                    of_log.served.insert(slot, served);
                    true
                }
                None => return None,
            }
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
            if of_log.served.get(&slot).is_some_and(|served| served.certificates.is_empty()) {
                of_log.served.remove(&slot);
            }
        }
        piece.map(|piece| piece.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
