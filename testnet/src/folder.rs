//! The folder that a network lives in.
//!
//! | file | |
//! |---|---|
//! | `network.json` | where each node is: what other programs look for |
//! | `learner-graph.toml`, `genesis.toml` | the network's files, with everybody's keys |
//! | `clients/NAME.json` | keys that the genesis funds |
//! | `receipts/` | what the story's bundles came to |
//! | `NODE/` | a node's home |
//! | `logs/NODE.log`, `traces/NODE.jsonl` | what it says and does |
//! | `clocks/NODE` | how far its clock is off, under attack |
//! | `topology` | what the folder was made for |
//! | `traitors` | who was ever made a traitor, a line each |
//! | `lock`, `control.sock` | held and served by the running `hpaxos-testnet up` |

use crate::topology::Topology;
use anyhow::{Context, Result, anyhow, bail};
use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::file;
use hpaxos_learner_graph::{Declarations, LearnerGraph};
use hpaxos_ledger::network_id;
use hpaxos_node::config::Config;
use hpaxos_node::files::write_whole;
use hpaxos_node::home::{Home, Lock};
use hpaxos_node::keys::{KeyFile, new_key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Clients of the story, and those who make load.
pub const CLIENTS: [&str; 8] =
    ["alice", "bob", "railway", "hotel", "trader-1", "trader-2", "trader-3", "trader-4"];

/// What each client has, of each chain in each of its logs.
pub const GOLD: u64 = 1_000_000_000;

/// The folder of a network.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Where the nodes are: `network.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkFile {
    /// The network's id.
    pub network: String,
    /// Its nodes.
    pub validators: Vec<NodeEntry>,
}

/// Where a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// Its process; none if it is down.
    pub pid: Option<u32>,
    /// Its HTTP API.
    pub api: Option<SocketAddr>,
    /// Where it listens for other nodes.
    pub p2p: Option<String>,
    /// Its home.
    pub home: PathBuf,
}

/// What is in a folder: a network that can be run.
pub struct Prepared {
    /// The folder.
    pub folder: Folder,
    /// As long as this lives, no other `up` uses the folder.
    pub lock: Lock,
    /// With everybody's keys.
    pub graph: LearnerGraph,
    /// The network's id.
    pub network: NetworkId,
    /// The keys that the genesis funds, by name; none if a genesis was brought.
    pub clients: BTreeMap<String, SigningKey>,
    /// Whether the network was there before.
    pub old: bool,
}

impl Folder {
    /// The folder at `path`.
    pub fn new(path: &Path) -> Self {
        Folder(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the nodes are.
    pub fn network_path(&self) -> PathBuf {
        self.0.join("network.json")
    }

    /// The socket of the running `up`.
    pub fn control_path(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// A node's home.
    pub fn home_path(&self, node: &str) -> PathBuf {
        self.0.join(node)
    }

    /// What a node says.
    pub fn log_path(&self, node: &str) -> PathBuf {
        self.0.join("logs").join(format!("{node}.log"))
    }

    /// What a node does.
    pub fn trace_path(&self, node: &str) -> PathBuf {
        self.0.join("traces").join(format!("{node}.jsonl"))
    }

    /// Where a starting node says where it listens.
    pub fn addresses_path(&self, node: &str) -> PathBuf {
        self.0.join("logs").join(format!("{node}.addresses"))
    }

    /// What a node's clock says, where clocks jump.
    pub fn clock_path(&self, node: &str) -> PathBuf {
        self.0.join("clocks").join(node)
    }

    /// The receipt of one of the story's bundles.
    pub fn receipt_path(&self, name: &str) -> PathBuf {
        self.0.join("receipts").join(format!("{name}.json"))
    }

    fn traitors_path(&self) -> PathBuf {
        self.0.join("traitors")
    }

    fn topology_path(&self) -> PathBuf {
        self.0.join("topology")
    }

    fn client_path(&self, name: &str) -> PathBuf {
        self.0.join("clients").join(format!("{name}.json"))
    }

    /// Where the nodes are.
    ///
    /// # Errors
    /// If there is no network here.
    pub fn network(&self) -> Result<NetworkFile> {
        let path = self.network_path();
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                anyhow!("{} holds no network: `hpaxos-testnet up` makes one", self.0.display())
            }
            _ => anyhow!("cannot read {}: {error}", path.display()),
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes where the nodes are, so that nobody ever sees half of it.
    ///
    /// # Errors
    /// If the disk says no.
    pub fn write_network(&self, network: &NetworkFile) -> Result<()> {
        Ok(write_whole(&self.network_path(), &serde_json::to_string_pretty(network)?)?)
    }

    /// Who was ever made a traitor here.
    pub fn traitors(&self) -> BTreeSet<String> {
        let names = fs::read_to_string(self.traitors_path()).unwrap_or_default();
        names.lines().map(str::to_owned).collect()
    }

    /// Remembers who is made a traitor: what it signs stays in other nodes' stores.
    ///
    /// # Errors
    /// If the disk says no.
    pub fn add_traitor(&self, name: &str) -> Result<()> {
        let mut names = self.traitors();
        names.insert(name.to_owned());
        let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
        Ok(write_whole(&self.traitors_path(), &lines)?)
    }

    /// Makes the network of `topology`, or takes up the one that is there, unless a `fresh` one is wanted.
    ///
    /// # Errors
    /// If another process runs here, or another network lies here, or something cannot be written.
    pub fn prepare(self, topology: &Topology, fresh: bool) -> Result<Prepared> {
        let shown = self.0.display().to_string();
        let there = fs::read_dir(&self.0).is_ok_and(|mut entries| entries.next().is_some());
        let fingerprint = topology.fingerprint();
        let known = fs::read_to_string(self.topology_path()).ok();
        if there && known.is_none() && !self.is_torn()? {
            bail!(
                "{shown} is not empty and holds no network; nothing was changed: choose another --folder"
            );
        }
        let home = if there { Home::open(&self.0)? } else { Home::create(&self.0)? };
        let lock =
            home.lock().context("a network runs here already; `hpaxos-testnet down` ends it")?;
        self.check_orphans()?;
        let old = match known {
            Some(known) if !fresh && known != fingerprint => bail!(
                "{shown} holds a network of another topology; nothing was changed: --fresh replaces it, --folder \
                 makes another one"
            ),
            Some(_) => !fresh,
            None => false,
        };
        if !old {
            self.clear()?;
            self.make(topology)?;
            // Last: what has no topology is half made.
            fs::write(self.topology_path(), fingerprint)
                .with_context(|| format!("cannot write {}", self.topology_path().display()))?;
        }
        let graph = hpaxos_node::files::read_graph(&self.0.join(Home::GRAPH))?;
        let genesis = hpaxos_node::files::read_genesis(&self.0.join(Home::GENESIS), &graph)?;
        let network = network_id(&graph, &genesis)
            .with_context(|| format!("{shown}: the graph lacks keys; --fresh makes them"))?;
        let mut clients = BTreeMap::new();
        for name in CLIENTS {
            let path = self.client_path(name);
            if path.exists() {
                clients.insert(name.to_owned(), KeyFile::read(&path)?.unlock(None)?);
            }
        }
        Ok(Prepared { folder: self, lock, graph, network, clients, old })
    }

    /// Whether an `up` died here before it had made everything.
    fn is_torn(&self) -> Result<bool> {
        Ok(self.0.join("lock").exists())
    }

    /// Nodes that outlived their `up` would run beside new ones with the same keys.
    fn check_orphans(&self) -> Result<()> {
        let Ok(network) = self.network() else { return Ok(()) };
        for node in network.validators {
            if node.home.exists() {
                let alive = Home::open(&node.home).and_then(|home| home.lock());
                alive.context(
                    "an earlier network left nodes running; `hpaxos-testnet down` stops them",
                )?;
            }
        }
        Ok(())
    }

    /// Removes everything but the lock.
    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == "lock") {
                continue;
            }
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    fn make(&self, topology: &Topology) -> Result<()> {
        for folder in ["clients", "logs", "receipts", "traces"] {
            let path = self.0.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let mut declarations = topology.graph.declarations().clone();
        for name in topology.names() {
            let home = Home::create(&self.home_path(&name))?;
            let key = KeyFile::new(&new_key()?, None)?;
            key.create(&home.key_path())?;
            let mut acceptors = declarations.acceptors.iter_mut();
            if let Some(acceptor) = acceptors.find(|acceptor| acceptor.name == name) {
                acceptor.public_key = Some(key.public_key().0);
                acceptor.addresses.clear();
            }
        }
        self.write(Home::GRAPH, &file::write(&declarations))?;
        let genesis = match &topology.genesis {
            Some(genesis) => genesis.text.clone(),
            None => {
                for name in CLIENTS {
                    KeyFile::new(&new_key()?, None)?.create(&self.client_path(name))?;
                }
                self.funded(&topology.graph)?
            }
        };
        self.write(Home::GENESIS, &genesis)
    }

    /// A genesis in which every client has gold everywhere.
    fn funded(&self, graph: &LearnerGraph) -> Result<String> {
        let mut text = String::from("version = 1\nnetwork = \"testnet\"\n");
        for log in graph.every_log() {
            for learner in log.learners().iter() {
                for client in CLIENTS {
                    let owner = KeyFile::read(&self.client_path(client))?.public_key();
                    let chain = graph.learner_name(learner);
                    let log = log.name();
                    writeln!(
                        text,
                        "\n[[chains.\"{chain}\".balances]] # {client}\nlog = \"{log}\"\nasset = \"gold\"\nowner = \
                         \"{owner}\"\namount = \"{GOLD}\""
                    )?;
                }
            }
        }
        Ok(text)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Prepared {
    /// Writes the files of a node's home: settings, and the network as the node sees it, where `addresses` are.
    ///
    /// # Errors
    /// If the settings are none, or the disk says no.
    pub fn equip(
        &self,
        topology: &Topology,
        name: &str,
        ports: [u16; 3],
        addresses: &BTreeMap<String, SocketAddr>,
    ) -> Result<()> {
        let home = Home::open(&self.folder.home_path(name))?;
        let mut declarations: Declarations = self.graph.declarations().clone();
        for acceptor in &mut declarations.acceptors {
            let address = addresses.get(&acceptor.name);
            acceptor.addresses = address.map(multiaddress).into_iter().collect();
        }
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write(Home::GRAPH, &file::write(&declarations))?;
        fs::copy(self.folder.path().join(Home::GENESIS), home.path().join(Home::GENESIS))
            .with_context(|| format!("cannot write the genesis of {name}"))?;
        let mut settings = self.settings(topology, name, ports)?;
        merge(&mut settings, &topology.config);
        if let Some(own) = topology.nodes.get(name) {
            merge(&mut settings, own);
        }
        let path = home.config_path();
        fs::write(&path, settings.to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Config::read(&path).map_err(|error| anyhow!("made of the topology's [config]: {error}"))?;
        Ok(())
    }

    /// What is different in a local network.
    fn settings(&self, topology: &Topology, name: &str, ports: [u16; 3]) -> Result<toml::Table> {
        let [p2p, api, metrics] = ports;
        let mut text = format!(
            "name = \"{name}\"\ngraph = \"{}\"\ngenesis = \"{}\"\n",
            Home::GRAPH,
            Home::GENESIS
        );
        if self.graph.acceptor(name).is_none() {
            let logs: Vec<String> =
                self.graph.every_log().iter().map(|log| log.name().to_owned()).collect();
            writeln!(text, "logs = {logs:?}")?;
        }
        // All clients have one address here.
        write!(
            text,
            "[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/{p2p}\"]\n[api]\nlisten = \"127.0.0.1:{api}\"\n\
             requests_per_second = 100000\nrequests_burst = 100000\n\
             connections_per_address_max = 256\nwaiting_max = 256\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n\
             [mempool]\nper_source_max = 10000\n"
        )?;
        let mut settings: toml::Table = text.parse()?;
        // Followers connect to validators, not to each other.
        if topology.followers > 0 && self.graph.acceptor(name).is_some() {
            let keys = crate::topology::follower_names(topology.followers).map(|name| {
                Ok(Home::open(&self.folder.home_path(&name))?.key()?.public_key().to_string())
            });
            let keys: Vec<String> = keys.collect::<Result<_>>()?;
            let followers: toml::Table =
                format!("[p2p.followers]\nmax = {}\nallow = {keys:?}\n", keys.len()).parse()?;
            merge(&mut settings, &followers);
        }
        Ok(settings)
    }
}

/// A TCP address as libp2p writes it.
pub fn multiaddress(address: &SocketAddr) -> String {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}

/// Lays `over` on `under`, table by table.
fn merge(under: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => merge(under, over),
            _ => drop(under.insert(key.clone(), value.clone())),
        }
    }
}
