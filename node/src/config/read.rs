//! From file and environment to settings, with errors at their place.

use super::{Config, DEFAULTS, ENVIRONMENT_PREFIX, NAME, check};
use crate::files::{self, ErrorInFile, ReadError};
use crate::nearest::nearest;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use figment::value::Dict;
use figment::{Figment, Provider};
use hpaxos_learner_graph::file::FileError;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// No configuration is longer.
const BYTES_MAX: usize = 1 << 20;

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(ReadError),
    /// What it says is wrong, at this place.
    #[error("{0}")]
    InFile(#[source] ErrorInFile),
    /// What an environment variable says is wrong.
    #[error("{variable} in the environment: {message}")]
    InEnvironment {
        /// The variable.
        variable: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// Something is wrong whose place is not known.
    #[error("{}: {message}", path.display())]
    Somewhere {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// Reads the file at `path`, and the environment.
pub(super) fn read(path: &Path) -> Result<Config, ConfigError> {
    let bytes = files::read(path, BYTES_MAX).map_err(ConfigError::Unreadable)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| ConfigError::Unreadable(ReadError::NoText(path.to_owned())))?;
    if bytes.len() > BYTES_MAX {
        let message = "it is larger than 1 MiB, which no configuration is".to_owned();
        return Err(ConfigError::Somewhere { path: path.to_owned(), message });
    }
    Reader { path, text }.layered(Env::prefixed(ENVIRONMENT_PREFIX).split("__"))
}

/// Reads `text`, without the environment.
pub(super) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    Reader { path, text }.layered(figment::providers::Serialized::defaults(Dict::new()))
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Reader<'_> {
    fn layered(&self, environment: impl Provider) -> Result<Config, ConfigError> {
        // First by itself, for the place of an error.
        if let Err(error) = <Toml as Format>::from_str::<Dict>(self.text) {
            let message = error.message().replace('\n', ", ");
            return Err(self.in_file(error.span().unwrap_or(0..0), message));
        }
        let defaults: String =
            DEFAULTS.split_inclusive('\n').filter(|line| !line.contains(NAME)).collect();
        let environment = Figment::from(environment);
        let figment = Figment::from(Toml::string(&defaults))
            .merge(Toml::string(self.text))
            .merge(&environment);
        let wrong = |path: &[String], message| self.wrong(path, message, &environment);
        let config: Config = figment.extract().map_err(|error| {
            let (path, message) = said(&error);
            wrong(&path, message)
        })?;
        check::check(&config).map_err(|(key, message)| {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            wrong(&path, format!("`{key}` {message}"))
        })?;
        Ok(config)
    }

    /// An error about the key at `path`, in the environment if that is where it was set.
    fn wrong(&self, path: &[String], message: String, environment: &Figment) -> ConfigError {
        if !path.is_empty() && environment.contains(&path.join(".")) {
            let key = path.join("__").to_uppercase();
            return ConfigError::InEnvironment {
                variable: format!("{ENVIRONMENT_PREFIX}{key}"),
                message,
            };
        }
        match place(self.text, path) {
            Some(span) => self.in_file(span, message),
            None => ConfigError::Somewhere { path: self.path.to_owned(), message },
        }
    }

    fn in_file(&self, span: Range<usize>, message: String) -> ConfigError {
        let error = FileError::at(self.text, span, message);
        let (path, text) = (self.path.display().to_string(), self.text.to_owned());
        ConfigError::InFile(ErrorInFile { path, text, error })
    }
}

/// The key that an error is about, and what is wrong.
fn said(error: &figment::Error) -> (Vec<String>, String) {
    let mut path = error.path.clone();
    // A place in a list is shown with the list.
    path.retain(|part| part.parse::<usize>().is_err());
    let within = |path: &[String], key: &str| {
        path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
    };
    match &error.kind {
        Kind::UnknownField(key, known) => {
            // The path may or may not end in the key itself.
            if path.last() == Some(key) {
                path.pop();
            }
            let hint = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{}`?", within(&path, meant)),
                None => format!("the keys here are {}", known.join(", ")),
            };
            let message = format!("unknown key `{}`; {hint}", within(&path, key));
            path.push(key.clone());
            (path, message)
        }
        Kind::MissingField(key) => {
            let message = format!("the key `{}` is missing", within(&path, key));
            (path, message)
        }
        Kind::Message(message) => (path.clone(), format!("`{}`: {message}", path.join("."))),
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            let key = path.join(".");
            (path, format!("`{key}` is {found}; it should be {expected}"))
        }
        Kind::UnknownVariant(found, known) => {
            let key = path.join(".");
            (path, format!("`{key}` is `{found}`; it should be one of {}", known.join(", ")))
        }
        other => (path.clone(), format!("`{}`: {other}", path.join("."))),
    }
}

/// Where the key at `path` is set: its line, or else that of a table around it.
fn place(text: &str, path: &[String]) -> Option<Range<usize>> {
    let mut table = String::new();
    let mut around = None;
    let whole = path.join(".");
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start().len();
        let span = start + indent..start + indent + trimmed.len();
        start += line.len();
        let set = if let Some(header) = trimmed.strip_prefix('[') {
            table = header.split(']').next().unwrap_or_default().trim().to_owned();
            table.clone()
        } else if let Some((key, _)) = trimmed.split_once('=') {
            let key = key.trim().trim_matches('"');
            if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
        } else {
            continue;
        };
        if set == whole {
            return Some(span);
        }
        if whole.starts_with(&format!("{set}.")) {
            around = Some(span);
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::providers::Serialized;

    fn read(text: &str) -> Result<Config, String> {
        let text = format!("name = \"alice\"\n{text}");
        parse(&text, Path::new("config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_overrides_the_defaults() {
        let config = read("[consensus]\ndepth = 3\n[p2p]\nfollowers = { max = 0 }\n").unwrap();
        assert_eq!((config.consensus.depth, config.consensus.first_timer_ms), (3, 500));
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let text = "name = \"alice\"\n[consensus]\ndepth = 3\n";
        let reader = Reader { path: Path::new("config.toml"), text };
        let with = |key: &str, value: u64| reader.layered(Serialized::default(key, value));
        assert_eq!(with("consensus.depth", 4).unwrap().consensus.depth, 4);
        let error = with("consensus.depth", 0).unwrap_err().to_string();
        assert_eq!(
            error,
            "HPAXOS_CONSENSUS__DEPTH in the environment: `consensus.depth` is 0; it should be at least 1"
        );
        let error = with("consensus.dept", 4).unwrap_err().to_string();
        assert!(
            error.starts_with("HPAXOS_CONSENSUS__DEPT in the environment: unknown key"),
            "{error}"
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, message) in [
            (
                "[api]\nlisen = \"\"",
                "config.toml:3:1: unknown key `api.lisen`; did you mean `api.listen`?",
            ),
            ("colour = 1", "config.toml:2:1: unknown key `colour`; the keys here are name, graph"),
            (
                "[store]\nretention_slots = 1",
                "config.toml:3:1: unknown key `store.retention_slots`; the keys here are keep_slots",
            ),
            (
                "[store]\nkeep_slots = 63",
                "config.toml:3:1: `store.keep_slots` is 63; it should be at least 64, or 0",
            ),
            (
                "[p2p.followers]\nmux = 1",
                "config.toml:3:1: unknown key `p2p.followers.mux`; did you",
            ),
            ("[p2p]\nfollowers = { mux = 1 }", "config.toml:3:1: unknown key `p2p.followers.mux`"),
            (
                "[api]\nlisten = \"127.0.0.1:99999\"",
                "config.toml:3:1: `api.listen`: `127.0.0.1:99999` is no address with a port; one looks like",
            ),
            (
                "[api]\nlisten = 1",
                "config.toml:3:1: `api.listen` is signed int `1`; it should be a string",
            ),
            (
                "[p2p]\nlisten = [\"/ip4/0.0.0.0/tcp/99999\"]",
                "config.toml:3:1: `p2p.listen`: `/ip4/0.0.0.0/tcp/99999` is no address",
            ),
            (
                "[p2p]\nlisten = [\"/dns/a.org/tcp/1\"]",
                "is no address to listen at; one looks like",
            ),
            ("[p2p]\nlisten = []", "config.toml:3:1: `p2p.listen` is empty"),
            (
                "[p2p.followers]\nmax = 1\nallow = [\"x\"]",
                "config.toml:4:1: `p2p.followers.allow`: `x` is no public key",
            ),
            ("[p2p.followers]\nmax = 1", "`p2p.followers.max` is 1, but nobody may connect"),
            ("[consensus]\ndepth = -1", "config.toml:3:1: `consensus.depth` is"),
            (
                "[consensus]\nidle_slot_ms = 1",
                "config.toml:3:1: `consensus.idle_slot_ms` is 1; it should be at least 20",
            ),
            (
                "[mempool]\nbundles_max = 10",
                "`mempool.per_source_max` is 1000; it should be at most 10",
            ),
            (
                "[log]\nformat = \"xml\"",
                "config.toml:3:1: `log.format` is `xml`; it should be one of text, json",
            ),
            (
                "[log]\nlevel = \"inof\"",
                "config.toml:3:1: `log.level` is wrong: `inof` is no level",
            ),
            ("[api]\nlisten = \"0.0.0.0:80\"", "which is not loopback; then `api.hosts`"),
            ("[api]\nhosts = [\"https://x\"]", "without scheme and port"),
            ("[metrics]\nlisten = \"127.0.0.1:8645\"", "where the API listens"),
            ("[api\n", "config.toml:2:"),
            ("[api]\n[api]\n", "config.toml:3:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}\n{error}\n{message}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let nameless = parse("", Path::new("config.toml")).unwrap_err().to_string();
        assert_eq!(nameless, "config.toml: the key `name` is missing");
        let bad = parse("name = \"Al ice\"", Path::new("config.toml")).unwrap_err().to_string();
        assert!(
            bad.starts_with("config.toml:1:1: `name` is `Al ice`; it should be 1 to 32"),
            "{bad}"
        );
    }
}
