//! A secret key under a passphrase.

use super::{KeyError, Passphrase, PublicKey, fill_random};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a key file is about, so that its ciphertext is good for nothing else.
const TAG: &[u8] = b"hpaxos/v1/key-file\0";

/// What guessing one passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often it is gone through.
    pub passes: u32,
}

impl Cost {
    /// 64 MiB, three times: some tenths of a second.
    pub const DEFAULT: Cost = Cost { memory_kib: 64 << 10, passes: 3 };
}

/// A file may not ask for more than this: 4 GiB, 64 passes, 16 lanes. A damaged one must not stop the machine.
const MOST: (u32, u32, u32) = (4 << 20, 64, 16);

/// An encrypted secret key, with all that is needed to decrypt it but the passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Encrypted {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    ciphertext: String,
}

impl Encrypted {
    /// Encrypts `secret`, of which `public` is the public key.
    pub(super) fn new(
        secret: &[u8; 32],
        public: PublicKey,
        passphrase: &Passphrase,
        cost: Cost,
    ) -> Result<Self, KeyError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        fill_random(&mut salt)?;
        fill_random(&mut nonce)?;
        let Cost { memory_kib, passes } = cost;
        let params =
            Params::new(memory_kib, passes, 1, Some(32)).expect("the cost is one that Argon2 has");
        let cipher = cipher(params, passphrase, &salt);
        let aad = authenticated(public);
        let ciphertext = cipher
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: secret, aad: &aad })
            .expect("encrypting 32 bytes does not fail");
        Ok(Encrypted {
            memory_kib,
            passes,
            lanes: 1,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            ciphertext: hex::encode(ciphertext),
        })
    }

    /// Whether all that can be checked without a passphrase is right; else, what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        let (memory, passes, lanes) = MOST;
        if self.memory_kib > memory || self.passes > passes || self.lanes > lanes {
            return Err(format!(
                "`encrypted-key` asks for more than {memory} KiB, {passes} passes or {lanes} lanes"
            ));
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| format!("the parameters of `encrypted-key` are no use: {error}"))?;
        bytes::<16>("salt", &self.salt)?;
        bytes::<24>("nonce", &self.nonce)?;
        bytes::<48>("ciphertext", &self.ciphertext)?;
        Ok(())
    }

    /// The secret. [`Self::check`] was passed.
    pub(super) fn decrypt(
        &self,
        public: PublicKey,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32));
        let salt: [u8; 16] = bytes("salt", &self.salt).expect("it was checked");
        let nonce: [u8; 24] = bytes("nonce", &self.nonce).expect("it was checked");
        let msg: [u8; 48] = bytes("ciphertext", &self.ciphertext).expect("it was checked");
        let cipher = cipher(params.expect("they were checked"), passphrase, &salt);
        let aad = authenticated(public);
        let plain = cipher
            .decrypt(XNonce::from_slice(&nonce), Payload { msg: &msg, aad: &aad })
            .map_err(|_| KeyError::WrongPassphrase)?;
        let plain = Zeroizing::new(plain);
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&plain);
        Ok(secret)
    }
}

fn cipher(params: Params, passphrase: &Passphrase, salt: &[u8; 16]) -> XChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .expect("salt and output have lengths that Argon2 has");
    XChaCha20Poly1305::new(key.as_slice().into())
}

fn authenticated(public: PublicKey) -> Vec<u8> {
    [TAG, &public.0].concat()
}

fn bytes<const LENGTH: usize>(key: &str, text: &str) -> Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| format!("`{key}` should be {} hex digits", 2 * LENGTH))?;
    Ok(bytes)
}
