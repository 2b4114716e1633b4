//! The options that say where a passphrase comes from.

use clap::Args;
use hpaxos_node::keys::{KeyError, KeyFile, Passphrase, PassphraseFrom};
use std::path::{Path, PathBuf};

/// For a key that there is: asked for on the terminal if it is needed and not given otherwise.
#[derive(Args)]
pub struct Unlock {
    /// The passphrase is the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// The passphrase is the first line of what this open file descriptor gives.
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl Unlock {
    /// Where it comes from.
    pub fn from(&self) -> PassphraseFrom {
        given(self.passphrase_file.as_ref(), self.passphrase_fd).unwrap_or(PassphraseFrom::Prompt)
    }

    /// The passphrase of `file`; none if it has none.
    pub fn read(&self, file: &KeyFile) -> Result<Option<Passphrase>, KeyError> {
        file.is_encrypted().then(|| self.from().read("Passphrase")).transpose()
    }

    /// The same where there are several files.
    pub fn read_of(&self, file: &KeyFile, path: &Path) -> Result<Option<Passphrase>, KeyError> {
        let what = format!("Passphrase of {}", path.display());
        file.is_encrypted().then(|| self.from().read(&what)).transpose()
    }
}

/// For a new key: none, unless one of these is given.
#[derive(Args)]
pub struct Protect {
    /// Encrypt the key with a passphrase, asked for on the terminal.
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd"])]
    passphrase: bool,
    /// Encrypt the key; the passphrase is the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Encrypt the key; the passphrase is the first line of what this open file descriptor gives.
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl Protect {
    /// The passphrase, if there is to be one.
    pub fn read(&self) -> Result<Option<Passphrase>, KeyError> {
        let from = given(self.passphrase_file.as_ref(), self.passphrase_fd)
            .or(self.passphrase.then_some(PassphraseFrom::Prompt));
        from.map(|from| from.read_new("New passphrase")).transpose()
    }

    /// The passphrase of a key that is encrypted already.
    pub fn read_old(&self) -> Result<Passphrase, KeyError> {
        let from = given(self.passphrase_file.as_ref(), self.passphrase_fd);
        from.unwrap_or(PassphraseFrom::Prompt).read("Passphrase")
    }
}

/// For a key whose passphrase changes.
#[derive(Args)]
pub struct Change {
    /// The new passphrase is the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_passphrase_fd", "remove"])]
    new_passphrase_file: Option<PathBuf>,
    /// The new passphrase is the first line of what this open file descriptor gives.
    #[arg(long, value_name = "N", conflicts_with = "remove")]
    new_passphrase_fd: Option<u32>,
    /// Take the passphrase away: the secret will stand in the file as it is.
    #[arg(long)]
    remove: bool,
}

impl Change {
    /// The new passphrase; none if it is to be taken away.
    pub fn read(&self) -> Result<Option<Passphrase>, KeyError> {
        if self.remove {
            return Ok(None);
        }
        let from = given(self.new_passphrase_file.as_ref(), self.new_passphrase_fd);
        from.unwrap_or(PassphraseFrom::Prompt).read_new("New passphrase").map(Some)
    }
}

fn given(file: Option<&PathBuf>, descriptor: Option<u32>) -> Option<PassphraseFrom> {
    let file = file.map(|path| PassphraseFrom::File(path.clone()));
    file.or(descriptor.map(PassphraseFrom::Descriptor))
}
