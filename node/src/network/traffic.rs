//! How much has been sent and received, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What bytes were sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Frames of consensus, with their length prefixes.
    Consensus,
    /// Bundles: sent are those that this node published, received are those that were new to it.
    Gossip,
    /// Questions and answers.
    Exchange,
}

/// Which way they went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this node.
    In,
    /// From it.
    Out,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 3] = [Protocol::Consensus, Protocol::Gossip, Protocol::Exchange];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Consensus => "consensus",
            Protocol::Gossip => "gossip",
            Protocol::Exchange => "exchange",
        }
    }
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::In, Direction::Out];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Counters, from the start of the node. What the transports add is not counted.
#[derive(Default)]
pub struct Traffic {
    messages: [[AtomicU64; 2]; 3],
    bytes: [[AtomicU64; 2]; 3],
}

impl Traffic {
    /// How many messages went by.
    pub fn messages(&self, protocol: Protocol, direction: Direction) -> u64 {
        self.messages[protocol as usize][direction as usize].load(Ordering::Relaxed)
    }

    /// How many bytes they had.
    pub fn bytes(&self, protocol: Protocol, direction: Direction) -> u64 {
        self.bytes[protocol as usize][direction as usize].load(Ordering::Relaxed)
    }

    /// Counts one message of `bytes` bytes.
    pub(super) fn count(&self, protocol: Protocol, direction: Direction, bytes: usize) {
        self.count_many(protocol, direction, 1, bytes);
    }

    /// Counts `messages` messages of `bytes` bytes in all.
    pub(super) fn count_many(
        &self,
        protocol: Protocol,
        direction: Direction,
        messages: usize,
        bytes: usize,
    ) {
        let (protocol, direction) = (protocol as usize, direction as usize);
        self.messages[protocol][direction].fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes[protocol][direction].fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
