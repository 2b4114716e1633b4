//! A network of four validators and three chains, and what its clients do.

use crate::graphs;
use crate::network::{IDLE_MS_FOR_EVER, write_topology};
use crate::setting::{Place, Setting};
use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_ledger::{Bundle, Operation, Part, Receipt, Status, network_id};
use hpaxos_node::client::Client;
use hpaxos_node::files::{read_genesis, read_graph};
use hpaxos_node::home::Home;
use hpaxos_node::keys::KeyFile;
use hpaxos_testnet::folder::{CLIENTS, Folder};
use hpaxos_testnet::process::usage;
use hpaxos_testnet::story::{VALID_SLOTS, signed};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The chains. Each has a log of its own; the first two share one, and all three.
pub const CHAINS: [&str; 3] = ["red", "blue", "green"];

/// What is paid with.
const ASSET: &str = "gold";

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running network, and its clients.
pub struct Market {
    pub network: NetworkId,
    pub graph: LearnerGraph,
    /// Nodes that take bundles.
    clients: Vec<Client>,
    /// Processes of the nodes.
    pids: Vec<u32>,
    /// Who trade.
    traders: Vec<SigningKey>,
    /// Who keeps what is locked.
    pub keeper: SigningKey,
    /// Where decisions of two-phase commit are written down.
    pub journal: Mutex<File>,
    /// The last slot in which bundles of each log are to be executed.
    valid_until: Mutex<BTreeMap<String, u64>>,
    salt: AtomicU64,
    child: Child,
    testnet: PathBuf,
    /// Gone with the market.
    folder: TempDir,
}

/// Two people trade, at one node.
pub struct Trade<'a> {
    pub client: &'a Client,
    pub one: &'a SigningKey,
    pub other: &'a SigningKey,
}

impl Trade<'_> {
    /// Who pays whom on a chain.
    pub fn sides(&self, chain: usize) -> (&SigningKey, &SigningKey) {
        if chain.is_multiple_of(2) { (self.one, self.other) } else { (self.other, self.one) }
    }
}

/// One unit from one to the other.
pub fn pay(from: &SigningKey, to: &SigningKey) -> Operation {
    Operation::Pay { asset: ASSET.into(), from: public(from), to: public(to), amount: 1 }
}

/// One unit, let go for another log.
pub fn release(from: &SigningKey, to_log: &str) -> Operation {
    Operation::Release(hpaxos_ledger::Release::Balance {
        asset: ASSET.into(),
        from: public(from),
        amount: 1,
        to_log: to_log.to_owned(),
    })
}

fn public(key: &SigningKey) -> [u8; 32] {
    key.verifying_key().to_bytes()
}

/// The log that the first so many chains share.
pub fn shared_log(chains: usize) -> String {
    CHAINS[..chains].join("+")
}

impl Market {
    /// Starts a network, and waits until it takes bundles.
    ///
    /// # Errors
    /// If it does not start.
    pub fn open(setting: &Setting) -> Result<Self> {
        let folder = setting.folder(Place::Disk)?;
        let topology = write_topology(folder.path(), &graph(), IDLE_MS_FOR_EVER)?;
        let testnet = setting.program("hpaxos-testnet")?;
        let network = folder.path().join("network");
        let said = folder.path().join("up.json");
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        let child = Command::new(&testnet)
            .args(["up", "--direct", "--no-story", "--json", "--folder"])
            .arg(&network)
            .arg("--topology")
            .arg(topology)
            .stdin(Stdio::null())
            .stdout(create(&said)?)
            .stderr(create(&folder.path().join("up.log"))?)
            .spawn()
            .context("cannot run hpaxos-testnet")?;
        let journal = Mutex::new(create(&folder.path().join("journal"))?);
        // From here on, whatever goes wrong ends the network.
        let mut market = Market {
            network: NetworkId([0; 32]),
            graph: LearnerGraph::new(hpaxos_learner_graph::Declarations::default())
                .context("an empty graph")?,
            clients: Vec::new(),
            pids: Vec::new(),
            traders: Vec::new(),
            keeper: SigningKey::from_bytes(&[1; 32]),
            journal,
            valid_until: Mutex::default(),
            salt: AtomicU64::new(1),
            child,
            testnet,
            folder,
        };
        market.meet(&network)?;
        Ok(market)
    }

    /// Waits for the network in a folder, and gets to know it.
    fn meet(&mut self, folder: &Path) -> Result<()> {
        let waited = Command::new(&self.testnet)
            .args(["status", "--wait", "60s", "--folder"])
            .arg(folder)
            .stdout(Stdio::null())
            .status()?;
        let log = || fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default();
        ensure!(waited.success(), "the network did not start:\n{}", log());
        self.graph = read_graph(&folder.join(Home::GRAPH))?;
        let genesis = read_genesis(&folder.join(Home::GENESIS), &self.graph)?;
        self.network = network_id(&self.graph, &genesis).context("all validators have keys")?;
        let nodes = Folder::new(folder).network()?.validators;
        let apis = nodes.iter().filter_map(|node| node.api);
        self.clients = apis.map(|api| Client::new(&api.to_string())).collect();
        self.pids = nodes.iter().filter_map(|node| node.pid).collect();
        for name in CLIENTS {
            let key = KeyFile::read(&folder.join("clients").join(format!("{name}.json")))?;
            self.traders.push(key.unlock(None)?);
        }
        self.keeper = self.traders.pop().context("there are clients")?;
        self.look()
    }

    /// Looks how far the logs are, so that bundles are valid long enough.
    ///
    /// # Errors
    /// If nobody says it.
    pub fn look(&self) -> Result<()> {
        let logs = self.clients.first().context("there are nodes")?.logs()?;
        let mut valid_until = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, log) in logs.logs {
            let height = log.learners.values().map(|learner| learner.decided).max();
            valid_until.insert(name, height.unwrap_or(0) + VALID_SLOTS);
        }
        Ok(())
    }

    /// The trade of this number: nodes and people take turns.
    pub fn trade(&self, number: usize) -> Trade<'_> {
        let people = self.traders.len();
        let (one, apart) = (number % people, 1 + number / people % (people - 1));
        Trade {
            client: &self.clients[number % self.clients.len()],
            one: &self.traders[one],
            other: &self.traders[(one + apart) % people],
        }
    }

    /// CPU time that the nodes have used.
    pub fn cpu(&self) -> Duration {
        let used = self.pids.iter().map(|pid| usage(*pid).unwrap_or_default().cpu_ms);
        Duration::from_millis(used.sum())
    }

    /// A bundle, signed.
    pub fn bundle(&self, log: &str, mut parts: Vec<Part>, keys: &[&SigningKey]) -> Bundle {
        parts.sort_by(|one, other| one.chain.cmp(&other.chain));
        let valid_until = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner)[log];
        let salt = self.salt.fetch_add(1, Ordering::Relaxed);
        signed(self.network, log, valid_until, salt, parts, keys.iter().copied())
    }

    /// A bundle of the log that the first so many chains share, with a part for each of them.
    pub fn shared_bundle(
        &self,
        chains: usize,
        keys: &[&SigningKey],
        operations: impl Fn(usize) -> Vec<Operation>,
    ) -> Bundle {
        let part =
            |index: usize| Part { chain: CHAINS[index].into(), operations: operations(index) };
        self.bundle(&shared_log(chains), (0..chains).map(part).collect(), keys)
    }

    /// Submits a bundle, and waits until the node has executed it on all its chains.
    ///
    /// # Errors
    /// If it is not committed.
    pub fn commit(&self, client: &Client, bundle: &Bundle) -> Result<Receipt> {
        self.submitted(client, bundle, Client::receipt)
    }

    /// The same; and waits for the certificates of all its chains, and checks them: who relies on a chain believes no node.
    ///
    /// # Errors
    /// If it is not committed, or not certified.
    pub fn certify(&self, client: &Client, bundle: &Bundle) -> Result<Receipt> {
        let receipt = self.submitted(client, bundle, Client::certified_receipt)?;
        let verdict = receipt.verify(self.network, &self.graph).verdict;
        ensure!(verdict == hpaxos_ledger::Verdict::Committed, "{verdict:?}: {}", receipt.id);
        Ok(receipt)
    }

    fn submitted(
        &self,
        client: &Client,
        bundle: &Bundle,
        ask: impl Fn(
            &Client,
            &hpaxos_ledger::BundleId,
            Duration,
        ) -> Result<Option<Receipt>, hpaxos_node::client::ClientError>,
    ) -> Result<Receipt> {
        client.submit(bundle)?;
        let id = bundle.id(self.network);
        let receipt = ask(client, &id, PATIENCE)?.context("the node forgot a bundle")?;
        let committed = receipt.chains.values().all(|chain| chain.status == Status::Committed);
        ensure!(committed, "{id} is not committed: {:?}", receipt.chains);
        Ok(receipt)
    }

    /// Does something for each of the first so many chains at a time. All of them are done, whatever became of the others.
    pub fn each<T: Send>(
        &self,
        chains: usize,
        act: impl Fn(usize) -> Result<T> + Sync,
    ) -> Vec<Result<T>> {
        thread::scope(|scope| {
            let act = &act;
            let acts: Vec<_> = (0..chains).map(|chain| scope.spawn(move || act(chain))).collect();
            acts.into_iter().map(|one| one.join().expect("it does not panic")).collect()
        })
    }

    /// Stops the network. Its verdict has to be that nothing went wrong.
    ///
    /// # Errors
    /// If something did.
    pub fn close(mut self) -> Result<()> {
        self.stop()?;
        self.child.wait()?;
        let said = fs::read_to_string(self.folder.path().join("up.json"))?;
        let answer: serde_json::Value = serde_json::from_str(&said).context("no verdict")?;
        if answer["verdict"] != "pass" {
            bail!("the network's verdict is not that nothing went wrong:\n{said}");
        }
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        Command::new(&self.testnet)
            .args(["down", "--folder"])
            .arg(self.folder.path().join("network"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(())
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.stop();
            let _ = self.child.wait();
        }
    }
}

/// Four validators, of which three decide for each chain; what any two chains decide together holds as long as one of two is safe.
fn graph() -> String {
    let validators = ["v1", "v2", "v3", "v4"].map(str::to_owned);
    let quorum = graphs::at_least(3, &validators);
    let chains = CHAINS.map(|chain| (chain.to_owned(), quorum.clone()));
    let validators = validators.map(|name| (name, String::new()));
    let mut text = graphs::text(validators, &chains, graphs::OVERLAP);
    for chains in 2..=CHAINS.len() {
        let _ =
            writeln!(text, "[logs.\"{}\"]\nlearners = {:?}", shared_log(chains), &CHAINS[..chains]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_is_one_and_three_sends_serve_it() {
        let graph = hpaxos_learner_graph::file::read(&graph()).unwrap();
        for chains in 2..=CHAINS.len() {
            let log = graph.log(&shared_log(chains)).unwrap();
            assert_eq!(log.learners().iter().count(), chains);
            let trust = hpaxos_consensus::Trust::new(log).unwrap();
            assert_eq!(trust.sends(), hpaxos_consensus::Sends::Three);
        }
    }
}
