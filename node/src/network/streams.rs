//! The streams of consensus: on each connection at most one each way.
//!
//! Which connection a stream belongs to is known, so that a link is always two streams of one connection.

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

/// Its name on the wire.
const CONSENSUS: StreamProtocol = StreamProtocol::new("/hpaxos/consensus/1");

/// How long the negotiation of a stream may take.
const NEGOTIATION_MAX: Duration = Duration::from_secs(5);

/// Something has happened to a stream of consensus.
#[derive(Debug)]
pub(super) struct StreamEvent {
    /// Whose it is.
    pub id: PeerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What happened.
    pub change: StreamChange,
}

/// What can happen to a stream of consensus.
#[derive(Debug)]
pub(super) enum StreamChange {
    /// The peer opened its stream.
    Inbound(Stream),
    /// This node's stream is open.
    Outbound(Stream),
    /// This node's stream cannot be opened.
    Failed(String),
}

/// The part of the swarm that opens and accepts streams of consensus.
#[derive(Default)]
pub(super) struct Streams {
    events: VecDeque<ToSwarm<StreamEvent, Open>>,
}

/// Open the outgoing stream.
#[derive(Debug)]
pub(super) struct Open;

impl Streams {
    /// Opens this node's stream on a connection. Once per connection.
    pub fn open(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: Open });
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        change: THandlerOutEvent<Self>,
    ) {
        let event = StreamEvent { id, connection, change };
        self.events.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

type HandlerEvent = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), StreamChange>;

/// The part of a connection that opens and accepts streams of consensus.
#[derive(Default)]
pub(super) struct Handler {
    events: VecDeque<HandlerEvent>,
}

fn negotiation() -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
    SubstreamProtocol::new(ReadyUpgrade::new(CONSENSUS), ()).with_timeout(NEGOTIATION_MAX)
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = StreamChange;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        negotiation()
    }

    /// The driver closes connections that are of no use.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<HandlerEvent> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn on_behaviour_event(&mut self, Open: Open) {
        let protocol = negotiation();
        self.events.push_back(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        let change = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => StreamChange::Inbound(protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => StreamChange::Outbound(protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                StreamChange::Failed(error.to_string())
            }
            _ => return,
        };
        self.events.push_back(ConnectionHandlerEvent::NotifyBehaviour(change));
    }
}
