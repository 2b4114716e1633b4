//! A node, put together: store, engine, executor, network, and what the API asks.

use crate::config::Config;
use crate::driver::{
    Detail, Driver, Ears, EngineStatus, INPUTS_MAX, Input, LogSetting, Parts as DriverParts, Tracer,
};
use crate::events::{Event, Events};
use crate::executor::{Decisions, Executor, Parts as ExecutorParts};
use crate::home;
use crate::intake::{Checked, Remembered};
use crate::judge::Judge;
use crate::mempool::{Added, Limits, Mempool, Source};
use crate::metrics::Metrics;
use crate::network::{Network, NetworkConfig, NetworkError, PendingLimits, Validator};
use crate::store::{LogIndex, Store, StoreError};
use crate::views::{LogViews, Views};
use ed25519_dalek::SigningKey;
use hpaxos_consensus::message::{Keys, KeysError};
use hpaxos_consensus::{Config as ReplicaConfig, LogName, NetworkId, Trust, TrustError};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{AcceptorId, LearnerGraph};
use hpaxos_ledger::{Bundle, BundleId, LogRules, Receipt, Refusal, atomicity};
use libp2p::Multiaddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::info;

/// Steps spent on saying what a log's atomicity rests on; beyond, a bound is told.
const ATOMICITY_STEPS: u64 = 20_000_000;

/// Bundles that waited when the node stopped, in the store.
pub(crate) const WAITING: &str = "waiting";

/// What a node is made of.
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The folder of the store.
    pub store: PathBuf,
    /// Graph, genesis and their id.
    pub network: home::Network,
    /// The graph's file, for a trace of a large graph.
    pub graph_path: PathBuf,
    /// This node in the graph; none if it follows.
    pub me: Option<AcceptorId>,
    /// Its key.
    pub key: SigningKey,
    /// A trace to write.
    pub trace: Option<(PathBuf, Detail)>,
}

/// Why a node does not start, or stops.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A log's trust model.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The graph's keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The trace's file.
    #[error("the trace {}: {error}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why it cannot be written.
        error: std::io::Error,
    },
    /// A thread that should run for ever.
    #[error("the {0} stopped: this is a bug")]
    Panicked(&'static str),
}

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

/// A log of a node.
pub struct LogInfo {
    /// Its name.
    pub name: String,
    /// Its trust model.
    pub trust: Arc<Trust>,
}

/// A running node, for those who ask it.
pub struct Node {
    /// Its name.
    pub name: String,
    /// The network.
    pub id: NetworkId,
    /// Who trusts whom.
    pub graph: Arc<LearnerGraph>,
    /// The logs that it runs.
    pub logs: Vec<LogInfo>,
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
    /// Links.
    pub network: Network,
    /// The engine.
    pub engine: watch::Receiver<EngineStatus>,
    judge: Arc<Judge>,
}

/// The threads of a node.
pub struct Running {
    /// For those who ask.
    pub node: Arc<Node>,
    /// The addresses on which it listens for peers.
    pub listening: Vec<Multiaddr>,
    inputs: mpsc::Sender<Input>,
    decisions: Decisions,
    driver: Option<thread::JoinHandle<Result<(), StoreError>>>,
    executor: Option<thread::JoinHandle<Result<(), StoreError>>>,
    ended: mpsc::Receiver<()>,
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
) -> Result<Vec<LogInfo>, TrustError> {
    let mut logs = Vec::new();
    for log in graph.every_log() {
        let runs = match me {
            Some(me) => log.acceptors().contains(me),
            None => config.logs.iter().any(|name| name == log.name()),
        };
        if runs {
            let name = log.name().to_owned();
            logs.push(LogInfo { name, trust: Arc::new(Trust::new(log)?) });
        }
    }
    Ok(logs)
}

impl Running {
    /// Starts a node.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn start(setup: Setup) -> Result<Self, NodeError> {
        let home::Network { graph, genesis, id } = &setup.network;
        let graph = Arc::new(graph.clone());
        let config = &setup.config;
        let logs = logs_of(&graph, setup.me, config)?;
        let names: Vec<&str> = logs.iter().map(|log| log.name.as_str()).collect();
        let keys = Keys::new(*id, &graph, names.iter().copied())?;
        let owner = setup.key.verifying_key().to_bytes();
        let store = Arc::new(Store::open(&setup.store, *id, &owner)?);

        let rules: Vec<LogRules> =
            logs.iter().map(|log| LogRules::new(*id, &graph, log.trust.log(), genesis)).collect();
        let views = logs.iter().map(|log| {
            let learners = log.trust.learners().iter();
            let chains = learners.map(|learner| (graph.learner_name(learner).to_owned(), learner));
            let mut effort = Effort::steps(ATOMICITY_STEPS);
            LogViews {
                name: log.name.clone(),
                chains: chains.collect(),
                atomicity: atomicity(&graph, log.trust.log(), &mut effort),
            }
        });
        let views = Arc::new(Views::new(*id, store.clone(), views.collect()));
        let limits = Limits {
            bundles_max: config.mempool.bundles_max,
            bytes_max: config.mempool.bytes_max,
            per_source_max: config.mempool.per_source_max,
        };
        let mempool = Arc::new(Mempool::new(*id, logs.len(), limits));
        let judge = Arc::new(Judge::new(*id, rules.clone(), mempool.clone()));
        let (metrics, events) = (Metrics::new(), Events::default());
        let (inputs, inputs_received) = mpsc::channel(INPUTS_MAX);
        let (links, links_received) = mpsc::unbounded_channel();
        let tracer = tracer(&setup, &graph, &logs)?;

        let parts = ExecutorParts {
            store: store.clone(),
            views: views.clone(),
            mempool: mempool.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            graph: graph.clone(),
            tracer: tracer.clone(),
            driver: inputs.clone(),
        };
        let of_executor = rules.iter().cloned().zip(logs.iter().map(|log| log.trust.clone()));
        let (executor, decisions) = Executor::new(parts, genesis, of_executor.collect())?;
        wake_up(&store, &views, &mempool, &judge)?;

        let intake = Checked {
            keys,
            remembered: Remembered::default(),
            logs: logs
                .iter()
                .enumerate()
                .map(|(index, log)| (LogName(log.name.as_str().into()), LogIndex(index as u16)))
                .collect(),
            driver: inputs.clone(),
            links,
            judge: judge.clone(),
            mempool: mempool.clone(),
            views: views.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
        };
        let (network, listening) = Network::start(network_config(&setup), Arc::new(intake)).await?;

        let settings = logs.iter().enumerate().map(|(index, log)| {
            let me = setup.me.filter(|me| log.trust.acceptors().contains(*me));
            let signer = Arc::new(setup.key.clone());
            let mut of_log = ReplicaConfig::new(*id, log.trust.clone(), me, signer);
            of_log.depth = config.consensus.depth;
            of_log.first_timer = config.consensus.first_timer();
            of_log.parked_bytes_max = config.consensus.parked_bytes_max;
            LogSetting {
                index: LogIndex(index as u16),
                config: of_log,
                slot_min: Duration::from_millis(config.consensus.slot_ms_min),
                idle_slot: Duration::from_millis(config.consensus.idle_slot_ms),
            }
        });
        let parts = DriverParts {
            store: store.clone(),
            network: network.clone(),
            mempool: mempool.clone(),
            decisions: decisions.clone(),
            metrics: metrics.clone(),
            graph: graph.clone(),
            events: events.clone(),
            tracer,
            runtime: tokio::runtime::Handle::current(),
            inputs: inputs.clone(),
            judge: judge.clone(),
        };
        let (driver, engine) = Driver::new(parts, settings.collect())?;
        mempool.set_driver(inputs.clone());
        let (ending, ended) = mpsc::channel(2);
        let ears = Ears { inputs: inputs_received, links: links_received };
        let name = config.name.clone();
        let node = Node {
            name,
            id: *id,
            graph,
            logs,
            store,
            views,
            mempool,
            events,
            metrics,
            network,
            engine,
            judge,
        };
        Ok(Running {
            node: Arc::new(node),
            listening,
            inputs,
            decisions,
            driver: Some(spawn("engine", ending.clone(), move || drive(driver, ears))),
            executor: Some(spawn("executor", ending, move || executor.run())),
            ended,
        })
    }

    /// Waits until something stops that should not.
    pub async fn failed(&mut self) {
        let _ = self.ended.recv().await;
    }

    /// Stops: the engine first, then what it feeds; what waits is kept for the next start.
    ///
    /// # Errors
    /// What had gone wrong, if that is why it stops.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        let _ = self.inputs.send(Input::Stop).await;
        let driver = join("engine", self.driver.take()).await;
        self.decisions.close();
        let executor = join("executor", self.executor.take()).await;
        self.node.network.clone().stop().await;
        driver?;
        executor?;
        let node = &self.node;
        let waiting: Vec<Vec<u8>> = (0..node.logs.len())
            .flat_map(|log| node.mempool.all(LogIndex(log as u16)))
            .map(|bundle| bundle.to_bytes())
            .collect();
        info!(bundles = waiting.len(), "keeping bundles that wait");
        let bytes = borsh::to_vec(&waiting).expect("writing to memory does not fail");
        node.store.keep(WAITING, &bytes)?;
        Ok(())
    }
}

/// Puts bundles that waited when the node stopped back.
fn wake_up(
    store: &Store,
    views: &Views,
    mempool: &Mempool,
    judge: &Judge,
) -> Result<(), StoreError> {
    let Some(bytes) = store.kept(WAITING)? else { return Ok(()) };
    let waiting: Vec<Vec<u8>> = borsh::from_slice(&bytes).unwrap_or_default();
    for bundle in waiting.iter().filter_map(|bytes| Bundle::from_bytes(bytes)) {
        let Some(log) = views.log(&bundle.body.log) else { continue };
        let slot = views.height(log).unwrap_or(0);
        if let Ok(id) = bundle.check(judge.rules(log), slot)
            && !views.is_used(log, &id)
        {
            mempool.add(log, id, Arc::new(bundle), Source::Disk);
        }
    }
    Ok(())
}

fn tracer(
    setup: &Setup,
    graph: &Arc<LearnerGraph>,
    logs: &[LogInfo],
) -> Result<Option<Tracer>, NodeError> {
    let Some((path, detail)) = &setup.trace else { return Ok(None) };
    let trusts: Vec<Arc<Trust>> = logs.iter().map(|log| log.trust.clone()).collect();
    let who = (setup.config.name.as_str(), setup.network.id);
    let tracer = Tracer::new(path, *detail, who, (graph.clone(), &setup.graph_path), &trusts);
    tracer.map(Some).map_err(|error| NodeError::Trace { path: path.clone(), error })
}

fn network_config(setup: &Setup) -> NetworkConfig {
    let graph = &setup.network.graph;
    let declared = graph.declarations().acceptors.iter();
    let validators = graph.acceptors().iter().zip(declared);
    let others = validators.filter(|(acceptor, _)| Some(*acceptor) != setup.me);
    let validators = others.filter_map(|(acceptor, declared)| {
        Some(Validator {
            acceptor,
            name: declared.name.clone(),
            key: declared.public_key?,
            addresses: declared.addresses.iter().filter_map(|one| one.parse().ok()).collect(),
        })
    });
    let p2p = &setup.config.p2p;
    let followers = &p2p.followers;
    let allowed = followers.allow.iter().filter_map(|key| crate::network::peer_id(&key.0));
    NetworkConfig {
        identity: setup.key.clone(),
        network: setup.network.id,
        name: setup.config.name.clone(),
        validators: validators.collect(),
        listen: p2p.listen.clone(),
        logs: graph.every_log().iter().map(|log| LogName(log.name().into())).collect(),
        pending: PendingLimits {
            max: p2p.pending_max as usize,
            per_address_max: p2p.pending_per_address_max as usize,
            time_max: Duration::from_millis(p2p.handshake_timeout_ms),
        },
        followers_max: followers.max as usize,
        followers_allowed: allowed.collect(),
    }
}

type Thread = thread::JoinHandle<Result<(), StoreError>>;

fn spawn(
    name: &str,
    ending: mpsc::Sender<()>,
    run: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> Thread {
    // However it ends, the sender is dropped or used.
    let run = move || {
        let _ends = Ends(ending);
        run()
    };
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .expect("the system gives this process threads")
}

/// Tells that its thread ended, also by a panic.
struct Ends(mpsc::Sender<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

async fn join(name: &'static str, thread: Option<Thread>) -> Result<(), NodeError> {
    let Some(thread) = thread else { return Ok(()) };
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    match joined {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(_)) | Err(_) => Err(NodeError::Panicked(name)),
    }
}

/// Runs the driver on this thread, which does nothing else: it waits for the disk.
fn drive(driver: Driver, ears: Ears) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("the system gives this process a clock").block_on(driver.run(ears))
}

impl Node {
    /// Takes a bundle that somebody brings, and passes it on.
    pub fn submit(&self, bundle: Bundle, source: Source) -> Submitted {
        use hpaxos_ledger::Code;
        let name = &bundle.body.log;
        let Some(log) = self.views.log(name) else {
            let mine: Vec<&str> = self.logs.iter().map(|log| log.name.as_str()).collect();
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
        let slot = self.views.height(log).unwrap_or(0);
        let id = match bundle.check(self.judge.rules(log), slot) {
            Ok(id) => id,
            Err(refusal) => return Submitted::Refused(refusal),
        };
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

    /// What is known of a bundle, in whichever log it is.
    pub fn receipt(&self, id: &BundleId) -> Option<Receipt> {
        self.views
            .logs()
            .find_map(|(log, _)| self.views.receipt(log, id, self.mempool.get(log, id)))
    }

    /// Whether a quorum's worth of peers is connected, so that this node can take part in some log.
    pub fn is_ready(&self) -> bool {
        let peers = self.network.peers();
        let mut connected = hpaxos_learner_graph::AcceptorSet::EMPTY;
        for peer in peers.borrow().iter().filter(|peer| peer.link.is_some()) {
            if let hpaxos_consensus::Peer::Acceptor(acceptor) = peer.peer {
                connected.insert(acceptor);
            }
        }
        if let Some(me) = self.graph.acceptor(&self.name) {
            connected.insert(me);
        }
        self.logs.iter().any(|log| {
            let learners = log.trust.learners();
            learners.iter().any(|learner| log.trust.log().is_quorum(learner, &connected))
        })
    }

    /// Tells of links that come and go.
    pub fn tell_of_links(self: &Arc<Self>) {
        let node = self.clone();
        let mut peers = node.network.peers();
        tokio::spawn(async move {
            let mut up = std::collections::BTreeSet::new();
            loop {
                let now: std::collections::BTreeSet<String> = peers
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
