//! Peers that do not play by the rules: bare libp2p.

use super::world::{id, network_id, patiently};
use ed25519_dalek::SigningKey;
use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use hpaxos_consensus::{LogName, Peer};
use hpaxos_node::network::{Bytes, Intake, Multiaddr, Refused, Verdict};
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Stream, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const CONSENSUS: StreamProtocol = StreamProtocol::new("/hpaxos/consensus/1");

/// A swarm that knows streams and nothing else.
pub fn swarm(key: &SigningKey) -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_existing_identity(Keypair::ed25519_from_bytes(key.to_bytes()).unwrap())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

/// Dials, and waits until the other side has hung up.
pub async fn await_refusal(swarm: &mut Swarm<libp2p_stream::Behaviour>, address: &Multiaddr) {
    swarm.dial(address.clone()).unwrap();
    let refusal = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionClosed { .. }
                | SwarmEvent::OutgoingConnectionError { .. } => return,
                _ => {}
            }
        }
    };
    patiently("a refusal", refusal).await;
}

/// A link to a node, after its hello.
pub struct Link {
    outbound: Stream,
    _inbound: Stream,
    swarm: JoinHandle<()>,
}

impl Link {
    /// Connects to node 3 at `address`, opens a stream, accepts one and says hello.
    pub async fn open(key: &SigningKey, address: &Multiaddr) -> Link {
        let mut swarm = swarm(key);
        let mut control = swarm.behaviour().new_control();
        let mut streams = control.accept(CONSENSUS).unwrap();
        swarm.dial(address.clone()).unwrap();
        let connected = async {
            while !matches!(
                swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        };
        patiently("a connection", connected).await;
        let swarm = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        let open = control.open_stream(id(3), CONSENSUS);
        let (outbound, inbound) =
            patiently("streams", futures::future::join(open, streams.next())).await;
        let mut link = Link { outbound: outbound.unwrap(), _inbound: inbound.unwrap().1, swarm };
        let hello = borsh::to_vec(&(2u32, network_id(), "traitor", "raw")).unwrap();
        link.write(&u32::try_from(hello.len()).unwrap().to_be_bytes()).await;
        link.write(&hello).await;
        let mut theirs = [0; 4];
        link._inbound.read_exact(&mut theirs).await.unwrap();
        link
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.outbound.write_all(bytes).await.unwrap();
        self.outbound.flush().await.unwrap();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

/// An intake that does not care.
pub fn nobody() -> Arc<dyn Intake> {
    struct Nobody;
    impl Intake for Nobody {
        fn connected(&self, _: Peer) -> BoxFuture<'_, ()> {
            async {}.boxed()
        }
        fn disconnected(&self, _: Peer) {}
        fn frame(&self, _: Peer, _: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
            async { Ok(()) }.boxed()
        }
        fn bundles(&self, _: Peer, _: LogName, _: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict> {
            async { Verdict::Ignore }.boxed()
        }
        fn answer(&self, _: Peer, _: Bytes) -> BoxFuture<'_, Option<Bytes>> {
            async { None }.boxed()
        }
    }
    Arc::new(Nobody)
}
