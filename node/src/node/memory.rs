//! Whether the store is still the node's memory: it is opened, and compared with the guard beside it.
//!
//! One that is not is used all the same, since what it says is true; but nothing is signed until others have said how far
//! the logs are. That is in the store before the guard knows the store.

use super::{NodeError, Setup};
use crate::guard::{Guard, Mark};
use crate::store::{LogIndex, Loss, Store, StoreError};
use hpaxos_consensus::Trust;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tracing::{error, warn};

/// Opens the store of a node that starts.
///
/// # Errors
/// If store or guard cannot be read or written.
pub(super) fn open(setup: &Setup, logs: &[Arc<Trust>]) -> Result<Store, NodeError> {
    let owner = setup.key.verifying_key().to_bytes();
    let network = setup.network.id;
    // A follower signs nothing.
    let guard_path = setup.me.map(|_| setup.guard.as_path());
    let guard = guard_path.map(Guard::read).transpose()?.flatten();
    let there = fs::read_dir(&setup.store).is_ok_and(|mut files| files.next().is_some());
    // The first start may have been cut off at any point; what was there at a later one has to be there.
    let store = match &guard {
        Some(_) if there => Store::open_existing(&setup.store, guard_path, network, &owner)?,
        _ => Store::open(&setup.store, network, &owner)?,
    };
    let Some(guard_path) = guard_path else {
        store.begin(store.count()? + 1, &BTreeMap::new())?;
        return Ok(store);
    };

    let mut opened = opened(&store, logs)?;
    let why = why_lost(&store, guard.as_ref(), guard_path, &opened)?;
    let before = guard.unwrap_or_default();
    for (log, slots) in &before.opened {
        opened.entry(log.clone()).and_modify(|found| *found = (*found).max(*slots));
    }
    let mut lost = BTreeMap::new();
    if let Some(why) = why {
        error!(why, "the store was lost: nothing is signed until that is safe");
        for (index, trust) in logs.iter().enumerate() {
            let opened = opened.get(trust.log().name()).copied().unwrap_or(0);
            lost.insert(LogIndex(index as u16), Loss { why: why.clone(), opened });
        }
    }
    begin(&store, before.count, opened, &lost, guard_path)?;
    let name = store.id()?.expect("a store that a node began with has a name");
    let mark = Mark::begin(guard_path, name, store.turns()?).map_err(StoreError::from)?;
    store.keep_mark(mark);
    Ok(store)
}

/// A node stops in order: any copy of its store that was made before is older than the guard from now on.
///
/// # Errors
/// If store or guard cannot be written.
pub(super) fn close(store: &Store, guard: &Path, logs: &[Arc<Trust>]) -> Result<(), NodeError> {
    begin(store, 0, opened(store, logs)?, &BTreeMap::new(), guard)
}

fn begin(
    store: &Store,
    count: u64,
    opened: BTreeMap<String, u64>,
    lost: &BTreeMap<LogIndex, Loss>,
    guard: &Path,
) -> Result<(), NodeError> {
    let count = store.count()?.max(count) + 1;
    store.begin(count, lost)?;
    Ok(Guard { store: store.id()?, count, opened }.write(guard)?)
}

/// For each log, how many slots had been opened, as far as the store knows: of what was lost, it was told.
fn opened(store: &Store, logs: &[Arc<Trust>]) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut opened = BTreeMap::new();
    for (index, trust) in logs.iter().enumerate() {
        let log = LogIndex(index as u16);
        let lost = store.loss(log)?.map_or(0, |loss| loss.opened);
        opened.insert(trust.log().name().to_owned(), store.opened(log)?.0.max(lost));
    }
    Ok(opened)
}

/// Why the store is not what the node last had; none if it is.
fn why_lost(
    store: &Store,
    guard: Option<&Guard>,
    path: &Path,
    opened: &BTreeMap<String, u64>,
) -> Result<Option<String>, StoreError> {
    let (name, count) = (store.id()?, store.count()?);
    let Some(guard) = guard else {
        // A first start that was cut off, or a store from before there were guards.
        let may_be_copy =
            !store.is_new() && count > 0 && (count > 1 || opened.values().any(|it| *it > 0));
        return Ok(
            may_be_copy.then(|| "it may be a copy: the guard beside it is missing".to_owned())
        );
    };
    if guard.store.is_none() {
        return Ok(Some("`hpaxos store reset` was told so".to_owned()));
    }
    if store.is_new() {
        return Ok(Some("it is missing".to_owned()));
    }
    if name != guard.store {
        return Ok(Some("it is not the one that the node last ran with".to_owned()));
    }
    if count < guard.count {
        let times = guard.count - count;
        return Ok(Some(format!(
            "it is an old copy: the node was started or stopped {times} times since"
        )));
    }
    for (log, slots) in &guard.opened {
        match opened.get(log) {
            Some(found) if found < slots => {
                return Ok(Some(format!("it ends before slot {} of {log}", slots - 1)));
            }
            Some(_) => {}
            None => warn!(log, "the guard knows a log that this node does not run"),
        }
    }
    let synced = name.and_then(|name| Mark::read(path, name));
    let turns = store.turns()?;
    let forgot = synced.is_some_and(|synced| turns < synced);
    Ok(forgot.then(|| "its last changes are missing".to_owned()))
}
