//! Trades at a steady rate, and how long each took from the moment in which it was due.

use super::{Market, Way};
use anyhow::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Trades under way at a time: each has a thread.
const WORKERS: usize = 32;

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// From the moment in which a trade was due to its end.
    pub latencies: Vec<Duration>,
    /// Trades that came to nothing.
    pub failed: usize,
    /// Why the last of them did.
    pub why: Option<String>,
    /// CPU time of all nodes, until the last trade ended.
    pub cpu: Duration,
}

/// Trades so often a second, for so long.
///
/// # Errors
/// If the network does not say how far it is.
pub fn run(market: &Market, way: Way, per_second: u32, lasts: Duration) -> Result<Seen> {
    market.look()?;
    let count = (lasts.as_secs_f64() * f64::from(per_second)) as usize;
    let next = AtomicUsize::new(0);
    let seen = Mutex::new(Seen::default());
    let (before, started) = (market.cpu(), Instant::now());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let due = started + Duration::from_secs(1) * number as u32 / per_second;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let done = way.trade(market, &market.trade(number));
                    let took = due.elapsed();
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    match done {
                        Ok(()) => seen.latencies.push(took),
                        Err(error) => {
                            seen.failed += 1;
                            seen.why = Some(format!("{error:#}"));
                        }
                    }
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen.cpu = market.cpu().saturating_sub(before);
    Ok(seen)
}
