//! The transports and protocols that make up libp2p's swarm here.

use super::connection::SILENCE_MAX;
use super::directory::Directory;
use super::exchange::{self, Exchange};
use super::gate::Gate;
use super::gossip::{self, Gossip};
use super::prompt_close::PromptClose;
use super::streams::Streams;
use super::{NetworkConfig, NetworkError};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, Transport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, Swarm, noise, ping, quic, tcp, yamux};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How often a peer is asked whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How many streams a connection may have at once: consensus and gossip each way, pings, questions both ways.
const STREAMS_MAX: u32 = 64;

/// How much of one QUIC stream may be unread: a few of the longest frames.
const STREAM_BYTES_MAX: u32 = 4 << 20;

/// How much of all streams of one QUIC connection may be unread.
const CONNECTION_BYTES_MAX: u32 = 16 << 20;

/// Every protocol that this node speaks. The gate comes first: what it refuses, no other hears of.
#[derive(NetworkBehaviour)]
pub(super) struct Protocols {
    pub gate: Gate,
    pub streams: Streams,
    pub ping: ping::Behaviour,
    pub gossip: Gossip,
    pub exchange: Exchange,
}

/// The libp2p identity of an acceptor's key.
pub(super) fn keypair(config: &NetworkConfig) -> Keypair {
    let mut secret = Zeroizing::new(config.identity.to_bytes());
    Keypair::ed25519_from_bytes(secret.as_mut_slice()).expect("any 32 bytes are a secret key")
}

/// A swarm that does not listen yet.
pub(super) fn swarm(
    config: &NetworkConfig,
    keypair: &Keypair,
    directory: Arc<Directory>,
) -> Result<Swarm<Protocols>, NetworkError> {
    let protocols = Protocols {
        gate: Gate::new(directory, config.pending, config.followers_max),
        streams: Streams::default(),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(SILENCE_MAX),
        ),
        gossip: gossip::gossip(&config.network, &config.logs)?,
        exchange: exchange::exchange(&config.network),
    };
    let limits = libp2p::swarm::Config::with_tokio_executor()
        .with_max_negotiating_inbound_streams(STREAMS_MAX as usize);
    Ok(Swarm::new(
        transport(keypair, config.pending.time_max)?,
        protocols,
        keypair.public().to_peer_id(),
        limits,
    ))
}

/// TCP with noise and yamux, or QUIC. A handshake may take `time_max`, whoever dialled.
fn transport(
    keypair: &Keypair,
    time_max: Duration,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetworkError> {
    let noise = noise::Config::new(keypair)
        .map_err(|error| NetworkError::Setup(format!("noise: {error}")))?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_MAX as usize);
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(id, muxer), _| (id, StreamMuxerBox::new(PromptClose::new(muxer))));

    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = time_max;
    config.max_idle_timeout = SILENCE_MAX.as_millis() as u32;
    config.keep_alive_interval = PING_INTERVAL;
    config.max_concurrent_stream_limit = STREAMS_MAX;
    config.max_stream_data = STREAM_BYTES_MAX;
    config.max_connection_data = CONNECTION_BYTES_MAX;
    let quic =
        quic::tokio::Transport::new(config).map(|(id, muxer), _| (id, StreamMuxerBox::new(muxer)));

    let either = tcp.or_transport(quic).map(|either, _| either.into_inner());
    Ok(TransportTimeout::new(either, time_max).boxed())
}
