//! Malachite, as its crates are published: engine, write-ahead log and libp2p network, with an application that proposes
//! small values and keeps what is decided.

mod application;
mod chain;
mod codec;
mod signing;

use anyhow::{Result, anyhow};
use application::Application;
use chain::{Chain, Validators};
use cluster::{Journal, Peer, REPLICAS, Replica};
use codec::Borsh;
use malachitebft_app_channel::app::config::NodeConfig;
use malachitebft_app_channel::app::types::Keypair;
use malachitebft_app_channel::app::types::codec::Codec;
use malachitebft_app_channel::{
    ConsensusContext, NetworkContext, NetworkIdentity, RequestContext, SyncContext, WalContext,
    start_engine,
};
use malachitebft_config::{
    ConsensusConfig, P2pConfig, PubSubProtocol, TransportProtocol, ValuePayload, ValueSyncConfig,
};
use malachitebft_signing::Signer;
use malachitebft_signing_ed25519::PrivateKey;
use signing::{Keyed, Keyless};
use std::collections::BTreeMap;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

const MALACHITE: Peer = Peer {
    name: "malachite",
    version: "arc-malachitebft-app-channel 0.8.2",
    includes: "four processes; libp2p over TCP on loopback, encrypted (Noise), broadcast to each; \
        write-ahead log, fsync before a vote or proposal leaves and at each new height; every decision with its certificate \
        appended to a file by the application, fdatasync; Ed25519, every vote and proposal verified",
    excludes: "execution of blocks, a state tree, attestations of what was executed, an HTTP API",
};

fn main() -> ExitCode {
    cluster::main(&MALACHITE, |replica| {
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        threads.block_on(run(replica))
    })
}

struct Settings {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for Settings {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

fn settings(replica: &Replica) -> Settings {
    let address = |port: u16| TransportProtocol::Tcp.multiaddr("127.0.0.1", port.into());
    let others = (0..REPLICAS).filter(|other| *other != replica.index);
    Settings {
        moniker: format!("v{}", replica.index),
        consensus: ConsensusConfig {
            value_payload: ValuePayload::ProposalOnly,
            p2p: P2pConfig {
                listen_addr: address(replica.ports[replica.index]),
                persistent_peers: others.map(|other| address(replica.ports[other])).collect(),
                // All are connected to all, so that there is nothing to gossip.
                protocol: PubSubProtocol::Broadcast,
                ..P2pConfig::default()
            },
            ..ConsensusConfig::default()
        },
        sync: ValueSyncConfig::default(),
    }
}

async fn run(replica: Replica) -> Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();

    let settings = settings(&replica);
    let key = PrivateKey::from(cluster::seed(replica.index));
    let transport_key = Keypair::ed25519_from_bytes(cluster::seed(replica.index))?;
    let address = chain::address(replica.index);
    let signer = Keyed(key.clone());
    let proof = signer
        .sign_validator_proof(
            key.public_key().as_bytes().to_vec(),
            transport_key.public().to_peer_id().to_bytes(),
        )
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let identity = NetworkIdentity::new_validator(
        settings.moniker.clone(),
        transport_key,
        address.to_string(),
        Borsh.encode(&proof)?,
    );

    let (channels, _engine) = start_engine(
        Chain,
        settings,
        WalContext::new(replica.folder.join("wal"), Borsh),
        NetworkContext::new(identity, Borsh),
        ConsensusContext::new_validator(address, Box::new(Keyless), Box::new(signer)),
        SyncContext::new(Borsh),
        RequestContext::new(100),
    )
    .await
    .map_err(|error| anyhow!("{error:?}"))?;

    let application = Application {
        index: replica.index,
        validators: Validators::all(),
        journal: Journal::create(&replica.folder.join("decided"))?,
        progress: replica.progress,
        kept: BTreeMap::new(),
    };
    application.run(channels).await
}
