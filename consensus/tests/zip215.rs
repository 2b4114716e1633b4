//! Signatures are right or wrong alike, alone and together: by ZIP 215, of keys that are not weak.
//!
//! Known edge cases are of *Taming the many EdDSAs* (Chalkias, Garillot, Nikolaenko, 2020) and of C2SP's CCTV.

mod support;

use ed25519_dalek::{Signer, SigningKey};
use hpaxos_consensus::{Signatures, VerifyingKey};
use proptest::prelude::*;
use support::points::{SMALL, unhex};

/// A key, what it should have signed, and what should be the signature.
#[derive(Clone, Debug)]
struct Claim {
    key: [u8; 32],
    bytes: Vec<u8>,
    signature: [u8; 64],
}

impl Claim {
    fn is_right(&self) -> bool {
        VerifyingKey::new(&self.key).is_some_and(|key| key.has_signed(&self.bytes, &self.signature))
    }
}

fn first_wrong<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Option<usize> {
    let mut together = Signatures::default();
    claims.into_iter().for_each(|it| together.add(&it.key, &it.bytes, &it.signature));
    together.first_wrong()
}

fn claim(key: &str, bytes: &[u8], signature: &str) -> Claim {
    Claim { key: unhex(key), bytes: bytes.to_vec(), signature: unhex(signature) }
}

fn honest(signer: u8, word: u8) -> Claim {
    let (key, bytes) = (SigningKey::from_bytes(&[signer; 32]), vec![word; 40]);
    let signature = key.sign(&bytes).to_bytes();
    Claim { key: key.verifying_key().to_bytes(), bytes, signature }
}

/// Whether each is right.
fn edge_cases() -> Vec<(Claim, bool)> {
    // The equation holds whatever was signed, and by ZIP 215 all of these would be right: but anybody can make them.
    let mut all = Vec::new();
    for key in SMALL.map(unhex) {
        for r in SMALL.map(unhex::<32>) {
            let signature = [r, [0; 32]].concat().try_into().expect("twice 32");
            all.push((Claim { key, bytes: b"anything".to_vec(), signature }, false));
        }
    }
    all.extend(TAMING.map(|(bytes, key, signature, right)| {
        (claim(key, &hex::decode(bytes).expect("hex"), signature), right)
    }));
    all.extend(
        CCTV.map(|(word, signature, right)| (claim(MIXED, word.as_bytes(), signature), right)),
    );
    all
}

#[test]
fn edge_cases_are_right_or_wrong_as_zip_215_has_it() {
    for (claim, right) in edge_cases() {
        assert_eq!(claim.is_right(), right, "{claim:?}");
    }
}

/// Two by two, with an honest one between them, and all at once.
#[test]
fn edge_cases_are_the_same_together() {
    let all = edge_cases();
    let between = honest(1, 1);
    for (one, one_is_right) in all.iter().step_by(7) {
        for (other, other_is_right) in &all {
            let wrong = match (one_is_right, other_is_right) {
                (true, true) => None,
                (false, _) => Some(0),
                (true, false) => Some(2),
            };
            assert_eq!(first_wrong([one, &between, other]), wrong, "{one:?} {other:?}");
        }
    }
    let right: Vec<_> = all.iter().filter(|(_, right)| *right).map(|(claim, _)| claim).collect();
    assert!(right.len() > 12, "{}", right.len());
    assert_eq!(first_wrong(right), None);
    assert_eq!(first_wrong([]), None);
}

#[test]
fn weak_keys_are_the_14_encodings_and_no_others() {
    for key in SMALL.map(unhex) {
        assert!(ed25519_dalek::VerifyingKey::from_bytes(&key).expect("a point").is_weak());
        assert!(VerifyingKey::new(&key).is_none());
    }
    for signer in 0..=255 {
        let key = SigningKey::from_bytes(&[signer; 32]).verifying_key();
        assert!(!key.is_weak() && VerifyingKey::new(key.as_bytes()).is_some());
    }
}

/// What is wrong by the same amount in opposite directions would cancel out in a plain sum.
#[test]
fn wrong_ones_do_not_cancel_out() {
    let (mut one, mut other) = (honest(1, 1), honest(1, 2));
    // s is little-endian from byte 32 on, and these leave its lowest byte between 1 and 254.
    assert!((1..255).contains(&one.signature[32]) && (1..255).contains(&other.signature[32]));
    one.signature[32] += 1;
    other.signature[32] -= 1;
    assert_eq!(first_wrong([&one, &other]), Some(0));
    assert_eq!(first_wrong([&other, &one]), Some(0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Of honest signatures, some of them changed somewhere, in any order.
    #[test]
    fn together_as_alone(
        claims in prop::collection::vec((1..6u8, any::<u8>(), prop::option::weighted(0.1, 0..104usize)), 0..40),
    ) {
        let claims: Vec<Claim> = claims.into_iter().map(|(signer, word, changed)| {
            let mut claim = honest(signer, word);
            match changed {
                Some(bit @ 0..64) => claim.signature[bit] ^= 1,
                Some(byte) => claim.bytes[byte - 64] ^= 0x10,
                None => {}
            }
            claim
        }).collect();
        prop_assert_eq!(first_wrong(&claims), claims.iter().position(|claim| !claim.is_right()));
    }
}

/// What was signed, key, signature, whether it is right. In order: key and R of small order; key of small order; R of small
/// order; parts of small order that cancel out; that do not; that do not, in another way; s beyond the order, twice; R
/// not canonical and hashed as if it were; hashed as it is.
const TAMING: [(&str, &str, &str, bool); 10] = [
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
        false,
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
    ),
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        true,
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        true,
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        true,
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        true,
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        false,
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        false,
    ),
    (
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
        false,
    ),
    (
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
        true,
    ),
];

/// A key with a part of small order.
const MIXED: &str = "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f";

/// What was signed with [`MIXED`], signature, whether it is right: not where R was hashed in another encoding than its own.
const CCTV: [(&str, &str, bool); 14] = [
    (
        "ed25519vectors 7",
        "00000000000000000000000000000000000000000000000000000000000000005e176f12cfb0d4e6eb6929b19ae4c998ef05c1c2cf628a9b1fa1c21312627108",
        true,
    ),
    (
        "ed25519vectors 3",
        "00000000000000000000000000000000000000000000000000000000000000009472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09",
        true,
    ),
    (
        "ed25519vectors 10",
        "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56bc02e2b9e63e385c058bf62b14b3a2b29ccefe8e38ddb536bc3f9865320a3d801",
        true,
    ),
    (
        "ed25519vectors",
        "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56bbbfd00bd9c259d8d222d15e67a3d8228585050dbb9b9585be20d8fadc721da03",
        true,
    ),
    (
        "ed25519vectors 6",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f1cb421dfbd92aa6c30d550bff53c81cf650ace6deb96a8ec22d2fef84dbbe20b",
        true,
    ),
    (
        "ed25519vectors 3",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7fad7a355469b5c87e550469f6b2de409ee723acd584bf35f86b80c384e8ceb702",
        true,
    ),
    (
        "ed25519vectors 11",
        "000000000000000000000000000000000000000000000000000000000000008075b3d7e9547febbdbf3fde21df901c7ca1fc59e8b689a4ae283919e78cf62b03",
        true,
    ),
    (
        "ed25519vectors 10",
        "0000000000000000000000000000000000000000000000000000000000000080050abffcd4d8ccbb4b8d6bf6649f5aa99e8de5cc182a7409633856ff53f49e0c",
        true,
    ),
    (
        "ed25519vectors 9",
        "b797b156efcd45a4e2454d2fd0b21438b3ccd80d4c7fd1d1b2c8e55bd4ed4a94639734cf989e314e9e049fc01a3864d191fed8f231b12fee6fa50aaadba44b0e",
        true,
    ),
    (
        "ed25519vectors 2",
        "b797b156efcd45a4e2454d2fd0b21438b3ccd80d4c7fd1d1b2c8e55bd4ed4a94732d9e0279fe001d90327efa319816e3e4506b78432b8b4e1f2fdc4b960d700f",
        true,
    ),
    (
        "ed25519vectors",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7117c2ec783065c50f2c930cfc9d318c9737991acb260b49e2ca815474532709",
        true,
    ),
    (
        "ed25519vectors 27",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1f5fae114eb0c534b5aed0a892d0a0e1d429df6a025c5ae08012e0ffce78310c",
        true,
    ),
    (
        "ed25519vectors 7",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f5e176f12cfb0d4e6eb6929b19ae4c998ef05c1c2cf628a9b1fa1c21312627108",
        false,
    ),
    (
        "ed25519vectors 3",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f9472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09",
        false,
    ),
];
