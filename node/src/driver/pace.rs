//! How long the first rounds of a slot are waited for here, and how close proposals follow each other.
//!
//! The engine's timers fit a network around the world. Where a decision takes milliseconds, half a second for each proposer
//! that lets its slot wait would stand before everything that comes later. So the driver cuts timers of the first turn of
//! all learners short, as TCP does for acknowledgements (RFC 6298): to what decisions take here, with room for their
//! deviation, and for longer after each round that ended in vain. Of a proposer that was caught little is expected, and it is
//! waited for as long as a decision takes. Later turns are as long as the engine says: nothing rests on it but time.

use hpaxos_consensus::{Round, TimerKind};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Of the engine's first timer the least part that is waited.
const LEAST_PART: u32 = 128;

/// Of the engine's first timer the part that it waits for a proposer that it doubts.
const DOUBTED_PART: u32 = 32;

/// How often the wait doubles at most: by then it is the engine's.
const IN_VAIN_MAX: u32 = 5;

/// Proposals that are made while one is decided, where bundles wait.
const PROPOSALS_PER_DECISION: u32 = 2;

/// The longest time between two of them: what bundles gain by more company is little then.
const BETWEEN_PROPOSALS_MAX: Duration = Duration::from_millis(50);

/// The longest time that others leave it to a proposer to open its slot.
const HEAD_START_MAX: Duration = Duration::from_millis(50);

/// What decisions of a log take.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The engine's first timer.
    first: Duration,
    /// Rounds of the first turn.
    turn: u64,
    /// From the first sight of a proposal to its decision, smoothed; none before the first.
    smoothed: Option<Duration>,
    deviation: Duration,
    /// Rounds that ended in vain since the last decision in a first round.
    in_vain: u32,
}

impl Pace {
    /// Nothing is known yet: the engine's timers are right.
    pub fn new(first: Duration, turn: u64) -> Self {
        Pace { first, turn, smoothed: None, deviation: Duration::ZERO, in_vain: 0 }
    }

    /// A slot was decided in its first round, so long after its proposal was seen; its proposer was not caught, who could make it
    /// last as it likes.
    pub fn decided(&mut self, took: Duration) {
        self.in_vain = 0;
        let Some(smoothed) = &mut self.smoothed else {
            (self.smoothed, self.deviation) = (Some(took), took / 2);
            return;
        };
        self.deviation = (self.deviation * 3 + smoothed.abs_diff(took)) / 4;
        *smoothed = (*smoothed * 7 + took) / 8;
    }

    /// A round ended without a decision.
    pub fn ended_in_vain(&mut self) {
        self.in_vain = IN_VAIN_MAX.min(self.in_vain + 1);
    }

    /// What a decision takes, from the first sight of its proposal; none before the first.
    pub fn usual(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long after a proposal bundles that wait are proposed in another slot.
    pub fn between_proposals(&self) -> Duration {
        let usual = self.smoothed.unwrap_or_default();
        (usual / PROPOSALS_PER_DECISION).min(BETWEEN_PROPOSALS_MAX)
    }

    /// How long the others leave it to the proposer of a slot to open it.
    pub fn head_start(&self) -> Duration {
        self.smoothed.unwrap_or_default().min(HEAD_START_MAX)
    }

    /// How long to wait when the engine says so, in a round whose proposer was caught or not.
    pub fn cut(
        &self,
        kind: TimerKind,
        round: Round,
        is_caught: bool,
        range: RangeInclusive<Duration>,
    ) -> RangeInclusive<Duration> {
        if round.0 >= self.turn {
            return range;
        }
        let least = self.least();
        let patience = match kind {
            TimerKind::Round(_) | TimerKind::Quiet if is_caught => least,
            _ => self.patience(),
        };
        let part = patience.as_secs_f64() / self.first.as_secs_f64().max(f64::EPSILON);
        let cut = |length: &Duration| length.mul_f64(part).max(least.min(*length));
        cut(range.start())..=cut(range.end())
    }

    /// For a whole round of a proposer whose proposal is hardly expected: as long as a decision takes.
    fn least(&self) -> Duration {
        let usual = self.smoothed.unwrap_or(self.first / DOUBTED_PART);
        usual.clamp(self.first / LEAST_PART, self.first)
    }

    /// For a whole round.
    fn patience(&self) -> Duration {
        let Some(smoothed) = self.smoothed else { return self.first };
        let longest = (smoothed + 4 * self.deviation) * 2;
        (longest * (1 << self.in_vain)).min(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);

    fn waits_for(pace: &Pace, kind: TimerKind, round: u64, is_caught: bool, ms: u64) -> u64 {
        let length = Duration::from_millis(ms);
        let cut = pace.cut(kind, Round(round), is_caught, length..=length * 2);
        assert!(*cut.start() <= *cut.end() && *cut.end() <= length * 2);
        cut.start().as_millis() as u64
    }

    fn waits(pace: &Pace, kind: TimerKind, round: u64, ms: u64) -> u64 {
        waits_for(pace, kind, round, false, ms)
    }

    fn round(pace: &Pace, round: u64) -> u64 {
        waits(pace, TimerKind::Round(Round(round)), round, 500)
    }

    fn used_to(ms: u64) -> Pace {
        let mut pace = Pace::new(FIRST, 2);
        (0..100).for_each(|_| pace.decided(Duration::from_millis(ms)));
        pace
    }

    #[test]
    fn waits_as_long_as_decisions_take_here() {
        assert_eq!(round(&Pace::new(FIRST, 2), 0), 500, "nothing is known");
        assert_eq!(round(&used_to(20), 0), 40);
        assert_eq!(round(&used_to(400), 0), 500, "never longer than the engine says");
        assert_eq!(round(&used_to(1), 0), 3, "nor shorter than this");
        let mut uneven = used_to(20);
        uneven.decided(Duration::from_millis(60));
        assert_eq!(round(&uneven, 0), 2 * (25 + 4 * 10));
    }

    #[test]
    fn proposals_are_as_far_apart_as_decisions_are_slow() {
        let between = |ms| used_to(ms).between_proposals().as_millis();
        assert_eq!([4, 20, 60, 400].map(between), [2, 10, 30, 50]);
        assert_eq!(Pace::new(FIRST, 2).between_proposals(), Duration::ZERO, "nothing is known");
        let head_start = |ms| used_to(ms).head_start().as_millis();
        assert_eq!([4, 20, 60].map(head_start), [4, 20, 50]);
    }

    #[test]
    fn waits_longer_each_time_that_it_was_in_vain() {
        let mut pace = used_to(20);
        let mut waited = || {
            pace.ended_in_vain();
            round(&pace, 0)
        };
        assert_eq!([(); 6].map(|()| waited()), [80, 160, 320, 500, 500, 500]);
        pace.decided(Duration::from_millis(20));
        assert_eq!(round(&pace, 0), 40);
    }

    #[test]
    fn waits_less_where_less_is_expected() {
        let pace = used_to(20);
        assert_eq!(waits(&pace, TimerKind::Round(Round(0)), 0, 15), 15, "of a doubted proposer");
        assert_eq!(waits(&used_to(6), TimerKind::Round(Round(0)), 0, 15), 6);
        for kind in [TimerKind::Quiet, TimerKind::Round(Round(0))] {
            assert_eq!(waits_for(&pace, kind, 0, true, 500), 20, "as long as a decision takes");
            assert_eq!(waits_for(&Pace::new(FIRST, 2), kind, 0, true, 500), 15);
        }
        assert_eq!(waits_for(&pace, TimerKind::Fetch, 0, true, 200), 20, "others are asked there");
        assert_eq!(waits_for(&pace, TimerKind::Fetch, 0, false, 500), 40);
    }

    #[test]
    fn later_turns_and_what_is_short_anyway_stay() {
        let pace = used_to(20);
        assert_eq!((round(&pace, 1), round(&pace, 2)), (40, 500));
        assert_eq!(waits_for(&pace, TimerKind::Round(Round(2)), 2, true, 500), 500);
        assert_eq!(waits(&pace, TimerKind::Quiet, 2, 125), 125);
        assert_eq!(waits(&pace, TimerKind::Propose(Round(2)), 2, 125), 125);
        assert_eq!(waits(&pace, TimerKind::Quiet, 0, 3), 3);
    }
}
