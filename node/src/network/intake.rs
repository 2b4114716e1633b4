//! What the node does with what comes in.

use super::Bytes;
use futures::future::BoxFuture;
use hpaxos_consensus::{LogName, Peer};
use thiserror::Error;

/// The node, as its network sees it.
///
/// What is said of one peer, but for bundles and questions, comes from one task and in order: connected, frames,
/// disconnected. While one of its futures waits, that peer waits, and nobody else. When a link is lost the future
/// that waits for it is dropped.
pub trait Intake: Send + Sync + 'static {
    /// A link is up, both ways. What is sent from now on arrives, or the link is lost and this is called again.
    fn connected(&self, peer: Peer) -> BoxFuture<'_, ()>;

    /// The link is lost: no frame of it comes any more.
    fn disconnected(&self, peer: Peer);

    /// The next frame of a link. An error resets the link.
    fn frame(&self, from: Peer, frame: Bytes) -> BoxFuture<'_, Result<(), Refused>>;

    /// Bundles that a peer passes on together; it need not be who made them. An honest peer passes them on only if all of them are
    /// good, and it is worth it if one is news. Several may be asked about at once.
    fn bundles(&self, from: Peer, log: LogName, bundles: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict>;

    /// The answer to a peer's question, if there is one. Several may be asked at once.
    fn answer(&self, from: Peer, request: Bytes) -> BoxFuture<'_, Option<Bytes>>;
}

/// Why a peer's frame is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What becomes of bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are passed on.
    Accept,
    /// They are not, and nobody is at fault.
    Ignore,
    /// They are not, and no honest peer would have passed them on.
    Reject,
}
