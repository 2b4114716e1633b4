//! Nodes on loopback whose intake tells a test what happens.

use ed25519_dalek::SigningKey;
use futures::FutureExt;
use futures::future::BoxFuture;
use hpaxos_consensus::{LogName, NetworkId, Peer};
use hpaxos_learner_graph::AcceptorId;
use hpaxos_node::network::{
    Bytes, Intake, Multiaddr, Network, NetworkConfig, NetworkError, PeerId, PeerStatus,
    PendingLimits, Refused, Validator, Verdict, peer_id,
};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

/// Longer than anything that works takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// The question that is answered with a mebibyte.
pub const BIG_QUESTION: &[u8] = b"something big";

pub fn network_id() -> NetworkId {
    NetworkId([7; 32])
}

pub fn key(number: usize) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(number).unwrap(); 32])
}

pub fn id(number: usize) -> PeerId {
    peer_id(&key(number).verifying_key().to_bytes()).unwrap()
}

pub fn acceptor(number: usize) -> AcceptorId {
    AcceptorId::new(number)
}

pub fn peer(number: usize) -> Peer {
    Peer::Acceptor(acceptor(number))
}

pub fn log() -> LogName {
    LogName("red".into())
}

/// Whatever `future` gives, or the test fails with `what`.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// What the intake of a node was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Connected(Peer),
    Disconnected(Peer),
    Frame(Peer, Bytes),
    Bundle(Peer, LogName, Bytes),
}

struct Recorder {
    told: mpsc::UnboundedSender<Told>,
    /// From whom frames wait.
    blocked: watch::Receiver<BTreeSet<Peer>>,
}

impl Recorder {
    fn tell(&self, told: Told) {
        // A test that has seen enough does not listen any more.
        let _ = self.told.send(told);
    }
}

impl Intake for Recorder {
    fn connected(&self, peer: Peer) -> BoxFuture<'_, ()> {
        self.tell(Told::Connected(peer));
        async {}.boxed()
    }

    fn disconnected(&self, peer: Peer) {
        self.tell(Told::Disconnected(peer));
    }

    fn frame(&self, from: Peer, frame: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
        let mut blocked = self.blocked.clone();
        async move {
            let _ = blocked.wait_for(|blocked| !blocked.contains(&from)).await;
            if frame == "nonsense" {
                return Err(Refused("nonsense".into()));
            }
            self.tell(Told::Frame(from, frame));
            Ok(())
        }
        .boxed()
    }

    fn bundles(&self, from: Peer, log: LogName, bundles: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict> {
        let bad = bundles.iter().any(|bundle| bundle.starts_with(b"bad"));
        for bundle in bundles {
            self.tell(Told::Bundle(from, log.clone(), bundle.into()));
        }
        async move { if bad { Verdict::Reject } else { Verdict::Accept } }.boxed()
    }

    fn answer(&self, _: Peer, request: Bytes) -> BoxFuture<'_, Option<Bytes>> {
        let answer = (request == BIG_QUESTION).then(|| vec![9; 1 << 20].into());
        async move { answer }.boxed()
    }
}

/// What a node is started with.
pub struct Plan {
    pub number: usize,
    pub config: NetworkConfig,
}

impl Plan {
    /// Node `number` of `count` validators that listens on `listen`; it knows nobody's address.
    pub fn new(number: usize, count: usize, listen: &str) -> Self {
        let validator = |number| Validator {
            acceptor: acceptor(number),
            name: format!("v{number}"),
            key: key(number).verifying_key().to_bytes(),
            addresses: Vec::new(),
        };
        let config = NetworkConfig {
            identity: key(number),
            network: network_id(),
            name: format!("v{number}"),
            validators: (0..count).filter(|&other| other != number).map(validator).collect(),
            listen: vec![listen.parse().unwrap()],
            logs: vec![log()],
            pending: PendingLimits {
                max: 64,
                per_address_max: 8,
                time_max: Duration::from_secs(5),
            },
            followers_max: 0,
            followers_allowed: Vec::new(),
        };
        Plan { number, config }
    }

    /// It knows where `node` is.
    pub fn knows(self, node: &Node) -> Self {
        self.knows_at(node.number, node.address.clone())
    }

    /// It knows where node `number` is.
    pub fn knows_at(mut self, number: usize, address: Multiaddr) -> Self {
        let validators = self.config.validators.iter_mut();
        for validator in validators.filter(|other| other.acceptor == acceptor(number)) {
            validator.addresses.push(address.clone());
        }
        self
    }

    pub async fn start(self) -> Node {
        self.try_start().await.unwrap()
    }

    /// Starts it on an address that was in use a moment ago: a QUIC socket lingers until its peers have heard the end.
    pub async fn restart(plan: impl Fn() -> Plan) -> Node {
        let mut again = interval(Duration::from_millis(20));
        let start = async {
            loop {
                again.tick().await;
                match plan().try_start().await {
                    Ok(node) => return node,
                    Err(NetworkError::Listen { reason, .. }) if reason.contains("in use") => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        patiently("the address to be free", start).await
    }

    pub async fn try_start(self) -> Result<Node, NetworkError> {
        let (told_sender, told) = mpsc::unbounded_channel();
        let (blocked, blocked_seen) = watch::channel(BTreeSet::new());
        let recorder = Recorder { told: told_sender, blocked: blocked_seen };
        let (network, bound) = Network::start(self.config, Arc::new(recorder)).await?;
        let address = bound.first().unwrap().clone();
        Ok(Node { number: self.number, network, address, told, blocked })
    }
}

/// A running node.
pub struct Node {
    pub number: usize,
    pub network: Network,
    pub address: Multiaddr,
    told: mpsc::UnboundedReceiver<Told>,
    blocked: watch::Sender<BTreeSet<Peer>>,
}

impl Node {
    /// What its intake is told next.
    pub async fn told(&mut self) -> Told {
        patiently("an event", self.told.recv()).await.unwrap()
    }

    /// What its intake has been told, if anything.
    pub fn told_already(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }

    /// Waits for `wanted`, whatever comes before it.
    pub async fn await_told(&mut self, wanted: &Told) {
        let until = async { while self.told.recv().await.as_ref() != Some(wanted) {} };
        patiently(&format!("{wanted:?}"), until).await;
    }

    pub async fn await_connected(&mut self, number: usize) {
        self.await_told(&Told::Connected(peer(number))).await;
    }

    pub async fn await_disconnected(&mut self, number: usize) {
        self.await_told(&Told::Disconnected(peer(number))).await;
    }

    /// Waits for a frame with these bytes.
    pub async fn await_frame(&mut self, from: usize, frame: &[u8]) {
        self.await_told(&Told::Frame(peer(from), Bytes::copy_from_slice(frame))).await;
    }

    /// Waits until a peer's status is as wanted.
    pub async fn await_status(&self, what: &str, wanted: impl Fn(&PeerStatus) -> bool) {
        let mut peers = self.network.peers();
        patiently(what, peers.wait_for(|peers| peers.iter().any(&wanted))).await.unwrap();
    }

    /// Makes frames of these peers wait from now on.
    pub fn block(&self, from: impl IntoIterator<Item = usize>) {
        self.blocked.send_replace(from.into_iter().map(peer).collect());
    }

    pub fn send(&self, to: usize, frame: impl Into<Bytes>) {
        self.network.send(peer(to), frame.into());
    }

    pub async fn stop(self) {
        patiently("a clean stop", self.network.stop()).await;
    }
}

/// Starts `count` nodes, each of which knows those before it, and waits until all are connected.
pub async fn connected(count: usize, listen: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for number in 0..count {
        let plan = Plan::new(number, count, listen);
        nodes.push(nodes.iter().fold(plan, Plan::knows).start().await);
    }
    for node in &mut nodes {
        let mut missing: BTreeSet<_> = (0..count).filter(|&n| n != node.number).map(peer).collect();
        while !missing.is_empty() {
            match node.told().await {
                Told::Connected(peer) => missing.remove(&peer),
                told => panic!("{told:?}"),
            };
        }
    }
    nodes
}

/// A frame that tells its number, of any length.
pub fn numbered(number: usize) -> Bytes {
    let mut frame = number.to_le_bytes().to_vec();
    frame.resize(8 + number * 7 % 400, number as u8);
    frame.into()
}

/// Checks that numbered frames come in order.
#[derive(Default)]
pub struct Sequence(BTreeMap<Peer, usize>);

impl Sequence {
    pub fn take(&mut self, told: Told) {
        let Told::Frame(from, frame) = told else { panic!("{told:?}") };
        let next = self.0.entry(from).or_default();
        assert_eq!(frame, numbered(*next), "frame {next} of {from:?}");
        *next += 1;
    }
}
