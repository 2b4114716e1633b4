//! A node: what the API asks it, and what it is put together from.

mod memory;
mod running;
mod threads;

pub use running::{NodeError, Running, Setup, network_config};

use crate::config::Config;
use crate::driver::{EngineStatus, Input};
use crate::events::{Event, Events};
use crate::executor::Decisions;
use crate::judge::Judge;
use crate::mempool::{Added, Mempool, Source};
use crate::metrics::{Metrics, Signed};
use crate::network::Network;
use crate::store::{LogIndex, Store};
use crate::sync::Behind;
use crate::views::{Forgotten, Known, Views};
use hpaxos_consensus::{LogName, NetworkId, Peer, Trust, TrustError};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph};
use hpaxos_ledger::{Bundle, BundleId, Code, Receipt, Refusal};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Bundles that waited when the node stopped, in the store.
pub(crate) const WAITING: &str = "waiting";

/// What became of a bundle that was brought.
pub enum Submitted {
    /// It waits, or was here before.
    Taken {
        /// Its id.
        id: BundleId,
        /// Whether it was here before.
        duplicate: bool,
    },
    /// It is not taken.
    Refused(Refusal),
    /// There is no room now.
    Busy,
}

/// A running node, for those who ask it.
pub struct Node {
    /// Its name.
    pub name: String,
    /// The network.
    pub id: NetworkId,
    /// Who trusts whom.
    pub graph: Arc<LearnerGraph>,
    /// The logs that it runs, in the order of their numbers, each with its trust model.
    pub logs: Vec<Arc<Trust>>,
    /// The store.
    pub store: Arc<Store>,
    /// What was executed.
    pub views: Arc<Views>,
    /// What waits.
    pub mempool: Arc<Mempool>,
    /// What happens.
    pub events: Events,
    /// Figures.
    pub metrics: Metrics,
    /// What was decided, and how it goes on from there.
    pub decisions: Decisions,
    /// Links.
    pub network: Network,
    /// The engine.
    pub engine: watch::Receiver<EngineStatus>,
    /// Of each log that is behind, how it catches up.
    pub behind: watch::Receiver<Behind>,
    judge: Arc<Judge>,
    driver: mpsc::Sender<Input>,
}

/// The logs that a node runs, in the order of their numbers: those of which it is an acceptor, or those that a follower
/// names.
///
/// # Errors
/// If a log's graph is too hard.
pub fn logs_of(
    graph: &LearnerGraph,
    me: Option<AcceptorId>,
    config: &Config,
) -> Result<Vec<Arc<Trust>>, TrustError> {
    let mut logs = Vec::new();
    for log in graph.every_log() {
        let runs = match me {
            Some(me) => log.acceptors().contains(me),
            None => config.logs.iter().any(|name| name == log.name()),
        };
        if runs {
            logs.push(Arc::new(Trust::new(log)?));
        }
    }
    Ok(logs)
}

/// A bundle that waits.
pub struct Waiting {
    /// For which log.
    pub log: LogIndex,
    /// It.
    pub bundle: Arc<Bundle>,
    /// Ends when it waits no more.
    pub ends: oneshot::Receiver<Infallible>,
}

impl Node {
    /// Keeps so many bytes of slots that wait for a learner, in each log, until it is told otherwise.
    pub async fn set_parked_bytes_max(&self, bytes: u64) {
        // A driver that is gone took the node with it.
        let _ = self.driver.send(Input::ParkedBytesMax(bytes)).await;
    }

    /// Takes a bundle that somebody brings, and passes it on.
    pub fn submit(&self, bundle: Bundle, source: Source) -> Submitted {
        let name = &bundle.body.log;
        let Some(log) = self.views.log(name) else {
            let mine: Vec<&str> = self.logs.iter().map(|trust| trust.log().name()).collect();
            let message = match self.graph.log(name) {
                Some(_) => {
                    format!("this node does not run the log `{name}`; it runs {}", mine.join(", "))
                }
                None => {
                    format!("the network has no log `{name}`; this node runs {}", mine.join(", "))
                }
            };
            return Submitted::Refused(Refusal::new(Code::Malformed, message).at("log"));
        };
        let slot = self.decisions.height(log);
        let id = match bundle.check(self.judge.rules(log), slot) {
            Ok(id) => id,
            Err(refusal) => return Submitted::Refused(refusal),
        };
        self.metrics.signatures_checked(Signed::Bundle, bundle.signatures.len());
        if self.views.is_used(log, &id) {
            return Submitted::Taken { id, duplicate: true };
        }
        if let Some(refusal) = self.views.wrong_home(log, &bundle) {
            return Submitted::Refused(refusal);
        }
        let name = LogName(name.as_str().into());
        let bytes = bundle.to_bytes();
        match self.mempool.add(log, id, Arc::new(bundle), source) {
            Added::New => self.network.gossip(&name, bytes),
            Added::Known => return Submitted::Taken { id, duplicate: true },
            Added::Full => return Submitted::Busy,
        }
        Submitted::Taken { id, duplicate: false }
    }

    /// A bundle that waits: its receipt would say no more than that.
    pub fn waiting(&self, id: &BundleId) -> Option<Waiting> {
        let waits = |log| {
            let (bundle, ends) = self.mempool.waiting(log, id)?;
            // Another node may have brought it after it was executed.
            (!self.views.is_used(log, id)).then_some(Waiting { log, bundle, ends })
        };
        self.views.logs().find_map(|(log, _)| waits(log))
    }

    /// What is known of a bundle, in whichever log it is; one that `waited` need not be looked for in its block.
    ///
    /// # Errors
    /// If it was executed, or may have been, where nothing is known of any more.
    pub fn receipt(
        &self,
        id: &BundleId,
        waited: Option<(LogIndex, Arc<Bundle>)>,
    ) -> Result<Option<Receipt>, Forgotten> {
        let mut forgotten = None;
        for (log, _) in self.views.logs() {
            let waited = waited.as_ref().filter(|(of, _)| *of == log);
            let waited = waited.map(|(_, bundle)| bundle.clone());
            let waited = waited.or_else(|| self.mempool.get(log, id));
            match self.views.receipt(log, id, waited) {
                Known::Receipt(receipt) => return Ok(Some(*receipt)),
                Known::Forgotten(why) => forgotten = Some(why),
                Known::Nothing => {}
            }
        }
        forgotten.map_or(Ok(None), Err)
    }

    /// Whether a quorum's worth of peers is connected, so that this node can take part in some log.
    pub fn is_ready(&self) -> bool {
        let peers = self.network.peers();
        let mut connected = AcceptorSet::EMPTY;
        for peer in peers.borrow().iter().filter(|peer| peer.link.is_some()) {
            if let Peer::Acceptor(acceptor) = peer.peer {
                connected.insert(acceptor);
            }
        }
        if let Some(me) = self.graph.acceptor(&self.name) {
            connected.insert(me);
        }
        self.logs.iter().any(|trust| {
            let learners = trust.learners();
            learners.iter().any(|learner| trust.log().is_quorum(learner, &connected))
        })
    }

    /// Tells of links that come and go.
    pub fn tell_of_links(self: &Arc<Self>) {
        let node = self.clone();
        let mut peers = node.network.peers();
        tokio::spawn(async move {
            let mut up = BTreeSet::new();
            loop {
                let now: BTreeSet<String> = peers
                    .borrow_and_update()
                    .iter()
                    .filter(|peer| peer.link.is_some())
                    .map(|peer| peer.name.to_string())
                    .collect();
                for peer in now.difference(&up) {
                    node.events.send(Event::Up { peer: peer.clone() });
                }
                for peer in up.difference(&now) {
                    node.events.send(Event::Down { peer: peer.clone() });
                }
                node.metrics.set_peers(now.len());
                up = now;
                if peers.changed().await.is_err() {
                    return;
                }
            }
        });
    }
}
