//! A small world for tests: two chains, their joint log, four clients.
#![allow(dead_code, reason = "each test uses part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::{LearnerGraph, file};
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
    let mut signers: Vec<_> = clients.iter().map(|number| key(*number)).collect();
    signers.sort_unstable();
    signers.dedup();
    Bundle::unsigned(Body { log: LOG.into(), valid_until, salt, signers, parts })
}

/// A view of the log, in memory.
pub struct World {
    pub rules: LogRules,
    pub state: MemoryState,
}

impl World {
    pub fn new(deposit: &str) -> Self {
        let genesis = genesis(deposit);
        let rules = rules(&genesis);
        let mut state = MemoryState::default();
        state.apply(initial(&genesis, &rules));
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
