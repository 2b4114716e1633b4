//! What a traitor hears.

use futures::future::BoxFuture;
use hpaxos_consensus::message::{Keys, Packet};
use hpaxos_consensus::{LogName, NetworkId, Peer, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerId};
use hpaxos_ledger::{Bundle, value};
use hpaxos_node::network::{Bytes, Intake, Refused, Verdict};
use hpaxos_node::replies::Replies;
use hpaxos_node::store::LogIndex;
use hpaxos_node::wire::{Frame, Question};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// What a traitor hears of a log, or of a peer.
pub(super) enum Heard {
    /// A link came up.
    Up(Peer),
    /// A packet, whose signature is right.
    Packet(LogIndex, Peer, Packet),
    /// A block, which is taken to be valid.
    Value(LogIndex, Slot, ValueHash),
    /// A learner's slots up to this one are certified, as somebody says, who is believed.
    Certified(LogIndex, LearnerId, Slot),
    /// A bundle that somebody passes on.
    Bundle(LogIndex, Bundle),
}

/// Blocks that a traitor made, for those who ask.
#[derive(Clone, Default)]
pub(super) struct Blocks(Arc<Mutex<BTreeMap<ValueHash, (Slot, Bytes)>>>);

/// Slots whose blocks are kept.
const BLOCKS_MAX: usize = 256;

impl Blocks {
    pub(super) fn add(&self, slot: Slot, value: ValueHash, bytes: Bytes) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(value, (slot, bytes));
        while blocks.len() > BLOCKS_MAX {
            let oldest = blocks.iter().min_by_key(|(_, (slot, _))| *slot);
            let Some(oldest) = oldest.map(|(value, _)| *value) else { break };
            blocks.remove(&oldest);
        }
    }

    fn get(&self, value: &ValueHash) -> Option<Bytes> {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get(value).map(|(_, bytes)| bytes.clone())
    }
}

/// The intake of a traitor's network.
pub(super) struct Ears {
    pub keys: Keys,
    pub me: AcceptorId,
    pub network: NetworkId,
    pub graph: LearnerGraph,
    /// The logs, in the order of their numbers.
    pub names: Vec<String>,
    pub heard: mpsc::Sender<Heard>,
    pub blocks: Blocks,
    /// Whether it answers questions.
    pub is_generous: bool,
    /// The replies that it has heard.
    pub replies: Replies,
}

impl Ears {
    fn log(&self, name: &str) -> Option<LogIndex> {
        let index = self.names.iter().position(|one| one == name)?;
        Some(LogIndex(index as u16))
    }

    /// What a frame says, if it is of any interest. What the traitor signed itself it must not hear: each of its puppets would
    /// find out that it is not alone.
    async fn understand(&self, from: Peer, frame: &[u8]) -> Option<Heard> {
        match Frame::read(frame).ok()? {
            Frame::Packet(bytes) => {
                let opened = Packet::open(bytes, &self.keys).ok()?;
                let log = self.log(&opened.place().log.0)?;
                self.replies.hear(from);
                let packet = self.replies.whole(log, from, opened).await;
                if let Packet::Message(message, _) = &packet {
                    self.replies.note(log, message);
                    if message.signer() == self.me {
                        return None;
                    }
                }
                Some(Heard::Packet(log, from, packet))
            }
            Frame::Block { log, slot, bytes } => {
                Some(Heard::Value(self.log(&log)?, slot, value(self.network, bytes)))
            }
            Frame::Certificate(certificate) => {
                let learner = self.graph.learner(&certificate.learner)?;
                Some(Heard::Certified(self.log(&certificate.log)?, learner, Slot(certificate.slot)))
            }
            Frame::Attestation(..) => None,
        }
    }

    async fn tell(&self, heard: Option<Heard>) {
        if let Some(heard) = heard {
            // A traitor that is gone hears nothing.
            let _ = self.heard.send(heard).await;
        }
    }
}

impl Intake for Ears {
    fn connected(&self, peer: Peer) -> BoxFuture<'_, ()> {
        Box::pin(self.tell(Some(Heard::Up(peer))))
    }

    fn disconnected(&self, peer: Peer) {
        self.replies.lose(peer);
    }

    fn frame(&self, from: Peer, frame: Bytes) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            let heard = self.understand(from, &frame).await;
            self.tell(heard).await;
            Ok(())
        })
    }

    fn bundles(&self, _: Peer, log: LogName, bundles: Vec<Vec<u8>>) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            let mut verdict = Verdict::Ignore;
            for bundle in bundles.iter().filter_map(|bytes| Bundle::from_bytes(bytes)) {
                let heard = self.log(&log.0).map(|log| Heard::Bundle(log, bundle));
                if heard.is_some() {
                    verdict = Verdict::Accept;
                }
                self.tell(heard).await;
            }
            verdict
        })
    }

    fn answer(&self, _: Peer, request: Bytes) -> BoxFuture<'_, Option<Bytes>> {
        let answer = match Question::decode(&request) {
            Ok(Question::Block { value, .. }) if self.is_generous => self.blocks.get(&value),
            _ => None,
        };
        Box::pin(async move { answer })
    }
}
