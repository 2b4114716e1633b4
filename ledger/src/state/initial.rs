//! Height 0: what a log starts with.

use super::key::StateKey;
use super::layout::Row;
use super::summary::Summary;
use super::tree::{Change, Changes, write};
use super::value::{ObjectState, encode};
use super::{Delta, MemoryState};
use crate::digest::History;
use crate::genesis::Genesis;
use crate::results::results_root;
use crate::rules::LogRules;
use hpaxos_consensus::ValueHash;

/// The rows of height 0: what `genesis` says is at home in the log of `rules`.
pub fn initial(genesis: &Genesis, rules: &LogRules) -> Delta {
    let mut changes = Changes::new();
    let mut put = |key: StateKey, after: Vec<u8>| {
        let twice = changes.insert(key.to_bytes(), Change { before: None, after: Some(after) });
        assert!(twice.is_none(), "genesis has nothing twice");
    };
    for (chain, start) in &genesis.chains {
        for balance in start.balances.iter().filter(|balance| balance.log == rules.log) {
            let (owner, asset) = (balance.owner, balance.asset.clone());
            put(StateKey::Balance { chain: chain.clone(), owner, asset }, encode(&balance.amount));
        }
        for object in start.objects.iter().filter(|object| object.log == rules.log) {
            let state = ObjectState {
                value: object.value.clone(),
                owner: object.owner,
                version: 1,
                deposit: 0,
            };
            let key = StateKey::Object { chain: chain.clone(), key: object.key.clone() };
            put(key, encode(&state));
        }
    }
    let mut delta = Delta::new();
    let root = write(&MemoryState::default(), None, changes, &mut delta);
    let summary = Summary {
        block: ValueHash([0; 32]),
        history: History::initial(rules.network, rules.epoch, &rules.log),
        results_root: results_root(&[]),
        state_root: root.root,
        results: 0,
        version: root.version,
    };
    delta.insert(Row::Summary(0).key(), Some(encode(&summary)));
    delta.insert(Row::Height.key(), Some(encode(&0u64)));
    delta
}
