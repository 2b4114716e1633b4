//! A network of one validator, with two chains that commit together, and two clients; everything as an operator would
//! make it.

use hpaxos_node::client::Client;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything takes on a machine that does much else: who waits so long waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the program answered.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub complaint: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It ended with this code, and said this, on whichever stream.
    #[track_caller]
    pub fn expect(&self, code: i32, message: &str) -> &Self {
        let said = format!("{}{}", self.out, self.complaint);
        assert!(self.code == code && said.contains(message), "not {code} {message}: {self:#?}");
        self
    }
}

/// A folder with a home, keys and what tests make; and the node, once it runs.
pub struct World {
    folder: TempDir,
    node: Option<Child>,
    pub api: String,
}

impl World {
    /// The homes and keys, and nothing that runs.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = World { folder, node: None, api: String::new() };
        let made = world.run(&["init", "--home", "home", "--name", "solo", "--json"]).json();
        let key = made["public-key"].as_str().unwrap();
        let [alice, bob] = ["alice", "bob"].map(|name| {
            let said = world.run(&["keys", "new", &format!("{name}.json")]);
            said.expect(0, "").out.trim().to_owned()
        });
        world.write(
            "home/learner-graph.toml",
            &format!(
                "version = 1\n[acceptors.solo]\npublic-key = \"{key}\"\n\
                 [learners.red]\nquorum = \"solo\"\n[learners.blue]\nquorum = \"solo\"\n\
                 [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
                 [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n"
            ),
        );
        let balance = |chain: &str, log: &str, owner: &str, amount: u32| {
            format!(
                "[[chains.{chain}.balances]]\nlog = \"{log}\"\nasset = \"gold\"\nowner = \"{owner}\"\namount = \"{amount}\"\n"
            )
        };
        let object = |log: &str, name: &str| {
            format!(
                "[[chains.red.objects]]\nlog = \"{log}\"\nkey = \"{log}:{name}\"\nowner = \"{alice}\"\nvalue = \"ZnJlZQ==\"\n"
            )
        };
        let genesis = [
            "version = 1\nnetwork = \"test\"\n".to_owned(),
            balance("blue", "red+blue", &bob, 25),
            balance("red", "red", &alice, 5),
            object("red+blue", "seat/12A"),
            object("red+blue", "seat/12B"),
            object("red+blue", "seat/12C"),
            object("red", "hat"),
        ];
        world.write("home/genesis.toml", &genesis.concat());
        world.write(
            "home/config.toml",
            "name = \"solo\"\n[consensus]\nidle_slot_ms = 50\nslot_ms_min = 0\n",
        );
        world
    }

    /// The same, and the node runs.
    pub fn running() -> Self {
        let mut world = World::new();
        world.start();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpaxos"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HPAXOS_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program in the folder.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command().args(arguments).output().unwrap();
        Said {
            code: status.code().expect("it ends by itself"),
            out: String::from_utf8(stdout).unwrap(),
            complaint: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Starts the program, whose output the caller reads.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command().args(arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command that asks the node.
    pub fn ask(&self, arguments: &[&str]) -> Said {
        self.run(&[arguments, &["--api", &self.api]].concat())
    }

    /// Makes a bundle that all of these have signed.
    pub fn signed(&self, file: &str, parts: &[&str], more: &[&str], keys: &[&str]) {
        let new = [&["bundle", "new", "-o", file], parts, more].concat();
        self.ask(&new).expect(0, "");
        for key in keys {
            self.ask(&["bundle", "sign", file, "--key", key]).expect(0, "");
        }
    }

    /// Submits a bundle, and waits for what becomes of it.
    pub fn submit(&self, file: &str) -> Said {
        self.ask(&["bundle", "submit", file, "--wait", "60s"])
    }

    pub fn client(&self) -> Client {
        Client::new(&self.api)
    }

    /// Starts the node, and waits until it is ready.
    pub fn start(&mut self) {
        self.listen();
        self.until("the node is ready", |world| world.client().is_ready().ok()?.then_some(()));
    }

    /// Starts the node, and waits until it listens.
    pub fn listen(&mut self) {
        let addresses = self.path("addresses.json");
        let _ = fs::remove_file(&addresses);
        self.spawn_node();
        self.until("the node listens", |world| {
            let text = fs::read_to_string(&addresses).ok()?;
            let addresses: Value = serde_json::from_str(&text).ok()?;
            let api: SocketAddr = addresses["api"].as_str()?.parse().ok()?;
            world.api = api.to_string();
            Some(())
        });
    }

    /// What the node's metrics say.
    pub fn metrics(&self) -> String {
        let addresses: Value = serde_json::from_str(&self.read("addresses.json")).unwrap();
        let mut socket = TcpStream::connect(addresses["metrics"].as_str().unwrap()).unwrap();
        write!(socket, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn spawn_node(&mut self) {
        let log = fs::File::create(self.path("node.log")).unwrap();
        let child = self
            .command()
            .args(["run", "--home", "home", "--addresses", "addresses.json"])
            .env("HPAXOS_API__LISTEN", "127.0.0.1:0")
            .env("HPAXOS_METRICS__LISTEN", "127.0.0.1:0")
            .env("HPAXOS_P2P__LISTEN", "[\"/ip4/127.0.0.1/tcp/0\"]")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.node = Some(child.unwrap());
    }

    /// Starts the node, which cannot run, and waits until it has said so.
    pub fn run_node(&mut self) -> Said {
        self.spawn_node();
        self.ends()
    }

    /// Waits until the node ends by itself.
    pub fn ends(&mut self) -> Said {
        let mut node = self.node.take().expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = node.try_wait().unwrap() {
                break status.code().expect("nobody killed it");
            }
            if Instant::now() > deadline {
                let _ = node.kill();
                panic!("it runs on: {}", self.read("node.log"));
            }
            std::thread::sleep(LOOK_EVERY);
        };
        Said { code, out: String::new(), complaint: self.read("node.log") }
    }

    /// Ends the node as a power cut does, but for what the system had not written down.
    pub fn kill(&mut self) {
        let mut node = self.node.take().expect("it runs");
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// Stops the node as systemd does; it must end well.
    pub fn stop(&mut self) {
        let mut node = self.node.take().expect("it runs");
        let told = Command::new("kill").args(["-TERM", &node.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = node.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.read("node.log"));
    }

    pub fn pid(&self) -> u32 {
        self.node.as_ref().expect("it runs").id()
    }

    /// Looks until there is something; a node that ends meanwhile never gets there.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.node.as_mut().and_then(|node| node.try_wait().unwrap());
            let log = || fs::read_to_string(self.path("node.log")).unwrap_or_default();
            assert!(ended.is_none(), "{what}: the node ended, {ended:?}\n{}", log());
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}\n{}", log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    pub fn store(&self) -> PathBuf {
        self.path("home").join(Path::new("store"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(node) = &mut self.node {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}
