//! How the peers are, as a person would ask.

use super::directory::Known;
use hpaxos_consensus::{NetworkId, Peer};
use libp2p::{Multiaddr, PeerId};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// A peer that may connect.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Who it is to the engine.
    pub peer: Peer,
    /// Its name in the graph; a follower's is its number.
    pub name: Arc<str>,
    /// Its libp2p identity.
    pub id: PeerId,
    /// The link to it, if there is one.
    pub link: Option<LinkStatus>,
    /// Why the last attempt was refused, until one succeeds.
    pub refused: Option<Refusal>,
}

/// A link that is up.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Since when.
    pub since: SystemTime,
    /// Where the peer is.
    pub address: Multiaddr,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// What software the peer says it runs.
    pub agent: Arc<str>,
}

/// Why a peer that is named in the graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is on another network: its learner graph or its genesis differs.
    #[error("it is on network {theirs}, this node is on {ours}: graph or genesis differ")]
    Network {
        /// This node's network.
        ours: NetworkId,
        /// The peer's.
        theirs: NetworkId,
    },
    /// It speaks another version of the protocol.
    #[error("it speaks version {theirs} of the protocol, this node {ours}")]
    Version {
        /// This node's version.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
}

impl PeerStatus {
    /// A peer that has not been heard of.
    pub(super) fn new(known: &Known) -> Self {
        let Known { peer, name, id, .. } = known;
        PeerStatus { peer: *peer, name: name.clone(), id: *id, link: None, refused: None }
    }
}
