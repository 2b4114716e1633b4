//! A small world for tests: two chains, their joint log, four clients.
#![allow(dead_code, reason = "each test uses part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

pub mod logs;

use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::{LearnerGraph, LearnerSet, file};
use hpaxos_ledger::*;
use proptest::test_runner::{Config, FileFailurePersistence};

pub const NETWORK: NetworkId = NetworkId([7; 32]);
pub const LOG: &str = "red+blue";

/// So many random cases; a failure prints its seed, and leaves it beside the test.
pub fn random(cases: u32) -> Config {
    let file = FileFailurePersistence::WithSource("regressions");
    Config { failure_persistence: Some(Box::new(file)), ..Config::with_cases(cases) }
}

pub fn client(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number + 1; 32])
}

pub fn key(number: u8) -> [u8; 32] {
    client(number).verifying_key().to_bytes()
}

pub fn graph() -> LearnerGraph {
    file::read(
        "version = 1\n[acceptors.a]\n[acceptors.b]\n[acceptors.c]\n[acceptors.d]\n\
         [learners.red]\nquorum = { at-least = 3, of = [\"a\", \"b\", \"c\", \"d\"] }\n\
         [learners.blue]\nquorum = { at-least = 3, of = [\"a\", \"b\", \"c\", \"d\"] }\n\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
         [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
    )
    .unwrap()
}

/// Each client has 1,000 gold on each chain; client 0 has one short of everything there can be of silver, on red, and
/// an object on each chain.
pub fn genesis(deposit: &str) -> Genesis {
    let mut text = format!("version = 1\nnetwork = \"test\"\n{deposit}\n");
    for chain in ["red", "blue"] {
        for number in 0..4 {
            text += &balance(chain, "gold", number, 1_000);
        }
        let owner = hex::encode(key(0));
        text += &format!(
            "[[chains.{chain}.objects]]\nlog = \"{LOG}\"\nkey = \"{LOG}:first\"\nowner = \"{owner}\"\nvalue = \"\"\n"
        );
    }
    text += &balance("red", "silver", 0, u128::MAX - 1);
    text += &balance("red", "silver", 1, 5);
    Genesis::read(&text, &graph()).unwrap()
}

fn balance(chain: &str, asset: &str, number: u8, amount: u128) -> String {
    let owner = hex::encode(key(number));
    format!(
        "[[chains.{chain}.balances]]\nlog = \"{LOG}\"\nasset = \"{asset}\"\nowner = \"{owner}\"\namount = \"{amount}\"\n"
    )
}

pub fn rules(genesis: &Genesis) -> LogRules {
    let graph = graph();
    LogRules::new(NETWORK, &graph, &graph.log(LOG).unwrap(), genesis)
}

pub fn part(chain: &str, operations: Vec<Operation>) -> Part {
    Part { chain: chain.into(), operations }
}

pub fn pay(from: u8, to: u8, amount: u128) -> Operation {
    Operation::Pay { asset: "gold".into(), from: key(from), to: key(to), amount }
}

/// A bundle that these clients have signed.
pub fn bundle(salt: u64, valid_until: u64, clients: &[u8], parts: Vec<Part>) -> Bundle {
    let mut bundle = unsigned(salt, valid_until, clients, parts);
    for number in clients {
        assert!(bundle.sign(NETWORK, &client(*number)));
    }
    bundle
}

/// One whose signatures nobody looks at: execution does not.
pub fn unsigned(salt: u64, valid_until: u64, clients: &[u8], parts: Vec<Part>) -> Bundle {
    unsigned_in(LOG, salt, valid_until, clients, parts)
}

/// The same, of this log.
pub fn unsigned_in(
    log: &str,
    salt: u64,
    valid_until: u64,
    clients: &[u8],
    parts: Vec<Part>,
) -> Bundle {
    let mut signers: Vec<_> = clients.iter().map(|number| key(*number)).collect();
    signers.sort_unstable();
    signers.dedup();
    Bundle::unsigned(Body { log: log.into(), valid_until, salt, signers, parts })
}

/// A view of the log, in memory.
#[derive(Clone)]
pub struct World {
    pub rules: LogRules,
    pub state: MemoryState,
}

impl World {
    pub fn new(deposit: &str) -> Self {
        let genesis = genesis(deposit);
        World::of(rules(&genesis), &genesis)
    }

    pub fn of(rules: LogRules, genesis: &Genesis) -> Self {
        let mut state = MemoryState::default();
        state.apply(initial(genesis, &rules));
        World { rules, state }
    }

    pub fn slot(&self) -> u64 {
        height(&self.state).unwrap()
    }

    pub fn view(&self) -> View<'_, MemoryState> {
        View::latest(&self.state).unwrap()
    }

    pub fn next(&self, bundles: &[Bundle]) -> (Delta, Results) {
        let block = Block { bundles: bundles.to_vec() };
        let hash = value(NETWORK, &block.to_bytes());
        execute(&self.state, &self.rules, self.slot(), &block, hash)
    }

    /// Executes a block and says what became of its bundles.
    pub fn run(&mut self, bundles: &[Bundle]) -> Vec<Outcome> {
        let (delta, results) = self.next(bundles);
        self.state.apply(delta);
        results.results.into_iter().map(|result| result.outcome).collect()
    }

    /// Executes empty blocks up to this height.
    pub fn idle_to(&mut self, height: u64) {
        while self.slot() < height {
            self.run(&[]);
        }
    }
}

/// Acceptors a to f with keys; red stands on four of a to e, blue on four of b to f. Logs: red, blue, red+blue.
pub fn keyed_graph() -> LearnerGraph {
    let acceptors: String = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .map(|name| {
            let key = hex::encode(acceptor(name).verifying_key().to_bytes());
            format!("[acceptors.{name}]\npublic-key = \"{key}\"\n")
        })
        .collect();
    file::read(&format!(
        "version = 1\n{acceptors}\
         [learners.red]\nquorum = {{ at-least = 4, of = [\"a\", \"b\", \"c\", \"d\", \"e\"] }}\n\
         [learners.blue]\nquorum = {{ at-least = 4, of = [\"b\", \"c\", \"d\", \"e\", \"f\"] }}\n\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
         [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n"
    ))
    .unwrap()
}

/// The key of the acceptor of this name.
pub fn acceptor(name: &str) -> SigningKey {
    let mut secret = [0xac; 32];
    secret[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_bytes(&secret)
}

/// What an acceptor signs that has executed this: for all learners of the log in whose quorums it occurs.
pub fn sign(graph: &LearnerGraph, network: NetworkId, what: &Attestation, name: &str) -> Signed {
    let log = graph.log(&what.log).unwrap();
    let id = graph.acceptor(name).unwrap();
    let learners = log.learners().iter().filter(|learner| log.members(*learner).contains(id));
    let learners: LearnerSet = learners.collect();
    let names = learners.iter().map(|learner| graph.learner_name(learner).to_owned()).collect();
    let own = Attestation { learners: names, ..what.clone() };
    assert_eq!(own.learner_set(graph), Some(learners));
    Signed { acceptor: id, learners, signature: own.sign(network, &acceptor(name)) }
}

/// The certificate of `learner` for a slot of `log` after which a view is as `summary` says.
pub fn certify(
    graph: &LearnerGraph,
    network: NetworkId,
    (log, slot, summary): (&str, u64, &Summary),
    learner: &str,
    signers: &[&str],
) -> Certificate {
    let what = Attestation {
        epoch: EPOCH,
        log: log.into(),
        slot,
        learners: Vec::new(),
        history: summary.history,
        results_root: summary.results_root,
        state_root: summary.state_root,
    };
    let signatures = signers.iter().map(|name| sign(graph, network, &what, name)).collect();
    Certificate::new(&what, learner, signatures)
}
