//! Which slots are done, in constant memory when they are done in order.

use crate::ids::Slot;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The first that is not done.
    next: Slot,
    /// Those done beyond it.
    beyond: BTreeSet<Slot>,
}

impl Progress {
    /// The first slot that is not done.
    pub fn next(&self) -> Slot {
        self.next
    }

    /// One more than the highest that is done.
    pub fn end(&self) -> Slot {
        self.beyond.last().map_or(self.next, |last| last.next())
    }

    /// The slots that are not done, in ascending order.
    pub fn open(&self) -> impl Iterator<Item = Slot> + '_ {
        (self.next.0..).map(Slot).filter(|slot| !self.beyond.contains(slot))
    }

    pub fn holds(&self, slot: Slot) -> bool {
        slot < self.next || self.beyond.contains(&slot)
    }

    /// Takes note that `slot` is done. Whether that is news.
    pub fn mark(&mut self, slot: Slot) -> bool {
        if self.holds(slot) {
            return false;
        }
        self.beyond.insert(slot);
        while self.beyond.remove(&self.next) {
            self.next = self.next.next();
        }
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
        assert_eq!(progress.next(), Slot(1));
        assert!(progress.mark(Slot(1)));
        assert_eq!((progress.next(), progress.beyond.len()), (Slot(3), 0));
    }
}
