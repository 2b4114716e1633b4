//! The story that a network is shown with: a journey is booked whole or not at all.
//!
//! Trains run on one chain, the hotel is on another. One bundle takes seat and room, and pays for both; when the room is taken,
//! the seat stays free and nobody pays.

use crate::folder::{Folder, GOLD};
use anyhow::{Context, Result, bail};
use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_ledger::{Body, Bundle, Operation, Part, Receipt, Status};
use hpaxos_node::api::answers::{Balances, Object};
use hpaxos_node::client::Client;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a bundle may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Slots within which a bundle is to be decided.
pub const VALID_SLOTS: u64 = 10_000;

/// What a seat, and a room, cost.
const PRICE: u128 = 10;

/// A bundle of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// `committed`, `aborted`, `expired`, or what it is on which chain if they differ.
    pub outcome: String,
}

/// Where the story plays.
pub struct Story<'a> {
    /// The network.
    pub network: NetworkId,
    /// Where receipts go.
    pub folder: &'a Folder,
    /// The log that both chains share.
    pub log: String,
    /// The chain with the trains.
    pub trains: String,
    /// The chain with the hotel.
    pub hotel: String,
    /// Everybody's key, by name.
    pub keys: &'a BTreeMap<String, SigningKey>,
    /// A node that runs the log.
    pub client: Client,
    /// Tells it to whoever watches.
    pub tell: &'a dyn Fn(String),
}

impl Story<'_> {
    /// Plays the story. Its bundles, in order.
    ///
    /// # Errors
    /// If it does not go as it should.
    pub fn play(&self) -> Result<Vec<Told>> {
        let number = self.number()?;
        let seat = |name: &str| format!("{}:train-{number}/seat-{name}", self.log);
        let room = format!("{}:hotel-{number}/room-7", self.log);
        let (seat_a, seat_b) = (seat("12A"), seat("12B"));
        let (trains, hotel) = (&self.trains, &self.hotel);
        self.say(format!("A journey: trains run on {trains}, the hotel is on {hotel}."));

        let offer = self.bundle(&["railway", "hotel"], |key| {
            let create = |key: &str, owner| Operation::Create {
                key: key.to_owned(),
                value: b"free".to_vec(),
                owner,
            };
            [
                (trains, vec![create(&seat_a, key("railway")), create(&seat_b, key("railway"))]),
                (hotel, vec![create(&room, key("hotel"))]),
            ]
        })?;
        let mut told = Vec::new();
        let what = "The railway offers seats 12A and 12B, the hotel room 7.";
        told.push(self.submit(&offer, what, "offer", Status::Committed)?);

        let journey = |who: &'static str, seat: &str| {
            let (seat, room) = (seat.to_owned(), room.clone());
            self.bundle(&["railway", "hotel", who], move |key| {
                let take = |thing: String| Operation::Transfer {
                    key: thing,
                    to: key(who),
                    if_version: None,
                };
                let pay = |to| Operation::Pay {
                    asset: "gold".into(),
                    from: key(who),
                    to: key(to),
                    amount: PRICE,
                };
                [
                    (trains, vec![pay("railway"), take(seat)]),
                    (hotel, vec![pay("hotel"), take(room)]),
                ]
            })
        };
        let before = self.gold("bob")?;
        let alice = journey("alice", &seat_a)?;
        let what = "Alice books seat 12A and room 7, and pays 10 gold for each.";
        told.push(self.submit(&alice, what, "alice", Status::Committed)?);
        let bob = journey("bob", &seat_b)?;
        let what =
            "Bob books seat 12B and room 7, which is taken: he gets neither, and pays nothing.";
        told.push(self.submit(&bob, what, "bob", Status::Aborted)?);

        for (chain, key, owner) in
            [(trains, &seat_a, "alice"), (hotel, &room, "alice"), (trains, &seat_b, "railway")]
        {
            self.expect_owner(chain, key, owner)?;
        }
        if self.gold("bob")? != before {
            bail!(
                "bob paid for what he did not get: {before:?} before, {:?} after",
                self.gold("bob")?
            );
        }
        self.say(format!(
            "  {seat_a} and {room} are Alice's, {seat_b} still the railway's; Bob has his {} gold.",
            before.iter().map(|(_, amount)| amount).max().unwrap_or(&GOLD.to_string())
        ));
        Ok(told)
    }

    fn say(&self, text: String) {
        (self.tell)(text);
    }

    fn public(&self, name: &str) -> Result<[u8; 32]> {
        let key = self.keys.get(name).with_context(|| format!("there is no client `{name}`"))?;
        Ok(key.verifying_key().to_bytes())
    }

    /// How often the story was played here, from 1.
    fn number(&self) -> Result<u32> {
        for number in 1.. {
            let key = format!("{}:hotel-{number}/room-7", self.log);
            if self.owner(&self.hotel, &key)?.is_none() {
                return Ok(number);
            }
        }
        bail!("the hotel has no more rooms")
    }

    fn owner(&self, chain: &str, key: &str) -> Result<Option<String>> {
        match self.client.get::<Object>(&format!("/v1/chains/{chain}/objects/{key}"), PATIENCE) {
            Ok(object) => Ok(Some(object.owner)),
            Err(hpaxos_node::client::ClientError::Refused(why)) if why.status == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn expect_owner(&self, chain: &str, key: &str, owner: &str) -> Result<()> {
        let found = self.owner(chain, key)?;
        if found != Some(hex::encode(self.public(owner)?)) {
            bail!(
                "{key} on {chain} should be {owner}'s, and is {}",
                found.unwrap_or("nobody's".into())
            );
        }
        Ok(())
    }

    /// What somebody has of each chain, in this log.
    fn gold(&self, name: &str) -> Result<Vec<(String, String)>> {
        let owner = hex::encode(self.public(name)?);
        let of = |chain: &String| {
            let path = format!("/v1/chains/{chain}/balances/{owner}");
            let balances: Balances = self.client.get(&path, PATIENCE)?;
            let mine = balances.balances.into_iter().find(|balance| balance.log == self.log);
            Ok((chain.clone(), mine.map_or("0".to_owned(), |balance| balance.amount)))
        };
        [&self.trains, &self.hotel].into_iter().map(of).collect()
    }

    /// A bundle with one part for each chain, signed by all of `signers`.
    fn bundle<'b>(
        &self,
        signers: &[&str],
        parts: impl FnOnce(&dyn Fn(&str) -> [u8; 32]) -> [(&'b String, Vec<Operation>); 2],
    ) -> Result<Bundle> {
        let public: BTreeMap<&str, [u8; 32]> =
            signers.iter().map(|name| Ok((*name, self.public(name)?))).collect::<Result<_>>()?;
        let logs = self.client.logs()?;
        let log = logs.logs.get(&self.log).context("the node does not run the story's log")?;
        let height = log.learners.values().map(|learner| learner.decided).max().unwrap_or(0);
        let mut parts: Vec<Part> = parts(&|name| public[name])
            .into_iter()
            .map(|(chain, operations)| Part { chain: chain.clone(), operations })
            .collect();
        parts.sort_by(|one, other| one.chain.cmp(&other.chain));
        let keys = signers.iter().map(|name| &self.keys[*name]);
        Ok(signed(self.network, &self.log, height + VALID_SLOTS, height, parts, keys))
    }

    fn submit(&self, bundle: &Bundle, what: &str, name: &str, expected: Status) -> Result<Told> {
        let id = bundle.id(self.network);
        self.say(what.to_owned());
        self.client.submit(bundle)?;
        let receipt = self.client.receipt(&id, PATIENCE)?;
        let receipt = receipt.context("the node forgot a bundle that it took")?;
        let path = self.folder.receipt_path(name);
        std::fs::write(&path, serde_json::to_string_pretty(&receipt)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        for (chain, of_chain) in &receipt.chains {
            let slot = of_chain.slot.map_or(String::new(), |slot| format!(" in slot {slot}"));
            let why = of_chain.abort.as_ref().map_or(String::new(), |abort| {
                let reason = serde_json::to_value(abort.reason).unwrap_or_default();
                let reason = reason.as_str().unwrap_or_default();
                format!(": operation {} of {} failed, {reason}", abort.operation + 1, abort.chain)
            });
            self.say(format!("  {chain:<6} {}{slot}{why}", word(of_chain.status)));
        }
        self.say(format!("  receipt: {}", path.display()));
        if let Some(chain) = receipt.chains.values().find(|chain| chain.status != expected) {
            bail!("bundle {id} should be {}, and is {}", word(expected), word(chain.status));
        }
        Ok(Told { id: id.to_string(), outcome: outcome(&receipt) })
    }
}

/// A bundle with all signatures.
pub fn signed<'a>(
    network: NetworkId,
    log: &str,
    valid_until: u64,
    salt: u64,
    parts: Vec<Part>,
    keys: impl Iterator<Item = &'a SigningKey> + Clone,
) -> Bundle {
    let signers: BTreeSet<[u8; 32]> =
        keys.clone().map(|key| key.verifying_key().to_bytes()).collect();
    let signers = signers.into_iter().collect();
    let mut bundle =
        Bundle::unsigned(Body { log: log.to_owned(), valid_until, salt, signers, parts });
    for key in keys {
        bundle.sign(network, key);
    }
    bundle
}

/// An outcome in a word.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Committed => "committed",
        Status::Aborted => "aborted",
        Status::Expired => "expired",
        Status::Duplicate => "duplicate",
    }
}

/// What became of a bundle: a word if it is the same on all chains.
pub fn outcome(receipt: &Receipt) -> String {
    let words: BTreeSet<&str> = receipt.chains.values().map(|chain| word(chain.status)).collect();
    match words.iter().collect::<Vec<_>>()[..] {
        [only] => (*only).to_owned(),
        _ => {
            let chains = receipt.chains.iter();
            let chains = chains.map(|(chain, of)| format!("{chain}: {}", word(of.status)));
            chains.collect::<Vec<_>>().join(", ")
        }
    }
}
