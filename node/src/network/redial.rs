//! When to dial a peer again.

use std::time::Duration;
use tokio::time::Instant;

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause: a validator that comes back is met at the latest then, unless it dials itself.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long a link must have lasted for the next pause to be the first one again.
const SETTLED: Duration = Duration::from_secs(1);

/// What the side that does not choose the connection waits longer, so that two nodes seldom dial each other at once.
const COURTESY: Duration = Duration::from_millis(250);

/// One peer's schedule.
pub(super) struct Redial {
    attempts: u32,
    courtesy: Duration,
    due: Option<Instant>,
}

impl Redial {
    /// Due at once, or a little later if the peer is the one to choose.
    pub fn new(we_choose: bool, now: Instant) -> Self {
        let courtesy = if we_choose { Duration::ZERO } else { COURTESY };
        Redial { attempts: 0, courtesy, due: Some(now + courtesy) }
    }

    /// When the next attempt is due, if one is.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// There is a connection, or an attempt is under way.
    pub fn pause(&mut self) {
        self.due = None;
    }

    /// A link has ended that lasted for `lasted`.
    pub fn link_ended(&mut self, lasted: Duration) {
        if lasted >= SETTLED {
            self.attempts = 0;
        }
    }

    /// There is no connection. `jitter` in 0..1 spreads the attempts of many.
    pub fn schedule(&mut self, now: Instant, jitter: f64) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.attempts.min(16)).min(PAUSE_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.due = Some(now + pause.mul_f64(0.5 + jitter / 2.0) + self.courtesy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_a_good_link() {
        let now = Instant::now();
        let mut redial = Redial::new(true, now);
        let mut pause = || {
            redial.schedule(now, 1.0);
            redial.due().unwrap() - now
        };
        let pauses: Vec<_> = (0..9).map(|_| pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        redial.link_ended(SETTLED);
        redial.schedule(now, 0.0);
        assert_eq!((redial.due().unwrap() - now).as_millis(), 50);
    }
}
