//! A node, put together and stopped: store, engine, executor, network.

use super::threads::{Thread, drive, join, spawn};
use super::{Node, WAITING, logs_of, memory};
use crate::config::Config;
use crate::driver::{
    Detail, Driver, Ears, INPUTS_MAX, Input, LogSetting, Parts as DriverParts, Tracer,
};
use crate::events::Events;
use crate::executor::{Decisions, Executor, Parts as ExecutorParts};
use crate::guard::GuardError;
use crate::home;
use crate::intake::{Checked, Remembered};
use crate::judge::Judge;
use crate::mempool::{Limits, Mempool, Source};
use crate::metrics::Metrics;
use crate::network::{Network, NetworkConfig, NetworkError, PendingLimits, Validator};
use crate::replies::Replies;
use crate::snapshots::Snapshots;
use crate::store::{LogIndex, Store, StoreError, reading};
use crate::sync::{Behind, Parts as SyncParts, catch_up};
use crate::views::{LogViews, Views};
use ed25519_dalek::SigningKey;
use hpaxos_consensus::message::{Keys, KeysError};
use hpaxos_consensus::{Config as ReplicaConfig, LogName, Trust, TrustError};
use hpaxos_learner_graph::analysis::{By, analyze_log};
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerSet};
use hpaxos_ledger::{Bundle, LogRules, atomicity};
use libp2p::Multiaddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

/// Steps spent on saying what it takes to break a log; beyond, a bound is told.
const ANALYSIS_STEPS: u64 = 20_000_000;

/// What a node is made of.
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The folder of the store.
    pub store: PathBuf,
    /// The guard beside it.
    pub guard: PathBuf,
    /// Graph, genesis and their id.
    pub network: home::Network,
    /// The graph's file, for a trace of a large graph.
    pub graph_path: PathBuf,
    /// This node in the graph; none if it follows.
    pub me: Option<AcceptorId>,
    /// Its key.
    pub key: SigningKey,
    /// Learners that the operator gave up on.
    pub waived: LearnerSet,
    /// A trace to write.
    pub trace: Option<(PathBuf, Detail)>,
}

/// Why a node does not start, or stops.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The guard beside it.
    #[error(transparent)]
    Guard(#[from] GuardError),
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

/// The threads of a node.
pub struct Running {
    /// For those who ask.
    pub node: Arc<Node>,
    /// The addresses on which it listens for peers.
    pub listening: Vec<Multiaddr>,
    inputs: mpsc::Sender<Input>,
    decisions: Decisions,
    driver: Option<Thread>,
    executor: Option<Thread>,
    ended: mpsc::Receiver<()>,
    syncing: JoinSet<()>,
    /// A validator's guard.
    guard: Option<PathBuf>,
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
        let keys = Keys::new(*id, &graph, logs.iter().map(|trust| trust.log().name()))?;
        let store = Arc::new(memory::open(&setup, &logs)?);
        // A snapshot that was not whole when the node stopped, or what one replaced.
        for log in (0..logs.len() as u16).map(LogIndex) {
            reading(|| store.clear_staged(log))?;
        }

        let rules: Vec<LogRules> =
            logs.iter().map(|trust| LogRules::new(*id, &graph, trust.log(), genesis)).collect();
        let views = logs.iter().map(|trust| {
            let learners = trust.learners().iter();
            let chains = learners.map(|learner| (graph.learner_name(learner).to_owned(), learner));
            let mut effort = Effort::steps(ANALYSIS_STEPS);
            let analysis = analyze_log(&graph, trust.log(), &By::Count, &mut effort);
            LogViews {
                name: trust.log().name().to_owned(),
                chains: chains.collect(),
                atomicity: atomicity(&analysis),
                analysis,
            }
        });
        let views = Arc::new(Views::new(*id, graph.clone(), store.clone(), views.collect()));
        let limits = Limits {
            bundles_max: config.mempool.bundles_max,
            bytes_max: config.mempool.bytes_max,
            per_source_max: config.mempool.per_source_max,
        };
        let mempool = Arc::new(Mempool::new(*id, logs.len(), limits));
        let (metrics, events) = (Metrics::new(), Events::default());
        let judge = Arc::new(Judge::new(*id, rules.clone(), mempool.clone(), metrics.clone()));
        let (inputs, inputs_received) = mpsc::channel(INPUTS_MAX);
        let (links, links_received) = mpsc::unbounded_channel();
        let tracer = tracer(&setup, &graph, &logs)?;

        let snapshots = Arc::new(Snapshots::new(logs.len()));
        let parts = ExecutorParts {
            store: store.clone(),
            views: views.clone(),
            mempool: mempool.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            graph: graph.clone(),
            tracer: tracer.clone(),
            driver: inputs.clone(),
            network: *id,
            me: setup.me,
            key: Arc::new(setup.key.clone()),
            snapshots: snapshots.clone(),
            keep_slots: config.store.keep_slots,
        };
        let of_executor = rules.iter().cloned().zip(logs.iter().cloned());
        let (executor, decisions) = reading(|| {
            let executor = Executor::new(parts, genesis, of_executor.collect())?;
            wake_up(&store, &views, &mempool, &judge)?;
            Ok(executor)
        })?;

        let replies = Arc::new(Replies::new(*id, &logs));
        let intake = Checked {
            network: *id,
            graph: graph.clone(),
            decisions: decisions.clone(),
            keys,
            remembered: Remembered::default(),
            replies: replies.clone(),
            driver: inputs.clone(),
            links,
            judge: judge.clone(),
            mempool: mempool.clone(),
            views: views.clone(),
            store: store.clone(),
            snapshots,
            metrics: metrics.clone(),
        };
        let of_network = network_config(config, &setup.network, setup.me, &setup.key);
        let (network, listening) = Network::start(of_network, Arc::new(intake)).await?;

        let settings = logs.iter().enumerate().map(|(index, trust)| {
            let me = setup.me.filter(|me| trust.acceptors().contains(*me));
            let signer = Arc::new(setup.key.clone());
            let mut of_log = ReplicaConfig::new(*id, trust.clone(), me, signer);
            of_log.depth = config.consensus.depth;
            of_log.first_timer = config.consensus.first_timer();
            of_log.parked_bytes_max = config.consensus.parked_bytes_max;
            of_log.waived = waived_in(trust, setup.waived);
            LogSetting {
                index: LogIndex(index as u16),
                config: of_log,
                slot_min: Duration::from_millis(config.consensus.slot_ms_min),
                idle_slot: Duration::from_millis(config.consensus.idle_slot_ms),
            }
        });
        let of_sync_tracer = tracer.clone();
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
            replies,
        };
        let (driver, engine) = Driver::new(parts, settings.collect())?;
        mempool.set_driver(inputs.clone());
        let (behind_sender, behind) = watch::channel(Behind::new());
        let of_sync = Arc::new(SyncParts {
            id: *id,
            graph: graph.clone(),
            logs: logs.clone(),
            store: store.clone(),
            views: views.clone(),
            decisions: decisions.clone(),
            network: network.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            tracer: of_sync_tracer,
        });
        let mut syncing = JoinSet::new();
        for log in (0..logs.len() as u16).map(LogIndex) {
            syncing.spawn(catch_up(of_sync.clone(), log, behind_sender.clone()));
        }
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
            decisions: decisions.clone(),
            network,
            engine,
            behind,
            judge,
            driver: inputs.clone(),
        };
        Ok(Running {
            node: Arc::new(node),
            listening,
            inputs,
            decisions,
            driver: Some(spawn("engine", ending.clone(), move || drive(driver, ears))),
            executor: Some(spawn("executor", ending, move || executor.run())),
            ended,
            syncing,
            guard: setup.me.map(|_| setup.guard.clone()),
        })
    }

    /// Waits until something stops that should not.
    pub async fn failed(&mut self) {
        tokio::select! {
            _ = self.ended.recv() => {}
            () = self.node.store.failed() => {}
        }
    }

    /// Stops: the engine first, then what it feeds; what waits is kept for the next start.
    ///
    /// # Errors
    /// What had gone wrong, if that is why it stops.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.syncing.shutdown().await;
        let _ = self.inputs.send(Input::Stop).await;
        let driver = join("engine", self.driver.take()).await;
        self.decisions.close();
        let executor = join("executor", self.executor.take()).await;
        self.node.network.clone().stop().await;
        driver?;
        executor?;
        let node = &self.node;
        if let Some(error) = node.store.failure() {
            return Err(error.into());
        }
        let waiting: Vec<Vec<u8>> = (0..node.logs.len())
            .flat_map(|log| node.mempool.all(LogIndex(log as u16)))
            .map(|bundle| bundle.to_bytes())
            .collect();
        info!(bundles = waiting.len(), "keeping bundles that wait");
        let bytes = borsh::to_vec(&waiting).expect("writing to memory does not fail");
        node.store.keep(WAITING, &bytes)?;
        match &self.guard {
            Some(guard) => memory::close(&node.store, guard, &node.logs),
            None => Ok(()),
        }
    }
}

/// The learners of a log whose quorums are not waited for after a loss: those that the operator gave up on. If none is left,
/// all are waited for: there would be nobody to say how far the log is.
fn waived_in(trust: &Trust, waived: LearnerSet) -> LearnerSet {
    let learners = trust.learners();
    let kept = learners.difference(waived);
    if kept.is_empty() { LearnerSet::EMPTY } else { learners.difference(kept) }
}

/// Puts bundles that waited when the node stopped back.
fn wake_up(
    store: &Store,
    views: &Views,
    mempool: &Mempool,
    judge: &Judge,
) -> Result<(), StoreError> {
    let Some(bytes) = store.kept(WAITING)? else { return Ok(()) };
    let damaged = || store.damaged("the bundles that waited when the node stopped cannot be read");
    let waiting: Vec<Vec<u8>> = borsh::from_slice(&bytes).map_err(|_| damaged())?;
    for bytes in waiting {
        let bundle = Bundle::from_bytes(&bytes).ok_or_else(damaged)?;
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
    logs: &[Arc<Trust>],
) -> Result<Option<Tracer>, NodeError> {
    let Some((path, detail)) = &setup.trace else { return Ok(None) };
    let who = (setup.config.name.as_str(), setup.network.id);
    let tracer = Tracer::new(path, *detail, who, (graph.clone(), &setup.graph_path), logs);
    tracer.map(Some).map_err(|error| NodeError::Trace { path: path.clone(), error })
}

/// How a node of a network is connected, as its settings say.
pub fn network_config(
    config: &Config,
    network: &home::Network,
    me: Option<AcceptorId>,
    key: &SigningKey,
) -> NetworkConfig {
    let graph = &network.graph;
    let declared = graph.declarations().acceptors.iter();
    let validators = graph.acceptors().iter().zip(declared);
    let others = validators.filter(|(acceptor, _)| Some(*acceptor) != me);
    let validators = others.filter_map(|(acceptor, declared)| {
        Some(Validator {
            acceptor,
            name: declared.name.clone(),
            key: declared.public_key?,
            addresses: declared.addresses.iter().filter_map(|one| one.parse().ok()).collect(),
        })
    });
    let p2p = &config.p2p;
    let followers = &p2p.followers;
    let allowed = followers.allow.iter().filter_map(|key| crate::network::peer_id(&key.0));
    NetworkConfig {
        identity: key.clone(),
        network: network.id,
        name: config.name.clone(),
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
