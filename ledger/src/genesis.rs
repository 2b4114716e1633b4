//! What the chains start with, read from `genesis.toml`.

use crate::digest::from_hex;
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use borsh::BorshSerialize;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_learner_graph::file::{FileError, is_name};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The largest file that is read: a hundred thousand balances.
pub const GENESIS_BYTES_MAX: usize = 64 << 20;

/// What the chains of a network start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The network's name.
    pub network: String,
    /// What each chain starts with, by name. A chain that starts empty may be left out.
    pub chains: BTreeMap<String, State>,
    /// What the owner of a new object pays, and whoever owns it in the end gets back. None: objects cost nothing.
    pub create_deposit: Option<Deposit>,
}

/// So much of an asset, of the chain and log in which an object is made.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Deposit {
    /// The asset's name.
    pub asset: String,
    /// How much; at least 1.
    pub amount: u128,
}

/// What a chain starts with, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct State {
    /// Balances; none is there twice.
    pub balances: Vec<Balance>,
    /// Objects; none is there twice.
    pub objects: Vec<Object>,
}

/// So much of an asset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Balance {
    /// Its home.
    pub log: String,
    /// The asset's name.
    pub asset: String,
    /// The ed25519 key whose signature moves it.
    pub owner: [u8; 32],
    /// How much; at least 1.
    pub amount: u128,
}

/// An object, at version 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Object {
    /// Its home, and the log of its birth.
    pub log: String,
    /// `<log>:<key>`, at most 256 bytes.
    pub key: String,
    /// The ed25519 key whose signature moves it.
    pub owner: [u8; 32],
    /// At most 64 KiB.
    pub value: Vec<u8>,
}

impl Genesis {
    /// Reads the genesis of a network with this graph.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and what would be right.
    pub fn read(text: &str, graph: &LearnerGraph) -> Result<Self, FileError> {
        if text.len() > GENESIS_BYTES_MAX {
            let limit = GENESIS_BYTES_MAX >> 20;
            return Err(FileError::at("", 0..0, format!("the file is larger than {limit} MiB")));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            FileError::at(text, error.span().unwrap_or(0..0), error.message().replace('\n', ", "))
        })?;
        let reader = Reader { text, graph };
        if *file.version.get_ref() != 1 {
            let message = "`version` should be 1: this program knows no other";
            return Err(FileError::at(text, file.version.span(), message));
        }
        if !is_name(file.network.get_ref()) {
            let message = "`network` should be 1 to 32 of the characters a-z 0-9 . _ -";
            return Err(FileError::at(text, file.network.span(), message));
        }
        let mut chains = BTreeMap::new();
        for (chain, state) in file.chains {
            if graph.learner(chain.get_ref()).is_none() {
                let message = "the learner graph has no learner of this name";
                return Err(FileError::at(text, chain.span(), message));
            }
            let state = reader.state(chain.get_ref(), state)?;
            // An empty entry says no more than none at all.
            if state != State::default() {
                chains.insert(chain.into_inner(), state);
            }
        }
        let deposit = file.create_deposit.map(|deposit| reader.deposit(deposit)).transpose()?;
        Ok(Genesis { network: file.network.into_inner(), chains, create_deposit: deposit })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<i64>,
    network: Spanned<String>,
    create_deposit: Option<FileDeposit>,
    #[serde(default)]
    chains: BTreeMap<Spanned<String>, FileState>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDeposit {
    asset: Spanned<String>,
    amount: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileState {
    #[serde(default)]
    balances: Vec<Spanned<FileBalance>>,
    #[serde(default)]
    objects: Vec<Spanned<FileObject>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBalance {
    log: Spanned<String>,
    asset: Spanned<String>,
    owner: Spanned<String>,
    amount: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileObject {
    log: Spanned<String>,
    key: Spanned<String>,
    owner: Spanned<String>,
    value: Spanned<String>,
}

struct Reader<'a> {
    text: &'a str,
    graph: &'a LearnerGraph,
}

impl Reader<'_> {
    fn state(&self, chain: &str, state: FileState) -> Result<State, FileError> {
        let mut balances = BTreeMap::new();
        for entry in state.balances {
            let span = entry.span();
            let balance = self.balance(chain, entry.into_inner())?;
            let key = (balance.log.clone(), balance.asset.clone(), balance.owner);
            if balances.insert(key, balance).is_some() {
                return Err(self.error(
                    span,
                    "this owner has a balance of this asset in this log above already",
                ));
            }
        }
        let mut objects = BTreeMap::new();
        for entry in state.objects {
            let span = entry.span();
            let object = self.object(chain, entry.into_inner())?;
            if objects.insert(object.key.clone(), object).is_some() {
                return Err(self.error(span, "an object of this key stands above already"));
            }
        }
        Ok(State {
            balances: balances.into_values().collect(),
            objects: objects.into_values().collect(),
        })
    }

    fn balance(&self, chain: &str, balance: FileBalance) -> Result<Balance, FileError> {
        let amount = self.amount(&balance.amount)?;
        let asset = self.asset(balance.asset)?;
        let log = self.log(chain, balance.log)?;
        Ok(Balance { log, asset, owner: self.owner(&balance.owner)?, amount })
    }

    fn deposit(&self, deposit: FileDeposit) -> Result<Deposit, FileError> {
        let amount = self.amount(&deposit.amount)?;
        Ok(Deposit { asset: self.asset(deposit.asset)?, amount })
    }

    fn amount(&self, amount: &Spanned<String>) -> Result<u128, FileError> {
        let text = amount.get_ref();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|amount| digits && *amount > 0).ok_or_else(|| {
            self.error(amount.span(), "`amount` should be a decimal string from \"1\" to 2^128 - 1")
        })
    }

    fn asset(&self, asset: Spanned<String>) -> Result<String, FileError> {
        if !(1..=KEY_BYTES_MAX).contains(&asset.get_ref().len()) {
            return Err(self.error(asset.span(), "`asset` should have 1 to 256 bytes"));
        }
        Ok(asset.into_inner())
    }

    fn object(&self, chain: &str, object: FileObject) -> Result<Object, FileError> {
        let log = self.log(chain, object.log)?;
        let key = object.key.get_ref();
        let named = key.strip_prefix(log.as_str()).and_then(|rest| rest.strip_prefix(':'));
        if named.is_none_or(str::is_empty) || key.len() > KEY_BYTES_MAX {
            let message =
                format!("`key` should begin with `{log}:` and have at most {KEY_BYTES_MAX} bytes");
            return Err(self.error(object.key.span(), message));
        }
        let value = BASE64_STANDARD.decode(object.value.get_ref()).ok();
        let value = value.filter(|value| value.len() <= VALUE_BYTES_MAX).ok_or_else(|| {
            self.error(object.value.span(), "`value` should be base64 of at most 64 KiB")
        })?;
        Ok(Object { log, key: object.key.into_inner(), owner: self.owner(&object.owner)?, value })
    }

    /// A log in which the chain takes part.
    fn log(&self, chain: &str, log: Spanned<String>) -> Result<String, FileError> {
        let found = self.graph.log(log.get_ref());
        let learner = self.graph.learner(chain);
        if found.zip(learner).is_some_and(|(log, learner)| log.learners().contains(learner)) {
            return Ok(log.into_inner());
        }
        let message =
            format!("the learner graph has no log of this name in which `{chain}` takes part");
        Err(self.error(log.span(), message))
    }

    fn owner(&self, owner: &Spanned<String>) -> Result<[u8; 32], FileError> {
        from_hex(owner.get_ref()).ok_or_else(|| {
            self.error(owner.span(), "`owner` should be a key: 64 lower-case hex digits")
        })
    }

    fn error(&self, span: std::ops::Range<usize>, message: impl Into<String>) -> FileError {
        FileError::at(self.text, span, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_learner_graph::file;

    const OWNER: &str = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";

    fn read(entries: &str) -> Result<Genesis, FileError> {
        let graph = file::read(
            "version = 1\n[acceptors.a]\n[learners.red]\nquorum = \"a\"\n[learners.blue]\nquorum = \"a\"\n\
             [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
             [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n",
        );
        Genesis::read(&format!("version = 1\nnetwork = \"laptop\"\n{entries}"), &graph.unwrap())
    }

    fn balance(log: &str, amount: &str) -> String {
        format!(
            "[[chains.red.balances]]\nlog = \"{log}\"\nasset = \"gold\"\nowner = \"{OWNER}\"\namount = \"{amount}\"\n"
        )
    }

    fn object(log: &str, key: &str, value: &str) -> String {
        format!(
            "[[chains.red.objects]]\nlog = \"{log}\"\nkey = \"{key}\"\nowner = \"{OWNER}\"\nvalue = \"{value}\"\n"
        )
    }

    #[test]
    fn reads_balances_and_objects() {
        let text = balance("red", "1000") + &object("red+blue", "red+blue:seat/12A", "ZnJlZQ==");
        let genesis = read(&text).unwrap();
        let red = &genesis.chains["red"];
        assert_eq!((red.balances[0].amount, red.balances[0].log.as_str()), (1000, "red"));
        assert_eq!(red.objects[0].value, b"free");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let twice = balance("red", "1") + &balance("red", "2");
        for (entries, line, message) in [
            (balance("blue", "1"), 4, "no log of this name in which `red`"),
            (balance("red", "-1"), 7, "`amount` should be"),
            (balance("red", "0"), 7, "`amount` should be"),
            (balance("red", "+1"), 7, "`amount` should be"),
            (balance("red", "1").replace('8', "G"), 6, "64 lower-case hex digits"),
            (
                balance("red", "1").replace(OWNER, &OWNER.to_uppercase()),
                6,
                "64 lower-case hex digits",
            ),
            (twice, 8, "above already"),
            (object("red", "blue:x", ""), 5, "should begin with `red:`"),
            (object("red", "red:", ""), 5, "should begin with `red:`"),
            (object("red", "red:x", "§"), 7, "should be base64"),
            ("create_deposit = { asset = \"\", amount = \"1\" }\n".into(), 3, "1 to 256 bytes"),
            (
                "create_deposit = { asset = \"gold\", amount = \"0\" }\n".into(),
                3,
                "`amount` should",
            ),
            ("[chains.green]\n".into(), 3, "no learner of this name"),
            ("colour = 1\n".into(), 3, "unknown field `colour`"),
        ] {
            let error = read(&entries).unwrap_err();
            assert!(error.message.contains(message), "{entries}: {error}");
            assert_eq!(error.line, line, "{entries}: {error}");
        }
    }
}
