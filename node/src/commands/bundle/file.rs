//! Bundles in files.

use crate::commands::passphrase::Unlock;
use crate::show::line;
use anyhow::{Context, anyhow, bail};
use ed25519_dalek::SigningKey;
use hpaxos_ledger::Bundle;
use hpaxos_node::files;
use hpaxos_node::keys::KeyFile;
use std::path::Path;

/// The longest file that may be a bundle: JSON is longer than what is sent between nodes.
const BUNDLE_FILE_BYTES_MAX: usize = 1 << 20;

/// Reads the file at `path`, of at most `bytes_max` bytes; `-` is standard input.
pub fn read_at_most(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let bytes = files::read(path, bytes_max)?;
    if bytes.len() > bytes_max {
        bail!("{} has more than {bytes_max} bytes: it should be something else", path.display());
    }
    Ok(bytes)
}

/// Reads a bundle, signed or not.
pub fn read(path: &Path) -> anyhow::Result<Bundle> {
    let bytes = read_at_most(path, BUNDLE_FILE_BYTES_MAX)?;
    Bundle::from_json(&bytes).map_err(|refusal| anyhow!("{}: {refusal}", path.display()))
}

/// Writes a bundle; `-` is standard output.
pub fn write(path: &Path, bundle: &Bundle) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(bundle)?;
    if path.as_os_str() == "-" {
        line(text);
        return Ok(());
    }
    Ok(files::write_whole(path, &(text + "\n"))?)
}

/// The keys in these files.
pub fn keys(paths: &[impl AsRef<Path>], unlock: &Unlock) -> anyhow::Result<Vec<SigningKey>> {
    let key = |path: &Path| -> anyhow::Result<SigningKey> {
        let file = KeyFile::read(path)?;
        let passphrase = unlock.read_of(&file, path)?;
        file.unlock(passphrase.as_ref()).with_context(|| path.display().to_string())
    };
    paths.iter().map(|path| key(path.as_ref())).collect()
}
