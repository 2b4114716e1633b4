//! The task that owns libp2p's swarm.
//!
//! It never waits for a peer or for the intake: what may take long runs in tasks of its own, so many per peer at
//! most. Consensus frames do not pass through it.

mod bundles;
mod connections;
mod questions;

use super::connection::Contact;
use super::directory::Directory;
use super::exchange::AskError;
use super::gathering::Gathering;
use super::gossip::Topics;
use super::hello::Hello;
use super::intake::Intake;
use super::outbox::Outbox;
use super::peer::{LAST_WORDS_TIME_MAX, LINKS_WAITING_MAX, LinkEvent, PeerTask};
use super::status::PeerStatus;
use super::swarm::{Protocols, ProtocolsEvent, keypair, swarm};
use super::traffic::Traffic;
use super::{Bytes, NetworkConfig, NetworkError};
use bundles::Judged;
use connections::RefusedLog;
use futures::StreamExt;
use hpaxos_consensus::{LogName, NetworkId, Peer};
use libp2p::multiaddr::Protocol as Part;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm};
use questions::{Answered, Asked};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, TcpListener};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{error, info, warn};

/// How many events of links may wait: the tasks of peers wait for the driver, which is quick.
const LINK_EVENTS_MAX: usize = 256;

/// How long a listener may take to say where it listens.
const LISTEN_TIME_MAX: Duration = Duration::from_secs(5);

/// How long the swarm may take to close its connections.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// What a handle asks of the driver.
pub(super) enum Command {
    /// Publish a bundle.
    Gossip(LogName, Vec<u8>),
    /// Ask a peer.
    Ask(Peer, Bytes, oneshot::Sender<Result<Bytes, AskError>>),
    /// Stop, and say when it is done.
    Stop(oneshot::Sender<()>),
}

/// What a task of the driver's comes back with.
enum Work {
    Judged(Judged),
    Answered(Answered),
}

/// What handles share with the driver.
pub(super) struct Shared {
    pub outboxes: BTreeMap<Peer, Arc<Outbox>>,
    pub status: watch::Receiver<Vec<PeerStatus>>,
    pub traffic: Arc<Traffic>,
}

/// The owner of the swarm.
pub(super) struct Driver {
    swarm: Swarm<Protocols>,
    network: NetworkId,
    topics: Topics,
    gathering: Gathering,
    intake: Arc<dyn Intake>,
    traffic: Arc<Traffic>,
    contacts: BTreeMap<PeerId, Contact>,
    ids: BTreeMap<Peer, PeerId>,
    commands: mpsc::Receiver<Command>,
    link_events: mpsc::Receiver<LinkEvent>,
    /// The tasks of the peers.
    tasks: JoinSet<()>,
    /// Bundles and questions that the intake looks at.
    work: JoinSet<Work>,
    asked: HashMap<OutboundRequestId, Asked>,
    status: watch::Sender<Vec<PeerStatus>>,
    refused: RefusedLog,
}

impl Driver {
    /// Sets everything up, and starts the tasks of the peers. Nothing is dialled before [`Driver::run`].
    pub fn new(
        config: &NetworkConfig,
        intake: Arc<dyn Intake>,
        commands: mpsc::Receiver<Command>,
    ) -> Result<(Self, Shared), NetworkError> {
        let keypair = keypair(config);
        let me = keypair.public().to_peer_id();
        let directory = Arc::new(Directory::new(config, me)?);
        let swarm = swarm(config, &keypair, directory.clone())?;
        let traffic = Arc::new(Traffic::default());
        let hello = Hello::new(config.network, &config.name);
        let (events, link_events) = mpsc::channel(LINK_EVENTS_MAX);
        let (mut contacts, mut ids, mut outboxes) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut tasks = JoinSet::new();
        for known in directory.iter() {
            let (links, links_received) = mpsc::channel(LINKS_WAITING_MAX);
            let outbox = Arc::new(Outbox::default());
            outboxes.insert(known.peer, outbox.clone());
            let task = PeerTask {
                known: known.clone(),
                hello: hello.clone(),
                intake: intake.clone(),
                outbox,
                traffic: traffic.clone(),
                links: links_received,
                events: events.clone(),
            };
            tasks.spawn(task.run());
            let twice = ids.insert(known.peer, known.id);
            assert_eq!(twice, None, "an acceptor is one validator");
            contacts.insert(known.id, Contact::new(known.clone(), me < known.id, links));
        }
        let (status, status_seen) = watch::channel(directory.iter().map(PeerStatus::new).collect());
        let shared = Shared { outboxes, status: status_seen, traffic: traffic.clone() };
        let driver = Driver {
            swarm,
            network: config.network,
            topics: Topics::new(&config.network, &config.logs),
            gathering: Gathering::default(),
            intake,
            traffic,
            contacts,
            ids,
            commands,
            link_events,
            tasks,
            work: JoinSet::new(),
            asked: HashMap::new(),
            status,
            refused: RefusedLog::default(),
        };
        Ok((driver, shared))
    }

    /// Listens, and says where.
    pub async fn listen(&mut self, on: &[Multiaddr]) -> Result<Vec<Multiaddr>, NetworkError> {
        let fail = |address: &Multiaddr, reason: String| {
            Err(NetworkError::Listen { address: address.clone(), reason })
        };
        let mut silent = Vec::new();
        for address in on {
            if let Err(error) = is_free(address) {
                return fail(address, error.to_string());
            }
            match self.swarm.listen_on(address.clone()) {
                Ok(listener) => silent.push((listener, address)),
                Err(error) => return fail(address, innermost(&error)),
            }
        }
        let mut bound = Vec::new();
        let deadline = Instant::now() + LISTEN_TIME_MAX;
        while let Some((_, first)) = silent.first() {
            let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await else {
                return fail(first, "there is no such interface".into());
            };
            match event {
                SwarmEvent::NewListenAddr { listener_id, address } => {
                    silent.retain(|(listener, _)| *listener != listener_id);
                    info!(%address, "listening");
                    bound.push(address);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => {
                    let closed = silent.iter().find(|(listener, _)| *listener == listener_id);
                    let (_, address) = closed.unwrap_or(&silent[0]);
                    return fail(address, error.to_string());
                }
                event => self.swarm_event(event),
            }
        }
        Ok(bound)
    }

    /// Drives the swarm until a handle says stop, or there is no handle any more.
    pub async fn run(mut self) {
        let stopped = loop {
            let wake = self.deadline();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Gossip(log, bundle)) => self.gather(&log, bundle),
                    Some(Command::Ask(peer, request, reply)) => self.ask(peer, request, reply),
                    Some(Command::Stop(stopped)) => break Some(stopped),
                    None => break None,
                },
                Some(event) = self.link_events.recv() => self.link_event(event),
                Some(done) = self.work.join_next() => match unwound(done) {
                    Some(Work::Judged(judged)) => self.judged(judged),
                    Some(Work::Answered(answered)) => self.answered(answered),
                    None => {}
                },
                Some(ended) = self.tasks.join_next() => drop(unwound(ended)),
                event = self.swarm.select_next_some() => self.swarm_event(event),
                () = sleep_until(wake) => self.on_time(),
            }
        };
        self.stop().await;
        if let Some(stopped) = stopped {
            let _ = stopped.send(());
        }
    }

    fn swarm_event(&mut self, event: SwarmEvent<ProtocolsEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.established(&peer_id, connection_id, endpoint.get_remote_address().clone());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.closed(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(id), error, .. } => {
                self.dial_failed(&id, &error);
            }
            SwarmEvent::IncomingConnectionError { peer_id, send_back_addr, error, .. } => {
                self.refused.log(peer_id, &send_back_addr, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => info!(%address, "listening"),
            SwarmEvent::ListenerError { error, .. } => warn!(%error, "a listener has trouble"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                error!(?addresses, ?reason, "a listener has closed");
            }
            SwarmEvent::Behaviour(ProtocolsEvent::Streams(event)) => self.stream_event(event),
            SwarmEvent::Behaviour(ProtocolsEvent::Ping(event)) => self.ping_event(event),
            SwarmEvent::Behaviour(ProtocolsEvent::Gossip(event)) => self.gossip_event(event),
            SwarmEvent::Behaviour(ProtocolsEvent::Exchange(event)) => self.exchange_event(event),
            _ => {}
        }
    }

    /// Lets every peer's task send what waits, then closes every connection.
    async fn stop(mut self) {
        let deadline = Instant::now() + LAST_WORDS_TIME_MAX + CLOSE_TIME_MAX;
        // Without the sending half of its channel, a peer's task sends what waits, and ends.
        for contact in self.contacts.values_mut() {
            contact.links = mpsc::channel(1).0;
        }
        let last_words = async {
            loop {
                tokio::select! {
                    ended = self.tasks.join_next() => match ended {
                        Some(ended) => drop(unwound(ended)),
                        None => break,
                    },
                    Some(_) = self.link_events.recv() => {}
                    _ = self.swarm.select_next_some() => {}
                }
            }
        };
        if timeout_at(deadline, last_words).await.is_err() {
            warn!("not everything that waited could be sent");
        }
        self.work.shutdown().await;
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for id in connected {
            let _ = self.swarm.disconnect_peer_id(id);
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(CLOSE_TIME_MAX, closing).await;
        info!("the network has stopped");
    }
}

/// What a task came back with; a panic in it is a panic here, and none if it was stopped.
fn unwound<T>(result: Result<T, JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Whether nobody listens at a TCP address yet. libp2p would share it with whoever does, and each of two nodes would get some of
/// the other's connections.
fn is_free(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Part::Ip4(ip)) => ip.into(),
        Some(Part::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    let Some(Part::Tcp(port)) = parts.next() else { return Ok(()) };
    TcpListener::bind((ip, port)).map(drop)
}

/// The cause that a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
