//! The state at one height.

use super::ReadState;
use super::key::{StateKey, place};
use super::layout::{Row, read_value_key};
use super::prune::Pruned;
use super::summary::Summary;
use super::tree::{StateProof, prove};
use super::value::{ObjectState, counted, decode};
use crate::digest::BundleId;
use crate::results::{BundleResult, Outcome};
use borsh::{BorshDeserialize, BorshSerialize};

/// How many slots are executed; none if not even height 0 is there.
pub fn height(state: &impl ReadState) -> Option<u64> {
    state.read(&Row::Height.key()).map(|bytes| counted(state, decode(state, &bytes)))
}

/// Where a bundle was executed first.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Position {
    /// The slot.
    pub slot: u64,
    /// Its place among the bundles of the slot, from 0.
    pub index: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where the bundle of this id was executed first; none if it never was, or that is forgotten.
pub fn position(state: &impl ReadState, id: &BundleId) -> Option<Position> {
    let position: Position = decode(state, &state.read(&Row::Bundle(id).key())?);
    counted(state, position.slot);
    Some(position)
}

/// Whether the bundle of this id was executed in the last [`WINDOW_SLOTS`](crate::limits::WINDOW_SLOTS) slots, and may not be
/// once more: then the slot in which its id was used up.
pub fn used(state: &impl ReadState, id: &BundleId) -> Option<u64> {
    let position = position(state, id).filter(|position| position.outcome.uses_id());
    position
        .map(|position| position.slot)
        .or_else(|| Some(counted(state, decode(state, &state.read(&Row::Used(id).key())?))))
}

/// The results of an executed slot, in the order of its block; none if they are forgotten or not there yet.
pub fn results(state: &impl ReadState, slot: u64) -> Option<Vec<BundleResult>> {
    let summary = Summary::read(state, slot.checked_add(1)?)?;
    if summary.results == 0 {
        return Some(Vec::new());
    }
    state.read(&Row::Results(slot).key()).map(|bytes| decode(state, &bytes))
}

/// The state at one height.
pub struct View<'a, S> {
    state: &'a S,
    height: u64,
    summary: Summary,
}

impl<'a, S: ReadState> View<'a, S> {
    /// The state after all slots that are executed; none if not even height 0 is there.
    pub fn latest(state: &'a S) -> Option<Self> {
        View::at(state, height(state)?)
    }

    /// The state at `height`; none if it is pruned or not there yet.
    pub fn at(state: &'a S, height: u64) -> Option<Self> {
        let summary = Summary::read(state, height)?;
        let readable = height >= Pruned::read(state).heights;
        readable.then_some(View { state, height, summary })
    }

    /// How many slots are executed in it.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Its roots and history.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The object of this key.
    pub fn object(&self, chain: &str, key: &str) -> Option<ObjectState> {
        let key = StateKey::Object { chain: chain.to_owned(), key: key.to_owned() };
        self.value(&key.to_bytes()).map(|(_, bytes)| decode(self.state, &bytes))
    }

    /// The log to which the object of this key was let go from here, if it has not come back since.
    pub fn gone_to(&self, chain: &str, key: &str) -> Option<String> {
        let key = StateKey::Gone { chain: chain.to_owned(), key: key.to_owned() };
        self.value(&key.to_bytes()).map(|(_, bytes)| decode(self.state, &bytes))
    }

    /// How much of an asset `owner` has.
    pub fn balance(&self, chain: &str, owner: [u8; 32], asset: &str) -> u128 {
        let key = StateKey::Balance { chain: chain.to_owned(), owner, asset: asset.to_owned() };
        self.value(&key.to_bytes()).map_or(0, |(_, bytes)| decode(self.state, &bytes))
    }

    /// What `owner` has, sorted by asset in descending order, `most` of them at the most.
    pub fn balances(&self, chain: &str, owner: [u8; 32], most: usize) -> Vec<(String, u128)> {
        let from = Row::Owned(&StateKey::balances_of(chain, owner)).key();
        // What follows is the name of an asset, of which the length stands first.
        let to = [&from[..], &[0xff; 4]].concat();
        let mut balances = Vec::new();
        self.state.each_back(&from, &to, &mut |row, _| {
            let key = &row[1..];
            if let Some((_, bytes)) = self.value(key) {
                let StateKey::Balance { asset, .. } = decode(self.state, key) else {
                    unreachable!("only balances begin like balances")
                };
                balances.push((asset, decode(self.state, &bytes)));
            }
            balances.len() < most
        });
        balances
    }

    /// Proves what is, or is not, at `key`.
    pub fn prove(&self, key: &StateKey) -> StateProof {
        let bytes = key.to_bytes();
        let value = self.value(&bytes).map(|(_, value)| value);
        prove(self.state, self.summary.version, &bytes, value)
    }

    /// The value at `key`, and the version from which on it is there.
    pub(crate) fn value(&self, key: &[u8]) -> Option<(u64, Vec<u8>)> {
        let place = place(key).0;
        let from = Row::Value(&place, 0).key();
        let to = Row::Value(&place, self.summary.version).key();
        let (row, bytes) = self.state.last_at_or_before(&from, &to)?;
        let (_, version) = read_value_key(&row)
            .unwrap_or_else(|| self.state.unreadable("the key of a value in a view"));
        decode::<Option<(Vec<u8>, Vec<u8>)>>(self.state, &bytes).map(|(_, value)| (version, value))
    }

    /// The rows in which it is.
    pub(crate) fn rows(&self) -> &'a S {
        self.state
    }
}
