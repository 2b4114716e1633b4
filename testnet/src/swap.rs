//! The bundles of the load: clients swap gold on all chains of a log.

use crate::load::Target;
use crate::story::{VALID_SLOTS, signed};
use ed25519_dalek::SigningKey;
use hpaxos_ledger::{Bundle, Operation, Part};
use std::sync::atomic::Ordering;

/// Whoever signs pays; there are so many clients.
pub const SIGNATURES_MAX: u64 = 4;

/// A bundle has at most 128 KiB.
pub const PAYLOAD_BYTES_MAX: u64 = 100_000;

/// Bytes in one object: a value has at most 64 KiB.
const OBJECT_BYTES_MAX: u64 = 50_000;

/// What every bundle is like.
#[derive(Clone, Copy, Debug)]
pub struct Swap {
    /// Clients that sign, and pay the next of them.
    pub signatures: u64,
    /// Bytes that are stored on the first chain, besides.
    pub payload: u64,
}

impl Swap {
    /// A bundle that differs from others with another salt.
    pub fn bundle(self, target: &Target, salt: u64) -> Bundle {
        let people = target.keys.len() as u64;
        let person = |place: u64| &target.keys[((salt + place) % people) as usize];
        let public = |key: &SigningKey| key.verifying_key().to_bytes();
        let pay = |place: u64| {
            // Where several pay, the gold comes back to the first.
            let next = if self.signatures > 1 { (place + 1) % self.signatures } else { 1 };
            let (from, to) = (public(person(place)), public(person(next)));
            Operation::Pay { asset: "gold".into(), from, to, amount: 1 }
        };
        let chains = target.chains.len() as u64;
        let parts = (0..chains).zip(&target.chains).map(|(place, chain)| {
            let mut operations: Vec<Operation> =
                (place..self.signatures).step_by(target.chains.len()).map(pay).collect();
            if operations.is_empty() {
                operations.push(pay(0));
            }
            if place == 0 {
                operations.extend(self.stores(&target.log, salt, public(person(0))));
            }
            Part { chain: chain.clone(), operations }
        });
        let valid_until = target.height.load(Ordering::Relaxed) + VALID_SLOTS;
        let keys = (0..self.signatures).map(person);
        signed(target.network, &target.log, valid_until, salt, parts.collect(), keys)
    }

    /// New objects with as many bytes as wanted.
    fn stores(self, log: &str, salt: u64, owner: [u8; 32]) -> impl Iterator<Item = Operation> {
        let starts = (0..self.payload).step_by(OBJECT_BYTES_MAX as usize);
        starts.map(move |start| {
            let bytes = OBJECT_BYTES_MAX.min(self.payload - start);
            let key = format!("{log}:load/{salt:x}/{start}");
            Operation::Create { key, value: vec![b'x'; bytes as usize], owner }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_consensus::NetworkId;
    use std::sync::RwLock;
    use std::sync::atomic::AtomicU64;

    fn target(chains: &[&str]) -> Target {
        Target {
            network: NetworkId([7; 32]),
            log: "l".into(),
            chains: chains.iter().map(|&chain| chain.to_owned()).collect(),
            keys: (1..=4).map(|byte| SigningKey::from_bytes(&[byte; 32])).collect(),
            clients: RwLock::default(),
            height: AtomicU64::new(0),
        }
    }

    #[test]
    fn whoever_pays_signs() {
        for chains in [&["a"][..], &["a", "b"], &["a", "b", "c", "d"]] {
            for signatures in 1..=SIGNATURES_MAX {
                let swap = Swap { signatures, payload: 0 };
                let bundle = swap.bundle(&target(chains), 3);
                assert_eq!(bundle.body.signers.len() as u64, signatures);
                assert_eq!(bundle.body.parts.len(), chains.len());
                let operations = bundle.body.parts.iter().flat_map(|part| &part.operations);
                for operation in operations {
                    let Operation::Pay { from, to, .. } = operation else { unreachable!() };
                    assert!(bundle.body.signers.contains(from) && from != to);
                }
            }
        }
    }

    #[test]
    fn the_largest_payload_fits_into_a_bundle() {
        for payload in [0, 1, OBJECT_BYTES_MAX, PAYLOAD_BYTES_MAX] {
            let swap = Swap { signatures: SIGNATURES_MAX, payload };
            let bytes = swap.bundle(&target(&["a", "b"]), 3).to_bytes().len() as u64;
            assert!((payload..payload + 1_500).contains(&bytes), "{payload}: {bytes}");
            assert!(bytes <= hpaxos_ledger::limits::BUNDLE_BYTES_MAX as u64);
        }
    }
}
