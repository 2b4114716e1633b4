//! What is in a store, counted.

use crate::home::Network;
use crate::store::{LogIndex, Store, StoreError, VERSION, reading};
use crate::views::{Rows, learner_height};
use hpaxos_consensus::{Record, Slot, Trust};
use hpaxos_learner_graph::LearnerId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is in a store.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The version of its layout.
    pub version: u32,
    /// The network.
    pub network: String,
    /// The key of the node.
    pub owner: String,
    /// The logs, by name.
    pub logs: BTreeMap<String, LogInspection>,
}

/// What is there of a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogInspection {
    /// Of each learner, how far it is.
    pub learners: BTreeMap<String, LearnerInspection>,
    /// The first slot of which records and blocks are there: those before were let go of, or there was a snapshot.
    pub begins: u64,
    /// Records of the engine.
    pub records: u64,
    /// Messages in them.
    pub messages: u64,
    /// Their bytes, before compression.
    pub record_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes, before compression.
    pub block_bytes: u64,
    /// Rows of the view.
    pub view_rows: u64,
    /// Their bytes, before compression.
    pub view_bytes: u64,
    /// Slots of the window that some learner has not decided.
    pub open: u64,
    /// Slots below the window that some learner has not decided for good.
    pub parked: u64,
    /// Proofs of misbehaviour.
    pub evidence: u64,
    /// Whether it is known that the store was lost once.
    pub lost: bool,
}

/// How far a learner is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LearnerInspection {
    /// Its decisions.
    pub decisions: u64,
    /// The first slot that it has not decided.
    pub decided: u64,
    /// The first slot that its view has not executed.
    pub height: u64,
}

/// Counts what is in a store. A window is `depth` slots deep.
///
/// # Errors
/// If something cannot be read.
pub fn inspect(
    store: &Store,
    network: &Network,
    owner: &[u8; 32],
    logs: &[Arc<Trust>],
    depth: u64,
) -> Result<Inspection, StoreError> {
    let mut inspected = BTreeMap::new();
    for (number, trust) in logs.iter().enumerate() {
        let index = LogIndex(number as u16);
        let found = reading(|| inspect_log(store, network, trust, index, depth))?;
        inspected.insert(trust.log().name().to_owned(), found);
    }
    let (network, owner) = (network.id.to_string(), hex::encode(owner));
    Ok(Inspection { version: VERSION, network, owner, logs: inspected })
}

fn inspect_log(
    store: &Store,
    network: &Network,
    trust: &Trust,
    index: LogIndex,
    depth: u64,
) -> Result<LogInspection, StoreError> {
    let mut found = LogInspection {
        evidence: store.evidence_count(index)?,
        lost: store.was_lost(index)?,
        begins: store.base(index)?,
        ..LogInspection::default()
    };
    let (mut slots, mut retired) = (BTreeSet::new(), BTreeSet::new());
    let mut decided: BTreeMap<LearnerId, BTreeSet<Slot>> = BTreeMap::new();
    for placed in store.each_record(index, trust.schedule()) {
        let placed = placed?;
        found.records += 1;
        found.record_bytes += placed.bytes as u64;
        slots.insert(placed.slot);
        match placed.record? {
            Record::Messages { messages, .. } => found.messages += messages.len() as u64,
            Record::Decided { slot, learner, .. } => {
                decided.entry(learner).or_default().insert(slot);
            }
            Record::Retired { slot } => drop(retired.insert(slot)),
            _ => {}
        }
    }
    for block in store.each_block(index) {
        found.blocks += 1;
        found.block_bytes += block?.bytes.len() as u64;
    }
    for bytes in store.each_view_row(index) {
        found.view_rows += 1;
        found.view_bytes += bytes? as u64;
    }
    let (rows, none) = (Rows::new(store, index), BTreeSet::new());
    let mut next = BTreeMap::new();
    for learner in trust.learners().iter() {
        let of_learner = decided.get(&learner).unwrap_or(&none);
        let first =
            (found.begins..).map(Slot).find(|slot| !of_learner.contains(slot)).unwrap_or_default();
        next.insert(learner, first);
        let at = LearnerInspection {
            decisions: of_learner.len() as u64,
            decided: first.0,
            height: learner_height(&rows, learner),
        };
        found.learners.insert(network.graph.learner_name(learner).to_owned(), at);
    }
    // The window begins `depth` below the first slot that nobody has decided.
    let anybody: BTreeSet<Slot> = decided.values().flatten().copied().collect();
    let begins = found.begins;
    let frontier = (begins..).find(|slot| !anybody.contains(&Slot(*slot))).unwrap_or(begins);
    let bottom = Slot(frontier.saturating_sub(depth));
    let of_all = |slot: &Slot| {
        next.keys().all(|learner| decided.get(learner).is_some_and(|of| of.contains(slot)))
    };
    let kept = || slots.difference(&retired);
    found.open = kept().filter(|slot| **slot >= bottom && !of_all(slot)).count() as u64;
    found.parked = kept().filter(|slot| **slot < bottom).count() as u64;
    Ok(found)
}
