//! Beginning with a snapshot, where the others have let go of what this node lacks.
//!
//! One of them offers a state that quorums of all learners attest; then all are asked for pieces of it. Each piece proves
//! itself: whoever sends a wrong one is not asked again, and another is. What came is written beside the view, and takes its
//! place in one step once it is whole. After a crash before that it begins anew.

use super::{Behind, Parts};
use crate::executor::Replacement;
use crate::network::{AskError, Bytes};
use crate::store::{LogIndex, StoreError, reading};
use crate::views::Views;
use crate::wire::Question;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use hpaxos_consensus::Peer;
use hpaxos_ledger::{Offer, Piece, PieceFlaw, Prefix, Restoring};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{info, warn};

/// Pieces that are asked for at a time: with the longest answers 8 MiB.
const ASKED_MAX: usize = 4;

/// How often each peer may have no answer in a row before this way is given up.
const MISSED_MAX: usize = 3;

/// Between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// How a snapshot comes.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The slot after which the state is fetched.
    pub slot: u64,
    /// How much of it is there, from 0 to 1.
    pub done: f64,
    /// Objects, balances and so on that are there.
    pub leaves: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Since it began.
    pub seconds: f64,
}

impl Share {
    /// How long it takes if it goes on like that; none before it has begun to.
    pub fn seconds_left(&self) -> Option<f64> {
        (self.done > 0.0).then(|| (self.seconds * (1.0 - self.done) / self.done).ceil())
    }
}

/// Who is asked next. Each peer has its share of the questions: one that is slow holds up its own only.
#[derive(Default)]
struct Rota {
    /// How many questions each has not answered.
    open: BTreeMap<Peer, usize>,
    turn: usize,
}

impl Rota {
    /// Who of `good` is to be asked, if there is room for a question.
    fn next(&self, good: &[Peer]) -> Option<Peer> {
        let share = ASKED_MAX.div_ceil(good.len().max(1));
        let has_room = |peer: &&Peer| self.open.get(*peer).is_none_or(|open| *open < share);
        let in_turn = good.iter().cycle().skip(self.turn % good.len().max(1)).take(good.len());
        let is_full = self.open.values().sum::<usize>() >= ASKED_MAX;
        in_turn.filter(|_| !is_full).find(has_room).copied()
    }

    fn ask(&mut self, peer: Peer) {
        self.turn += 1;
        *self.open.entry(peer).or_default() += 1;
    }

    fn answered(&mut self, peer: Peer) {
        if let Some(open) = self.open.get_mut(&peer) {
            *open = open.saturating_sub(1);
        }
    }
}

/// A download.
struct Download<'a> {
    parts: &'a Arc<Parts>,
    log: LogIndex,
    peers: Vec<Peer>,
    restoring: Restoring,
    slot: u64,
    began: Instant,
    told: Instant,
    bytes: u64,
}

impl Parts {
    /// Fetches a snapshot, and puts it in the place of a log's view. Whether that came to its end.
    pub(super) async fn fetch_snapshot(
        self: &Arc<Self>,
        log: LogIndex,
        behind: &watch::Sender<Behind>,
    ) -> bool {
        let name = self.name(log).to_owned();
        let height = self.views.height(log).unwrap_or(0);
        let (peers, Some((slot, offer))) = self.best_offer(log).await else {
            return false;
        };
        if slot < height {
            return false;
        }
        info!(log = name, slot, peers = peers.len(), "fetching a snapshot of the state");
        let now = Instant::now();
        let restoring = Restoring::new(offer);
        let mut download =
            Download { parts: self, log, peers, restoring, slot, began: now, told: now, bytes: 0 };
        let whole = download.run(behind).await;
        behind.send_modify(|behind| {
            if let Some(progress) = behind.get_mut(&log) {
                progress.snapshot = None;
            }
        });
        let seconds = download.began.elapsed().as_secs_f64();
        let (leaves, bytes) = (download.restoring.leaves(), download.bytes);
        match whole {
            Ok(true) => {}
            Ok(false) => {
                warn!(log = name, slot, "nobody has the rest of the snapshot");
                return false;
            }
            Err(error) => {
                warn!(log = name, slot, %error, "a snapshot could not be written");
                return false;
            }
        }
        let replaced = install(self, log, download.restoring).await;
        match replaced {
            true => info!(log = name, slot, leaves, bytes, seconds, "goes on from a snapshot"),
            false => warn!(log = name, slot, "a snapshot was of no use"),
        }
        replaced
    }

    /// Asks everybody for an offer. Who is there, and the best offer that holds.
    async fn best_offer(&self, log: LogIndex) -> (Vec<Peer>, Option<(u64, Offer)>) {
        let peers = self.peers_of(log);
        let name = self.name(log);
        let question = Bytes::from(Question::Snapshot { log: name.to_owned() }.encode());
        let answers = join_all(peers.iter().map(|peer| self.network.ask(*peer, question.clone())));
        let mut best: Option<(u64, Offer)> = None;
        for (peer, answer) in peers.iter().zip(answers.await) {
            let Ok(answer) = answer else { continue };
            let Some(offer) = Offer::from_bytes(&answer) else {
                warn!(log = name, ?peer, "an answer that is no offer of a snapshot");
                continue;
            };
            match offer.verify(self.id, &self.graph, name) {
                Ok(slot) if best.as_ref().is_none_or(|(other, _)| *other < slot) => {
                    best = Some((slot, offer));
                }
                Ok(_) => {}
                Err(why) => warn!(log = name, ?peer, %why, "an offer that is worth nothing"),
            }
        }
        (peers, best)
    }
}

impl Download<'_> {
    /// Fetches all pieces. Whether they came.
    async fn run(&mut self, behind: &watch::Sender<Behind>) -> Result<bool, StoreError> {
        let parts = self.parts.clone();
        let log = self.log;
        blocking(move || parts.store.clear_staged(log)).await?;
        let mut asked = FuturesUnordered::new();
        let mut rota = Rota::default();
        let (mut missed, mut bad) = (0, BTreeSet::new());
        while !self.restoring.is_complete() {
            let good: Vec<Peer> =
                self.peers.iter().filter(|peer| !bad.contains(*peer)).copied().collect();
            if good.is_empty() || missed > MISSED_MAX * good.len() {
                return Ok(false);
            }
            while let Some(peer) = rota.next(&good) {
                let Some(prefix) = self.restoring.wanted() else { break };
                rota.ask(peer);
                asked.push(self.ask(peer, prefix));
            }
            let Some((peer, prefix, answer)) = asked.next().await else { return Ok(false) };
            rota.answered(peer);
            let Ok(answer) = answer else {
                missed += 1;
                self.restoring.missed(prefix);
                continue;
            };
            self.bytes += answer.len() as u64;
            match self.take(&prefix, &answer).await? {
                Ok(()) => missed = 0,
                Err(why) => {
                    let name = self.parts.name(self.log);
                    warn!(
                        log = name,
                        ?peer,
                        why,
                        "a piece of a snapshot is wrong; another is asked"
                    );
                    self.parts.metrics.snapshot_piece_refused(name);
                    bad.insert(peer);
                    self.restoring.missed(prefix);
                }
            }
            self.tell(behind);
        }
        Ok(true)
    }

    /// Asks a peer for a piece.
    fn ask(
        &self,
        peer: Peer,
        prefix: Prefix,
    ) -> impl Future<Output = (Peer, Prefix, Result<Bytes, AskError>)> + use<> {
        let network = self.parts.network.clone();
        let log = self.parts.name(self.log).to_owned();
        let question = Question::Piece { log, slot: self.slot, prefix: prefix.clone() };
        async move { (peer, prefix, network.ask(peer, question.encode().into()).await) }
    }

    /// Takes in a piece, or says what is wrong with it.
    async fn take(
        &mut self,
        prefix: &Prefix,
        answer: &[u8],
    ) -> Result<Result<(), String>, StoreError> {
        // It is worked out here, not elsewhere: so that one at a time is, and memory stays bounded.
        let taken = tokio::task::block_in_place(|| {
            let piece = Piece::from_bytes(answer).ok_or_else(|| "it is no piece".to_owned())?;
            self.restoring.take(prefix, piece).map_err(|flaw: PieceFlaw| flaw.to_string())
        });
        let delta = match taken {
            Ok(delta) => delta,
            Err(why) => return Ok(Err(why)),
        };
        let (parts, log) = (self.parts.clone(), self.log);
        blocking(move || parts.store.stage_view(log, &delta)).await?;
        Ok(Ok(()))
    }

    fn tell(&mut self, behind: &watch::Sender<Behind>) {
        let (log, name) = (self.log, self.parts.name(self.log));
        let share = Share {
            slot: self.slot,
            done: self.restoring.done(),
            leaves: self.restoring.leaves(),
            bytes: self.bytes,
            seconds: self.began.elapsed().as_secs_f64(),
        };
        self.parts.metrics.set_snapshot_done(name, share.done);
        behind.send_modify(|behind| {
            if let Some(progress) = behind.get_mut(&log) {
                progress.snapshot = Some(share);
            }
        });
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let Share { slot, done, leaves, bytes, .. } = share;
            let (percent, left) = ((done * 100.0).floor(), share.seconds_left());
            info!(
                log = name,
                slot,
                percent,
                leaves,
                bytes,
                seconds_left = left,
                "fetching a snapshot"
            );
        }
    }
}

/// Puts what was fetched in the place of a log's view.
async fn install(parts: &Arc<Parts>, log: LogIndex, restoring: Restoring) -> bool {
    let offer = restoring.offer().clone();
    let height = offer.certificates[0].slot + 1;
    let of_learners = offer.certificates.into_iter();
    let certificates: Vec<_> = of_learners
        .filter_map(|one| parts.graph.learner(&one.learner).map(|learner| (learner, one)))
        .collect();
    let mut delta = restoring.finish();
    delta.extend(certificates.iter().map(|(learner, _)| Views::height_row(*learner, height)));
    let staging = parts.clone();
    if blocking(move || staging.store.stage_view(log, &delta)).await.is_err() {
        return false;
    }
    let (done, replaced) = tokio::sync::oneshot::channel();
    parts.decisions.replace(Replacement { log, height, certificates, done });
    replaced.await.unwrap_or(false)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(move || reading(work)).await;
    done.expect("writing to the store does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_learner_graph::AcceptorId;

    #[test]
    fn a_slow_peer_holds_up_its_own_share_only() {
        let peers: Vec<Peer> = (0..3).map(|it| Peer::Acceptor(AcceptorId::new(it))).collect();
        let slow = peers[1];
        let (mut rota, mut answers) = (Rota::default(), BTreeMap::<Peer, usize>::new());
        for _ in 0..100 {
            let mut asked = Vec::new();
            while let Some(peer) = rota.next(&peers) {
                rota.ask(peer);
                asked.push(peer);
            }
            assert!(rota.open.values().sum::<usize>() <= ASKED_MAX);
            for peer in asked.into_iter().filter(|peer| *peer != slow) {
                rota.answered(peer);
                *answers.entry(peer).or_default() += 1;
            }
        }
        assert_eq!(rota.open[&slow], 2);
        assert!(answers[&peers[0]] >= 60 && answers[&peers[2]] >= 60, "{answers:?}");
        assert!(answers.values().sum::<usize>() >= 200, "{answers:?}");
        assert!(rota.next(&[]).is_none());
    }
}
