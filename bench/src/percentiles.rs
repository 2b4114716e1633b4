//! Percentiles of times.

use serde::Serialize;
use std::time::Duration;

/// In milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// Nine tenths are.
    pub p90: f64,
    /// All but a hundredth are.
    pub p99: f64,
}

impl Percentiles {
    /// Of some times; none of no times.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        // The smallest that so much of all is not above.
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            Some(sorted.get(rank.checked_sub(1)?)?.as_secs_f64() * 1e3)
        };
        Some(Percentiles { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let Percentiles { p50, p90, p99 } =
            Percentiles::of((1..=200).rev().map(Duration::from_millis)).unwrap();
        assert_eq!((p50, p90, p99), (100.0, 180.0, 198.0));
        assert!(Percentiles::of([]).is_none());
    }
}
