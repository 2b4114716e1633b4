//! Which slots are done, in constant memory when they are done in order.

use crate::ids::Slot;
use std::collections::BTreeMap;
use std::iter::once;

#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Stretches of slots that are done: the first of each, and the first after it.
    done: BTreeMap<Slot, Slot>,
}

impl Progress {
    /// The first slot that is not done.
    pub fn next(&self) -> Slot {
        self.done.get(&Slot(0)).copied().unwrap_or_default()
    }

    /// One more than the highest that is done.
    pub fn end(&self) -> Slot {
        self.done.last_key_value().map(|(_, end)| *end).unwrap_or_default()
    }

    pub fn holds(&self, slot: Slot) -> bool {
        self.done.range(..=slot).next_back().is_some_and(|(_, end)| slot < *end)
    }

    /// The slots below `end` that are not done.
    pub fn missing(&self, end: Slot) -> impl Iterator<Item = Slot> + '_ {
        let from = once(Slot(0)).chain(self.done.values().copied());
        let to = self.done.keys().copied().chain(once(end));
        from.zip(to).flat_map(move |(from, to)| (from.0..to.min(end).0).map(Slot))
    }

    /// Takes note that `slot` is done. Whether that is news.
    pub fn mark(&mut self, slot: Slot) -> bool {
        if self.holds(slot) {
            return false;
        }
        let before = self.done.range(..slot).next_back().filter(|(_, end)| **end == slot);
        let first = before.map_or(slot, |(first, _)| *first);
        let end = self.done.remove(&slot.next()).unwrap_or(slot.next());
        self.done.insert(first, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_done_out_of_order_leave_nothing_behind() {
        let mut progress = Progress::default();
        assert!(progress.mark(Slot(2)) && progress.mark(Slot(0)) && !progress.mark(Slot(2)));
        assert_eq!((progress.next(), progress.end()), (Slot(1), Slot(3)));
        assert_eq!(progress.missing(Slot(5)).collect::<Vec<_>>(), [1, 3, 4].map(Slot));
        assert_eq!(progress.missing(Slot(1)).count(), 0);
        assert!(progress.holds(Slot(2)) && !progress.holds(Slot(1)) && !progress.holds(Slot(3)));
        assert!(progress.mark(Slot(1)));
        assert_eq!((progress.next(), progress.done.len()), (Slot(3), 1));
    }
}
