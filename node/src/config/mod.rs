//! The settings of a node: defaults, below `config.toml`, below the environment.
//!
//! `default.toml` is the one source of keys, defaults and documentation: it is read for the defaults, and what
//! `hpaxos init` writes is the same text with the defaults commented out.

mod check;
mod read;
mod values;

pub use read::ConfigError;
pub use values::Bind;

use crate::keys::PublicKey;
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All keys with documentation and defaults.
const DEFAULTS: &str = include_str!("default.toml");

/// Where the operator's name goes in [`DEFAULTS`].
const NAME: &str = "{name}";

/// What environment variables with settings begin with.
pub const ENVIRONMENT_PREFIX: &str = "HPAXOS_";

/// The settings of a node. Keys, units and defaults are documented in the file that [`Config::text`] makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Config {
    pub name: String,
    pub graph: PathBuf,
    pub genesis: PathBuf,
    pub logs: Vec<String>,
    pub p2p: P2p,
    pub api: Api,
    pub metrics: Metrics,
    pub consensus: Consensus,
    pub mempool: Mempool,
    pub store: Store,
    pub log: Log,
}

/// `[p2p]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct P2p {
    #[serde(deserialize_with = "values::addresses")]
    pub listen: Vec<Multiaddr>,
    pub pending_max: u32,
    pub pending_per_address_max: u32,
    pub handshake_timeout_ms: u64,
    pub followers: Followers,
}

/// `[p2p.followers]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Followers {
    pub max: u32,
    pub allow: Vec<PublicKey>,
}

/// `[api]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Api {
    pub listen: Bind,
    pub hosts: Vec<String>,
    pub header_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub body_bytes_max: usize,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    pub waiting_max: usize,
    pub requests_per_second: u32,
    pub requests_burst: u32,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Metrics {
    pub listen: Bind,
}

/// `[consensus]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Consensus {
    pub first_timer_ms: u64,
    pub slot_ms_min: u64,
    pub idle_slot_ms: u64,
    pub depth: u64,
    pub parked_bytes_max: u64,
    pub waived: Vec<String>,
}

/// `[mempool]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Mempool {
    pub bundles_max: usize,
    pub bytes_max: usize,
    pub per_source_max: usize,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Store {
    pub keep_slots: u64,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each key is documented once, in the file")]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl Config {
    /// The settings of the node called `name`, with defaults for everything else.
    pub fn new(name: &str) -> Self {
        Self::of_text(&Self::text(name)).expect("the defaults are a configuration")
    }

    /// Reads the file at `path`, and the environment.
    ///
    /// # Errors
    /// The first thing that is wrong, where, and what would be right.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        read::read(path)
    }

    /// Reads the text of a file, without the environment.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn of_text(text: &str) -> Result<Self, ConfigError> {
        read::parse(text, Path::new("config.toml"))
    }

    /// A `config.toml` for the node called `name`: every key, documented, with its default.
    pub fn text(name: &str) -> String {
        let mut text = String::new();
        for line in DEFAULTS.lines() {
            let is_default = line.starts_with(|first: char| first.is_ascii_lowercase());
            let stays =
                line.contains(NAME) || ["graph", "genesis"].iter().any(|key| line.starts_with(key));
            if is_default && !stays {
                text.push('#');
            }
            text += &line.replace(NAME, name);
            text.push('\n');
        }
        text
    }
}

impl Consensus {
    /// How long round 0 of a slot lasts.
    pub fn first_timer(&self) -> Duration {
        Duration::from_millis(self.first_timer_ms)
    }
}

impl From<Bind> for SocketAddr {
    fn from(bind: Bind) -> Self {
        bind.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn leaves(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    leaves(value, &format!("{path}.{key}"), found);
                }
            }
            other => found.push((path.trim_start_matches('.').to_owned(), other.clone())),
        }
    }

    #[test]
    fn the_generated_file_says_every_key_and_its_default() {
        let config = Config::new("alice");
        assert_eq!(config.name, "alice");
        let text = Config::text("alice");
        // With every default as if it had been set.
        let mut all_set = String::new();
        for line in text.lines() {
            let set = line
                .strip_prefix('#')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
            all_set += &format!("{}\n", set.unwrap_or(line));
        }
        assert_eq!(read::parse(&all_set, Path::new("config.toml")).unwrap(), config);

        let mut keys = Vec::new();
        leaves(&serde_json::to_value(&config).unwrap(), "", &mut keys);
        assert!(keys.iter().any(|(key, _)| key == "p2p.followers.max"), "{keys:?}");
        for (path, default) in &keys {
            let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
            let section = match table {
                "" => text.split("\n[").next(),
                table => text.split("\n[").find(|part| part.starts_with(&format!("{table}]"))),
            };
            let section = section.unwrap_or_else(|| panic!("no [{table}]"));
            let line = section
                .lines()
                .find(|line| line.trim_start_matches('#').starts_with(&format!("{key} = ")));
            assert!(line.is_some(), "{path} = {default}");
        }
    }

    #[test]
    fn the_generated_file_documents_every_key() {
        let text = Config::text("alice");
        let lines: Vec<&str> = text.lines().collect();
        let is_key =
            |line: &str| line.trim_start_matches('#').starts_with(|c: char| c.is_ascii_lowercase());
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_key(line)) {
            let above = lines[..index].iter().rev().find(|line| !is_key(line));
            assert!(above.is_some_and(|above| above.starts_with("# ")), "{line}");
        }
    }
}
