//! Somebody with a key: who owns, pays or is paid.

use anyhow::bail;
use hpaxos_node::keys::{KeyFile, PublicKey};
use std::path::Path;

/// The public key `text`, or that of the key file `text`.
pub fn person(text: &str) -> anyhow::Result<[u8; 32]> {
    if let Ok(key) = text.parse::<PublicKey>() {
        return Ok(key.0);
    }
    let path = Path::new(text);
    if !path.exists() {
        let shown = text.escape_debug();
        bail!(
            "`{shown}` is nobody: it should be a public key, 64 lower-case hex digits, or a key file, as \
             `hpaxos keys new` makes them"
        );
    }
    Ok(KeyFile::read(path)?.public_key().0)
}
