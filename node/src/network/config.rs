//! What a node's network is told when it starts, and why it may refuse to.

use ed25519_dalek::SigningKey;
use hpaxos_consensus::{LogName, NetworkId};
use hpaxos_learner_graph::AcceptorId;
use libp2p::{Multiaddr, PeerId};
use std::time::Duration;
use thiserror::Error;

/// Another validator of the graph.
#[derive(Clone, Debug)]
pub struct Validator {
    /// Its index in the graph.
    pub acceptor: AcceptorId,
    /// Its name in the graph.
    pub name: String,
    /// Its ed25519 key, which is its libp2p identity too.
    pub key: [u8; 32],
    /// Where it listens, the preferred address first. Without any it is waited for.
    pub addresses: Vec<Multiaddr>,
}

/// What is granted to connections that are being set up: they cost a signature each and prove nothing yet.
#[derive(Clone, Copy, Debug)]
pub struct PendingLimits {
    /// How many that others dialled there may be.
    pub max: usize,
    /// How many of them from one address.
    pub per_address_max: usize,
    /// How long each may take.
    pub time_max: Duration,
}

/// What the network needs to know.
pub struct NetworkConfig {
    /// The acceptor's key, or the follower's.
    pub identity: SigningKey,
    /// The network. Peers of another one are refused.
    pub network: NetworkId,
    /// This node's name, as its peers' logs should show it.
    pub name: String,
    /// Every validator of the graph but this one. A node that is none of them is a follower to them.
    pub validators: Vec<Validator>,
    /// Where to listen. Port 0 is any free port.
    pub listen: Vec<Multiaddr>,
    /// The logs whose bundles this node wants to hear of.
    pub logs: Vec<LogName>,
    /// What is granted to those that dial, before they have proven who they are.
    pub pending: PendingLimits,
    /// How many followers may be connected at once.
    pub followers_max: usize,
    /// Who may follow. A follower's number is its place in this list.
    pub followers_allowed: Vec<PeerId>,
}

/// Why the network did not start.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// A validator's key is no point of the curve.
    #[error("the key of {0} is not an ed25519 public key")]
    Key(String),
    /// A key that names two peers, or this node and another.
    #[error("the key of {0} is also the key of {1}; every peer needs its own")]
    SameKey(String, String),
    /// An address that cannot be listened on.
    #[error(
        "cannot listen on {address}: {reason}; an address looks like /ip4/127.0.0.1/udp/7000/quic-v1 \
         or /ip4/127.0.0.1/tcp/7000, and nobody else may use it"
    )]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// A transport or protocol that could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
}
