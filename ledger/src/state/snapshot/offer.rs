//! What a snapshot is to be checked against.

use crate::bundle::binary;
use crate::certificate::{Certificate, CertificateFlaw};
use crate::digest::{History, StateRoot};
use crate::results::results_root;
use crate::state::{ReadState, Summary};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::{NetworkId, ValueHash};
use hpaxos_learner_graph::{LEARNERS_MAX, LearnerGraph};

/// Says which state there is a snapshot of, and why it may be believed: a quorum of each of the log's learners attests it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Offer {
    /// Of one slot, one of each learner of the log.
    #[borsh(deserialize_with = "binary::list::<_, _, LEARNERS_MAX>")]
    pub certificates: Vec<Certificate>,
    /// The history before that slot.
    pub previous: History,
    /// The hash of its block.
    pub block: ValueHash,
}

/// Why an offer is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOffer {
    /// The network has no such log.
    #[error("the learner graph has no such log")]
    Log,
    /// Not one certificate of each learner.
    #[error("it should have one certificate of each learner of the log, and no other")]
    Learners,
    /// Certificates of different slots, logs or outcomes.
    #[error("its certificates are not about one slot of the log, and one outcome")]
    Different,
    /// A block that is not the one that was executed.
    #[error("its block does not lead to the certified history")]
    Block,
    /// A certificate that proves nothing.
    #[error("a certificate does not hold: {0}")]
    Certificate(#[from] CertificateFlaw),
}

impl Offer {
    /// Of the state after `slot`, in a view that has executed it. None if that is not what is certified there.
    pub fn new(state: &impl ReadState, slot: u64, certificates: Vec<Certificate>) -> Option<Self> {
        let before = Summary::read(state, slot)?;
        let after = Summary::read(state, slot.checked_add(1)?)?;
        let says_so = |one: &Certificate| {
            (one.slot, one.history, one.results_root, one.state_root)
                == (slot, after.history, after.results_root, after.state_root)
        };
        let holds = !certificates.is_empty() && certificates.iter().all(says_so);
        holds.then_some(Offer { certificates, previous: before.history, block: after.block })
    }

    /// Whether a quorum of each learner of the log attests it. If so, the slot after which the state is offered.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(
        &self,
        network: NetworkId,
        graph: &LearnerGraph,
        log: &str,
    ) -> Result<u64, NoOffer> {
        let learners = graph.log_learners(log).ok_or(NoOffer::Log)?;
        let mut of: Vec<&str> = self.certificates.iter().map(|it| it.learner.as_str()).collect();
        of.sort_unstable();
        let mut all: Vec<&str> = learners.iter().map(|one| graph.learner_name(one)).collect();
        all.sort_unstable();
        if of != all {
            return Err(NoOffer::Learners);
        }
        let first = self.certificates.first().ok_or(NoOffer::Learners)?;
        let what = |one: &Certificate| (one.slot, one.history, one.results_root, one.state_root);
        if self.certificates.iter().any(|one| one.log != log || what(one) != what(first)) {
            return Err(NoOffer::Different);
        }
        if self.previous.then(first.slot, self.block, first.results_root) != first.history {
            return Err(NoOffer::Block);
        }
        self.certificates.iter().try_for_each(|one| one.verify(network, graph))?;
        // There is a height after it.
        first.slot.checked_add(1).ok_or(NoOffer::Block)?;
        Ok(first.slot)
    }

    /// The root of the state that is offered. The offer has been verified.
    pub fn state_root(&self) -> StateRoot {
        self.certificates[0].state_root
    }

    /// The summary of the height that is offered, whose tree has version 0.
    pub(super) fn summary(&self) -> (u64, Summary) {
        let certified = &self.certificates[0];
        let summary = Summary {
            block: self.block,
            history: certified.history,
            results_root: certified.results_root,
            state_root: certified.state_root,
            // How many there were is not certified; only that there were any counts.
            results: u32::from(certified.results_root != results_root(&[])),
            version: 0,
        };
        (certified.slot + 1, summary)
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads the canonical encoding; none if `bytes` are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}
