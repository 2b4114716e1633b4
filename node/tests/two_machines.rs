//! Two machines with one key: nothing comes of it but that the key is of less use, and both of them say why.
//!
//! All nodes run in this process, since a second process of one machine is not let near the key.

#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

use ed25519_dalek::SigningKey;
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerSet, file};
use hpaxos_ledger::{Genesis, network_id};
use hpaxos_node::api::{self, Limits};
use hpaxos_node::client::Client;
use hpaxos_node::config::Config;
use hpaxos_node::home::Network;
use hpaxos_node::network::Multiaddr;
use hpaxos_node::node::{Node, Running, Setup};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tracing_subscriber::fmt::MakeWriter;

const NAMES: [&str; 4] = ["v1", "v2", "v3", "v4"];
const LOG: &str = "red+blue";

/// Longer than anything takes on a machine that does much else, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn key(node: usize) -> SigningKey {
    SigningKey::from_bytes(&[node as u8 + 1; 32])
}

/// Any three of four, for both chains.
fn graph() -> LearnerGraph {
    let acceptors = NAMES.iter().enumerate().map(|(node, name)| {
        let key = hex::encode(key(node).verifying_key().to_bytes());
        format!("[acceptors.{name}]\npublic-key = \"{key}\"\n")
    });
    let quorum = format!("quorum = {{ at-least = 3, of = {NAMES:?} }}\n");
    file::read(&format!(
        "version = 1\n{}[learners.red]\n{quorum}[learners.blue]\n{quorum}\
         [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
         [logs.\"{LOG}\"]\nlearners = [\"red\", \"blue\"]\n",
        acceptors.collect::<String>()
    ))
    .unwrap()
}

/// Who knows where those are that started before.
fn knowing(addresses: &[(usize, Multiaddr)]) -> LearnerGraph {
    let mut declarations = graph().declarations().clone();
    for (node, address) in addresses {
        declarations.acceptors[*node].addresses.push(address.to_string());
    }
    LearnerGraph::new(declarations).unwrap()
}

/// Starts a node with a new memory, which dials those that started before it.
async fn start(node: usize, folder: &Path, addresses: &mut Vec<(usize, Multiaddr)>) -> Running {
    let mut config = Config::new(NAMES[node]);
    config.p2p.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    config.consensus.idle_slot_ms = 50;
    let others: Vec<_> = addresses.iter().filter(|(one, _)| *one != node).cloned().collect();
    let graph = knowing(&others);
    let genesis = Genesis::read("version = 1\nnetwork = \"test\"\n", &graph).unwrap();
    let id = network_id(&graph, &genesis).unwrap();
    let running = Running::start(Setup {
        config,
        store: folder.join("store"),
        guard: folder.join("guard"),
        network: Network { graph, genesis, id },
        graph_path: folder.join("learner-graph.toml"),
        me: Some(AcceptorId::new(node)),
        key: key(node),
        waived: LearnerSet::EMPTY,
        trace: None,
    });
    let running = running.await.unwrap();
    addresses.push((node, running.listening[0].clone()));
    running
}

/// A client of the API of a node.
async fn client(node: &Arc<Node>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&listener.local_addr().unwrap().to_string());
    let limits = Limits {
        hosts: Vec::new(),
        header_timeout: PATIENCE,
        body_timeout: PATIENCE,
        body_bytes_max: 1 << 20,
        connections_max: 16,
        connections_per_address_max: 16,
        waiting_max: 16,
        requests_per_second: 1_000,
        requests_burst: 1_000,
    };
    tokio::spawn(api::serve(listener, node.clone(), limits, std::future::pending()));
    client
}

/// Waits until `look` finds something.
async fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = tokio::task::block_in_place(&mut look) {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(LOOK_EVERY).await;
    }
}

fn height(node: &Node) -> u64 {
    node.views.log(LOG).and_then(|log| node.views.height(log)).unwrap_or(0)
}

/// How many messages of its own key a node did not know, as its metrics say.
fn unknown(node: &Node) -> u64 {
    let name = format!("hpaxos_unknown_own_messages_total{{log=\"{LOG}\"}} ");
    let text = node.metrics.text().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |number| number.parse().unwrap())
}

/// Whether a node says on its API that it is silent since somebody else may use its key.
fn says_so(client: &Client) -> bool {
    let silent = client.logs().unwrap().logs[LOG].silent.clone();
    silent.is_some_and(|silent| silent.why.contains("somebody else uses the key"))
}

/// What the nodes write to their log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_machines_with_one_key_say_so_and_break_nothing() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::ERROR)
        .init();
    let folders: Vec<TempDir> = (0..5).map(|_| tempfile::tempdir().unwrap()).collect();
    let (mut addresses, mut nodes) = (Vec::new(), Vec::new());
    for (node, folder) in folders[..4].iter().enumerate() {
        nodes.push(start(node, folder.path(), &mut addresses).await);
    }
    wait_for("some decisions", || (height(&nodes[3].node) > 5).then_some(())).await;
    assert!(nodes.iter().all(|node| unknown(&node.node) == 0));
    assert!(!says_so(&client(&nodes[3].node).await));

    // The key of the last one, on another machine, with a memory of its own.
    nodes.push(start(3, folders[4].path(), &mut addresses).await);
    for twin in [3, 4] {
        let client = client(&nodes[twin].node).await;
        wait_for("the API to say so", || says_so(&client).then_some(())).await;
        assert!(unknown(&nodes[twin].node) > 0, "the metric says so");
    }
    let said = lines.text();
    let said = said.lines().filter(|line| line.contains("or somebody else uses its key"));
    assert!(said.count() >= 2, "the log says so, of both");

    // The others go on without them.
    let before = height(&nodes[0].node);
    wait_for("the log to go on", || (height(&nodes[0].node) > before + 20).then_some(())).await;
    assert!(nodes[..3].iter().all(|node| unknown(&node.node) == 0));
    let log = nodes[0].node.views.log(LOG).unwrap();
    let mut compared = 0;
    for node in &nodes {
        for slot in 0..height(&node.node).min(before + 20) {
            let [one, other] = [&nodes[0], node].map(|it| it.node.views.summary(log, slot));
            let [one, other] = [one.unwrap(), other.unwrap()];
            assert_eq!((one.block, one.history), (other.block, other.history), "slot {slot}");
            compared += 1;
        }
    }
    assert!(compared > 3 * before, "{compared}");
    for node in nodes {
        node.stop().await.unwrap();
    }
}
