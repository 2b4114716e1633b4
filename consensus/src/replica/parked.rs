//! Slots that are on disk only.

use crate::ids::Slot;
use std::collections::BTreeMap;

/// Slots that are on disk only, with their bytes there.
#[derive(Clone, Debug, Default)]
pub(super) struct Parked {
    bytes: BTreeMap<Slot, u64>,
    total: u64,
}

impl Parked {
    /// A slot of which so much is on disk is parked.
    pub fn insert(&mut self, slot: Slot, bytes: u64) {
        let before = self.bytes.insert(slot, bytes).unwrap_or(0);
        self.total = self.total - before + bytes;
    }

    /// A slot is parked no more. Whether it was.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let bytes = self.bytes.remove(&slot);
        self.total -= bytes.unwrap_or(0);
        bytes.is_some()
    }

    pub fn contains(&self, slot: Slot) -> bool {
        self.bytes.contains_key(&slot)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.bytes.keys().copied()
    }

    /// Bytes of all of them on disk.
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl FromIterator<(Slot, u64)> for Parked {
    fn from_iter<I: IntoIterator<Item = (Slot, u64)>>(slots: I) -> Self {
        let mut parked = Parked::default();
        slots.into_iter().for_each(|(slot, bytes)| parked.insert(slot, bytes));
        parked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_of_what_is_there() {
        let mut parked = Parked::from_iter([(Slot(1), 10), (Slot(2), 20)]);
        parked.insert(Slot(1), 5);
        assert_eq!(parked.total(), 25);
        assert!(parked.remove(Slot(2)) && !parked.remove(Slot(2)));
        assert_eq!((parked.total(), parked.slots().collect::<Vec<_>>()), (5, vec![Slot(1)]));
    }
}
