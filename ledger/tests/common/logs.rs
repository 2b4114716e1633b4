//! Two base logs and the log that joins them, with real keys: what one lets go, another claims.

use super::*;
use std::collections::BTreeMap;

pub const LOGS: [&str; 3] = ["blue", "red", LOG];

/// The chains of a log.
pub fn chains(log: &str) -> Vec<&'static str> {
    let all = ["blue", "red"];
    all.into_iter().filter(|chain| log == LOG || log == *chain).collect()
}

/// All logs of one network.
#[derive(Clone)]
pub struct Logs {
    pub graph: LearnerGraph,
    pub worlds: BTreeMap<&'static str, World>,
    salt: u64,
}

impl Logs {
    /// Each of four clients has 1,000 gold on each chain in each of its logs, and client 0 an object, `<log>:first`.
    pub fn new(deposit: &str) -> Self {
        let graph = keyed_graph();
        let mut text = format!("version = 1\nnetwork = \"test\"\n{deposit}\n");
        for log in LOGS {
            for chain in chains(log) {
                let owner = hex::encode(key(0));
                text += &format!(
                    "[[chains.{chain}.objects]]\nlog = \"{log}\"\nkey = \"{log}:first\"\nowner = \"{owner}\"\nvalue = \"\"\n"
                );
                for owner in (0..4).map(|number| hex::encode(key(number))) {
                    text += &format!(
                        "[[chains.{chain}.balances]]\nlog = \"{log}\"\nasset = \"gold\"\nowner = \"{owner}\"\namount = \"1000\"\n"
                    );
                }
            }
        }
        let genesis = Genesis::read(&text, &graph).unwrap();
        let world = |log| {
            let rules = LogRules::new(NETWORK, &graph, &graph.log(log).unwrap(), &genesis);
            (log, World::of(rules, &genesis))
        };
        let worlds = BTreeMap::from(LOGS.map(world));
        Logs { graph, worlds, salt: 0 }
    }

    /// A bundle of a log that is like no other, signed.
    pub fn bundle(&mut self, log: &str, clients: &[u8], parts: Vec<Part>) -> Bundle {
        self.salt += 1;
        let mut bundle = unsigned_in(log, self.salt, 60_000, clients, parts);
        for number in clients {
            assert!(bundle.sign(NETWORK, &client(*number)));
        }
        bundle
    }

    /// Executes one bundle of one part, all four clients having signed.
    pub fn run(&mut self, log: &str, chain: &str, operations: Vec<Operation>) -> Outcome {
        let bundle = self.bundle(log, &[0, 1, 2, 3], vec![part(chain, operations)]);
        self.execute(&bundle)
    }

    pub fn execute(&mut self, bundle: &Bundle) -> Outcome {
        let world = self.worlds.get_mut(bundle.body.log.as_str()).unwrap();
        world.run(std::slice::from_ref(bundle)).remove(0)
    }

    /// The receipt of an executed bundle, certified at the last slot of its log.
    pub fn receipt(&self, bundle: &Bundle) -> Receipt {
        let log = bundle.body.log.as_str();
        let world = &self.worlds[log];
        let view = world.view();
        let chains = bundle.body.parts.iter().map(|part| {
            let mut chain = ChainReceipt::of(&world.state, &bundle.id(NETWORK));
            let signers =
                if part.chain == "red" { ["a", "b", "c", "d"] } else { ["b", "c", "e", "f"] };
            let slot = view.height() - 1;
            let executed = (log, slot, view.summary());
            let certificate = certify(&self.graph, NETWORK, executed, &part.chain, &signers);
            let path = path(&world.state, chain.slot.unwrap(), slot).unwrap();
            chain.certificate = Some(ReceiptCertificate::new(&self.graph, &certificate, path));
            (part.chain.clone(), chain)
        });
        Receipt::new(NETWORK, bundle.clone(), chains.collect(), &[])
    }

    /// What a receipt lets be claimed, each thing with its operation.
    pub fn claims(&self, receipt: &Receipt) -> Vec<(Released, Operation)> {
        let released = receipt.chains.values().next().unwrap().released.clone();
        let claim = |it: Released| {
            let of = (it.chain.as_str(), it.operation);
            let operation = Operation::claim_of(NETWORK, &self.graph, receipt, of).unwrap();
            (it, operation)
        };
        released.into_iter().map(claim).collect()
    }

    /// Lets one thing go, and makes the claim of it.
    pub fn let_go(&mut self, log: &str, chain: &str, release: Operation) -> (Released, Operation) {
        let bundle = self.bundle(log, &[0, 1, 2, 3], vec![part(chain, vec![release])]);
        let outcome = self.execute(&bundle);
        assert!(matches!(outcome, Outcome::Released(_)), "{outcome:?}");
        self.claims(&self.receipt(&bundle)).remove(0)
    }

    pub fn gold(&self, log: &str, chain: &str, owner: u8) -> u128 {
        self.worlds[log].view().balance(chain, key(owner), "gold")
    }

    pub fn object(&self, log: &str, chain: &str, name: &str) -> Option<ObjectState> {
        self.worlds[log].view().object(chain, name)
    }
}

pub fn release(key: &str, to_log: &str) -> Operation {
    Operation::Release(Release::Object { key: key.into(), to_log: to_log.into() })
}

pub fn release_gold(owner: u8, amount: u128, to_log: &str) -> Operation {
    let (asset, from, to_log) = ("gold".into(), key(owner), to_log.into());
    Operation::Release(Release::Balance { asset, from, amount, to_log })
}
