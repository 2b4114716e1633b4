//! The one meaning of *the signature is right*.

use ed25519_dalek::{Signature, VerifyingKey};

/// Whether `signature` is one of `signer` over `bytes`: exactly what `verify_strict` takes, so that honest nodes never
/// disagree on it.
pub(crate) fn is_signed(bytes: &[u8], signer: &[u8; 32], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    let key = VerifyingKey::from_bytes(signer);
    key.is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}
