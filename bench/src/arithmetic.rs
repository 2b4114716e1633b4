//! The least that a decision can cost: what the protocol must sign, check, hash, send and sync, times what that costs here.

use crate::network::{Network, Sends};
use crate::primitives::Primitives;
use serde::Serialize;

/// What a decision takes, over all nodes, with nothing lost and nothing sent twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Signatures made.
    pub signatures: usize,
    /// Signatures checked.
    pub checks: usize,
    /// Messages hashed.
    pub hashes: usize,
    /// Messages on the network, each with a `write` and a `read`.
    pub messages: usize,
    /// Syncs.
    pub syncs: usize,
}

impl Counts {
    /// Of the protocol's messages: one proposal, and a reply of each acceptor in each further send. Everybody else gets, hashes
    /// and checks each, and nothing leaves before a sync; the last sync is the decision's.
    pub fn of_decision(validators: usize, sends: Sends) -> Self {
        let signatures = 1 + (sends.count() - 1) * validators;
        Counts {
            signatures,
            checks: signatures * (validators - 1),
            hashes: signatures * validators,
            messages: signatures * (validators - 1),
            syncs: sends.count() * validators,
        }
    }

    /// Of one learner's attestations: everybody says to everybody what it executed. Learners that execute a slot at one time
    /// share them.
    pub fn of_attestations(validators: usize) -> Self {
        let others = validators * (validators - 1);
        Counts {
            signatures: validators,
            checks: others,
            hashes: validators * validators,
            messages: others,
            syncs: 0,
        }
    }

    /// Of a bundle with so many signatures that went to one node: it passes it on, and each node checks it once.
    pub fn of_bundle(validators: usize, signatures: usize) -> Self {
        Counts {
            signatures: 0,
            checks: validators * signatures,
            hashes: validators,
            messages: validators - 1,
            syncs: 0,
        }
    }

    /// Both.
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            signatures: self.signatures + other.signatures,
            checks: self.checks + other.checks,
            hashes: self.hashes + other.hashes,
            messages: self.messages + other.messages,
            syncs: self.syncs + other.syncs,
        }
    }

    /// Of a slot of this network with one bundle of so many signatures, of which learners share their attestations; of an empty
    /// one, if with none: it may be attested with what follows.
    pub fn of_slot(network: &Network, signatures: usize) -> Self {
        let slot = Counts::of_decision(network.validators, network.sends);
        match signatures {
            0 => slot,
            _ => slot
                .and(Counts::of_attestations(network.validators))
                .and(Counts::of_bundle(network.validators, signatures)),
        }
    }

    /// The CPU time of all nodes together, in milliseconds.
    pub fn cpu_ms(&self, cost: &Primitives) -> f64 {
        let micros = self.signatures as f64 * cost.sign
            + self.checks as f64 * cost.check
            + self.hashes as f64 * cost.hash
            + self.messages as f64 * cost.calls
            + self.syncs as f64 * cost.sync_cpu;
        micros / 1e3
    }
}

/// From a proposal to a decision, in milliseconds: for each send a signature, a sync, a way and a check.
pub fn decision_ms(sends: Sends, cost: &Primitives) -> f64 {
    sends.count() as f64 * (cost.sign + cost.sync + cost.round_trip / 2.0 + cost.check) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_validators_and_three_sends() {
        let decision = Counts::of_decision(4, Sends::Three);
        assert_eq!((decision.signatures, decision.checks, decision.syncs), (9, 27, 12));
        let attestations = Counts::of_attestations(4);
        assert_eq!((attestations.signatures, attestations.checks), (4, 12));
        assert_eq!(Counts::of_decision(7, Sends::Four).signatures, 1 + 3 * 7);
    }

    #[test]
    fn costs_are_added_up() {
        let cost = Primitives {
            sign: 1_000.0,
            check: 100.0,
            check_together: 0.0,
            hash: 10.0,
            calls: 1.0,
            round_trip: 200.0,
            sync: 700.0,
            sync_p99: 0.0,
            sync_cpu: 50.0,
        };
        let counts = Counts { signatures: 1, checks: 2, hashes: 3, messages: 4, syncs: 5 };
        assert!((counts.cpu_ms(&cost) - 1.484).abs() < 1e-9);
        assert!((decision_ms(Sends::Three, &cost) - 5.7).abs() < 1e-9);
    }
}
