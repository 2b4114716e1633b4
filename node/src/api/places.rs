//! How many connections one address may have: whoever holds many open takes no room from others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of all addresses.
pub(super) struct Places {
    per_address_max: usize,
    taken: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A connection's; given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// Of which each address may have so many.
    pub fn new(per_address_max: usize) -> Self {
        Places { per_address_max, taken: Mutex::default() }
    }

    /// One more for an address, if it may have it.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&address).copied().unwrap_or(0);
        if count >= self.per_address_max {
            return None;
        }
        taken.insert(address, count + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.remove(&self.address).unwrap_or(0);
        if count > 1 {
            taken.insert(self.address, count - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own() {
        let places = Arc::new(Places::new(2));
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert!(places.take(one).is_none() && places.take(other).is_some());
        drop(first);
        assert!(places.take(one).is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 1, "who has none takes no memory");
    }
}
