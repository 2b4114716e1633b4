//! Checks everything in a store again: hashes, signatures, references, decisions, blocks, histories, evidence.
//!
//! Trusts no row, and changes nothing. What it cannot see: rows that were taken from the end, and values of the state that
//! were changed, which only their state root would tell.

use crate::home::Network;
use crate::node::WAITING;
use crate::store::{LogIndex, Placed, RUN_BITS, Store, StoreError, reading};
use crate::views::{Rows, learner_height};
use hpaxos_consensus::message::{Keys, KeysError, Message, Verified};
use hpaxos_consensus::{Evidence, MessageId, Record, Slot, Trust, ValueHash};
use hpaxos_learner_graph::LearnerId;
use hpaxos_ledger::{
    Block, Bundle, LogRules, Summary, ViewFlaw, begins, check_height, check_summary, value,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Beyond this, what is wrong is only counted.
pub const FINDINGS_MAX: usize = 100;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The log.
    pub log: String,
    /// The slot; none if it is about no single one.
    pub slot: Option<u64>,
    /// What.
    pub what: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages whose signature and references were checked.
    pub messages: u64,
    /// Decisions.
    pub decisions: u64,
    /// Blocks whose hash was checked.
    pub blocks: u64,
    /// Executed slots whose history was derived again.
    pub executed: u64,
    /// Proofs of misbehaviour.
    pub evidence: u64,
    /// Of each log, the first slot of which is known what was executed.
    pub begins: BTreeMap<String, u64>,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks the logs in a store. `progress` is told what is looked at, and how many rows were.
///
/// # Errors
/// If the network's keys cannot be used. What cannot be read in the store is a finding.
pub fn audit(
    store: &Store,
    network: &Network,
    logs: &[Arc<Trust>],
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Report, KeysError> {
    let names = logs.iter().map(|trust| trust.log().name());
    let keys = Keys::new(network.id, &network.graph, names)?;
    let mut report = Report::default();
    let mut rows = 0;
    for (number, trust) in logs.iter().enumerate() {
        let mut audit = Audit {
            store,
            network,
            keys: &keys,
            trust,
            index: LogIndex(number as u16),
            decided: BTreeMap::new(),
            certified: BTreeMap::new(),
            report: &mut report,
            rows: &mut rows,
            progress: &mut *progress,
        };
        audit.records();
        audit.blocks();
        let seen = reading(|| {
            audit.view();
            Ok(())
        });
        if let Err(error) = seen {
            audit.find(None, format!("its view: {error}"));
        }
        audit.evidence();
    }
    if let Ok(Some(bytes)) = store.kept(WAITING) {
        let waiting = borsh::from_slice::<Vec<Vec<u8>>>(&bytes);
        let readable = waiting.is_ok_and(|it| it.iter().all(|it| Bundle::from_bytes(it).is_some()));
        if !readable {
            let what = "the bundles that waited when the node stopped cannot be read".to_owned();
            report.findings.push(Finding { log: String::new(), slot: None, what });
        }
    }
    Ok(report)
}

/// The audit of one log.
struct Audit<'a> {
    store: &'a Store,
    network: &'a Network,
    keys: &'a Keys,
    trust: &'a Trust,
    index: LogIndex,
    /// What the records say was decided.
    decided: BTreeMap<LearnerId, BTreeMap<u64, ValueHash>>,
    /// Up to which slot certificates say what was executed.
    certified: BTreeMap<LearnerId, u64>,
    report: &'a mut Report,
    rows: &'a mut u64,
    progress: &'a mut dyn FnMut(&str, u64),
}

impl Audit<'_> {
    fn find(&mut self, slot: impl Into<Option<u64>>, what: impl Into<String>) {
        if self.report.findings.len() == FINDINGS_MAX {
            self.report.more += 1;
            return;
        }
        let (log, slot, what) = (self.trust.log().name().to_owned(), slot.into(), what.into());
        self.report.findings.push(Finding { log, slot, what });
    }

    fn look(&mut self, what: &str) {
        *self.rows += 1;
        let what = format!("{}: {what}", self.trust.log().name());
        (self.progress)(&what, *self.rows);
    }

    fn name(&self, learner: LearnerId) -> String {
        self.network.graph.learner_name(learner).to_owned()
    }

    fn records(&mut self) {
        // Of each run of the node, how many records there are, and one more than the highest number.
        let mut runs: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let base = self.store.base(self.index).unwrap_or_else(|error| {
            self.find(None, error.to_string());
            0
        });
        let (mut all_stay, mut retired_below) = (base == 0, Slot(base));
        let mut seen: (Slot, BTreeSet<MessageId>) = (Slot(0), BTreeSet::new());
        for placed in self.store.each_record(self.index, self.trust.schedule()) {
            self.look("records");
            let Placed { slot, number, record, .. } = match placed {
                Ok(placed) => placed,
                Err(error) => {
                    self.find(None, error.to_string());
                    continue;
                }
            };
            let (count, end) = runs.entry(number >> RUN_BITS).or_default();
            *count += 1;
            *end = (*end).max((number & ((1 << RUN_BITS) - 1)) + 1);
            if seen.0 != slot {
                seen = (slot, BTreeSet::new());
            }
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.find(slot.0, format!("record {number}: {error}"));
                    continue;
                }
            };
            if record.slot() != Some(slot) {
                self.find(slot.0, format!("record {number} is one of another slot"));
            }
            match record {
                Record::Messages { messages, .. } => {
                    for message in messages {
                        self.message(slot, &message, &seen.1);
                        seen.1.insert(message.id());
                    }
                }
                Record::Decided { learner, ballot, .. } => {
                    self.decision(slot, learner, ballot.value)
                }
                Record::Retired { slot } => {
                    all_stay = false;
                    if slot == retired_below {
                        retired_below = slot.next();
                    }
                }
                Record::Round { .. } | Record::Certified { .. } | Record::Silent { .. } => {}
            }
        }
        // Records are counted without gaps, as long as none is let go and none is kept elsewhere.
        let elsewhere = !matches!(self.store.was_lost(self.index), Ok(false));
        let (count, end) =
            runs.values().fold((0, 0), |sum, (count, end)| (sum.0 + count, sum.1 + end));
        if all_stay && !elsewhere && count != end {
            self.find(None, format!("{} of its {end} records are missing", end - count));
        }
        match self.store.retired_below(self.index) {
            Ok(said) if said > retired_below => {
                let what = "it is said to be retired, and no record says so";
                self.find(retired_below.0, what);
            }
            Ok(_) => {}
            Err(error) => self.find(None, error.to_string()),
        }
    }

    fn message(
        &mut self,
        slot: Slot,
        message: &Arc<Verified<Message>>,
        seen: &BTreeSet<MessageId>,
    ) {
        self.report.messages += 1;
        let (id, content) = (message.id(), Message::clone(message));
        if content.place.slot != slot || *content.place.log.0 != *self.trust.log().name() {
            self.find(slot.0, format!("message {id} belongs to another place"));
        }
        if let Some(missing) = content.refs().iter().find(|one| !seen.contains(one)) {
            let what = format!("message {id} references {missing}, which is not there before it");
            self.find(slot.0, what);
        }
        if let Err(error) = self.keys.verify(content, *message.signature()) {
            self.find(slot.0, format!("message {id}: {error}"));
        }
    }

    fn decision(&mut self, slot: Slot, learner: LearnerId, value: ValueHash) {
        self.report.decisions += 1;
        if !self.trust.learners().contains(learner) {
            return self.find(slot.0, format!("learner {} is none of the log's", learner.index()));
        }
        let before = self.decided.entry(learner).or_default().insert(slot.0, value);
        if before.is_some_and(|before| before != value) {
            let what = format!("{} decided two values", self.name(learner));
            self.find(slot.0, what);
        }
    }

    fn blocks(&mut self) {
        for placed in self.store.each_block(self.index) {
            self.look("blocks");
            let block = match placed {
                Ok(block) => block,
                Err(error) => {
                    self.find(None, error.to_string());
                    continue;
                }
            };
            self.report.blocks += 1;
            let hash = value(self.network.id, &block.bytes);
            if hash != block.value {
                let what = format!("block {}: its bytes have the hash {hash}", block.value);
                self.find(block.slot.0, what);
            } else if let Err(error) = Block::decode(&block.bytes) {
                self.find(block.slot.0, format!("block {}: {error}", block.value));
            }
        }
    }

    /// Derives the histories again, and compares what was executed with what was decided.
    fn view(&mut self) {
        // What the database itself finds damaged is found here; further down it could only be given up.
        for row in self.store.each_view_row(self.index) {
            if let Err(error) = row {
                return self.find(None, format!("its view: {error}"));
            }
        }
        let rows = Rows::new(self.store, self.index);
        let (log, graph) = (self.trust.log(), &self.network.graph);
        let rules = LogRules::new(self.network.id, graph, log, &self.network.genesis);
        let height = match check_height(&rows) {
            Ok(Some(height)) => height,
            // A node that was stopped before it began.
            Ok(None) if self.decided.is_empty() => return,
            Ok(None) => return self.find(None, "its view is missing"),
            Err(flaw) => return self.find(None, format!("its view: {flaw}")),
        };
        let heights: Vec<_> = self
            .trust
            .learners()
            .iter()
            .map(|learner| (learner, learner_height(&rows, learner)))
            .collect();
        for (learner, reached) in heights.iter().filter(|(_, reached)| *reached > height) {
            let what =
                format!("{} is said to be at {reached}, beyond {height}", self.name(*learner));
            self.find(None, what);
        }
        let mut summary = check_summary(&rows, &rules, None, height);
        self.certified = self.certified(&rows);
        let begins = begins(&rows);
        self.report.begins.insert(self.trust.log().name().to_owned(), begins);
        for slot in begins..height {
            self.look("histories");
            let before = match summary {
                Ok(before) => before,
                // All later ones rest on it.
                Err(flaw) => return self.broken(slot.checked_sub(1), &flaw),
            };
            summary = check_summary(&rows, &rules, Some((slot, &before)), height);
            if let Ok(after) = &summary {
                self.report.executed += 1;
                self.executed(Slot(slot), after.block, &heights);
            }
        }
        if let Err(flaw) = summary {
            self.broken(height.checked_sub(1), &flaw);
        }
    }

    /// Up to which slot a certificate says of each learner what this view executed, as far as it executed it: who catches up
    /// stores the certificate first, and may end before it has executed all that it proves.
    fn certified(&mut self, rows: &Rows<'_>) -> BTreeMap<LearnerId, u64> {
        let mut certified = BTreeMap::new();
        for learner in self.trust.learners().iter() {
            for certificate in self.store.certificates(self.index, learner, 0) {
                let certificate = match certificate {
                    Ok(certificate) => certificate,
                    Err(error) => {
                        self.find(None, error.to_string());
                        break;
                    }
                };
                let slot = certificate.slot;
                if let Err(flaw) = certificate.verify(self.network.id, &self.network.graph) {
                    self.find(slot, format!("a certificate of {}: {flaw}", self.name(learner)));
                    continue;
                }
                let own = slot.checked_add(1).and_then(|height| Summary::read(rows, height));
                if own.is_none_or(|own| own.history == certificate.history) {
                    certified.insert(learner, slot);
                }
            }
        }
        certified
    }

    fn broken(&mut self, slot: Option<u64>, flaw: &ViewFlaw) {
        self.find(slot, format!("its view, executed: {flaw}"));
    }

    /// What a slot's view executed is what the learners decided, and is there.
    fn executed(&mut self, slot: Slot, block: ValueHash, heights: &[(LearnerId, u64)]) {
        // Records and blocks are let go of before the summaries, or with them.
        if self.store.base(self.index).is_ok_and(|base| slot.0 < base) {
            return;
        }
        for (learner, _) in heights.iter().filter(|(_, height)| *height > slot.0) {
            let decided = self.decided.get(learner).and_then(|of| of.get(&slot.0)).copied();
            // What is certified was learned in one go, and may have no record of its own.
            let certified = self.certified.get(learner).is_some_and(|last| slot.0 <= *last);
            if decided != Some(block) && !(decided.is_none() && certified) {
                let name = self.name(*learner);
                let decided = decided.map_or("nothing".to_owned(), |value| value.to_string());
                self.find(
                    slot.0,
                    format!("{name} executed {block}, and its record decides {decided}"),
                );
            }
        }
        match self.store.block(self.index, slot, &block) {
            Ok(Some(_)) => {}
            Ok(None) => self.find(slot.0, format!("the executed block {block} is missing")),
            Err(error) => self.find(slot.0, error.to_string()),
        }
    }

    fn evidence(&mut self) {
        let stored: Result<_, StoreError> = self.store.evidence(self.index);
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => return self.find(None, error.to_string()),
        };
        for bytes in stored {
            self.look("evidence");
            self.report.evidence += 1;
            match borsh::from_slice::<[(Message, [u8; 64]); 2]>(&bytes) {
                Err(error) => self.find(None, format!("evidence cannot be read: {error}")),
                Ok(messages) => {
                    let slot = messages[0].0.place.slot.0;
                    if let Err(error) = Evidence::check(messages, self.keys) {
                        self.find(slot, format!("evidence proves nothing: {error}"));
                    }
                }
            }
        }
    }
}
