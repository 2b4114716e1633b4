//! A network of the real programs, in a folder of its own, driven from outside as a person does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each of the tests that share it uses a part")]

use hpaxos_consensus::NetworkId;
use hpaxos_ledger::{Bundle, Operation, Part};
use hpaxos_node::api::answers::Logs;
use hpaxos_node::client::Client;
use hpaxos_node::keys::KeyFile;
use hpaxos_testnet::folder::Folder;
use hpaxos_testnet::story::signed;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program; `hpaxos` is beside it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hpaxos-testnet");

/// The program, or another one that TESTNET_PROGRAM names, such as one of a release.
pub fn program() -> PathBuf {
    std::env::var_os("TESTNET_PROGRAM").map_or_else(|| PROGRAM.into(), PathBuf::from)
}

/// How long anything may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at what has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running `hpaxos-testnet up`.
pub struct Net {
    folder: PathBuf,
    up: Child,
}

/// What `up` said at its end.
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its answer.
    pub answer: Value,
    /// How it went.
    pub told: String,
}

/// Waits until `what` is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A topology of four validators, any one of which may fail, on two chains.
pub fn four(folder: &Path) -> PathBuf {
    let quorum = r#"{ at-least = 3, of = ["v1", "v2", "v3", "v4"] }"#;
    let graph = format!(
        "version = 1\n[acceptors.v1]\n[acceptors.v2]\n[acceptors.v3]\n[acceptors.v4]\n[learners.red]\nquorum = {quorum}\n\
         [learners.blue]\nquorum = {quorum}\n[[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
         [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n"
    );
    std::fs::write(folder.join("graph.toml"), graph).unwrap();
    let topology = folder.join("topology.toml");
    std::fs::write(&topology, "version = 1\ngraph = \"graph.toml\"\n").unwrap();
    topology
}

impl Net {
    /// Starts a network in `folder`, and waits until it can be told things: then its story is over.
    pub fn up(folder: &Path, arguments: &[&str]) -> Self {
        let net = Net::launch(folder, arguments);
        wait_for("the network", || net.folder().control_path().exists().then_some(()));
        net
    }

    /// Starts a network in `folder`.
    pub fn launch(folder: &Path, arguments: &[&str]) -> Self {
        let net = folder.join("net");
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        let up = Command::new(program())
            .arg("up")
            .arg("--folder")
            .arg(&net)
            .arg("--json")
            .args(arguments)
            .stdout(file("answer.json"))
            .stderr(file("told"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Net { folder: net, up }
    }

    /// Its folder.
    pub fn folder(&self) -> Folder {
        Folder::new(&self.folder)
    }

    /// Does something to it from outside.
    pub fn tell(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.args(arguments).arg("--folder").arg(&self.folder).output().unwrap()
    }

    /// Does something to it that has to work.
    pub fn act(&self, arguments: &[&str]) {
        let output = self.tell(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}\n{}", self.told());
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let id = self.up.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// How it goes.
    pub fn told(&self) -> String {
        std::fs::read_to_string(self.folder.with_file_name("told")).unwrap_or_default()
    }

    /// A client of a node.
    pub fn client(&self, node: &str) -> Client {
        let network = self.folder().network().unwrap();
        let node = network.validators.into_iter().find(|one| one.name == node).unwrap();
        Client::new(&node.api.unwrap().to_string())
    }

    /// How far a node says that it is.
    pub fn logs(&self, node: &str) -> Option<Logs> {
        self.client(node).logs().ok()
    }

    /// How far a learner's view is, at a node.
    pub fn height(&self, node: &str, log: &str, learner: &str) -> u64 {
        let logs = self.logs(node);
        logs.and_then(|logs| Some(logs.logs.get(log)?.learners.get(learner)?.height)).unwrap_or(0)
    }

    /// The key of a client.
    pub fn key(&self, name: &str) -> ed25519_dalek::SigningKey {
        let path = self.folder.join("clients").join(format!("{name}.json"));
        KeyFile::read(&path).unwrap().unlock(None).unwrap()
    }

    /// A bundle in which alice and bob swap a piece of gold on both chains.
    pub fn swap(&self, salt: u64) -> Bundle {
        let (alice, bob) = (self.key("alice"), self.key("bob"));
        let public = |key: &ed25519_dalek::SigningKey| key.verifying_key().to_bytes();
        let pay = |from, to| {
            let asset = "gold".to_owned();
            vec![Operation::Pay { asset, from: public(from), to: public(to), amount: 1 }]
        };
        let parts = vec![
            Part { chain: "blue".into(), operations: pay(&alice, &bob) },
            Part { chain: "red".into(), operations: pay(&bob, &alice) },
        ];
        self.signed(salt, parts, &[&alice, &bob])
    }

    /// A bundle of these parts.
    pub fn signed(&self, salt: u64, parts: Vec<Part>, by: &[&ed25519_dalek::SigningKey]) -> Bundle {
        let until = self.height("v1", "red+blue", "red") + 10_000;
        signed(self.network(), "red+blue", until, salt, parts, by.iter().copied())
    }

    /// Its id.
    pub fn network(&self) -> NetworkId {
        let graph =
            hpaxos_node::files::read_graph(&self.folder.join("learner-graph.toml")).unwrap();
        let genesis = self.folder.join("genesis.toml");
        let genesis = hpaxos_node::files::read_genesis(&genesis, &graph).unwrap();
        hpaxos_ledger::network_id(&graph, &genesis).unwrap()
    }

    /// Ends it, and what it says then.
    pub fn down(self) -> Said {
        self.act(&["down"]);
        self.end()
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Said {
        let code = wait_for("its end", || self.up.try_wait().unwrap()).code();
        let text = std::fs::read_to_string(self.folder.with_file_name("answer.json")).unwrap();
        let told = self.told();
        let answer = serde_json::from_str(&text).unwrap_or(Value::Null);
        Said { code, answer, told }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Ok(None) = self.up.try_wait() {
            // Whoever panics leaves nothing behind.
            let _ = self.tell(&["down"]);
            let _ = self.up.kill();
            let _ = self.up.wait();
        }
    }
}

impl Said {
    /// Fails unless every property held.
    pub fn passed(&self) {
        assert_eq!(self.code, Some(0), "{}\n{:#}", self.told, self.answer);
        assert_eq!(self.answer["verdict"], "pass", "{}\n{:#}", self.told, self.answer);
    }
}
