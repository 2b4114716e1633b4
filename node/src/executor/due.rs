//! Which of the slots that were executed are worth an attestation. No IO: the caller says what time it is.

use hpaxos_learner_graph::{LearnerId, LearnerSet};
use std::collections::BTreeMap;
use std::mem::take;
use std::time::{Duration, Instant};

/// Of the slots that are executed in one go, or empty and one right after the other, those that are attested: so nodes that are
/// not equally fast meet.
const EVERY: u64 = 4;

/// An empty slot that comes sooner after the one before is attested with what follows: nobody waits for what it proves, and to
/// sign, check and store it would cost a tenth of the slot.
const PAUSE: Duration = Duration::from_millis(20);

/// What learners of one log have executed since their node last attested.
#[derive(Default)]
pub(super) struct Due {
    /// Each [`EVERY`]th slot.
    regular: BTreeMap<u64, LearnerSet>,
    /// The last slot of each that has bundles, or came after a pause.
    last: BTreeMap<LearnerId, u64>,
    /// When each executed its last slot.
    reached: BTreeMap<LearnerId, Instant>,
}

impl Due {
    /// A learner's view is past a slot.
    pub(super) fn reach(&mut self, learner: LearnerId, slot: u64, is_empty: bool, now: Instant) {
        let before = self.reached.insert(learner, now);
        if !is_empty || before.is_none_or(|before| now - before >= PAUSE) {
            self.last.insert(learner, slot);
        }
        if slot % EVERY == EVERY - 1 {
            self.regular.entry(slot).or_insert(LearnerSet::EMPTY).insert(learner);
        }
    }

    /// What is to be attested now, and of which learners.
    pub(super) fn take(&mut self) -> BTreeMap<u64, LearnerSet> {
        let mut due = take(&mut self.regular);
        for (learner, slot) in take(&mut self.last) {
            due.entry(slot).or_insert(LearnerSet::EMPTY).insert(learner);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is attested if after each slot there is time to.
    fn attested(slots: impl Iterator<Item = (u64, bool, Duration)>) -> Vec<u64> {
        let (mut due, mut now) = (Due::default(), Instant::now());
        let one = |(slot, is_empty, pause): (u64, bool, Duration)| {
            now += pause;
            due.reach(LearnerId::new(0), slot, is_empty, now);
            due.take().into_keys().next()
        };
        slots.filter_map(one).collect()
    }

    #[test]
    fn empty_slots_in_a_row_are_attested_now_and_then() {
        let soon = Duration::from_millis(3);
        assert_eq!(attested((1..10).map(|slot| (slot, true, soon))), [1, 3, 7]);
        assert_eq!(attested((1..10).map(|slot| (slot, slot != 5, soon))), [1, 3, 5, 7]);
        assert_eq!(attested((1..6).map(|slot| (slot, false, soon))), [1, 2, 3, 4, 5]);
        assert_eq!(attested((1..6).map(|slot| (slot, true, PAUSE))), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn of_what_is_executed_in_one_go_the_last_that_counts_is_attested() {
        let (mut due, now) = (Due::default(), Instant::now());
        let both = LearnerSet::from_iter([0, 1].map(LearnerId::new));
        for slot in 0..10 {
            both.iter().for_each(|learner| due.reach(learner, slot, slot != 5, now));
        }
        assert_eq!(due.take(), BTreeMap::from([3, 5, 7].map(|slot| (slot, both))));
        assert!(due.take().is_empty());
    }
}
