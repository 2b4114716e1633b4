//! Connections: dialled, chosen, turned into links, and closed.
//!
//! Two nodes may dial each other at once. Of two, the one with the smaller identity chooses: it opens its stream on
//! its newest connection and closes the others; the other opens its own stream where the first one's came in. The
//! newest is the right one, because a node dials only when it knows of no connection.

use super::Driver;
use crate::network::connection::Connection;
use crate::network::gate::Denied;
use crate::network::peer::{End, LinkChange, LinkEvent};
use crate::network::status::{LinkStatus, PeerStatus};
use crate::network::streams::{StreamChange, StreamEvent};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError};
use libp2p::{Multiaddr, PeerId, ping};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// How long the driver sleeps when it has nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

impl Driver {
    /// When something is due next.
    pub(super) fn deadline(&self) -> Instant {
        let due = self.contacts.values().flat_map(|contact| {
            let connections = contact.connections.iter();
            connections.map(|connection| connection.deadline).chain(contact.redial.due())
        });
        due.chain(self.gathering.due()).min().unwrap_or_else(|| Instant::now() + IDLE)
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        let (mut silent, mut due) = (Vec::new(), Vec::new());
        for (id, contact) in &mut self.contacts {
            for connection in contact.connections.iter_mut().filter(|c| c.deadline <= now) {
                info!(peer = %contact.known.name, "the peer is silent: the connection is given up");
                connection.give_up();
                silent.push(connection.id);
            }
            if contact.redial.due().is_some_and(|due| due <= now) {
                contact.redial.pause();
                due.push(*id);
            }
        }
        for connection in silent {
            self.swarm.close_connection(connection);
        }
        for id in due {
            self.dial(&id);
        }
        self.publish_due();
    }

    /// Dials the next address of a peer.
    fn dial(&mut self, id: &PeerId) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        let Some(address) = contact.known.addresses.get(contact.address_next) else { return };
        contact.address_next += 1;
        let is_tcp = address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        let options = DialOpts::peer_id(*id)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(vec![address.clone()]);
        // Over TCP two nodes that dial each other from their listening ports would meet halfway, both as dialler.
        // Over QUIC one socket serves all.
        let options = if is_tcp { options.allocate_new_port() } else { options };
        match self.swarm.dial(options.build()) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.dial_failed(id, &error),
        }
    }

    /// Dials the peer's next address, or all of them later.
    pub(super) fn dial_failed(&mut self, id: &PeerId, error: &DialError) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        debug!(peer = %contact.known.name, %error, "cannot reach the peer");
        if !contact.connections.is_empty() {
            return;
        }
        if contact.address_next < contact.known.addresses.len() {
            self.dial(id);
        } else {
            contact.dial_later();
        }
    }

    pub(super) fn established(&mut self, id: &PeerId, new: ConnectionId, address: Multiaddr) {
        let contact = self.contacts.get_mut(id).expect("the gate admits only known peers");
        debug!(peer = %contact.known.name, %address, "connection established");
        contact.redial.pause();
        contact.address_next = 0;
        if contact.we_choose {
            for old in &contact.connections {
                self.swarm.close_connection(old.id);
            }
            self.swarm.behaviour_mut().streams.open(*id, new);
        }
        contact.connections.push(Connection::new(new, address));
    }

    pub(super) fn closed(&mut self, id: &PeerId, old: ConnectionId) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        contact.connections.retain(|connection| connection.id != old);
        contact.dial_later();
    }

    pub(super) fn stream_event(&mut self, event: StreamEvent) {
        let StreamEvent { id, connection: number, change } = event;
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let we_choose = contact.we_choose;
        let Some(connection) = contact.connection(number) else { return };
        let good = match change {
            StreamChange::Outbound(stream) => {
                connection.add_outbound(stream);
                true
            }
            StreamChange::Inbound(stream) => {
                let first = connection.add_inbound(stream);
                if first && !we_choose {
                    self.swarm.behaviour_mut().streams.open(id, number);
                }
                first
            }
            StreamChange::Failed(error) => {
                debug!(peer = %contact.known.name, error, "cannot open a stream");
                false
            }
        };
        let link = contact.connection(number).and_then(Connection::take_link);
        let taken = link.is_none_or(|link| contact.links.try_send(link).is_ok());
        if !good || !taken {
            self.swarm.close_connection(number);
        }
    }

    /// Only answers count: a connection without any is given up in time.
    pub(super) fn ping_event(&mut self, event: ping::Event) {
        let (Ok(round_trip), Some(contact)) = (event.result, self.contacts.get_mut(&event.peer))
        else {
            return;
        };
        let Some(connection) = contact.connection(event.connection) else { return };
        connection.heard();
        if contact.up.is_some_and(|(up, _)| up == event.connection) {
            self.tell(&event.peer, |status| {
                if let Some(link) = &mut status.link {
                    link.round_trip = Some(round_trip);
                }
                false
            });
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        let LinkEvent { id, connection: number, change } = event;
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let name = contact.known.name.clone();
        match change {
            LinkChange::Up(hello) => {
                contact.up = Some((number, Instant::now()));
                let Some(connection) = contact.connection(number) else { return };
                let address = connection.address.clone();
                info!(peer = %name, %address, agent = hello.agent, "connected");
                let since = SystemTime::now();
                let agent = hello.agent.into();
                self.tell(&id, |status| {
                    status.link = Some(LinkStatus { since, address, round_trip: None, agent });
                    status.refused = None;
                    true
                });
            }
            LinkChange::Down(end) => {
                if let Some((_, since)) = contact.up.take_if(|(up, _)| *up == number) {
                    contact.redial.link_ended(since.elapsed());
                    info!(peer = %name, reason = %end, "disconnected");
                    self.tell(&id, |status| status.link.take().is_some());
                } else {
                    debug!(peer = %name, reason = %end, "no link");
                }
                if let End::Refusal(refusal) = end {
                    self.tell(&id, |status| {
                        let new = status.refused.as_ref() != Some(&refusal);
                        if new {
                            warn!(peer = %name, reason = %refusal, "refused");
                            status.refused = Some(refusal);
                        }
                        new
                    });
                }
                self.swarm.close_connection(number);
            }
        }
    }

    /// Changes a peer's status; `change` says whether somebody who waits should look.
    fn tell(&self, id: &PeerId, change: impl FnOnce(&mut PeerStatus) -> bool) {
        self.status.send_if_modified(|all| {
            all.iter_mut().find(|status| status.id == *id).is_some_and(change)
        });
    }
}

/// Tells of strangers that tried to connect, now and then.
#[derive(Default)]
pub(super) struct RefusedLog {
    last: Option<Instant>,
    untold: u64,
}

/// How often at most.
const REFUSED_LOG_INTERVAL: Duration = Duration::from_secs(1);

impl RefusedLog {
    /// Tells of one.
    pub fn log(&mut self, peer: Option<PeerId>, address: &Multiaddr, error: &ListenError) {
        if self.last.is_some_and(|last| last.elapsed() < REFUSED_LOG_INTERVAL) {
            self.untold += 1;
            return;
        }
        let reason = match error {
            ListenError::Denied { cause } => match cause.downcast_ref::<Denied>() {
                Some(denied) => denied.to_string(),
                None => error.to_string(),
            },
            other => other.to_string(),
        };
        let id = peer.map(tracing::field::display);
        debug!(id, %address, reason, untold = self.untold, "a connection is refused");
        (self.last, self.untold) = (Some(Instant::now()), 0);
    }
}
