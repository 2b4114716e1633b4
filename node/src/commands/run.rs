//! `hpaxos run`: the node.

use super::memory::give_memory_back;
use super::passphrase::Unlock;
use super::{HomeFolder, with_way_back};
use crate::Outcome;
use anyhow::Context;
use clap::ValueEnum;
use hpaxos_node::api;
use hpaxos_node::config::Config;
use hpaxos_node::control::{self, Request};
use hpaxos_node::driver::Detail;
use hpaxos_node::files::write_whole;
use hpaxos_node::home::Home;
use hpaxos_node::keys::{KeyLock, PublicKey, no_core_dumps};
use hpaxos_node::logging::{self, LogLevel};
use hpaxos_node::metrics;
use hpaxos_node::node::{Node, Running, Setup};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};

pub const EXAMPLES: &str = "\
Examples:
  hpaxos run --home /var/lib/hpaxos
  hpaxos run --home ./alice --trace alice.jsonl
  HPAXOS_LOG__LEVEL=debug hpaxos run --home ./alice

It ends with SIGTERM or Ctrl-C, and loses nothing: bundles that wait are kept for the next start.

After a crash it goes on where its store ends. If the store is damaged it says so, and what the way back is; if the store was
lost or replaced, the node signs nothing until that is safe: `hpaxos status` says why and until when.

Exit code: 0 it was told to stop, 2 it could not start, or the disk failed.";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    home: HomeFolder,
    #[command(flatten)]
    unlock: Unlock,
    /// Writes what happens to a file, as JSON lines; goes on with one that is there.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How much of it.
    #[arg(long, value_enum, default_value_t = Traced::Everything, requires = "trace")]
    trace_detail: Traced,
    /// Writes the addresses on which it listens to a file, as JSON, once it does.
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Traced {
    /// What was decided and executed.
    Decisions,
    /// Everything that `hpaxos-spec replay` needs to run the engine again.
    Everything,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        give_memory_back();
        let home = self.home.open()?;
        let config = home.config()?;
        let level = logging::start(&config.log.level, config.log.format)?;
        no_core_dumps()?;
        let _lock = home.lock()?;
        let file = home.key()?;
        let key = file.unlock(self.unlock.read(&file)?.as_ref())?;
        let network = home.network(&config)?;
        let me = home.me(&config, &network.graph, PublicKey::of(&key))?;
        let waived = home.waived(&config, &network.graph)?;
        let _key_lock = KeyLock::take(PublicKey::of(&key))?;
        let detail = match self.trace_detail {
            Traced::Decisions => Detail::Decisions,
            Traced::Everything => Detail::Everything,
        };
        let setup = Setup {
            store: home.store_path(),
            guard: home.guard_path(),
            graph_path: home.graph_path(&config),
            trace: self.trace.map(|path| (path, detail)),
            config: config.clone(),
            network,
            me,
            key,
            waived,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("the system gives this process no threads")?;
        runtime.block_on(run(home, config, setup, level, self.addresses))
    }
}

async fn run(
    home: Home,
    config: Config,
    setup: Setup,
    level: LogLevel,
    addresses: Option<PathBuf>,
) -> anyhow::Result<Outcome> {
    let api = bind(config.api.listen.0, "api.listen").await?;
    let metrics = bind(config.metrics.listen.0, "metrics.listen").await?;
    let control = control::listen(&home.control_path())
        .with_context(|| format!("cannot listen at {}", home.control_path().display()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let mut running = Running::start(setup).await.map_err(|error| with_way_back(&home, error))?;
    let node = running.node.clone();
    node.tell_of_links();
    let (api_address, metrics_address) = (api.local_addr()?, metrics.local_addr()?);
    let p2p: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
    info!(node = node.name, network = %node.id, api = %api_address, metrics = %metrics_address, "running");
    if let Some(path) = &addresses {
        let text = json!({ "api": api_address, "metrics": metrics_address, "p2p": p2p });
        write_whole(path, &text.to_string())?;
    }

    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        let _ = stopped.changed().await;
    };
    let api = tokio::spawn(api::serve(api, node.clone(), limits(&config), until(stopped.clone())));
    tokio::spawn(metrics::serve(metrics, node.metrics.clone()));
    tokio::spawn(switches(control, level, node.clone()));
    tokio::spawn(count_traffic(node.clone()));

    tokio::select! {
        _ = terminate.recv() => info!("told to stop"),
        _ = interrupt.recv() => info!("told to stop"),
        () = running.failed() => error!("stopping: something failed"),
    }
    let _ = stop.send(());
    let _ = api.await;
    running.stop().await.map_err(|error| with_way_back(&home, error))?;
    let _ = std::fs::remove_file(home.control_path());
    info!("stopped");
    Ok(Outcome::Yes)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; `{key}` should be a free address of this machine")
    })
}

fn limits(config: &Config) -> api::Limits {
    let api = &config.api;
    api::Limits {
        hosts: api.hosts.clone(),
        header_timeout: Duration::from_millis(api.header_timeout_ms),
        body_timeout: Duration::from_millis(api.body_timeout_ms),
        body_bytes_max: api.body_bytes_max,
        connections_max: api.connections_max,
        connections_per_address_max: api.connections_per_address_max,
        waiting_max: api.waiting_max,
        requests_per_second: api.requests_per_second,
        requests_burst: api.requests_burst,
    }
}

async fn switches(listener: tokio::net::UnixListener, level: LogLevel, node: Arc<Node>) {
    let handle = |request: Request| {
        let (level, node) = (&level, &node);
        async move {
            match request {
                Request::LogLevel(filter) => {
                    level.set(&filter).map_err(|error| error.to_string())?
                }
                Request::ParkedBytesMax(bytes) => node.set_parked_bytes_max(bytes).await,
            }
            Ok(String::new())
        }
    };
    if let Err(error) = control::serve(listener, handle).await {
        error!(%error, "the control socket is of no use any more");
    }
}

/// Between two looks at what the network counted.
const TRAFFIC_EVERY: Duration = Duration::from_secs(1);

/// Carries the network's counters into the metrics.
async fn count_traffic(node: Arc<Node>) {
    use hpaxos_node::metrics::Direction as Way;
    use hpaxos_node::network::{Direction, Protocol};
    let traffic = node.network.traffic().clone();
    let mut counted = [[(0, 0); 2]; 3];
    loop {
        for (row, protocol) in Protocol::ALL.into_iter().enumerate() {
            for (column, direction) in Direction::ALL.into_iter().enumerate() {
                let now =
                    (traffic.messages(protocol, direction), traffic.bytes(protocol, direction));
                let before = std::mem::replace(&mut counted[row][column], now);
                let (messages, bytes) = (now.0 - before.0, now.1 - before.1);
                let way = match direction {
                    Direction::In => Way::In,
                    Direction::Out => Way::Out,
                };
                node.metrics.traffic(protocol.name(), way, messages, bytes);
            }
        }
        tokio::time::sleep(TRAFFIC_EVERY).await;
    }
}
