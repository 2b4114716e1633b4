//! What a replica is told when it is made.

use crate::ids::{Epoch, LogName, NetworkId, Slot};
use crate::message::{Signed, Signer, Verified};
use crate::rules::Rules;
use crate::trust::Trust;
use hpaxos_learner_graph::{AcceptorId, LearnerSet};
use std::sync::Arc;
use std::time::Duration;

// ANCHOR: config
/// What a replica is told when it is made.
#[derive(Clone)]
pub struct Config {
    /// The network.
    pub network: NetworkId,
    /// The epoch; 0.
    pub epoch: Epoch,
    /// The log.
    pub log: LogName,
    /// Its trust model.
    pub trust: Arc<Trust>,
    /// Which acceptor of the log this node is; none for a follower, which only learns.
    pub me: Option<AcceptorId>,
    /// Signs for it.
    pub signer: Arc<dyn Signer + Send + Sync>,
    /// Slots that are open beyond the first that no learner has decided.
    pub depth: u64,
    /// How long round 0 lasts.
    pub first_timer: Duration,
    /// Turns of all learners in which what comes late still counts: an acceptor accepts in rounds that it has left, and a
    /// proposer waits for a quorum only.
    pub lenient_turns: u64,
    /// Bytes of parked slots on disk; when they are more, the log opens no new slot.
    pub parked_bytes_max: u64,
    /// Whether the store is what it was.
    pub memory: Memory,
    /// How many slots were opened here before the store was lost, as far as something else remembers it.
    pub opened: Slot,
    /// Learners that an operator gave up on: after amnesia, reports from their quorums are not waited for.
    pub waived: LearnerSet,
    /// The rules: the protocol's.
    pub rules: Rules,
}
// ANCHOR_END: config

/// Whether a node's store is what it was when it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It is.
    Kept,
    /// It is missing, damaged or old: the node must not sign what it may have signed before.
    Lost,
}

impl Config {
    /// The defaults for an acceptor of a log, or a follower.
    pub fn new(
        network: NetworkId,
        trust: Arc<Trust>,
        me: Option<AcceptorId>,
        signer: Arc<dyn Signer + Send + Sync>,
    ) -> Self {
        Config {
            network,
            epoch: Epoch(0),
            log: LogName(trust.log().name().into()),
            trust,
            me,
            signer,
            depth: 8,
            first_timer: Duration::from_millis(500),
            lenient_turns: 2,
            parked_bytes_max: 1 << 30,
            memory: Memory::Kept,
            opened: Slot(0),
            waived: LearnerSet::EMPTY,
            rules: Rules::default(),
        }
    }

    /// Signs for `me`.
    pub(crate) fn sign<T: Signed>(&self, content: T, me: AcceptorId) -> Verified<T> {
        Verified::sign(content, &self.network, me, self.signer.as_ref())
    }
}
