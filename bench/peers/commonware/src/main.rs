//! Commonware's `simplex`, as its crates are published: engine with its journal, and authenticated connections, on their
//! tokio runtime; with an application that proposes small values and keeps what is finalized.

mod application;

use anyhow::{Context, Result};
use application::{Application, keep};
use cluster::{Journal, Peer, REPLICAS, Replica};
use commonware_consensus::simplex::elector::RoundRobin;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::{Config, Engine, Floor, ForwardPolicy, SkipBudget, SkipPolicy};
use commonware_consensus::types::{Epoch, ViewDelta};
use commonware_cryptography::ed25519::PrivateKey;
use commonware_cryptography::{ChaCha20Poly1305, Digest as _, Sha256, Signer as _, sha256};
use commonware_p2p::authenticated::lookup::{self, Network};
use commonware_p2p::{Address, AddressableManager as _};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Quota, Runner as _, Supervisor as _, tokio};
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::{NZU16, NZU32, NZUsize, NonZeroDuration, ordered::Map, ordered::Set};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

const COMMONWARE: Peer = Peer {
    name: "commonware",
    version: "commonware-consensus 2026.10.0 (simplex)",
    includes: "four processes; commonware-p2p over TCP on loopback, authenticated and encrypted; \
        the engine's journal, fsync before a vote leaves; every finalized value with its certificate appended to a file by \
        the application, fdatasync, several at once if they come so fast; Ed25519, verified in batches once there are enough",
    excludes: "execution of blocks, a state tree, attestations of what was executed, an HTTP API, the broadcast of blocks: \
        the 32 bytes that are agreed on are the value",
};

const NAMESPACE: &[u8] = b"hpaxos-bench";

/// A vote or a certificate of four is smaller.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024;

/// A channel has two of a view from each: so the network limits nothing below 2,000 views a second, and queues stay small.
const MESSAGES_PER_SECOND: std::num::NonZeroU32 = NZU32!(4_000);

fn main() -> ExitCode {
    cluster::main(&COMMONWARE, run)
}

fn key(index: usize) -> PrivateKey {
    PrivateKey::from_seed(index as u64)
}

fn run(replica: Replica) -> Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();

    let (sender, finalized) = mpsc::channel();
    let journal = Journal::create(&replica.folder.join("decided"))?;
    let progress = replica.progress.clone();
    let keeper = std::thread::spawn(move || keep(&finalized, journal, &progress));

    let runtime = tokio::Config::new()
        .with_storage_directory(replica.folder.join("journal"))
        .with_tcp_nodelay(Some(true));
    tokio::Runner::new(runtime).start(async |context| start(context, &replica, sender).await)?;
    keeper.join().expect("it does not panic")
}

async fn start(
    context: tokio::Context,
    replica: &Replica,
    finalized: mpsc::Sender<
        commonware_consensus::simplex::types::Finalization<Scheme, sha256::Digest>,
    >,
) -> Result<()> {
    let address = |index: usize| SocketAddr::from((Ipv4Addr::LOCALHOST, replica.ports[index]));
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key(replica.index),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let (mut network, mut oracle) = Network::new(
        context.child("network"),
        lookup::Config::local(
            handshake,
            NAMESPACE,
            address(replica.index),
            NZUsize!(REPLICAS),
            MESSAGE_BYTES_MAX,
            NZUsize!(1_000),
        ),
    );
    let peers: Vec<_> = (0..REPLICAS)
        .map(|index| (key(index).public_key(), Address::from(address(index))))
        .collect();
    let peers: Map<_, Address> = peers.try_into().ok().context("keys differ")?;
    oracle.track(0, peers);
    let rate = Quota::per_second(MESSAGES_PER_SECOND);
    let (votes, certificates, resolver) =
        (network.register(0, rate), network.register(1, rate), network.register(2, rate));

    let keys: Vec<_> = (0..REPLICAS).map(|index| key(index).public_key()).collect();
    let keys: Set<_> = keys.try_into().ok().context("keys differ")?;
    let application =
        Application { index: replica.index, progress: replica.progress.clone(), finalized };
    let config = Config {
        scheme: Scheme::signer(NAMESPACE, keys, key(replica.index)).context("it is among them")?,
        elector: RoundRobin::<Sha256>::default(),
        blocker: oracle,
        automaton: application.clone(),
        relay: application.clone(),
        reporter: application,
        track_historical_votes: false,
        strategy: Sequential,
        partition: "simplex".to_owned(),
        mailbox_size: NZUsize!(1_024),
        epoch: Epoch::zero(),
        floor: Floor::Genesis(sha256::Digest::EMPTY),
        replay_buffer: NZUsize!(1024 * 1024),
        write_buffer: NZUsize!(64 * 1024),
        page_cache: CacheRef::new(NZU16!(4_096), NZUsize!(1_000)),
        leader_timeout: Duration::from_secs(1),
        certification_timeout: Duration::from_secs(2),
        timeout_retry: Duration::from_secs(10),
        view_retention: ViewDelta::new(10),
        skip: SkipPolicy::Enabled {
            timeout: Duration::from_secs(11),
            budget: SkipBudget::Participants,
        },
        fetch_timeout: NonZeroDuration::new(Duration::from_secs(1)).context("a second")?,
        fetch_retry_delay: Duration::from_millis(100),
        forward: ForwardPolicy::Disabled,
    };
    let engine = Engine::new(context.child("engine"), config);
    network.start();
    engine.start(votes, certificates, resolver).await.context("the engine has stopped")
}
