//! Clients that compete for registers, whose history must be linearizable on each chain.
//!
//! A register is an object on every chain of a log, and each bundle moves all of them on from one version, or none. Whoever
//! moves first wins.

use crate::load::{Target, settled};
use crate::story::signed;
use ed25519_dalek::SigningKey;
use hpaxos_ledger::{Operation, Part, Status};
use hpaxos_node::api::answers::Object;
use hpaxos_spec::registers::{History, Operation as Asked};
use hpaxos_spec::verdict::Judged;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Clients at a time.
const CLIENTS: usize = 3;

/// Operations on one register, before there is a new one: whether a history is linearizable takes the longer to find out the
/// longer it is.
const OPERATIONS_MAX: usize = 40;

/// How long an outcome is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two operations of a client.
const PAUSE: Duration = Duration::from_millis(100);

/// Slots within which a bundle is to be decided: what a node lost that was killed expires soon.
const VALID_SLOTS: u64 = 500;

/// Running clients.
pub struct Registers {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    target: Arc<Target>,
    salt: u64,
    next: AtomicU64,
    stop: AtomicBool,
    rounds: Mutex<Rounds>,
}

#[derive(Default)]
struct Rounds {
    now: Option<Round>,
    done: Vec<BTreeMap<String, History>>,
}

/// One register.
struct Round {
    number: u64,
    key: String,
    /// At which version somebody saw it last.
    version: u64,
    /// Of each chain.
    histories: BTreeMap<String, History>,
}

/// An operation that was asked for: on which register, and as each chain's history has it.
struct Attempt {
    round: u64,
    key: String,
    expects: u64,
    asked: BTreeMap<String, Asked>,
}

impl Registers {
    /// Starts clients. Registers of two starts differ in their `salt`.
    pub fn start(target: Arc<Target>, salt: u64) -> Self {
        let shared = Arc::new(Shared {
            target,
            salt,
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            rounds: Mutex::new(Rounds::default()),
        });
        let client = |number| {
            let shared = shared.clone();
            thread::spawn(move || shared.work(number))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Registers { shared, clients }
    }

    /// Ends them, and says whether each history is linearizable.
    pub fn finish(self) -> Judged {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client does not panic");
        }
        let mut rounds = self.shared.rounds();
        let last = rounds.now.take().map(|round| round.histories);
        rounds.done.extend(last);
        let histories = || rounds.done.iter().flatten().filter(|(_, history)| !history.is_empty());
        let wrong = histories().find(|(_, history)| !history.is_linearizable());
        let operations: usize = histories().map(|(_, history)| history.len()).sum();
        Judged {
            name: "linearizable".into(),
            holds: wrong.is_none(),
            detail: match wrong {
                Some((chain, history)) => format!("not so on {chain}: {history:?}"),
                None => format!("{operations} operations in {} histories", histories().count()),
            },
        }
    }
}

impl Shared {
    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, number: usize) {
        let key = &self.target.keys[0];
        while !self.stop.load(Ordering::Relaxed) {
            if !self.is_there() {
                if number == 0 {
                    self.make_register(key);
                }
            } else if let Some(attempt) = self.ask() {
                self.attempt(key, &attempt);
            }
            thread::sleep(PAUSE);
        }
    }

    fn is_there(&self) -> bool {
        let full = |round: &Round| round.histories.values().any(|it| it.len() >= OPERATIONS_MAX);
        self.rounds().now.as_ref().is_some_and(|round| !full(round))
    }

    /// Sends a bundle with one operation on each chain. Its outcome, if it became known.
    fn send(&self, key: &SigningKey, operation: &Operation) -> Option<Status> {
        let target = &self.target;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let client = target.client(number)?;
        let parts = target
            .chains
            .iter()
            .map(|chain| Part { chain: chain.clone(), operations: vec![operation.clone()] });
        let valid_until = target.height.load(Ordering::Relaxed) + VALID_SLOTS;
        let salt = (self.salt << 32) | number;
        let (parts, keys) = (parts.collect(), std::iter::once(key));
        let bundle = signed(target.network, &target.log, valid_until, salt, parts, keys);
        // Where nobody answered it may have been taken all the same.
        client.submit(&bundle).ok()?;
        Some(settled(&client, &bundle.id(target.network), PATIENCE)?.status())
    }

    fn make_register(&self, owner: &SigningKey) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = format!("{}:register-{}-{number}", self.target.log, self.salt);
        let owner_key = owner.verifying_key().to_bytes();
        let create = Operation::Create { key: key.clone(), value: Vec::new(), owner: owner_key };
        if self.send(owner, &create) != Some(Status::Committed) {
            return;
        }
        // An object is born with version 1.
        let histories = self.target.chains.iter().map(|chain| (chain.clone(), History::new(1)));
        let round = Round { number, key, version: 1, histories: histories.collect() };
        let mut rounds = self.rounds();
        let before = rounds.now.replace(round).map(|round| round.histories);
        rounds.done.extend(before);
    }

    /// Begins an operation: from the version seen last or, now and then, from one that is over or not there yet.
    fn ask(&self) -> Option<Attempt> {
        let mut rounds = self.rounds();
        let round = rounds.now.as_mut()?;
        let expects = match rand::random_range(0..8) {
            0 => round.version.saturating_sub(1),
            1 => round.version + 1,
            _ => round.version,
        };
        let histories = round.histories.iter_mut();
        let asked = histories.map(|(chain, history)| (chain.clone(), history.invoked(expects)));
        Some(Attempt {
            round: round.number,
            key: round.key.clone(),
            expects,
            asked: asked.collect(),
        })
    }

    fn attempt(&self, owner: &SigningKey, attempt: &Attempt) {
        let update = Operation::Update {
            key: attempt.key.clone(),
            value: Vec::new(),
            if_version: Some(attempt.expects),
        };
        let status = self.send(owner, &update);
        let seen = self.version(&attempt.key);
        let mut rounds = self.rounds();
        let Some(round) = rounds.now.as_mut().filter(|round| round.number == attempt.round) else {
            return;
        };
        for (chain, asked) in &attempt.asked {
            let Some(history) = round.histories.get_mut(chain) else { continue };
            match status {
                Some(Status::Committed) => history.returned(*asked, true),
                Some(Status::Aborted) => history.returned(*asked, false),
                Some(Status::Expired) => history.withdrawn(*asked),
                _ => {}
            }
        }
        round.version = round.version.max(seen.unwrap_or(1));
        if status == Some(Status::Committed) {
            round.version = round.version.max(attempt.expects + 1);
        }
    }

    /// At which version some node has a register: perhaps an old one.
    fn version(&self, key: &str) -> Option<u64> {
        let client = self.target.client(self.next.load(Ordering::Relaxed))?;
        let path = format!("/v1/chains/{}/objects/{key}", self.target.chains[0]);
        Some(client.get::<Object>(&path, Duration::ZERO).ok()?.version)
    }
}
