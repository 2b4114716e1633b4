//! The handle that the node holds.

use super::driver::{Command, Driver, Shared};
use super::exchange::{AskError, REQUEST_BYTES_MAX};
use super::frames::FRAME_BYTES_MAX;
use super::gossip::BUNDLE_BYTES_MAX;
use super::intake::Intake;
use super::status::PeerStatus;
use super::traffic::Traffic;
use super::{Bytes, NetworkConfig, NetworkError};
use hpaxos_consensus::{LogName, Peer};
use hpaxos_learner_graph::AcceptorId;
use libp2p::Multiaddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::debug;

/// How many bundles and questions may wait for the driver: with the largest bundles 32 MiB.
const COMMANDS_MAX: usize = 128;

/// A running network; cheap to clone. Without any handle it stops.
#[derive(Clone)]
pub struct Network {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Network {
    /// Listens, and dials the validators from now on. Returns the addresses on which it listens, too.
    ///
    /// # Errors
    /// [`NetworkError`] says which key or address is wrong.
    pub async fn start(
        config: NetworkConfig,
        intake: Arc<dyn Intake>,
    ) -> Result<(Network, Vec<Multiaddr>), NetworkError> {
        let (commands, commands_received) = mpsc::channel(COMMANDS_MAX);
        let (mut driver, shared) = Driver::new(&config, intake, commands_received)?;
        let bound = driver.listen(&config.listen).await?;
        tokio::spawn(driver.run());
        Ok((Network { commands, shared: Arc::new(shared) }, bound))
    }

    /// Queues a frame for a peer. Without a link it is dropped. If too much waits for the peer already, the link is
    /// reset and all that waits is dropped with it; see [`Intake::connected`].
    ///
    /// # Panics
    /// If the frame has more than [`FRAME_BYTES_MAX`] bytes.
    pub fn send(&self, to: Peer, frame: Bytes) {
        assert!(frame.len() <= FRAME_BYTES_MAX, "a frame has at most {FRAME_BYTES_MAX} bytes");
        if let Some(outbox) = self.shared.outboxes.get(&to) {
            outbox.push(frame);
        }
    }

    /// Queues a frame for each of several validators, as [`Network::send`] does.
    ///
    /// # Panics
    /// If the frame has more than [`FRAME_BYTES_MAX`] bytes.
    pub fn broadcast(&self, to: &[AcceptorId], frame: &Bytes) {
        for &acceptor in to {
            self.send(Peer::Acceptor(acceptor), frame.clone());
        }
    }

    /// Passes a bundle on to those who follow the log. This node's own intake does not see it. Lost if too many wait
    /// or nobody is connected: who brought it has to try again.
    ///
    /// # Panics
    /// If the bundle has more than [`BUNDLE_BYTES_MAX`] bytes.
    pub fn gossip(&self, log: &LogName, bundle: Vec<u8>) {
        assert!(bundle.len() <= BUNDLE_BYTES_MAX, "a bundle has at most {BUNDLE_BYTES_MAX} bytes");
        if self.commands.try_send(Command::Gossip(log.clone(), bundle)).is_err() {
            debug!(log = %log.0, "a bundle is not passed on: too many wait");
        }
    }

    /// Asks a peer.
    ///
    /// # Errors
    /// [`AskError`] says why there is no answer; another peer may have one.
    pub async fn ask(&self, peer: Peer, request: Bytes) -> Result<Bytes, AskError> {
        if request.len() > REQUEST_BYTES_MAX {
            return Err(AskError::TooLong(request.len()));
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask(peer, request, reply);
        self.commands.send(command).await.map_err(|_| AskError::Stopped)?;
        answer.await.unwrap_or(Err(AskError::Stopped))
    }

    /// Every peer that may connect, and how it is. Changes when a link comes or goes, or a peer is refused.
    pub fn peers(&self) -> watch::Receiver<Vec<PeerStatus>> {
        self.shared.status.clone()
    }

    /// What has been sent and received.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.shared.traffic
    }

    /// Sends what waits, closes every link and every listener. Other handles are of no use afterwards.
    pub async fn stop(self) {
        let (stopped, done) = oneshot::channel();
        if self.commands.send(Command::Stop(stopped)).await.is_ok() {
            let _ = done.await;
        }
    }
}
