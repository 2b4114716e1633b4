//! `hpaxos init`, `keys`, `config` and `log-level` as operators run them: what they make, what they refuse, and the one
//! line that says why.

use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const OTHER_KEY: &str = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";

/// A folder, and in it whatever a test makes.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file that only its owner may read.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("it can be written");
        chmod(&self.path(name), 0o600);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it can be read")
    }

    /// Runs the program in the folder; `arguments` is split at spaces.
    fn run(&self, arguments: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpaxos"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HPAXOS_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments.split(' '))
            .envs(environment.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }

    /// Runs it, and expects that all goes well.
    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments, &[]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {complaint}");
        assert!(complaint.is_empty(), "{arguments}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn answer(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.done(arguments)).expect("an answer in JSON")
    }

    /// Runs it, and expects code 2 and an error whose first line says all there is to say.
    fn refused(&self, arguments: &str, environment: &[(&str, &str)], message: &str) {
        let output = self.run(arguments, environment);
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments}: {complaint}");
        assert!(output.stdout.is_empty(), "{arguments}");
        let first = complaint.lines().next().unwrap_or_default();
        assert_eq!(complaint.matches(message).count(), 1, "it is said once\n{complaint}");
        assert!(
            first.starts_with("error: ") && first.contains(message),
            "{arguments}\n{complaint}"
        );
        // What follows, if anything, is the place in the file.
        let is_place =
            |line: &str| line.trim_start().starts_with(['|', '-', '.']) || line.contains(" | ");
        assert!(complaint.lines().skip(1).all(is_place), "{arguments}\n{complaint}");
    }

    /// A home of alice, in a network of one.
    fn with_home() -> Self {
        let place = Place::new();
        let made = place.answer("init --home home --name alice --json");
        place.write("home/learner-graph.toml", &graph(made["public-key"].as_str().expect("a key")));
        place.write("home/genesis.toml", "version = 1\nnetwork = \"laptop\"\n");
        place
    }

    fn configure(&self, more: &str) {
        self.write("home/config.toml", &format!("name = \"alice\"\n{more}\n"));
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn graph(alice: &str) -> String {
    format!(
        "version = 1\n[acceptors.alice]\npublic-key = \"{alice}\"\n[learners.red]\nquorum = \"alice\"\n"
    )
}

#[test]
fn init_makes_a_home_and_says_what_to_paste() {
    let place = Place::new();
    let said = place.done("init --home deep/home --name alice --address /ip4/10.0.0.1/tcp/4001");
    assert!(said.contains("The key has no passphrase"), "{said}");
    let (_, paste) = said.split_once("[acceptors.alice]\n").expect("lines to paste");
    let text =
        format!("version = 1\n[acceptors.alice]\n{paste}[learners.red]\nquorum = \"alice\"\n");
    let graph = hpaxos_learner_graph::file::read(&text).expect("they can be pasted");
    let alice = &graph.declarations().acceptors[0];
    assert_eq!(alice.addresses, ["/ip4/10.0.0.1/tcp/4001"]);

    let shown = place.answer("keys show --home deep/home --json");
    assert_eq!(shown["public-key"], hex::encode(alice.public_key.expect("a key")));
    assert_eq!(shown["encrypted"], false);
    assert!(shown["peer"].as_str().is_some_and(|peer| peer.starts_with("12D3KooW")), "{shown}");
    assert_eq!(mode(&place.path("deep/home")), 0o700);
    assert_eq!(mode(&place.path("deep/home/key.json")), 0o600);
}

#[test]
fn init_copies_the_network_and_the_node_can_run() {
    let place = Place::new();
    let key = place.done("keys new key.json");
    place.write("graph.toml", &graph(key.trim()));
    place.write("genesis.toml", "version = 1\nnetwork = \"laptop\"\n");
    place.done(
        "init --home home --name alice --graph graph.toml --genesis genesis.toml --key key.json",
    );
    let said = place.done("config --home home");
    assert!(said.contains("alice is a validator of network") && said.contains("consensus.depth"));
    let answer = place.answer("config --home home --json");
    assert_eq!(
        (&answer["role"], &answer["config"]["consensus"]["depth"]),
        (&"validator".into(), &8.into())
    );
    let overridden = place.run("config --home home --json", &[("HPAXOS_CONSENSUS__DEPTH", "4")]);
    let overridden: Value = serde_json::from_slice(&overridden.stdout).expect("an answer in JSON");
    assert_eq!(overridden["config"]["consensus"]["depth"], 4);
    assert!(place.done("config --defaults").contains("# Where the HTTP API listens."));
}

#[test]
fn init_never_overwrites() {
    let place = Place::new();
    place.done("init --home home --name alice");
    let before = place.read("home/key.json");
    place.refused("init --home home --name alice", &[], "home exists already and is not empty");
    assert_eq!(place.read("home/key.json"), before);
    place.write("file", "");
    place.refused("init --home file --name alice", &[], "file exists already");
}

#[test]
fn init_refuses_what_cannot_work_and_makes_nothing() {
    let place = Place::new();
    place.write("graph.toml", &graph(OTHER_KEY));
    place.write("bad.toml", "version = 1\n[learners.red]\nquorum = \"nobody\"\n");
    place.done("keys new key.json");
    place.refused("init --home home --name Alice", &[], "--name is `Alice`; it should be 1 to 32");
    place.refused("init --home home --name alice --graph bad.toml", &[], "bad.toml:3:10: unknown");
    place.refused("init --home home --name alice --graph none.toml", &[], "cannot open none.toml");
    let taken = format!("`alice` has the key {OTHER_KEY} already");
    place.refused("init --home home --name alice --graph graph.toml", &[], &taken);
    let differ = format!("the key of `alice` is {OTHER_KEY}, and that of --key is ");
    place.refused("init --home home --name alice --graph graph.toml --key key.json", &[], &differ);
    assert!(!place.path("home").exists());
}

#[test]
fn what_others_can_read_is_refused() {
    let place = Place::with_home();
    chmod(&place.path("home/key.json"), 0o644);
    for command in ["keys show --home home", "config --home home"] {
        let message = "home/key.json is open to others (mode 0644): run `chmod 600 home/key.json`";
        place.refused(command, &[], message);
    }
    chmod(&place.path("home/key.json"), 0o600);
    chmod(&place.path("home"), 0o755);
    let message = "home is open to others (mode 0755): run `chmod 700 home`";
    place.refused("keys show --home home", &[], message);
    place.refused("log-level --home home info", &[], message);
}

#[test]
fn a_passphrase_can_be_set_changed_and_removed() {
    let place = Place::with_home();
    let encrypted =
        |place: &Place| place.answer("keys show --home home --json")["encrypted"].clone();
    let key = place.answer("keys show --home home --json")["public-key"].clone();
    place.write("one", "correct horse\n");
    place.write("two", "battery staple\n");
    place.done("keys passphrase --home home --new-passphrase-file one");
    assert_eq!(encrypted(&place), true);
    let wrong = "the passphrase is wrong, or the key file is damaged";
    place.refused("keys passphrase --home home --passphrase-file two --remove", &[], wrong);
    place.refused("keys export out.json --home home --passphrase-file two", &[], wrong);
    assert!(!place.path("out.json").exists());
    place.done("keys passphrase --home home --passphrase-file one --new-passphrase-file two");
    place.done("keys passphrase --home home --passphrase-file two --remove");
    assert_eq!(encrypted(&place), false);
    assert_eq!(place.answer("keys show --home home --json")["public-key"], key);
    chmod(&place.path("one"), 0o644);
    let open = "one is open to others (mode 0644): run `chmod 600 one`";
    place.refused("keys passphrase --home home --new-passphrase-file one", &[], open);
    place.refused(
        "keys new k.json --passphrase-file none",
        &[],
        "cannot read the passphrase from none",
    );
}

#[test]
fn an_export_is_encrypted_and_can_be_imported() {
    let place = Place::with_home();
    let shown = place.answer("keys show --home home --json");
    place.write("passphrase", "correct horse");
    place.done("keys export backup.json --home home --passphrase-file passphrase");
    assert!(!place.read("backup.json").contains("secret-key"));
    assert_eq!(mode(&place.path("backup.json")), 0o600);
    let exists = "backup.json exists already, and a key is never overwritten";
    place.refused("keys export backup.json --home home --passphrase-file passphrase", &[], exists);
    let import = "keys import backup.json --home home --passphrase-file passphrase";
    place.refused(import, &[], "home/key.json exists already, and a key is never overwritten");
    fs::remove_file(place.path("home/key.json")).expect("it can be removed");
    place.refused("config --home home", &[], "cannot read the key home/key.json");
    place.done(import);
    let back = place.answer("keys show --home home --json");
    assert_eq!((&back["public-key"], &back["encrypted"]), (&shown["public-key"], &true.into()));
}

#[test]
fn a_home_can_be_made_with_a_key_that_there_is() {
    let place = Place::new();
    place.write("one", "correct horse\n");
    place.write("two", "battery staple\n");
    let key = place.done("keys new plain.json");
    let encrypted = place.done("keys new encrypted.json --passphrase-file one");
    place.done("init --home a --name alice --key plain.json --passphrase-file one");
    let wrong = "encrypted.json: the passphrase is wrong";
    let with = "init --home b --name bob --key encrypted.json --passphrase-file";
    place.refused(&format!("{with} two"), &[], wrong);
    place.done(&format!("{with} one"));
    for (home, key) in [("a", key), ("b", encrypted)] {
        let shown = place.answer(&format!("keys show --home {home} --json"));
        assert_eq!((&shown["public-key"], &shown["encrypted"]), (&key.trim().into(), &true.into()));
    }
}

#[test]
fn a_passphrase_comes_through_a_descriptor() {
    let place = Place::new();
    let script = format!(
        "echo secret | {0} keys new k.json --passphrase-fd 0 && echo secret | {0} keys passphrase --key k.json --remove --passphrase-fd 0",
        env!("CARGO_BIN_EXE_hpaxos")
    );
    let status = Command::new("sh").args(["-c", &script]).current_dir(place.0.path()).output();
    let output = status.expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.answer("keys show --key k.json --json")["encrypted"], false);
}

#[test]
fn wrong_settings_are_refused_at_their_place() {
    let place = Place::with_home();
    for (more, message) in [
        (
            "[api]\nlisen = \"x\"",
            "home/config.toml:3:1: unknown key `api.lisen`; did you mean `api.listen`?",
        ),
        (
            "[api]\nlisten = \"127.0.0.1\"",
            "home/config.toml:3:1: `api.listen`: `127.0.0.1` is no address with a port",
        ),
        ("[metrics]\nlisten = \"localhost:99999\"", "`localhost:99999` is no address with a port"),
        ("[p2p]\nlisten = [\"0.0.0.0:4001\"]", "`0.0.0.0:4001` is no address"),
        (
            "[consensus]\ndepth = 0",
            "home/config.toml:3:1: `consensus.depth` is 0; it should be at least 1",
        ),
        ("graph = \"nowhere.toml\"", "cannot open home/nowhere.toml"),
        ("logs = [\"red\"]", "`logs` is for followers"),
        ("[api", "home/config.toml:2:"),
    ] {
        place.configure(more);
        place.refused("config --home home", &[], message);
    }
    place.configure("");
    let variable = [("HPAXOS_API__LISTEN", "nowhere")];
    place.refused(
        "config --home home",
        &variable,
        "HPAXOS_API__LISTEN in the environment: `api.listen`: `nowhere` is no address",
    );
    let variable = [("HPAXOS_API__LISEN", "127.0.0.1:1")];
    place.refused(
        "config --home home",
        &variable,
        "HPAXOS_API__LISEN in the environment: unknown key `api.lisen`; did you mean",
    );
    fs::remove_file(place.path("home/config.toml")).expect("it can be removed");
    place.refused("config --home home", &[], "cannot open home/config.toml");
    place.refused(
        "config --home nowhere",
        &[],
        "nowhere is no home of a node: `hpaxos init --home nowhere",
    );
}

#[test]
fn the_graph_has_the_key_of_the_key_file() {
    let place = Place::with_home();
    let mine = place.answer("keys show --home home --json")["public-key"].clone();
    place.write("home/learner-graph.toml", &graph(OTHER_KEY));
    let message = format!(
        "the keys of `alice` differ: home/learner-graph.toml has {OTHER_KEY}, and home/key.json has {}",
        mine.as_str().expect("a key")
    );
    place.refused("config --home home", &[], &message);
    place.write("home/learner-graph.toml", &graph(OTHER_KEY).replace("alice", "alice1"));
    place.refused(
        "config --home home",
        &[],
        "the graph has no acceptor `alice`; did you mean `alice1`?",
    );
    let keyless = graph(OTHER_KEY).replace(&format!("public-key = \"{OTHER_KEY}\""), "");
    place.write("home/learner-graph.toml", &keyless);
    place.refused("config --home home", &[], "these acceptors have no `public-key` yet: alice");
}

#[test]
fn the_log_level_needs_a_filter_and_a_node() {
    let place = Place::with_home();
    place.refused(
        "log-level --home home inof",
        &[],
        "`inof` is no level: it should be error, warn",
    );
    place.refused(
        "log-level --home home debug",
        &[],
        "no hpaxos runs with this home: nobody listens",
    );
}

#[test]
fn what_may_be_parked_needs_a_number_of_bytes_and_a_node() {
    let place = Place::with_home();
    for (bytes, what) in [
        ("many", "`many` is no number of bytes from 1048576 on, as in 1073741824"),
        ("1000", "`1000` is no number of bytes from 1048576 on"),
        ("1048576", "no hpaxos runs with this home: nobody listens"),
    ] {
        place.refused(&format!("parked-bytes-max --home home {bytes}"), &[], what);
    }
}
