//! Load: bundles, so many a second, and what became of every one.
//!
//! Each bundle has the time at which it was due; its latency runs from then until
//! its node has executed it on all chains, so that a network that falls behind is not flattered.
//!
//! A node that is killed forgets what waited there; the client sends it once more, which is safe: a bundle is executed once.

use crate::figures::{furthest, keeps_up};
use crate::fleet::Fleet;
use crate::swap::Swap;
use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_ledger::{Bundle, BundleId, Receipt, Status};
use hpaxos_node::api::answers::Logs;
use hpaxos_node::client::{Client, ClientError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bundles under way at a time: each has a thread. Of 1,500 a second that is 170 ms of each.
pub const WORKERS: usize = 256;

/// Bundles that a node did not say the outcome of in time, and of which all nodes are asked at a time.
const SETTLERS: usize = 8;

/// How long an outcome is waited for before another bundle is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long outcomes that are missing are asked for: of one bundle while there is load, of all at the end.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The longest nap between two looks whether the load is over.
const NAP: Duration = Duration::from_millis(50);

/// What the load needs to know of the network.
pub struct Target {
    /// The network's id.
    pub network: NetworkId,
    /// The log.
    pub log: String,
    /// Its chains.
    pub chains: Vec<String>,
    /// Who swaps.
    pub keys: Vec<SigningKey>,
    /// Nodes that take bundles; changed while the load runs.
    pub clients: RwLock<Vec<Client>>,
    /// About how far the log is.
    pub height: AtomicU64,
}

/// What became of the bundles so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// On all chains.
    pub committed: u64,
    /// On all chains.
    pub aborted: u64,
    /// On all chains.
    pub expired: u64,
    /// Not taken by a node, or by none.
    pub refused: u64,
    /// Taken, and without an outcome on all chains when it was last looked at.
    pub open: BTreeMap<BundleId, Arc<Bundle>>,
    /// Taken, and later known to no node: sent once more.
    pub forgotten: u64,
    /// From the time at which a bundle was due to its commit, in microseconds.
    pub latencies_us: Vec<u32>,
    /// With different outcomes on chains.
    pub split: Vec<BundleId>,
    /// The last refusal.
    pub last_refusal: Option<String>,
}

/// What became of one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same on all chains.
    Whole(Status),
    /// Not the same on all chains; one of them.
    Split(Status),
}

impl Outcome {
    /// On the first chain.
    pub fn status(self) -> Status {
        match self {
            Outcome::Whole(status) | Outcome::Split(status) => status,
        }
    }
}

impl Target {
    /// The log of several chains of a network; none if nobody has keys.
    pub fn of(fleet: &Fleet) -> Option<Self> {
        let (log, chains) = fleet.shared_log()?;
        let traders = fleet.prepared.clients.iter().filter(|(name, _)| name.starts_with("trader"));
        let keys: Vec<_> = traders.map(|(_, key)| key.clone()).collect();
        (!keys.is_empty()).then(|| Target {
            network: fleet.prepared.network,
            clients: RwLock::new(clients_of(fleet.runners(&log))),
            log,
            chains,
            keys,
            height: AtomicU64::new(0),
        })
    }

    /// Lets load go where nodes are up and not far behind, as far as they said: one that catches up would know late what became
    /// of a bundle.
    pub fn aim(&self, fleet: &Fleet, seen: &BTreeMap<String, Logs>) {
        let furthest = furthest(seen).remove(&self.log).unwrap_or_default();
        if let Some(height) = furthest.values().max() {
            self.height.store(*height, Ordering::Relaxed);
        }
        let mut up = fleet.runners(&self.log);
        up.retain(|(name, _)| {
            let log = seen.get(name).and_then(|logs| logs.logs.get(&self.log));
            log.is_some_and(|log| keeps_up(log, &furthest))
        });
        let up = clients_of(up);
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        // Clients keep their connections as long as nothing changes.
        if up.iter().map(Client::url).ne(clients.iter().map(Client::url)) {
            *clients = up;
        }
    }

    /// A node for the bundle of this number; none if none is up.
    pub fn client(&self, number: u64) -> Option<Client> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let place = number.checked_rem(clients.len() as u64)?;
        Some(clients[place as usize].clone())
    }
}

fn clients_of(runners: Vec<(String, Client)>) -> Vec<Client> {
    runners.into_iter().map(|(_, client)| client).collect()
}

/// Running load.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    target: Arc<Target>,
    swap: Swap,
    rate: f64,
    started: Instant,
    next: AtomicU64,
    salt: u64,
    stop: AtomicBool,
    counts: Mutex<Counts>,
}

impl Load {
    /// Starts to send `rate` bundles a second. Bundles of two loads differ in their `salt`.
    pub fn start(target: Arc<Target>, swap: Swap, rate: f64, salt: u64) -> Self {
        let shared = Arc::new(Shared {
            target,
            swap,
            rate,
            started: Instant::now(),
            next: AtomicU64::new(0),
            salt,
            stop: AtomicBool::new(false),
            counts: Mutex::new(Counts::default()),
        });
        let worker = |number| {
            let shared = shared.clone();
            thread::spawn(move || match number < WORKERS {
                true => shared.work(),
                false => shared.settle_open(),
            })
        };
        let workers = (0..WORKERS + SETTLERS).map(worker).collect();
        Load { shared, workers }
    }

    /// What became of the bundles so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts().clone()
    }

    /// Sends no more; waits for what is under way, and asks once more for what was left open. That may take a while; it ends
    /// early once `given_up` is set.
    pub fn finish(self, given_up: &AtomicBool) -> Counts {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.join().expect("a worker does not panic");
        }
        let open = std::mem::take(&mut self.shared.counts().open);
        let deadline = Instant::now() + SETTLED_WITHIN;
        let left = Mutex::new(open.into_iter());
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((id, bundle)) = next else { return };
                        let over =
                            || given_up.load(Ordering::Relaxed) || Instant::now() >= deadline;
                        self.shared.settle(id, bundle, over);
                    }
                });
            }
        });
        self.shared.counts().clone()
    }
}

impl Counts {
    /// How many have an outcome.
    pub fn settled(&self) -> u64 {
        self.committed + self.aborted + self.expired
    }

    fn settle(&mut self, id: BundleId, outcome: Outcome) {
        if let Outcome::Split(_) = outcome {
            self.split.push(id);
        }
        match outcome.status() {
            Status::Committed => self.committed += 1,
            Status::Aborted | Status::Duplicate => self.aborted += 1,
            Status::Expired => self.expired += 1,
            Status::Pending => unreachable!("only outcomes are counted"),
        }
    }

    fn refuse(&mut self, why: String) {
        self.refused += 1;
        self.last_refusal = Some(why);
    }
}

/// The outcome of a bundle, if it has one on all chains.
pub fn settled(client: &Client, id: &BundleId, wait: Duration) -> Option<Outcome> {
    outcome(&client.receipt(id, wait).ok()??)
}

fn outcome(receipt: &Receipt) -> Option<Outcome> {
    let mut statuses = receipt.chains.values().map(|chain| chain.status);
    let first = statuses.next()?;
    let rest: Vec<Status> = statuses.collect();
    if first == Status::Pending || rest.contains(&Status::Pending) {
        return None;
    }
    let same = rest.iter().all(|status| *status == first);
    Some(if same { Outcome::Whole(first) } else { Outcome::Split(first) })
}

impl Shared {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> Vec<Client> {
        self.target.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for the outcome of a bundle until there is one or it is `over`; any node will do.
    fn settle(&self, id: BundleId, bundle: Arc<Bundle>, over: impl Fn() -> bool) {
        // It is sent again until a node takes it, and counted once.
        let (mut was_forgotten, mut was_sent_again) = (false, false);
        while !over() {
            let clients = self.clients();
            let mut is_forgotten = !clients.is_empty();
            for client in &clients {
                let receipt = client.receipt(&id, Duration::ZERO);
                if let Ok(Some(outcome)) = receipt.as_ref().map(|it| it.as_ref().and_then(outcome))
                {
                    return self.counts().settle(id, outcome);
                }
                is_forgotten &= matches!(receipt, Ok(None));
            }
            if is_forgotten && !was_sent_again {
                self.counts().forgotten += u64::from(!was_forgotten);
                was_forgotten = true;
                match clients[0].submit(&bundle) {
                    Ok(_) => was_sent_again = true,
                    // Its last slot is over, and it was in none.
                    Err(ClientError::Refused(refused)) if refused.body.code == "expired" => {
                        return self.counts().settle(id, Outcome::Whole(Status::Expired));
                    }
                    Err(_) => {}
                }
            }
            thread::sleep(NAP);
        }
        self.counts().open.insert(id, bundle);
    }

    /// Asks for outcomes that are missing as long as there is load: nodes that let go of old slots do not know them for ever.
    fn settle_open(&self) {
        let is_over = || self.stop.load(Ordering::Relaxed);
        while !is_over() {
            let next = self.counts().open.pop_first();
            match next {
                Some((id, bundle)) => {
                    let deadline = Instant::now() + SETTLED_WITHIN;
                    self.settle(id, bundle, || is_over() || Instant::now() >= deadline);
                }
                None => thread::sleep(NAP),
            }
        }
    }

    fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = self.started + Duration::from_secs_f64(number as f64 / self.rate);
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let rest = due.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    break;
                }
                thread::sleep(rest.min(NAP));
            }
            self.send(number, due);
        }
    }

    fn send(&self, number: u64, due: Instant) {
        let bundle = self.swap.bundle(&self.target, (self.salt << 32) | number);
        let Some(client) = self.target.client(number) else {
            self.counts().refuse("no node is up".into());
            thread::sleep(NAP);
            return;
        };
        let id = bundle.id(self.target.network);
        // Where nobody answered it may have been taken all the same; nobody said so.
        if let Err(error) = client.submit(&bundle) {
            self.counts().refuse(error.to_string());
            return;
        }
        let outcome = settled(&client, &id, PATIENCE);
        let latency = due.elapsed();
        let mut counts = self.counts();
        match outcome {
            Some(outcome) => {
                counts.settle(id, outcome);
                counts.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
            }
            None => drop(counts.open.insert(id, Arc::new(bundle))),
        }
    }
}
