//! The end of a batch: the engines answer, what must be remembered is stored with one sync, and only then anything may leave.

use super::log::LogDriver;
use super::tracer::Tracer;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError, Turn};
use hpaxos_consensus::Effects;
use std::time::Instant;

/// Lets the engines answer, and stores what they say must be. Gives what may leave now, of each log: there is no other way to it.
///
/// What was decided is told once it was synced. Nothing that is signed rests on it; where `may_wait`, it is written, and waits
/// for the sync of what is signed next.
///
/// # Errors
/// If the store fails: then nothing may leave.
pub(super) fn commit(
    logs: &mut [LogDriver],
    store: &Store,
    tracer: Option<&Tracer>,
    metrics: &Metrics,
    may_wait: bool,
) -> Result<Vec<Effects>, StoreError> {
    let mut turn = Turn::default();
    for driver in &mut *logs {
        driver.settle(tracer);
        driver.store(store, &mut turn)?;
    }
    if let Some(tracer) = tracer {
        tracer.settle();
    }
    logs.iter_mut().for_each(LogDriver::keep_decided);
    if !may_wait && logs.iter().any(|driver| !driver.untold.is_empty()) {
        turn.must_last();
    }
    let lasts = turn.lasts();
    if !turn.is_empty() {
        let started = Instant::now();
        let records = turn.records();
        store.commit(turn)?;
        // Nobody waits for the others.
        if lasts {
            metrics.store_committed(records, started.elapsed());
        }
    }
    let free = logs.iter_mut().map(|driver| {
        let mut effects = std::mem::take(&mut driver.effects);
        if lasts {
            effects.decided.append(&mut driver.untold);
        }
        effects
    });
    Ok(free.collect())
}
