//! Bundles that wait to be decided: bounded overall and for each source, the oldest first.
//!
//! A bundle that lies in an undecided proposal is claimed: nobody proposes it once more until it is known that another
//! proposal was decided in that slot. One that waited until its last slot had passed is kept for a while, for those who ask.

use crate::driver::Input;
use crate::store::LogIndex;
use hpaxos_consensus::NetworkId;
use hpaxos_consensus::{Peer, Slot, ValueHash};
use hpaxos_ledger::limits::{BLOCK_BUNDLES_MAX, BLOCK_BYTES_MAX, WINDOW_SLOTS};
use hpaxos_ledger::{Block, Bundle, BundleId, value};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Bytes that a block needs beside its bundles.
const BLOCK_OVERHEAD_BYTES: usize = 64;

/// Where a bundle came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A client.
    Client(IpAddr),
    /// Another node.
    Peer(Peer),
    /// It waited when this node stopped.
    Disk,
}

/// How many bundles may wait, and how many that expired are kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In a log.
    pub bundles_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
    /// Of one source.
    pub per_source_max: usize,
}

/// What became of a bundle that was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It waits now.
    New,
    /// It waited before.
    Known,
    /// There is no room: later, perhaps.
    Full,
}

/// A block that this node may propose.
pub struct Made {
    /// Its hash.
    pub value: ValueHash,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// How many bundles are in it.
    pub bundles: usize,
}

/// Bundles that wait to be decided.
pub struct Mempool {
    network: NetworkId,
    limits: Limits,
    logs: Vec<Mutex<Pool>>,
    driver: OnceLock<mpsc::Sender<Input>>,
}

#[derive(Default)]
struct Pool {
    bundles: BTreeMap<BundleId, Waiting>,
    /// In the order in which they came.
    order: BTreeMap<u64, BundleId>,
    count: u64,
    bytes: usize,
    per_source: BTreeMap<Source, usize>,
    /// Undecided proposals.
    proposals: BTreeMap<Slot, BTreeMap<ValueHash, Vec<BundleId>>>,
    /// Bundles that nobody has claimed, and that are not decided.
    unclaimed: usize,
    expired: Expired,
}

/// Bundles that expired while they waited. The oldest are forgotten.
#[derive(Default)]
struct Expired {
    bundles: BTreeMap<BundleId, Arc<Bundle>>,
    /// In the order in which they expired, with their bytes.
    order: VecDeque<(BundleId, usize)>,
    bytes: usize,
}

impl Expired {
    fn keep(&mut self, id: BundleId, bundle: Arc<Bundle>, bytes: usize, limits: Limits) {
        if self.bundles.insert(id, bundle).is_some() {
            return;
        }
        self.order.push_back((id, bytes));
        self.bytes += bytes;
        while self.order.len() > limits.bundles_max || self.bytes > limits.bytes_max {
            let Some((oldest, bytes)) = self.order.pop_front() else { return };
            self.bundles.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}

struct Waiting {
    bundle: Arc<Bundle>,
    number: u64,
    bytes: usize,
    source: Source,
    since: Instant,
    /// Undecided proposals in which it lies.
    claims: usize,
    /// Whether it lies in a decided block.
    decided: bool,
    /// Who wants to know when it waits no more: dropped with it.
    listeners: Vec<oneshot::Sender<Infallible>>,
}

impl Waiting {
    fn is_unclaimed(&self) -> bool {
        self.claims == 0 && !self.decided
    }
}

impl Mempool {
    /// An empty one, for so many logs.
    pub fn new(network: NetworkId, logs: usize, limits: Limits) -> Self {
        let logs = (0..logs).map(|_| Mutex::new(Pool::default())).collect();
        Mempool { network, limits, logs, driver: OnceLock::new() }
    }

    /// Whom to tell that something waits.
    pub fn set_driver(&self, driver: mpsc::Sender<Input>) {
        let _ = self.driver.set(driver);
    }

    fn pool(&self, log: LogIndex) -> MutexGuard<'_, Pool> {
        self.logs[usize::from(log.0)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        if let Some(driver) = self.driver.get() {
            // A driver with full hands looks anyway.
            let _ = driver.try_send(Input::Look);
        }
    }

    /// Adds a bundle that was checked.
    pub fn add(&self, log: LogIndex, id: BundleId, bundle: Arc<Bundle>, source: Source) -> Added {
        let bytes = bundle.to_bytes().len();
        let mut pool = self.pool(log);
        if pool.bundles.contains_key(&id) {
            return Added::Known;
        }
        let of_source = pool.per_source.get(&source).copied().unwrap_or_default();
        let full = pool.bundles.len() >= self.limits.bundles_max
            || pool.bytes + bytes > self.limits.bytes_max
            || of_source >= self.limits.per_source_max && source != Source::Disk;
        if full {
            return Added::Full;
        }
        let number = pool.count;
        pool.count += 1;
        pool.bytes += bytes;
        pool.unclaimed += 1;
        *pool.per_source.entry(source).or_default() += 1;
        pool.order.insert(number, id);
        // Somebody's proposal may have come first.
        let since = Instant::now();
        let (claims, decided, listeners) = (0, false, Vec::new());
        let mut waiting =
            Waiting { bundle, number, bytes, source, since, claims, decided, listeners };
        let proposals = pool.proposals.values().flat_map(BTreeMap::values);
        waiting.claims = proposals.filter(|ids| ids.contains(&id)).count();
        if waiting.claims > 0 {
            pool.unclaimed -= 1;
        }
        pool.bundles.insert(id, waiting);
        drop(pool);
        self.look();
        Added::New
    }

    /// Whether a bundle waits, with exactly these signatures: they were checked.
    pub fn knows(&self, log: LogIndex, id: &BundleId, signatures: &[[u8; 64]]) -> bool {
        let pool = self.pool(log);
        pool.bundles.get(id).is_some_and(|waiting| waiting.bundle.signatures == signatures)
    }

    /// A bundle that waits, and what ends when it does no more: when it is executed, or its last slot is.
    pub fn waiting(
        &self,
        log: LogIndex,
        id: &BundleId,
    ) -> Option<(Arc<Bundle>, oneshot::Receiver<Infallible>)> {
        let mut pool = self.pool(log);
        let waiting = pool.bundles.get_mut(id)?;
        let (listener, ends) = oneshot::channel();
        waiting.listeners.retain(|one| !one.is_closed());
        waiting.listeners.push(listener);
        Some((waiting.bundle.clone(), ends))
    }

    /// A bundle that waits, or that expired while it waited.
    pub fn get(&self, log: LogIndex, id: &BundleId) -> Option<Arc<Bundle>> {
        let pool = self.pool(log);
        let waiting = pool.bundles.get(id).map(|waiting| &waiting.bundle);
        waiting.or_else(|| pool.expired.bundles.get(id)).cloned()
    }

    /// How many wait.
    pub fn len(&self, log: LogIndex) -> usize {
        self.pool(log).bundles.len()
    }

    /// Whether there is something to propose.
    pub fn waits(&self, log: LogIndex) -> bool {
        self.pool(log).unclaimed > 0
    }

    /// Makes a block for a slot of what nobody has claimed.
    pub fn propose(&self, log: LogIndex, slot: Slot) -> Made {
        let mut pool = self.pool(log);
        let (mut ids, mut bundles) = (Vec::new(), Vec::new());
        let mut bytes = BLOCK_OVERHEAD_BYTES;
        for id in pool.order.values() {
            let waiting = &pool.bundles[id];
            if !waiting.is_unclaimed() || !may_be_in(&waiting.bundle, slot) {
                continue;
            }
            if ids.len() == BLOCK_BUNDLES_MAX || bytes + waiting.bytes > BLOCK_BYTES_MAX {
                break;
            }
            bytes += waiting.bytes;
            ids.push(*id);
            bundles.push(Bundle::clone(&waiting.bundle));
        }
        let count = bundles.len();
        let bytes = Block { bundles }.to_bytes();
        let value = value(self.network, &bytes);
        pool.claim(slot, value, ids);
        Made { value, bytes: bytes.into(), bundles: count }
    }

    /// Somebody proposed a block for a slot.
    pub fn claim(&self, log: LogIndex, slot: Slot, value: ValueHash, ids: Vec<BundleId>) {
        self.pool(log).claim(slot, value, ids);
    }

    /// A block was decided in a slot: what others proposed there waits again.
    pub fn decided(&self, log: LogIndex, slot: Slot, value: ValueHash) {
        self.pool(log).unclaim(slot, Some(value));
    }

    /// A view executed a slot in which these bundles were: they wait no more, nor does what can be in no later slot.
    /// Returns how long each that a client had brought here had waited.
    pub fn executed(&self, log: LogIndex, slot: Slot, ids: &[BundleId]) -> Vec<Duration> {
        let mut pool = self.pool(log);
        let mut waits = Vec::new();
        for id in ids {
            if let Some(waiting) = pool.remove(id)
                && matches!(waiting.source, Source::Client(_))
            {
                waits.push(waiting.since.elapsed());
            }
        }
        // A proposal may have come late, for a slot that was decided before.
        while let Some((first, _)) = pool.proposals.first_key_value()
            && *first <= slot
        {
            let first = *first;
            pool.unclaim(first, None);
        }
        // Looking at all is worth it now and then only.
        if slot.0.is_multiple_of(16) {
            let over = |waiting: &Waiting| waiting.bundle.body.valid_until <= slot.0;
            let expired: Vec<BundleId> =
                pool.bundles.iter().filter(|(_, one)| over(one)).map(|(id, _)| *id).collect();
            for id in expired {
                let Some(Waiting { bundle, bytes, .. }) = pool.remove(&id) else { continue };
                pool.expired.keep(id, bundle, bytes, self.limits);
            }
        }
        waits
    }

    /// Everything that waits, oldest first.
    pub fn all(&self, log: LogIndex) -> Vec<Arc<Bundle>> {
        let pool = self.pool(log);
        pool.order.values().map(|id| pool.bundles[id].bundle.clone()).collect()
    }
}

impl Pool {
    fn claim(&mut self, slot: Slot, value: ValueHash, ids: Vec<BundleId>) {
        if self.proposals.get(&slot).is_some_and(|of_slot| of_slot.contains_key(&value)) {
            return;
        }
        for id in &ids {
            if let Some(waiting) = self.bundles.get_mut(id) {
                if waiting.is_unclaimed() {
                    self.unclaimed -= 1;
                }
                waiting.claims += 1;
            }
        }
        self.proposals.entry(slot).or_default().insert(value, ids);
    }

    /// Nothing more is proposed in a slot, in which a value was decided.
    fn unclaim(&mut self, slot: Slot, decided: Option<ValueHash>) {
        for (value, ids) in self.proposals.remove(&slot).unwrap_or_default() {
            for id in ids {
                let Some(waiting) = self.bundles.get_mut(&id) else { continue };
                let before = waiting.is_unclaimed();
                waiting.claims = waiting.claims.saturating_sub(1);
                waiting.decided |= decided == Some(value);
                match (before, waiting.is_unclaimed()) {
                    (false, true) => self.unclaimed += 1,
                    (true, false) => self.unclaimed -= 1,
                    _ => {}
                }
            }
        }
    }

    fn remove(&mut self, id: &BundleId) -> Option<Waiting> {
        let waiting = self.bundles.remove(id)?;
        if waiting.is_unclaimed() {
            self.unclaimed -= 1;
        }
        self.bytes -= waiting.bytes;
        self.order.remove(&waiting.number);
        if let Some(count) = self.per_source.get_mut(&waiting.source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&waiting.source);
            }
        }
        Some(waiting)
    }
}

fn may_be_in(bundle: &Bundle, slot: Slot) -> bool {
    let last = bundle.body.valid_until;
    slot.0 <= last && last <= slot.0.saturating_add(WINDOW_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_ledger::Body;
    use tokio::sync::oneshot::error::TryRecvError::Closed;

    const LOG: LogIndex = LogIndex(0);

    fn mempool(bundles_max: usize) -> Mempool {
        let limits = Limits { bundles_max, bytes_max: 1 << 20, per_source_max: bundles_max };
        Mempool::new(NetworkId([7; 32]), 1, limits)
    }

    fn add(mempool: &Mempool, salt: u64, valid_until: u64) -> BundleId {
        let (signers, parts) = (Vec::new(), Vec::new());
        let body = Body { log: "red".into(), valid_until, salt, signers, parts };
        let bundle = Arc::new(Bundle::unsigned(body));
        let id = bundle.id(NetworkId([7; 32]));
        assert_eq!(mempool.add(LOG, id, bundle, Source::Disk), Added::New);
        id
    }

    #[test]
    fn what_expires_while_it_waits_is_known_for_a_while() {
        let mempool = mempool(2);
        let [first, second] = [1, 2].map(|salt| add(&mempool, salt, 16));
        mempool.executed(LOG, Slot(16), &[]);
        assert_eq!((mempool.len(LOG), mempool.waits(LOG)), (0, false));
        for id in [first, second] {
            assert!(mempool.waiting(LOG, &id).is_none());
            assert_eq!(mempool.get(LOG, &id).unwrap().body.valid_until, 16);
        }
        // What was executed did not expire.
        let executed = add(&mempool, 3, 32);
        mempool.executed(LOG, Slot(32), &[executed]);
        assert!(mempool.get(LOG, &executed).is_none());
        // The oldest is forgotten: both expired at once, in the order of their ids.
        let third = add(&mempool, 4, 48);
        mempool.executed(LOG, Slot(48), &[]);
        let known = [first.min(second), first.max(second), third];
        assert_eq!(known.map(|id| mempool.get(LOG, &id).is_some()), [false, true, true]);
    }

    #[test]
    fn who_listens_hears_that_a_bundle_waits_no_more() {
        let mempool = mempool(2);
        let [first, second] = [1, 2].map(|salt| add(&mempool, salt, 16));
        let mut ends = [first, second].map(|id| mempool.waiting(LOG, &id).unwrap().1);
        let mut has_ended = || ends.each_mut().map(|ends| ends.try_recv() == Err(Closed));
        assert_eq!(has_ended(), [false, false]);
        mempool.executed(LOG, Slot(3), &[first]);
        assert_eq!(has_ended(), [true, false]);
        mempool.executed(LOG, Slot(16), &[]);
        assert_eq!(has_ended(), [true, true], "the other one expired");
        assert!(mempool.waiting(LOG, &first).is_none());
    }
}
