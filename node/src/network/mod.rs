//! The network: authenticated links to the validators of the graph, and to a few followers.
//!
//! - **Consensus** frames travel on plain streams, one per peer and direction, in order.
//!   A frame is lost only together with its link, so that both sides see a reconnect and greet each other anew.
//! - **Bundles** travel by gossip, and are passed on only after the [`Intake`] has accepted them.
//! - **Blocks** and other large things are asked for and answered.
//!
//! A frame, a bundle, a question and an answer are bytes: what they mean, and whether they are signed by whom they
//! say, is the [`Intake`]'s business. A peer's identity is its acceptor's key, proven in the transport's handshake;
//! peers that the graph or the allow list do not name are refused right there.
//!
//! One task owns libp2p's swarm (the driver); one task per known peer runs its links, one after the other, so that
//! everything the intake hears of one peer is in order, and a slow one holds up nobody else.
//!
//! Invariant: every queue is bounded, per peer; a peer that exceeds its limits loses its own link.
//! Deliberately absent: discovery of peers, relays, hole punching, port mapping, names looked up in DNS.

mod config;
mod connection;
mod directory;
mod driver;
mod exchange;
mod frames;
mod gate;
mod gathering;
mod gossip;
mod handle;
mod hello;
mod intake;
mod outbox;
mod peer;
mod prompt_close;
mod redial;
mod status;
mod streams;
mod swarm;
mod traffic;

pub use config::{NetworkConfig, NetworkError, PendingLimits, Validator};
pub use exchange::{ANSWER_BYTES_MAX, AskError, REQUEST_BYTES_MAX};
pub use frames::FRAME_BYTES_MAX;
pub use gossip::BUNDLE_BYTES_MAX;
pub use handle::Network;
#[doc(hidden)]
pub use hello::read_hello;
pub use hpaxos_consensus::Peer;
pub use intake::{Intake, Refused, Verdict};
pub use libp2p::bytes::Bytes;
pub use libp2p::{Multiaddr, PeerId};
pub use outbox::{QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX};
pub use status::{LinkStatus, PeerStatus, Refusal};
pub use traffic::{Direction, Protocol, Traffic};

/// The libp2p name of an acceptor's key, if it is one.
pub fn peer_id(key: &[u8; 32]) -> Option<PeerId> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}
