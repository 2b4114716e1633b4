//! The one meaning of *the signature is right*, for all that is signed: [ZIP 215], by a key that is not of small order.
//!
//! Honest nodes must never disagree on it. By ZIP 215 a signature is right among others exactly if it is right by itself; by
//! most other rules that checkers of Ed25519 have, it need not be.
//!
//! [ZIP 215]: https://zips.z.cash/zip-0215

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use sha2::{Digest, Sha256};

/// A public key for which not just anybody can sign.
#[derive(Clone, Copy, Debug)]
pub struct VerifyingKey(VerificationKey);

impl VerifyingKey {
    /// The key of these bytes; none if they are no point of the curve, or one of small order.
    pub fn new(bytes: &[u8; 32]) -> Option<Self> {
        let key = VerificationKey::try_from(*bytes).ok().filter(|_| !is_of_small_order(bytes));
        key.map(VerifyingKey)
    }

    /// Whether `signature` is one of this key over `bytes`.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify(&Signature::from(*signature), bytes).is_ok()
    }
}

/// Signatures that are checked together: 32 of them in half the time, and those of few keys in a quarter.
#[derive(Clone, Default)]
pub struct Signatures {
    items: Vec<batch::Item>,
    /// The first that is of a key for which anybody can sign.
    weak: Option<usize>,
    /// Everything that was added.
    all: Sha256,
}

impl Signatures {
    /// Adds what should be a signature of `key` over `bytes`.
    pub fn add(&mut self, key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) {
        if is_of_small_order(key) {
            self.weak.get_or_insert(self.items.len());
        }
        let item = (VerificationKeyBytes::from(*key), Signature::from(*signature), bytes);
        self.items.push(item.into());
        self.all.update(key);
        self.all.update(signature);
        self.all.update((bytes.len() as u64).to_le_bytes());
        self.all.update(bytes);
    }

    /// The first that is not right, in the order in which they were added from 0.
    pub fn first_wrong(&self) -> Option<usize> {
        if self.weak.is_none() && self.items.len() > 1 && self.are_right_together() {
            return None;
        }
        let wrong = self.items.iter().position(|item| item.clone().verify_single().is_err());
        wrong.into_iter().chain(self.weak).min()
    }

    /// Whether a random sum of their equations holds. What is random in it depends on all of them, so that nobody can choose
    /// signatures that are wrong and cancel out: right ones never fail, wrong ones pass once in 2^128. In which order the
    /// library draws is not fixed, and makes no other difference.
    fn are_right_together(&self) -> bool {
        let seed = self.all.clone().finalize();
        let mut together = batch::Verifier::new();
        self.items.iter().for_each(|item| together.queue(item.clone()));
        together.verify(ChaCha20Rng::from_seed(seed.into())).is_ok()
    }
}

/// Whether the key is one of the 14 encodings of a point of small order: then anybody can sign for it.
fn is_of_small_order(key: &[u8; 32]) -> bool {
    let mut y = *key;
    // The sign of the other coordinate.
    y[31] &= 0x7f;
    SMALL.contains(&y)
}

/// The second coordinates of the eight points whose order divides 8, as they may be encoded: 0 and 1, also beyond
/// p = 2^255 - 19; -1; and those of order 8.
const SMALL: [[u8; 32]; 7] = [
    little(0),
    little(1),
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn little(y: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = y;
    bytes
}

/// p is `near_p(0xed)`.
const fn near_p(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = low;
    bytes[31] = 0x7f;
    bytes
}
