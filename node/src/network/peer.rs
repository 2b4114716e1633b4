//! One task per known peer: it runs the peer's links, one after the other.
//!
//! All that the intake hears of a peer's link comes from here, so that no frame of an old link can follow the
//! greeting of a new one.

use super::Bytes;
use super::directory::Known;
use super::frames::{FRAME_BYTES_MAX, FrameError, FrameReader, PREFIX_BYTES, push_frame};
use super::hello::{Hello, HelloError};
use super::intake::{Intake, Refused};
use super::outbox::Outbox;
use super::status::Refusal;
use super::traffic::{Direction, Protocol, Traffic};
use futures::{AsyncWriteExt, FutureExt};
use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, Stream};
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::consume_budget;
use tokio::time::{sleep, timeout};

/// How long a peer may take to say hello.
const HELLO_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a refused connection stays, so that the other side can read why.
const REFUSED_STAYS: Duration = Duration::from_secs(1);

/// How long what waits may take to be sent when the node stops.
pub(super) const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// How many bytes are written before they are flushed: a few hundred small frames.
const BATCH_BYTES: usize = 64 << 10;

/// How many connections may wait for an earlier link to end: each replaces the one before it.
pub(super) const LINKS_WAITING_MAX: usize = 4;

/// Two streams of one connection.
pub(super) struct Link {
    /// Which connection.
    pub connection: ConnectionId,
    /// What the peer opened.
    pub inbound: Stream,
    /// What this node opened.
    pub outbound: Stream,
    /// Resolves when the connection is closed.
    pub closed: oneshot::Receiver<Infallible>,
}

/// What the driver hears of a link.
pub(super) struct LinkEvent {
    /// Whose it is.
    pub id: PeerId,
    /// Which connection.
    pub connection: ConnectionId,
    /// What happened.
    pub change: LinkChange,
}

/// What can happen to a link.
pub(super) enum LinkChange {
    /// The peer has said hello.
    Up(Hello),
    /// The link is of no use any more.
    Down(End),
}

/// Why a link ended.
#[derive(Debug, Error)]
pub(super) enum End {
    /// The connection was lost.
    #[error("the connection is lost")]
    Lost,
    /// The peer has a newer connection.
    #[error("the peer has connected anew")]
    Replaced,
    /// The peer closed its stream.
    #[error("the peer hung up")]
    HungUp,
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The peer does not read as fast as it is written to.
    #[error("the peer is too slow: too much waits to be sent to it")]
    Overflow,
    /// There was no hello in time.
    #[error("no hello within {} s", HELLO_TIME_MAX.as_secs())]
    NoHello,
    /// The peer is of another network or version.
    #[error(transparent)]
    Refusal(Refusal),
    /// The peer's hello is none.
    #[error("{0}")]
    Hello(HelloError),
    /// A stream failed, or the peer broke its rules.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The intake does not take its frames.
    #[error("refused: {0}")]
    Intake(#[from] Refused),
}

/// The task of one peer.
pub(super) struct PeerTask {
    pub known: Known,
    pub hello: Hello,
    pub intake: Arc<dyn Intake>,
    pub outbox: Arc<Outbox>,
    pub traffic: Arc<Traffic>,
    /// New connections; closed when the node stops.
    pub links: mpsc::Receiver<Link>,
    pub events: mpsc::Sender<LinkEvent>,
}

impl PeerTask {
    /// Runs links until the node stops.
    pub async fn run(mut self) {
        let mut next = None;
        loop {
            let link = match next.take() {
                Some(link) => link,
                None => match self.links.recv().await {
                    Some(link) => link,
                    None => return,
                },
            };
            let connection = link.connection;
            let mut greeted = false;
            let end = {
                let PeerTask { known, hello, intake, outbox, traffic, links, events } = &mut self;
                let (id, events) = (known.id, &*events);
                let up = async |theirs| {
                    outbox.open();
                    greeted = true;
                    report(events, id, connection, LinkChange::Up(theirs)).await;
                };
                let run = Running { known, hello, intake, outbox, traffic }.run(link, up);
                let mut run = pin!(run);
                tokio::select! {
                    biased;
                    newer = links.recv() => match newer {
                        Some(link) => {
                            next = Some(link);
                            End::Replaced
                        }
                        None => {
                            outbox.end();
                            timeout(LAST_WORDS_TIME_MAX, run).await.unwrap_or(End::Stopping)
                        }
                    },
                    end = &mut run => end,
                }
            };
            self.outbox.close();
            if greeted {
                self.intake.disconnected(self.known.peer);
            }
            report(&self.events, self.known.id, connection, LinkChange::Down(end)).await;
        }
    }
}

/// Tells the driver; if it is gone, so will this task be.
async fn report(
    events: &mpsc::Sender<LinkEvent>,
    id: PeerId,
    connection: ConnectionId,
    change: LinkChange,
) {
    let _ = events.send(LinkEvent { id, connection, change }).await;
}

/// What a link needs while it runs.
struct Running<'a> {
    known: &'a Known,
    hello: &'a Hello,
    intake: &'a Arc<dyn Intake>,
    outbox: &'a Outbox,
    traffic: &'a Traffic,
}

impl Running<'_> {
    /// Runs a link to its end. `up` is called once the peer has said hello.
    async fn run(self, link: Link, up: impl AsyncFnOnce(Hello)) -> End {
        let Link { inbound, mut outbound, closed, .. } = link;
        let mut reader = FrameReader::new(inbound);
        let mut closed = closed.map(|_| End::Lost).fuse();
        let hello = tokio::select! {
            biased;
            hello = timeout(HELLO_TIME_MAX, self.hello.exchange(&mut reader, &mut outbound)) => hello,
            end = &mut closed => return end,
        };
        let theirs = match hello {
            Ok(Ok(theirs)) => theirs,
            Ok(Err(HelloError::Refused(refusal))) => {
                tokio::select! { _ = closed => {}, () = sleep(REFUSED_STAYS) => {} }
                return End::Refusal(refusal);
            }
            Ok(Err(error)) => return End::Hello(error),
            Err(_) => return End::NoHello,
        };
        up(theirs).await;
        tokio::select! {
            biased;
            end = closed => end,
            () = self.outbox.overflowed() => End::Overflow,
            error = self.write(&mut outbound) => End::Frame(error),
            end = self.read(&mut reader) => end.unwrap_or_else(|end| end),
        }
    }

    async fn read(&self, from: &mut FrameReader<Stream>) -> Result<End, End> {
        let peer = self.known.peer;
        self.intake.connected(peer).await;
        while let Some(frame) = from.next(FRAME_BYTES_MAX).await? {
            self.traffic.count(Protocol::Consensus, Direction::In, PREFIX_BYTES + frame.len());
            self.intake.frame(peer, frame).await?;
            // A peer that floods must not keep this task from writing.
            consume_budget().await;
        }
        Ok(End::HungUp)
    }

    /// Writes what is queued. Once the queue has ended, it waits for the peer to hang up: it does when it has read all.
    async fn write(&self, to: &mut Stream) -> FrameError {
        let mut batch: Vec<Bytes> = Vec::new();
        let mut buffer = Vec::new();
        while self.outbox.take(&mut batch, BATCH_BYTES).await {
            batch.iter().for_each(|frame| push_frame(&mut buffer, frame));
            let sent = Direction::Out;
            self.traffic.count_many(Protocol::Consensus, sent, batch.len(), buffer.len());
            if let Err(error) = write_all(to, &buffer).await {
                return error.into();
            }
            batch.clear();
            buffer.clear();
            buffer.shrink_to(BATCH_BYTES);
        }
        match to.close().await {
            Ok(()) => pending().await,
            Err(error) => error.into(),
        }
    }
}

async fn write_all(to: &mut Stream, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
