//! Judges blocks, off the engine's thread.

use crate::mempool::Mempool;
use crate::metrics::{Metrics, Signed};
use crate::store::LogIndex;
use hpaxos_consensus::{Judgement, NetworkId, Slot, ValueHash};
use hpaxos_ledger::{Block, BundleId, LogRules, value};
use std::cell::Cell;
use std::sync::Arc;

/// Blocks up to this size are judged at once: handing them over would take longer.
const AT_ONCE_BYTES: usize = 4 << 10;

/// A judged block.
pub struct Judged {
    /// Its hash.
    pub value: ValueHash,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// Whether it is valid for the log and slot.
    pub judgement: Judgement,
    /// The bundles in it, if it is.
    pub bundles: Vec<BundleId>,
}

/// Judges blocks.
pub struct Judge {
    network: NetworkId,
    rules: Vec<LogRules>,
    mempool: Arc<Mempool>,
    metrics: Metrics,
}

impl Judge {
    /// One for all logs of a node, in their order.
    pub fn new(
        network: NetworkId,
        rules: Vec<LogRules>,
        mempool: Arc<Mempool>,
        metrics: Metrics,
    ) -> Self {
        Judge { network, rules, mempool, metrics }
    }

    /// The rules of a log.
    pub fn rules(&self, log: LogIndex) -> &LogRules {
        &self.rules[usize::from(log.0)]
    }

    /// Judges a block that was proposed for a slot.
    pub async fn judge(self: &Arc<Self>, log: LogIndex, slot: Slot, bytes: Arc<[u8]>) -> Judged {
        if bytes.len() <= AT_ONCE_BYTES {
            return self.judge_now(log, slot, bytes);
        }
        let judge = self.clone();
        let judged = tokio::task::spawn_blocking(move || judge.judge_now(log, slot, bytes));
        judged.await.expect("judging a block does not panic")
    }

    /// Judges a block on this thread.
    pub fn judge_now(&self, log: LogIndex, slot: Slot, bytes: Arc<[u8]>) -> Judged {
        let value = value(self.network, &bytes);
        // Signatures of what waits here were checked when it came.
        let unknown = Cell::new(0);
        let known = |id: &BundleId, signatures: &[[u8; 64]]| {
            let is_known = self.mempool.knows(log, id, signatures);
            if !is_known {
                unknown.set(unknown.get() + signatures.len());
            }
            is_known
        };
        let checked = Block::check_knowing(self.rules(log), slot.0, &bytes, &known);
        let (judgement, bundles) = match checked {
            Ok(block) => {
                self.metrics.signatures_checked(Signed::Bundle, unknown.get());
                let ids = block.bundles.iter().map(|bundle| bundle.id(self.network));
                (Judgement::Valid, ids.collect())
            }
            Err(why) => {
                tracing::debug!(log = log.0, slot = slot.0, %value, %why, "an invalid block");
                (Judgement::Invalid, Vec::new())
            }
        };
        Judged { value, bytes, judgement, bundles }
    }
}
