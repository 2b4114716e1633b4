//! Where a passphrase comes from: a prompt, a file, or a file descriptor.

use super::KeyError;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A passphrase of more bytes is taken for a wrong file.
const BYTES_MAX: usize = 1024;

/// A passphrase, overwritten when it is no longer needed.
pub struct Passphrase(Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    /// The passphrase `text`; none if it is empty.
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        (!text.is_empty()).then_some(Passphrase(text))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseFrom {
    /// The terminal.
    Prompt,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of what an open file descriptor gives.
    Descriptor(u32),
}

impl PassphraseFrom {
    /// The passphrase of a key that there is; `what` says which, as in "passphrase of key.json".
    ///
    /// # Errors
    /// If there is none to be had, or it is empty.
    pub fn read(&self, what: &str) -> Result<Passphrase, KeyError> {
        super::no_core_dumps()?;
        match self {
            PassphraseFrom::Prompt => prompt(what),
            PassphraseFrom::File(path) => from_file(path),
            PassphraseFrom::Descriptor(number) => {
                from_file(Path::new(&format!("/dev/fd/{number}")))
            }
        }
    }

    /// The passphrase of a key that is to be encrypted; one that is typed is asked for twice.
    ///
    /// # Errors
    /// As [`Self::read`]; and if what is typed is not the same twice.
    pub fn read_new(&self, what: &str) -> Result<Passphrase, KeyError> {
        let passphrase = self.read(what)?;
        if *self == PassphraseFrom::Prompt {
            let again = prompt(&format!("{what}, again"))?;
            if again.as_bytes() != passphrase.as_bytes() {
                let message = "the two passphrases differ: nothing was done";
                return Err(KeyError::NoPassphrase(message.into()));
            }
        }
        Ok(passphrase)
    }
}

fn prompt(what: &str) -> Result<Passphrase, KeyError> {
    let text = rpassword::prompt_password(format!("{what}: ")).map_err(|error| {
        KeyError::NoPassphrase(format!(
            "there is no terminal to ask for a passphrase ({error}): give --passphrase-file or --passphrase-fd"
        ))
    })?;
    Passphrase::new(Zeroizing::new(text))
        .ok_or_else(|| KeyError::NoPassphrase("the passphrase is empty".into()))
}

fn from_file(path: &Path) -> Result<Passphrase, KeyError> {
    let io = |error| KeyError::Io { what: "read the passphrase from", path: path.into(), error };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o7777;
    // The group may read: credentials of systemd look like that, by their access list's mask.
    if metadata.is_file() && mode & 0o007 != 0 {
        let path = path.to_owned();
        return Err(super::Permissions { path, mode, right: "600" }.into());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let no = |why: &str| KeyError::NoPassphrase(format!("{} {why}", path.display()));
    if bytes.len() > BYTES_MAX {
        return Err(no("is longer than 1024 bytes, which no passphrase is"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| no("is no UTF-8 text"))?;
    let line = text.split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    Passphrase::new(Zeroizing::new(line.to_owned()))
        .ok_or_else(|| no("has an empty first line: the passphrase should stand there"))
}
