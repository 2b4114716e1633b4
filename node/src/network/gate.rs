//! Who may connect, and how many at once.
//!
//! Before the handshake only a connection's address is known: those are counted, in all and per address. After it
//! the peer's key is proven: it must be in the directory, and there are limits for followers and for each peer.

use super::PendingLimits;
use super::directory::Directory;
use hpaxos_consensus::Peer;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;

/// How many connections one peer may have: the one in use, a new one, and those that died and are not missed yet.
const CONNECTIONS_PER_PEER_MAX: usize = 4;

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Denied {
    /// Too many handshakes are under way.
    #[error("{0} handshakes are under way")]
    Pending(usize),
    /// Too many handshakes with one address are under way.
    #[error("{0} handshakes with its address are under way")]
    PendingAddress(usize),
    /// Nobody knows the peer.
    #[error("neither the graph nor the allow list names its key")]
    Unknown,
    /// Another follower has to go first.
    #[error("there are {0} followers already")]
    Followers(usize),
    /// The peer has enough connections.
    #[error("it has {CONNECTIONS_PER_PEER_MAX} connections already")]
    Connections,
}

/// The part of the swarm that refuses connections.
pub(super) struct Gate {
    directory: Arc<Directory>,
    limits: PendingLimits,
    followers_max: usize,
    pending: BTreeMap<ConnectionId, Option<IpAddr>>,
    established: BTreeMap<PeerId, Vec<ConnectionId>>,
}

impl Gate {
    /// A gate for the peers of `directory`.
    pub fn new(directory: Arc<Directory>, limits: PendingLimits, followers_max: usize) -> Self {
        let (pending, established) = Default::default();
        Gate { directory, limits, followers_max, pending, established }
    }

    fn may_begin(&self, address: Option<IpAddr>) -> Result<(), Denied> {
        let PendingLimits { max, per_address_max, .. } = self.limits;
        if self.pending.len() >= max {
            return Err(Denied::Pending(max));
        }
        let same = self.pending.values().filter(|&&other| other == address).count();
        if same >= per_address_max {
            return Err(Denied::PendingAddress(per_address_max));
        }
        Ok(())
    }

    fn may_stay(&self, id: &PeerId) -> Result<(), Denied> {
        let known = self.directory.get(id).ok_or(Denied::Unknown)?;
        let connections = self.established.get(id).map_or(0, Vec::len);
        if connections >= CONNECTIONS_PER_PEER_MAX {
            return Err(Denied::Connections);
        }
        let is_follower = matches!(known.peer, Peer::Follower(_));
        if is_follower && connections == 0 && self.followers() >= self.followers_max {
            return Err(Denied::Followers(self.followers_max));
        }
        Ok(())
    }

    fn followers(&self) -> usize {
        let peers = self.established.keys().filter_map(|id| self.directory.get(id));
        peers.filter(|known| matches!(known.peer, Peer::Follower(_))).count()
    }

    fn admit(&self, id: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.may_stay(id).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }
}

/// Where a connection comes from.
fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let address = ip(remote);
        self.may_begin(address).map_err(ConnectionDenied::new)?;
        self.pending.insert(connection, address);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        id: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.admit(&id)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        id: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&id)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ListenFailure(failure) => {
                self.pending.remove(&failure.connection_id);
            }
            FromSwarm::ConnectionEstablished(new) => {
                self.established.entry(new.peer_id).or_default().push(new.connection_id);
            }
            FromSwarm::ConnectionClosed(old) => {
                if let Some(connections) = self.established.get_mut(&old.peer_id) {
                    connections.retain(|&connection| connection != old.connection_id);
                    if connections.is_empty() {
                        self.established.remove(&old.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
