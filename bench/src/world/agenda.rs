//! What is going to happen, in the order of time; what is due at once, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time since the start of a run.
pub type Time = Duration;

/// A virtual clock, and what is planned.
pub struct Agenda<T> {
    now: Time,
    planned: u64,
    due: BTreeMap<Reverse<(Time, u64)>, T>,
}

impl<T> Agenda<T> {
    /// Nothing is planned.
    pub fn new() -> Self {
        Agenda { now: Time::ZERO, planned: 0, due: BTreeMap::new() }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Plans something for a time, or for now if that has passed.
    pub fn at(&mut self, time: Time, what: T) {
        self.due.insert(Reverse((time.max(self.now), self.planned)), what);
        self.planned += 1;
    }

    /// The next thing; the clock moves to it.
    pub fn advance(&mut self) -> Option<T> {
        let (Reverse((time, _)), what) = self.due.pop_last()?;
        self.now = time;
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_once_keeps_its_order() {
        let mut agenda = Agenda::new();
        let ms = Duration::from_millis;
        agenda.at(ms(2), 'c');
        agenda.at(ms(1), 'a');
        agenda.at(ms(1), 'b');
        assert_eq!(agenda.advance(), Some('a'));
        agenda.at(ms(0), 'x');
        let rest: String = std::iter::from_fn(|| agenda.advance()).collect();
        assert_eq!((rest.as_str(), agenda.now()), ("bxc", ms(2)));
    }
}
