//! The folder that a node lives in.
//!
//! | file | |
//! |---|---|
//! | `config.toml` | the settings |
//! | `key.json` | the key, for its owner's eyes only |
//! | `learner-graph.toml`, `genesis.toml` | the network, where the settings do not say otherwise |
//! | `store/` | what the node must not forget, what it has learned, and bundles that wait |
//! | `guard`, `guard.mark` | which store is the node's, and how far it was |
//! | `lock` | held by the process that runs with this home |
//! | `control.sock` | switches of the running node |
//!
//! Invariant: at most one process uses a home, and a key has one home. Two that sign with one key are an equivocator.

use crate::config::{Config, ConfigError};
use crate::files::{ReadError, read_genesis, read_graph};
use crate::keys::{KeyError, KeyFile, Permissions, PublicKey};
use crate::nearest::nearest;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerSet};
use hpaxos_ledger::{Genesis, network_id};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What stands in the way of living there.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is none.
    #[error("{} is no home of a node: `hpaxos init --home {} --name NAME` makes one", .0.display(), .0.display())]
    Missing(PathBuf),
    /// There is something already.
    #[error("{} exists already and is not empty: nothing was changed; choose another place", .0.display())]
    Exists(PathBuf),
    /// Others can get in.
    #[error(transparent)]
    Permissions(#[from] Permissions),
    /// Another process runs with this home.
    #[error("another hpaxos runs with this home ({}): {}", .0.display(), pid(.1.as_deref()))]
    Locked(PathBuf, Option<String>),
    /// The file system says no.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The settings cannot be used.
    #[error(transparent)]
    Config(ConfigError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Graph or genesis cannot be used.
    #[error(transparent)]
    Network(ReadError),
    /// The graph lacks keys that are part of the network's id.
    #[error("{}: these acceptors have no `public-key` yet: {}", graph.display(), names.join(", "))]
    NoKeys {
        /// The graph.
        graph: PathBuf,
        /// Whose keys.
        names: Vec<String>,
    },
    /// The settings do not fit the graph.
    #[error("{}: {message}", config.display())]
    WhoAmI {
        /// The settings' file.
        config: PathBuf,
        /// What does not fit, and what would be right.
        message: String,
    },
    /// The graph has another key for this node than the key file.
    #[error(transparent)]
    OtherKey(#[from] Box<OtherKey>),
}

/// The graph has another key for a node than its key file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the keys of `{name}` differ: {} has {in_graph}, and {} has {in_file}",
    graph.display(),
    file.display()
)]
pub struct OtherKey {
    /// The node.
    pub name: String,
    /// The graph.
    pub graph: PathBuf,
    /// Its key there.
    pub in_graph: PublicKey,
    /// The key file.
    pub file: PathBuf,
    /// Its key.
    pub in_file: PublicKey,
}

fn pid(pid: Option<&str>) -> String {
    pid.map_or("its pid is not known".to_owned(), |pid| format!("pid {pid}"))
}

/// The folder of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

/// The network that a node belongs to.
#[derive(Clone, Debug)]
pub struct Network {
    /// Who trusts whom.
    pub graph: LearnerGraph,
    /// What the chains start with.
    pub genesis: Genesis,
    /// The id of both.
    pub id: NetworkId,
}

/// As long as this lives, no other process can use the home.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl Home {
    /// The name of the graph's file, where [`Home::create`] has one to copy.
    pub const GRAPH: &str = "learner-graph.toml";
    /// The name of the genesis' file, where [`Home::create`] has one to copy.
    pub const GENESIS: &str = "genesis.toml";

    /// The home at `path`, which nobody else may enter.
    ///
    /// # Errors
    /// If there is none, or others have any right to it.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => HomeError::Missing(path.to_owned()),
            _ => HomeError::Io { what: "read", path: path.to_owned(), error },
        })?;
        if !metadata.is_dir() {
            return Err(HomeError::Missing(path.to_owned()));
        }
        Permissions::check(path, &metadata)?;
        Ok(Home(path.to_owned()))
    }

    /// Makes a home at `path`: a new folder, or one that is empty and lets nobody else in.
    ///
    /// # Errors
    /// If there is something already, or it cannot be made.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        let io = |error| HomeError::Io { what: "make the home", path: path.to_owned(), error };
        match fs::read_dir(path) {
            Ok(mut entries) => {
                return match entries.next() {
                    None => Home::open(path),
                    Some(_) => Err(HomeError::Exists(path.to_owned())),
                };
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(HomeError::Exists(path.to_owned()));
            }
            Err(error) => return Err(io(error)),
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(io)?;
        }
        DirBuilder::new().mode(0o700).create(path).map_err(io)?;
        Home::open(path)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The settings' file.
    pub fn config_path(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The key's file.
    pub fn key_path(&self) -> PathBuf {
        self.0.join("key.json")
    }

    /// The folder of the store.
    pub fn store_path(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The guard beside the store.
    pub fn guard_path(&self) -> PathBuf {
        self.0.join("guard")
    }

    /// The file that the running process locks.
    pub fn lock_path(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The socket of the running process.
    pub fn control_path(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Takes the home for this process.
    ///
    /// # Errors
    /// If another process has it.
    pub fn lock(&self) -> Result<Lock, HomeError> {
        let path = self.lock_path();
        let io = |error| HomeError::Io { what: "lock", path: path.clone(), error };
        // Truncating before the lock is held would take the other process's number away.
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.take(20).read_to_string(&mut pid);
                let known = !pid.trim().is_empty();
                return Err(HomeError::Locked(self.0.clone(), known.then(|| pid.trim().into())));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Lock(file))
    }

    /// The settings.
    ///
    /// # Errors
    /// If something is wrong with them.
    pub fn config(&self) -> Result<Config, HomeError> {
        Config::read(&self.config_path()).map_err(HomeError::Config)
    }

    /// The key file.
    ///
    /// # Errors
    /// If there is none, others could read it, or it is damaged.
    pub fn key(&self) -> Result<KeyFile, HomeError> {
        Ok(KeyFile::read(&self.key_path())?)
    }

    /// The learner graph that the settings name.
    pub fn graph_path(&self, config: &Config) -> PathBuf {
        self.0.join(&config.graph)
    }

    /// The genesis that the settings name.
    pub fn genesis_path(&self, config: &Config) -> PathBuf {
        self.0.join(&config.genesis)
    }

    /// Reads graph and genesis.
    ///
    /// # Errors
    /// If one of them cannot be used, or an acceptor has no key.
    pub fn network(&self, config: &Config) -> Result<Network, HomeError> {
        let path = self.graph_path(config);
        let graph = read_graph(&path).map_err(HomeError::Network)?;
        let genesis = read_genesis(&self.genesis_path(config), &graph);
        let genesis = genesis.map_err(HomeError::Network)?;
        match network_id(&graph, &genesis) {
            Some(id) => Ok(Network { graph, genesis, id }),
            None => {
                let acceptors = graph.declarations().acceptors.iter();
                let keyless = acceptors.filter(|acceptor| acceptor.public_key.is_none());
                let names = keyless.map(|acceptor| acceptor.name.clone()).collect();
                Err(HomeError::NoKeys { graph: path, names })
            }
        }
    }

    /// Which acceptor of the graph this node is; none if it follows.
    ///
    /// # Errors
    /// If the graph has another key for it, the settings fit neither a validator nor a follower, or a log to follow does
    /// not exist.
    pub fn me(
        &self,
        config: &Config,
        graph: &LearnerGraph,
        key: PublicKey,
    ) -> Result<Option<AcceptorId>, HomeError> {
        let name = &config.name;
        let unfit = |message| HomeError::WhoAmI { config: self.config_path(), message };
        if let Some(me) = graph.acceptor(name) {
            if !config.logs.is_empty() {
                let message = format!(
                    "`logs` is for followers, and `{name}` is a validator, whose logs the graph says; leave it empty"
                );
                return Err(unfit(message));
            }
            let in_graph = graph.declarations().acceptors[me.index()].public_key.map(PublicKey);
            return match in_graph {
                Some(in_graph) if in_graph != key => Err(HomeError::from(Box::new(OtherKey {
                    name: name.clone(),
                    graph: self.graph_path(config),
                    in_graph,
                    file: self.key_path(),
                    in_file: key,
                }))),
                _ => Ok(Some(me)),
            };
        }
        if config.logs.is_empty() {
            let acceptors = &graph.declarations().acceptors;
            let known = acceptors.iter().map(|acceptor| acceptor.name.as_str());
            let hint = match nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "a follower sets `logs`".to_owned(),
            };
            return Err(unfit(format!("the graph has no acceptor `{name}`; {hint}")));
        }
        match config.logs.iter().find(|log| graph.log(log).is_none()) {
            None => Ok(None),
            Some(log) => {
                let shown = log.escape_debug();
                let known: Vec<String> =
                    graph.every_log().iter().map(|log| log.name().to_owned()).collect();
                let known = known.join(", ");
                Err(unfit(format!("`logs` names `{shown}`, and the graph has {known}")))
            }
        }
    }
}

impl Home {
    /// The learners that the settings waive.
    ///
    /// # Errors
    /// If one of them is none of the graph's.
    pub fn waived(&self, config: &Config, graph: &LearnerGraph) -> Result<LearnerSet, HomeError> {
        let mut waived = LearnerSet::EMPTY;
        for name in &config.consensus.waived {
            let Some(learner) = graph.learner(name) else {
                let known: Vec<&str> =
                    graph.learners().map(|learner| graph.learner_name(learner)).collect();
                let (name, known) = (name.escape_debug(), known.join(", "));
                let message =
                    format!("`consensus.waived` names `{name}`, and the graph has {known}");
                return Err(HomeError::WhoAmI { config: self.config_path(), message });
            };
            waived.insert(learner);
        }
        Ok(waived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_learner_graph::file;
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
    const OTHER: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(&folder.path().join("deep").join("home")).unwrap();
        (folder, home)
    }

    fn graph() -> LearnerGraph {
        let text = format!(
            "version = 1\n[acceptors.alice]\npublic-key = \"{KEY}\"\n[learners.red]\nquorum = \"alice\"\n"
        );
        file::read(&text).unwrap()
    }

    #[test]
    fn lets_nobody_else_in() {
        let (_folder, home) = home();
        let mode = |mode| fs::set_permissions(home.path(), fs::Permissions::from_mode(mode));
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);
        mode(0o750).unwrap();
        let refused = Home::open(home.path()).unwrap_err().to_string();
        assert!(refused.contains("(mode 0750): run `chmod 700 "), "{refused}");
        mode(0o700).unwrap();
        assert_eq!(Home::open(home.path()).unwrap(), home);
        // Empty, it may be used; with anything in it, not.
        assert!(Home::create(home.path()).is_ok());
        fs::write(home.config_path(), "").unwrap();
        assert!(matches!(Home::create(home.path()), Err(HomeError::Exists(_))));
        assert!(matches!(Home::open(&home.config_path()), Err(HomeError::Missing(_))));
    }

    #[test]
    fn one_process_at_a_time() {
        let (_folder, home) = home();
        let lock = home.lock().unwrap();
        let refused = home.lock().unwrap_err().to_string();
        assert!(refused.ends_with(&format!("pid {}", std::process::id())), "{refused}");
        drop(lock);
        drop(home.lock().unwrap());
    }

    #[test]
    fn knows_who_it_is() {
        let (_folder, home) = home();
        let key: PublicKey = KEY.parse().unwrap();
        let mut config = Config::new("alice");
        assert_eq!(home.me(&config, &graph(), key).unwrap(), Some(AcceptorId::new(0)));
        let refused = home.me(&config, &graph(), OTHER.parse().unwrap()).unwrap_err().to_string();
        assert!(refused.contains(KEY) && refused.contains(OTHER), "{refused}");
        config.logs = vec!["red".into()];
        let refused = home.me(&config, &graph(), key).unwrap_err().to_string();
        assert!(refused.contains("`logs` is for followers"), "{refused}");
        config.name = "alice1".into();
        assert_eq!(home.me(&config, &graph(), key).unwrap(), None);
        config.consensus.waived = vec!["red".into()];
        assert_eq!(home.waived(&config, &graph()).unwrap().len(), 1);
        config.consensus.waived.push("blue".into());
        let refused = home.waived(&config, &graph()).unwrap_err().to_string();
        assert!(
            refused.contains("`consensus.waived` names `blue`, and the graph has red"),
            "{refused}"
        );
        config.logs = vec!["blue".into()];
        let refused = home.me(&config, &graph(), key).unwrap_err().to_string();
        assert!(refused.contains("`logs` names `blue`, and the graph has red"), "{refused}");
        config.logs = Vec::new();
        let refused = home.me(&config, &graph(), key).unwrap_err().to_string();
        assert!(refused.contains("no acceptor `alice1`; did you mean `alice`?"), "{refused}");
    }
}
