//! What learners' views say, for those who ask: heights, states, results, receipts.

use crate::store::{LogIndex, Store, ViewRows};
use hashlink::LruCache;
use hpaxos_consensus::{NetworkId, Slot, ValueHash};
use hpaxos_learner_graph::analysis::LogAnswer;
use hpaxos_learner_graph::{LearnerGraph, LearnerId};
use hpaxos_ledger::{
    Atomicity, Block, Bundle, BundleId, ChainReceipt, ExecutedSlot, Position, ReadState, Receipt,
    ReceiptCertificate, Refusal, Summary, View, begins, height, path, position, used, value,
    wrong_home,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The rows of a log's state in the store. Whoever reads what cannot be read gives up; see [`crate::store::reading`].
pub struct Rows<'a> {
    store: &'a Store,
    rows: ViewRows<'a>,
}

impl<'a> Rows<'a> {
    /// Those of a log.
    pub fn new(store: &'a Store, log: LogIndex) -> Self {
        Rows { store, rows: store.view(log) }
    }

    /// Those of a log as they are now: for those who read several while others write, or delete what is old.
    pub fn frozen(store: &'a Store, log: LogIndex) -> Self {
        Rows { store, rows: store.frozen_view(log) }
    }
}

impl ReadState for Rows<'_> {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key).unwrap_or_else(|error| self.store.give_up(error))
    }

    fn last_at_or_before(&self, from: &[u8], to: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        self.rows.last(from, to).unwrap_or_else(|error| self.store.give_up(error))
    }

    fn each_back(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let read = self.rows.each_back(from, to, visit);
        read.unwrap_or_else(|error| self.store.give_up(error));
    }

    fn unreadable(&self, why: &str) -> ! {
        self.store.give_up(self.store.damaged(why))
    }
}

/// A log, for those who ask.
pub struct LogViews {
    /// Its name.
    pub name: String,
    /// Its chains, each with its learner.
    pub chains: BTreeMap<String, LearnerId>,
    /// What it takes to break it.
    pub analysis: LogAnswer,
    /// What its bundles' atomicity rests on.
    pub atomicity: Vec<Atomicity>,
}

/// What is known of a bundle.
pub enum Known {
    /// Its receipt.
    Receipt(Box<Receipt>),
    /// That it was executed, or may have been, in a slot of which nothing is known any more.
    Forgotten(Forgotten),
    /// Nothing.
    Nothing,
}

/// A node has let go of slots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this node knows {log} from slot {begins} on, and the bundle was or may have been executed before; ask a node that keeps more"
)]
pub struct Forgotten {
    /// The log.
    pub log: String,
    /// The first slot that it knows.
    pub begins: u64,
}

/// What learners' views say.
pub struct Views {
    network: NetworkId,
    graph: Arc<LearnerGraph>,
    store: Arc<Store>,
    logs: Vec<LogViews>,
    empty_block: ValueHash,
    /// Slots of which receipts were asked for lately.
    slots: Mutex<LruCache<(LogIndex, u64), Arc<ExecutedSlot>>>,
}

/// Slots of which what all their receipts need is kept: those whose clients ask now. Of full blocks some MiB.
const SLOTS_MAX: usize = 4;

/// How many slots a learner's view has executed, as the rows of its log say.
pub fn learner_height(rows: &Rows<'_>, learner: LearnerId) -> u64 {
    let Some(bytes) = rows.read(&[OWN, learner.index() as u8]) else { return 0 };
    let height = bytes.try_into().unwrap_or_else(|_| rows.unreadable("the height of a learner"));
    u64::from_be_bytes(height)
}

/// The first byte of what the node keeps beside the ledger's rows.
const OWN: u8 = 0xff;

impl Views {
    /// Those of all logs of a node, in their order.
    pub fn new(
        network: NetworkId,
        graph: Arc<LearnerGraph>,
        store: Arc<Store>,
        logs: Vec<LogViews>,
    ) -> Self {
        let empty_block = value(network, &Block::default().to_bytes());
        let slots = Mutex::new(LruCache::new(SLOTS_MAX));
        Views { network, graph, store, logs, empty_block, slots }
    }

    /// A log of this name.
    pub fn log(&self, name: &str) -> Option<LogIndex> {
        let index = self.logs.iter().position(|log| log.name == name)?;
        Some(LogIndex(index as u16))
    }

    /// All logs.
    pub fn logs(&self) -> impl Iterator<Item = (LogIndex, &LogViews)> {
        self.logs.iter().enumerate().map(|(index, log)| (LogIndex(index as u16), log))
    }

    /// The hash of a block without bundles.
    pub fn empty_block(&self) -> ValueHash {
        self.empty_block
    }

    /// The rows of a log.
    pub fn rows(&self, log: LogIndex) -> Rows<'_> {
        Rows::new(&self.store, log)
    }

    /// The rows of a log as they are now; see [`Rows::frozen`].
    pub fn frozen(&self, log: LogIndex) -> Rows<'_> {
        Rows::frozen(&self.store, log)
    }

    /// The first slot of a log of which is known what was executed: it was let go of those before, or there was a snapshot.
    pub fn begins(&self, log: LogIndex) -> u64 {
        begins(&self.rows(log))
    }

    /// How many slots a log's state has executed, by whoever is furthest; none before its genesis is there.
    pub fn height(&self, log: LogIndex) -> Option<u64> {
        height(&self.rows(log))
    }

    /// How many slots a learner's view has executed.
    pub fn height_of(&self, log: LogIndex, learner: LearnerId) -> u64 {
        learner_height(&self.rows(log), learner)
    }

    /// The row that says how many slots a learner's view has executed.
    pub fn height_row(learner: LearnerId, height: u64) -> (Vec<u8>, Option<Vec<u8>>) {
        (vec![OWN, learner.index() as u8], Some(height.to_be_bytes().to_vec()))
    }

    /// What the state says of an executed slot.
    pub fn summary(&self, log: LogIndex, slot: u64) -> Option<Summary> {
        Summary::read(&self.rows(log), slot.checked_add(1)?)
    }

    /// The state as a learner's view has it.
    pub fn with_view<T>(
        &self,
        log: LogIndex,
        learner: LearnerId,
        read: impl FnOnce(&View<'_, Rows<'_>>) -> T,
    ) -> Option<T> {
        let rows = self.frozen(log);
        let view = View::at(&rows, learner_height(&rows, learner))?;
        Some(read(&view))
    }

    /// Whether a bundle was executed, and may not be once more.
    pub fn is_used(&self, log: LogIndex, id: &BundleId) -> bool {
        used(&self.rows(log), id).is_some()
    }

    /// Whether a bundle needs something that lives in another log.
    pub fn wrong_home(&self, log: LogIndex, bundle: &Bundle) -> Option<Refusal> {
        wrong_home(&self.rows(log), bundle)
    }

    /// The receipt of a bundle: one that waits or `waited` here, or found where it was executed.
    pub fn receipt(&self, log: LogIndex, id: &BundleId, waited: Option<Arc<Bundle>>) -> Known {
        let rows = self.frozen(log);
        let of_log = &self.logs[usize::from(log.0)];
        // Heights first: then what has no position is in no slot below them.
        let heights: BTreeMap<LearnerId, u64> =
            of_log.chains.values().map(|it| (*it, learner_height(&rows, *it))).collect();
        let position = position(&rows, id);
        let begins = begins(&rows);
        let forgotten = || Known::Forgotten(Forgotten { log: of_log.name.clone(), begins });
        let is_there = |position: &Position| {
            [position.slot, position.slot + 1]
                .map(|it| Summary::read(&rows, it))
                .iter()
                .all(Option::is_some)
        };
        let bundle = match (&position, waited) {
            (Some(position), _) if !is_there(position) => return forgotten(),
            (None, _) if used(&rows, id).is_some() => return forgotten(),
            (_, Some(bundle)) => Bundle::clone(&bundle),
            (Some(position), None) => match self.executed(log, &rows, position) {
                Some(bundle) => bundle,
                None => return forgotten(),
            },
            (None, None) => return Known::Nothing,
        };
        let last = bundle.body.valid_until;
        // It may have been in a slot of which nothing is known.
        if position.is_none() && last < begins {
            return forgotten();
        }
        // The same for all chains that have executed it.
        let executed = position.clone().and_then(|position| {
            let slot = self.executed_slot(log, &rows, position.slot)?;
            Some(slot.receipt(position))
        });
        let chains = bundle.body.parts.iter().filter_map(|part| {
            let height = heights[of_log.chains.get(&part.chain)?];
            let receipt = match &position {
                Some(position) if position.slot < height => {
                    let learner = of_log.chains[&part.chain];
                    let mut receipt = executed.clone().unwrap_or_else(ChainReceipt::pending);
                    receipt.certificate = self.certificate(log, learner, position.slot);
                    receipt
                }
                None if last < height => ChainReceipt::expired(),
                _ => ChainReceipt::pending(),
            };
            Some((part.chain.clone(), receipt))
        });
        let chains = chains.collect();
        Known::Receipt(Box::new(Receipt::new(self.network, bundle, chains, &of_log.atomicity)))
    }

    /// Who attests what a learner's view executed up to a slot, if a quorum does and says what this node says.
    pub fn certificate(
        &self,
        log: LogIndex,
        learner: LearnerId,
        slot: u64,
    ) -> Option<ReceiptCertificate> {
        let certificate = self.store.certificates(log, learner, slot).next()?;
        let certificate = certificate.unwrap_or_else(|error| self.store.give_up(error));
        let rows = self.frozen(log);
        let own = Summary::read(&rows, certificate.slot.checked_add(1)?)?;
        let path = path(&rows, slot, certificate.slot)?;
        let same = own.history == certificate.history && own.state_root == certificate.state_root;
        same.then(|| ReceiptCertificate::new(&self.graph, &certificate, path))
    }

    /// An executed slot: the tree over its results is made once for all receipts of a block.
    fn executed_slot(
        &self,
        log: LogIndex,
        rows: &Rows<'_>,
        slot: u64,
    ) -> Option<Arc<ExecutedSlot>> {
        let slots = || self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slots().get(&(log, slot)) {
            return Some(known.clone());
        }
        let executed = Arc::new(ExecutedSlot::read(rows, slot)?);
        slots().insert((log, slot), executed.clone());
        Some(executed)
    }

    /// A bundle of an executed block.
    fn executed(&self, log: LogIndex, rows: &Rows<'_>, position: &Position) -> Option<Bundle> {
        let (slot, index) = (position.slot, position.index);
        let value = Summary::read(rows, slot + 1)?.block;
        let bytes = self.store.block(log, Slot(slot), &value);
        let bytes = bytes.unwrap_or_else(|error| self.store.give_up(error))?;
        let block = Block::decode(&bytes).unwrap_or_else(|error| {
            self.store.give_up(self.store.damaged(format!("a block of slot {slot}: {error}")))
        });
        block.bundles.into_iter().nth(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_ledger::{Body, Part, Status};

    #[test]
    fn what_was_in_no_block_expires_chain_by_chain() {
        let (network, log) = (NetworkId([7; 32]), LogIndex(0));
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), network, &[1; 32]).unwrap());
        let [red, blue] = [0, 1].map(LearnerId::new);
        let chains = BTreeMap::from([("red".into(), red), ("blue".into(), blue)]);
        let of_log = LogViews {
            name: "red+blue".into(),
            chains,
            analysis: LogAnswer::default(),
            atomicity: Vec::new(),
        };
        let graph = "version = 1\n[acceptors.a]\n[learners.red]\nquorum = \"a\"\n";
        let graph = Arc::new(hpaxos_learner_graph::file::read(graph).unwrap());
        let views = Views::new(network, graph, store.clone(), vec![of_log]);
        let part = |chain: &str| Part { chain: chain.into(), operations: Vec::new() };
        let body = Body {
            log: "red+blue".into(),
            valid_until: 5,
            salt: 1,
            signers: Vec::new(),
            parts: vec![part("blue"), part("red")],
        };
        let bundle = Arc::new(Bundle::unsigned(body));
        let id = bundle.id(network);
        let statuses = || {
            let Known::Receipt(receipt) = views.receipt(log, &id, Some(bundle.clone())) else {
                panic!()
            };
            ["red", "blue"].map(|chain| receipt.chains[chain].status)
        };
        let reach = |learner, height| {
            let delta = BTreeMap::from([Views::height_row(learner, height)]);
            store.write_view(log, &delta).unwrap();
        };
        reach(red, 5);
        assert_eq!(statuses(), [Status::Pending, Status::Pending], "slot 5 may be the one");
        reach(red, 6);
        assert_eq!(statuses(), [Status::Expired, Status::Pending]);
        reach(blue, 6);
        assert_eq!(statuses(), [Status::Expired, Status::Expired]);
        assert!(matches!(views.receipt(log, &id, None), Known::Nothing), "nobody knows it");
    }
}
