//! The driver: one thread that owns the engine's replicas.
//!
//! It steps while events wait, commits what is to be stored with one sync, and only then lets the rest go. Everything that
//! takes long happens elsewhere: signatures and blocks are checked before they come here, blocks are executed after.

mod certificates;
mod commit;
#[cfg(test)]
mod crash_points;
mod log;
#[cfg(test)]
mod long_log;
mod opening;
mod pace;
mod release;
mod status;
mod timers;
mod tracer;
mod values;

pub use log::{LogSetting, recover};
pub use status::{EngineStatus, LogStatus, Silent};
pub use tracer::{Detail, Tracer};

use crate::events::Events;
use crate::executor::Decisions;
use crate::judge::{Judge, Judged};
use crate::mempool::Mempool;
use crate::metrics::{Direction, Metrics};
use crate::network::{Bytes, Network};
use crate::replies::Replies;
use crate::store::{LogIndex, Store, StoreError};
use commit::commit;
use hpaxos_consensus::message::Packet;
use hpaxos_consensus::{Event, Peer, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph, LearnerId};
use log::LogDriver;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::{Timers, Wake};
use tokio::sync::{mpsc, watch};
use tracing::info;

/// Inputs that are handled before the next sync: a driver with more at hand would make the others wait.
const BATCH_MAX: usize = 64;

/// Inputs that wait for the driver. Who brings more waits itself, and with it its peer.
pub const INPUTS_MAX: usize = 1_024;

/// How long a link may be down before its acceptor counts as unreachable.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);

/// How long a decision may wait for the sync of what is signed next, where something is likely to be.
const SHARING_TIME_MAX: Duration = Duration::from_millis(5);

/// Something that happens to the driver.
pub enum Input {
    /// A packet came, its signature checked.
    Packet {
        /// The log.
        log: LogIndex,
        /// Who sent it.
        from: Peer,
        /// What.
        packet: Packet,
    },
    /// The bytes of a value came, and were judged.
    Value {
        /// The log.
        log: LogIndex,
        /// The slot it was proposed for.
        slot: Slot,
        /// It.
        judged: Judged,
        /// Who sent it.
        from: Peer,
    },
    /// A decided value is to be fetched: it is executed next, and not here.
    Fetch {
        /// The log.
        log: LogIndex,
        /// The slot.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
    },
    /// This node attests something.
    Attest {
        /// The log.
        log: LogIndex,
        /// As it travels.
        frame: Bytes,
    },
    /// It is certified what a learner executed, and this node has executed the same.
    Certified {
        /// The log.
        log: LogIndex,
        /// The learner.
        learner: LearnerId,
        /// Up to this slot.
        through: Slot,
    },
    /// A log's view was replaced by a snapshot, and the slots before are over.
    Replaced {
        /// The log.
        log: LogIndex,
    },
    /// So many bytes of parked slots may be kept in each log.
    ParkedBytesMax(u64),
    /// Bundles wait, or others are done with.
    Look,
    /// No more slots are opened, and the thread ends.
    Stop,
}

/// A link came or went. It is told ahead of everything that comes over it.
pub enum LinkChange {
    /// The streams with a peer are up, for the first time or again.
    Up(Peer),
    /// They are down.
    Down(Peer),
}

/// What the driver listens to.
pub struct Ears {
    /// Everything that happens.
    pub inputs: mpsc::Receiver<Input>,
    /// Links. As many as peers reconnect: their backoff bounds it.
    pub links: mpsc::UnboundedReceiver<LinkChange>,
}

/// What a driver is made of.
pub struct Parts {
    /// The store.
    pub store: Arc<Store>,
    /// The network.
    pub network: Network,
    /// Bundles that wait.
    pub mempool: Arc<Mempool>,
    /// Where decisions go.
    pub decisions: Decisions,
    /// Figures.
    pub metrics: Metrics,
    /// Names.
    pub graph: Arc<LearnerGraph>,
    /// Who wants to know.
    pub events: Events,
    /// The trace, if one is written.
    pub tracer: Option<Tracer>,
    /// What the driver itself may start: questions for blocks.
    pub runtime: tokio::runtime::Handle,
    /// The way back to the driver.
    pub inputs: mpsc::Sender<Input>,
    /// Judges blocks that were asked for.
    pub judge: Arc<Judge>,
    /// The replies that are known, for short forms.
    pub replies: Arc<Replies>,
}

/// The driver of all logs of a node.
pub struct Driver {
    parts: Parts,
    logs: Vec<LogDriver>,
    timers: Timers,
    connected: AcceptorSet,
    followers: Vec<Peer>,
    /// Against whom there is proof.
    caught: AcceptorSet,
    status: watch::Sender<EngineStatus>,
    published: Option<Instant>,
    /// By when decisions that wait for a sync get one.
    sync_due: Option<Instant>,
    stopping: bool,
    /// Logs whose engines have to begin anew.
    replaced: Vec<LogIndex>,
}

impl Driver {
    /// One that goes on where the store ends.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn new(
        parts: Parts,
        settings: Vec<LogSetting>,
    ) -> Result<(Self, watch::Receiver<EngineStatus>), StoreError> {
        let (mut logs, mut caught) = (Vec::new(), AcceptorSet::EMPTY);
        for setting in settings {
            let log = LogDriver::recover(setting, &parts.store)?;
            if let Some(tracer) = &parts.tracer {
                log.tell_restored(tracer);
            }
            parts.replies.recall(log.index, &log.replica);
            caught = caught.union(&parts.store.caught(log.index, log.trust.schedule())?);
            logs.push(log);
        }
        caught.iter().for_each(|one| parts.metrics.caught(parts.graph.acceptor_name(one)));
        let (status, receiver) = watch::channel(EngineStatus::default());
        let mut driver = Driver {
            parts,
            logs,
            timers: Timers::default(),
            connected: AcceptorSet::EMPTY,
            followers: Vec::new(),
            caught,
            status,
            published: None,
            sync_due: None,
            stopping: false,
            replaced: Vec::new(),
        };
        driver.log_indices().for_each(|index| driver.tell_over(index));
        // Who asks first is to hear how it is, too.
        driver.publish();
        Ok((driver, receiver))
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If the store fails: then nothing more may leave the node.
    pub async fn run(mut self, mut ears: Ears) -> Result<(), StoreError> {
        // What recovery has to say comes first.
        self.settle()?;
        while !self.stopping {
            self.wait(&mut ears).await;
            for _ in 0..BATCH_MAX {
                let Ok(input) = ears.inputs.try_recv() else { break };
                self.take_links(&mut ears);
                self.take(input);
            }
            self.settle()?;
            self.begin_anew()?;
            // What it says of decisions is to be on disk, too.
            if self.sync_due.is_none() {
                self.publish();
            }
        }
        if let Some(tracer) = &self.parts.tracer {
            tracer.flush();
        }
        Ok(())
    }

    /// Waits until there is something to do, and takes the first of it.
    async fn wait(&mut self, ears: &mut Ears) {
        self.plan_openings();
        let next = self.timers.next().into_iter().chain(self.sync_due).min();
        tokio::select! {
            biased;
            Some(link) = ears.links.recv() => self.take_link(link),
            input = ears.inputs.recv() => {
                self.take_links(ears);
                match input {
                    Some(input) => self.take(input),
                    None => self.stopping = true,
                }
            }
            () = sleep_until(next) => {}
        }
        while let Some(wake) = self.timers.due(Instant::now()) {
            self.wake(wake);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Packet { log, from, packet } => {
                self.count_packet(&packet, Direction::In);
                self.logs[usize::from(log.0)].queue.push_back(Event::Packet { from, packet });
                self.handle(log);
            }
            Input::Value { log, slot, judged, from } => {
                self.receive_value(log, slot, judged, from);
                self.handle(log);
            }
            Input::Fetch { log, slot, value } => self.fetch_decided(log, slot, value),
            Input::Attest { log, frame } => self.send_attestation(log, frame),
            Input::Certified { log, learner, through } => self.certified(log, learner, through),
            Input::Replaced { log } => self.replaced.push(log),
            Input::ParkedBytesMax(bytes) => {
                info!(bytes, "parked slots may be so many now");
                self.logs.iter_mut().for_each(|log| log.replica.set_parked_bytes_max(bytes));
            }
            Input::Look => {}
            Input::Stop => self.stopping = true,
        }
    }

    fn take_links(&mut self, ears: &mut Ears) {
        while let Ok(link) = ears.links.try_recv() {
            self.take_link(link);
        }
    }

    fn take_link(&mut self, link: LinkChange) {
        match link {
            LinkChange::Up(peer) => self.connect(peer),
            LinkChange::Down(peer) => self.disconnect(peer),
        }
    }

    fn connect(&mut self, peer: Peer) {
        match peer {
            Peer::Acceptor(acceptor) => self.connected.insert(acceptor),
            Peer::Follower(_) if self.followers.contains(&peer) => {}
            Peer::Follower(_) => self.followers.push(peer),
        }
        for index in self.log_indices() {
            let log = &mut self.logs[usize::from(index.0)];
            let concerns = match peer {
                Peer::Acceptor(acceptor) => log.others.contains(&acceptor),
                Peer::Follower(_) => true,
            };
            if concerns {
                log.queue.push_back(Event::Connected { peer });
                self.handle(index);
                self.send_certificates(index, peer);
            }
        }
    }

    fn disconnect(&mut self, peer: Peer) {
        match peer {
            Peer::Acceptor(acceptor) => {
                self.connected.remove(acceptor);
                self.timers.plan(UNREACHABLE_AFTER, Wake::Unreachable(acceptor));
            }
            Peer::Follower(_) => self.followers.retain(|one| *one != peer),
        }
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Timer { log, timer, armed } => {
                let driver = &mut self.logs[usize::from(log.0)];
                if driver.armed.get(&timer) == Some(&armed) {
                    driver.armed.remove(&timer);
                    driver.time_is_up(timer, &self.caught);
                    driver.queue.push_back(Event::Timer(timer));
                    self.handle(log);
                }
            }
            Wake::Value { log, slot, value } => {
                self.ask_for_value(log, (slot, value));
            }
            Wake::Unreachable(acceptor) => self.unreachable(acceptor),
            Wake::Open { log } => self.open(log),
            Wake::Certify { log } => self.certify(log),
        }
    }

    fn unreachable(&mut self, acceptor: AcceptorId) {
        if self.connected.contains(acceptor) {
            return;
        }
        for index in self.log_indices() {
            let log = &mut self.logs[usize::from(index.0)];
            if log.others.contains(&acceptor) {
                log.queue.push_back(Event::Unreachable { acceptor });
                self.handle(index);
            }
        }
    }

    /// Lets the engine of a log see what waits for it.
    fn handle(&mut self, log: LogIndex) {
        let driver = &mut self.logs[usize::from(log.0)];
        while let Some(event) = driver.queue.pop_front() {
            driver.tell(event, self.parts.tracer.as_ref());
        }
    }

    /// The end of a batch: lets the engines answer, stores, and lets go of the rest. What the driver itself can answer at
    /// once goes into the next batch.
    fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            let may_wait = self.may_wait();
            let Parts { store, tracer, metrics, .. } = &self.parts;
            let free = commit(&mut self.logs, store, tracer.as_ref(), metrics, may_wait)?;
            let waits = self.logs.iter().any(|driver| !driver.untold.is_empty());
            let due = || Instant::now() + SHARING_TIME_MAX;
            self.sync_due = waits.then(|| self.sync_due.unwrap_or_else(due));
            for (index, effects) in self.log_indices().zip(free) {
                self.release(index, effects)?;
            }
            if self.logs.iter().all(|driver| driver.queue.is_empty()) {
                return Ok(());
            }
            for index in self.log_indices() {
                self.handle(index);
            }
        }
    }

    /// Whether what was decided may wait for the sync of what is signed next: where slots follow each other a third of all syncs
    /// is saved.
    fn may_wait(&self) -> bool {
        let is_due = self.sync_due.is_some_and(|due| due <= Instant::now());
        !self.stopping && !is_due && self.logs.iter().any(|log| log.is_busy(SHARING_TIME_MAX))
    }

    fn log_indices(&self) -> impl Iterator<Item = LogIndex> + use<> {
        (0..self.logs.len() as u16).map(LogIndex)
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
