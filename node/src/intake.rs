//! What comes from other nodes, checked before anybody else sees it.
//!
//! It runs on the tasks of the network, one for each peer: who sends much, or what takes long to check, waits for itself.

use crate::certifier::Attested;
use crate::driver::{Input, LinkChange};
use crate::executor::Decisions;
use crate::judge::Judge;
use crate::mempool::{Added, Mempool, Source};
use crate::metrics::{Metrics, Signed};
use crate::network::{Bytes, Intake, Refused, Verdict};
use crate::replies::Replies;
use crate::snapshots::Snapshots;
use crate::store::{LogIndex, Store, reading};
use crate::sync;
use crate::views::Views;
use crate::wire::{Frame, Question};
use futures::future::BoxFuture;
use hashlink::LruCache;
use hpaxos_consensus::message::{Keys, Opened, Packet, PacketError, SignatureError};
use hpaxos_consensus::{LogName, NetworkId, Peer};
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_ledger::limits::SLOT_MAX;
use hpaxos_ledger::{Attestation, Bundle, BundleId, Certificate, Code};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// Packets that are remembered, so that what several peers pass on is checked once: those of a few seconds.
const REMEMBERED_MAX: usize = 4_096;

/// Slots that this node may be behind and still take bundles that others pass on: most of what waits with them would long be
/// decided.
const BEHIND_MAX: u64 = 128;

/// Signatures of bundles that are checked before somebody else has the thread: they take a millisecond.
const CHECKED_TOGETHER: usize = 64;

/// Packets whose signatures were checked, by the hash of their bytes.
pub struct Remembered(Mutex<LruCache<[u8; 32], Packet>>);

impl Default for Remembered {
    fn default() -> Self {
        Remembered(Mutex::new(LruCache::new(REMEMBERED_MAX)))
    }
}

impl Remembered {
    fn packets(&self) -> MutexGuard<'_, LruCache<[u8; 32], Packet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a packet, unless the same bytes were opened lately.
    fn open(&self, bytes: &[u8], keys: &Keys, metrics: &Metrics) -> Result<Opened, PacketError> {
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        if let Some(packet) = self.packets().get(&hash) {
            return Ok(Opened::Whole(packet.clone()));
        }
        let started = Instant::now();
        let opened = Packet::open(bytes, keys)?;
        let is_signed = match &opened {
            Opened::Whole(packet @ (Packet::Message(..) | Packet::Announcement(_))) => {
                self.packets().insert(hash, packet.clone());
                true
            }
            Opened::Whole(_) => false,
            Opened::Short(_) => true,
        };
        if is_signed {
            metrics.signature_verified(Signed::Message, started.elapsed());
        }
        Ok(opened)
    }

    /// Takes note of a packet that came in another form: passed on it is whole.
    fn add(&self, packet: &Packet) {
        let hash: [u8; 32] = Sha256::digest(packet.encode()).into();
        self.packets().insert(hash, packet.clone());
    }
}

/// Checks what comes.
pub struct Checked {
    /// The network.
    pub network: NetworkId,
    /// Who may attest for whom.
    pub graph: Arc<LearnerGraph>,
    /// Where attestations and certificates go.
    pub decisions: Decisions,
    /// The keys of the network.
    pub keys: Keys,
    /// What was checked lately.
    pub remembered: Remembered,
    /// The replies that are known.
    pub replies: Arc<Replies>,
    /// The driver.
    pub driver: mpsc::Sender<Input>,
    /// The driver, for links.
    pub links: mpsc::UnboundedSender<LinkChange>,
    /// Judges blocks.
    pub judge: Arc<Judge>,
    /// Bundles that wait.
    pub mempool: Arc<Mempool>,
    /// What was executed: it does not wait once more.
    pub views: Arc<Views>,
    /// Blocks that others ask for.
    pub store: Arc<Store>,
    /// Snapshots that others ask for.
    pub snapshots: Arc<Snapshots>,
    /// Figures.
    pub metrics: Metrics,
}

impl Checked {
    async fn tell(&self, input: Input) {
        // A driver that is gone took the node with it.
        let _ = self.driver.send(input).await;
    }

    async fn take_bundles(&self, from: Peer, log: &LogName, bundles: &[Vec<u8>]) -> Verdict {
        let Some(log) = self.views.log(&log.0) else { return Verdict::Ignore };
        let bundles: Option<Vec<Bundle>> =
            bundles.iter().map(|bytes| Bundle::from_bytes(bytes)).collect();
        let Some(bundles) = bundles else { return Verdict::Reject };
        let slot = self.decisions.height(log);
        if self.decisions.furthest_certified(log) > slot + BEHIND_MAX {
            return Verdict::Ignore;
        }
        let (mut verdict, mut together, mut signatures) = (Verdict::Ignore, Vec::new(), 0);
        for bundle in bundles {
            // A node that is ahead or behind may see another slot: only what can never be right is refused.
            match bundle.check_but_signatures(self.judge.rules(log), slot) {
                // Those of what waits here were checked when it came.
                Ok(id) if self.mempool.knows(log, &id, &bundle.signatures) => {}
                Ok(id) => {
                    signatures += bundle.signatures.len();
                    together.push((bundle, id));
                }
                Err(refusal) if matches!(refusal.code, Code::Expired | Code::TooFar) => {}
                Err(_) => return Verdict::Reject,
            }
            if signatures >= CHECKED_TOGETHER {
                signatures = 0;
                match self.take_together(from, log, std::mem::take(&mut together)) {
                    Verdict::Ignore => {}
                    Verdict::Accept => verdict = Verdict::Accept,
                    Verdict::Reject => return Verdict::Reject,
                }
                yield_now().await;
            }
        }
        match self.take_together(from, log, together) {
            Verdict::Ignore => verdict,
            last => last,
        }
    }

    /// Takes bundles in if their signatures are right.
    fn take_together(
        &self,
        from: Peer,
        log: LogIndex,
        bundles: Vec<(Bundle, BundleId)>,
    ) -> Verdict {
        if Bundle::check_signatures(bundles.iter().map(|(bundle, id)| (bundle, id))).is_err() {
            return Verdict::Reject;
        }
        let mut verdict = Verdict::Ignore;
        for (bundle, id) in bundles {
            self.metrics.signatures_checked(Signed::Bundle, bundle.signatures.len());
            let is_news = !self.views.is_used(log, &id)
                && self.mempool.add(log, id, Arc::new(bundle), Source::Peer(from)) == Added::New;
            if is_news {
                verdict = Verdict::Accept;
            }
        }
        verdict
    }

    fn take_attestation(
        &self,
        from: Peer,
        attestation: Attestation,
        signature: [u8; 64],
    ) -> Result<(), Refused> {
        let Peer::Acceptor(by) = from else {
            return Err(Refused("an attestation of a follower".to_owned()));
        };
        let Some(log) = self.views.log(&attestation.log) else { return Ok(()) };
        let learners = attestation.learner_set(&self.graph).ok_or_else(|| {
            Refused("an attestation for learners that the log does not have".to_owned())
        })?;
        if attestation.slot > SLOT_MAX {
            return Err(Refused(format!("an attestation of slot {}", attestation.slot)));
        }
        let is_news = |learner| self.decisions.certified(log, learner) <= attestation.slot;
        if !learners.iter().any(is_news) {
            return Ok(());
        }
        let key = self.graph.declarations().acceptors[by.index()].public_key;
        let started = Instant::now();
        if !key.is_some_and(|key| attestation.is_signed_by(self.network, &key, &signature)) {
            return Err(Refused("an attestation with a wrong signature".to_owned()));
        }
        self.metrics.signature_verified(Signed::Attestation, started.elapsed());
        self.decisions.attested(log, Attested { by, attestation, learners, signature });
        Ok(())
    }

    fn take_certificate(&self, certificate: Certificate) -> Result<(), Refused> {
        let Some(log) = self.views.log(&certificate.log) else { return Ok(()) };
        let learner = self.graph.learner(&certificate.learner);
        let Some(learner) = learner else {
            return Err(Refused("a certificate of no learner".to_owned()));
        };
        if self.decisions.certified(log, learner) > certificate.slot {
            return Ok(());
        }
        certificate
            .verify(self.network, &self.graph)
            .map_err(|flaw| Refused(format!("a certificate that does not hold: {flaw}")))?;
        self.metrics.signatures_checked(Signed::Certificate, certificate.signatures.len());
        self.decisions.certificate(log, learner, certificate);
        Ok(())
    }

    async fn take(&self, from: Peer, frame: &[u8]) -> Result<(), Refused> {
        match Frame::read(frame).map_err(|error| Refused(error.to_string()))? {
            Frame::Packet(bytes) => {
                let opened = match self.remembered.open(bytes, &self.keys, &self.metrics) {
                    Ok(opened) => opened,
                    // A log that only others run.
                    Err(PacketError::Signature(SignatureError::Log)) => return Ok(()),
                    Err(error) => return Err(Refused(error.to_string())),
                };
                self.replies.hear(from);
                if let Some(log) = self.views.log(&opened.place().log.0) {
                    let was_short = matches!(opened, Opened::Short(_));
                    let packet = self.replies.whole(log, from, opened).await;
                    let message = match &packet {
                        Packet::Message(message, _) => Some(message.clone()),
                        _ => None,
                    };
                    if was_short && message.is_some() {
                        self.remembered.add(&packet);
                    }
                    self.tell(Input::Packet { log, from, packet }).await;
                    // Only now: what references it is to come to the driver after it.
                    if let Some(message) = message {
                        self.replies.note(log, &message);
                    }
                }
            }
            Frame::Attestation(attestation, signature) => {
                self.take_attestation(from, attestation, signature)?;
            }
            Frame::Certificate(certificate) => self.take_certificate(certificate)?,
            Frame::Block { log, slot, bytes } => {
                if let Some(log) = self.views.log(&log) {
                    let judged = self.judge.judge(log, slot, bytes.into()).await;
                    self.tell(Input::Value { log, slot, judged, from }).await;
                }
            }
        }
        Ok(())
    }
}

impl Intake for Checked {
    fn connected(&self, peer: Peer) -> BoxFuture<'_, ()> {
        self.replies.hear(peer);
        // A driver that is gone took the node with it.
        let _ = self.links.send(LinkChange::Up(peer));
        Box::pin(async {})
    }

    fn disconnected(&self, peer: Peer) {
        self.replies.lose(peer);
        let _ = self.links.send(LinkChange::Down(peer));
    }

    fn frame(&self, from: Peer, frame: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move { self.take(from, &frame).await })
    }

    fn bundles(&self, from: Peer, log: LogName, bundles: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict> {
        Box::pin(async move { self.take_bundles(from, &log, &bundles).await })
    }

    fn answer(&self, from: Peer, request: Bytes) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let (store, views) = (self.store.clone(), self.views.clone());
            let question = Question::decode(&request).ok()?;
            if let Question::Piece { log, slot, prefix } = question {
                let log = views.log(&log)?;
                let piece = self.snapshots.piece(&views, (log, slot), prefix, from).await;
                return piece.map(Bytes::from);
            }
            let snapshots = self.snapshots.clone();
            let read = move || match question {
                Question::Piece { .. } => None,
                Question::Snapshot { log } => {
                    let offer = snapshots.offer(&views, views.log(&log)?)?;
                    Some(offer.to_bytes().into())
                }
                Question::Block { log, slot, value } => {
                    store.block(views.log(&log)?, slot, &value).ok()?.map(Bytes::from)
                }
                Question::Stretch { log, from, blocks_from } => {
                    let log = views.log(&log)?;
                    let slots = sync::slots(&store, &views, log, from, blocks_from);
                    Some(slots.ok()??.encode().into())
                }
            };
            let read = tokio::task::spawn_blocking(move || reading(|| Ok(read())));
            read.await.ok()?.ok()?
        })
    }
}
