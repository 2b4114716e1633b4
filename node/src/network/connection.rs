//! What the driver knows of one peer: its connections, and when to dial it again.

use super::directory::Known;
use super::peer::Link;
use super::redial::Redial;
use libp2p::Multiaddr;
use libp2p::swarm::{ConnectionId, Stream};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long a connection may go without both streams of consensus, and a link without an answer to a ping. Pings go
/// out each second: some seconds of a busy machine are forgiven.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A peer, connected or not.
pub(super) struct Contact {
    /// Who it is.
    pub known: Known,
    /// This node is the one of the two that chooses the connection.
    pub we_choose: bool,
    /// Its connections, the newest last.
    pub connections: Vec<Connection>,
    /// When to dial it.
    pub redial: Redial,
    /// Which of its addresses is dialled next.
    pub address_next: usize,
    /// Its task.
    pub links: mpsc::Sender<Link>,
    /// The link that is up, and since when.
    pub up: Option<(ConnectionId, Instant)>,
    /// How many questions wait for its answer.
    pub asked: usize,
    /// How many of its questions wait for this node's.
    pub answering: usize,
    /// How many of its bundles are being looked at.
    pub judging: usize,
}

impl Contact {
    /// A peer to be dialled soon, if it has an address.
    pub fn new(known: Known, we_choose: bool, links: mpsc::Sender<Link>) -> Self {
        let mut redial = Redial::new(we_choose, Instant::now());
        if known.addresses.is_empty() {
            redial.pause();
        }
        let (connections, up) = (Vec::new(), None);
        let (address_next, asked, answering, judging) = (0, 0, 0, 0);
        Contact {
            known,
            we_choose,
            connections,
            redial,
            address_next,
            links,
            up,
            asked,
            answering,
            judging,
        }
    }

    /// One of its connections.
    pub fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// There is no connection: dial again after a while, if there is an address.
    pub fn dial_later(&mut self) {
        self.address_next = 0;
        if self.connections.is_empty() && !self.known.addresses.is_empty() {
            self.redial.schedule(Instant::now(), rand::random());
        }
    }
}

/// An authenticated connection.
pub(super) struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// Where the peer is.
    pub address: Multiaddr,
    /// When it is given up, unless something happens.
    pub deadline: Instant,
    inbound: Option<Stream>,
    outbound: Option<Stream>,
    /// The peer's task has both streams; dropped with the connection.
    link: Option<oneshot::Sender<Infallible>>,
}

impl Connection {
    /// A connection without streams.
    pub fn new(id: ConnectionId, address: Multiaddr) -> Self {
        let deadline = Instant::now() + SILENCE_MAX;
        Connection { id, address, deadline, inbound: None, outbound: None, link: None }
    }

    fn has_link(&self) -> bool {
        self.link.is_some()
    }

    /// The peer has answered a ping. Without a link that is not enough to stay.
    pub fn heard(&mut self) {
        if self.has_link() {
            self.deadline = Instant::now() + SILENCE_MAX;
        }
    }

    /// It is being closed: its link ends now, however long that takes.
    pub fn give_up(&mut self) {
        self.link = None;
        self.deadline = Instant::now() + SILENCE_MAX;
    }

    /// Keeps the stream that the peer opened. False if it has opened one before.
    pub fn add_inbound(&mut self, stream: Stream) -> bool {
        !self.has_link() && self.inbound.replace(stream).is_none()
    }

    /// Keeps the stream that this node opened.
    pub fn add_outbound(&mut self, stream: Stream) {
        self.outbound = Some(stream);
    }

    /// A link, once both streams are there.
    pub fn take_link(&mut self) -> Option<Link> {
        let (inbound, outbound) = match (self.inbound.take(), self.outbound.take()) {
            (Some(inbound), Some(outbound)) => (inbound, outbound),
            (inbound, outbound) => {
                (self.inbound, self.outbound) = (inbound, outbound);
                return None;
            }
        };
        let (link, closed) = oneshot::channel();
        self.link = Some(link);
        self.heard();
        Some(Link { connection: self.id, inbound, outbound, closed })
    }
}
