//! The file itself: reading, writing, unlocking.

use super::{Cost, Encrypted, KeyError, Passphrase, Permissions, PublicKey, no_core_dumps};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// No key file is longer.
const BYTES_MAX: usize = 16 << 10;

/// A key file, as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyFile {
    version: u32,
    public_key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_key: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted_key: Option<Encrypted>,
}

impl KeyFile {
    /// The file of `key`, encrypted if there is a passphrase.
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn new(key: &SigningKey, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        Self::with_cost(key, passphrase, Cost::DEFAULT)
    }

    /// As [`Self::new`], at another price per guess.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_cost(
        key: &SigningKey,
        passphrase: Option<&Passphrase>,
        cost: Cost,
    ) -> Result<Self, KeyError> {
        let public_key = PublicKey::of(key);
        let (secret_key, encrypted_key) = match passphrase {
            None => (Some(Secret(Zeroizing::new(key.to_bytes()))), None),
            Some(passphrase) => {
                let secret = Zeroizing::new(key.to_bytes());
                (None, Some(Encrypted::new(&secret, public_key, passphrase, cost)?))
            }
        };
        Ok(KeyFile { version: 1, public_key, secret_key, encrypted_key })
    }

    /// Reads the file at `path`, which nobody but its owner may be able to read.
    ///
    /// # Errors
    /// If it cannot be read, is open to others, or is no key file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        no_core_dumps()?;
        let io = |error| KeyError::Io { what: "read the key", path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        Permissions::check(path, &file.metadata().map_err(io)?)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
        file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::decode(&bytes).map_err(|why| KeyError::Malformed { path: path.to_owned(), why })
    }

    /// What the bytes of a file say.
    ///
    /// # Errors
    /// Why they are no key file.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > BYTES_MAX {
            return Err(format!("it is longer than {BYTES_MAX} bytes"));
        }
        let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.version != 1 {
            return Err("`version` should be 1: this program knows no other".into());
        }
        match (&file.secret_key, &file.encrypted_key) {
            (Some(secret), None) => {
                let key = SigningKey::from_bytes(&secret.0);
                if PublicKey::of(&key) != file.public_key {
                    return Err("`public-key` does not belong to `secret-key`".into());
                }
            }
            (None, Some(encrypted)) => encrypted.check()?,
            _ => return Err("it should have either `secret-key` or `encrypted-key`".into()),
        }
        Ok(file)
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Whether it takes a passphrase to have the secret.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted_key.is_some()
    }

    /// The key. A passphrase that is not needed is not looked at.
    ///
    /// # Errors
    /// If it is encrypted, and the passphrase missing or wrong.
    pub fn unlock(&self, passphrase: Option<&Passphrase>) -> Result<SigningKey, KeyError> {
        let secret = match (&self.secret_key, &self.encrypted_key) {
            (Some(secret), _) => secret.0.clone(),
            (None, Some(encrypted)) => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
                encrypted.decrypt(self.public_key, passphrase)?
            }
            (None, None) => unreachable!("a key file has one or the other"),
        };
        let key = SigningKey::from_bytes(&secret);
        // The public key is authenticated, but whoever encrypted may have been wrong about it.
        if PublicKey::of(&key) != self.public_key {
            return Err(KeyError::WrongPassphrase);
        }
        Ok(key)
    }

    /// Writes a new file that only its owner may read, down to the disk.
    ///
    /// # Errors
    /// If there is something at `path` already, or it cannot be written.
    pub fn create(&self, path: &Path) -> Result<(), KeyError> {
        let io = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => KeyError::Io { what: "write the key", path: path.to_owned(), error },
        };
        self.write_new(path).and_then(|()| sync_folder_of(path)).map_err(io)
    }

    /// Replaces the file of the same key at `path`, all or nothing.
    ///
    /// # Errors
    /// If it cannot be written; then the old one stands.
    ///
    /// # Panics
    /// If the file there is that of another key.
    pub fn replace(&self, path: &Path) -> Result<(), KeyError> {
        let old = KeyFile::read(path)?;
        assert!(old.public_key == self.public_key, "a key is replaced by itself only");
        let io = |error| KeyError::Io { what: "write the key", path: path.to_owned(), error };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = Path::new(&beside);
        match fs::remove_file(beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        self.write_new(beside)
            .and_then(|()| fs::rename(beside, path))
            .and_then(|()| sync_folder_of(path))
            .map_err(io)
    }

    fn write_new(&self, path: &Path) -> io::Result<()> {
        // Large enough that it never grows, which would leave copies of the secret behind.
        let mut text = Zeroizing::new(Vec::with_capacity(BYTES_MAX));
        serde_json::to_writer_pretty(&mut *text, self)?;
        text.push(b'\n');
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&text).and_then(|()| file.sync_all())
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// A secret key in hex.
struct Secret(Zeroizing<[u8; 32]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut digits = Zeroizing::new([0; 64]);
        hex::encode_to_slice(self.0.as_slice(), digits.as_mut_slice())
            .expect("32 bytes are 64 digits");
        to.serialize_str(std::str::from_utf8(digits.as_slice()).expect("hex digits are text"))
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Borrows from the file's bytes, which are overwritten after use: no copy is made on the way.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&'de str>::deserialize(from)
            .map_err(|_| de::Error::custom("`secret-key` should be a string without escapes"))?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, secret.as_mut_slice())
            .map_err(|_| de::Error::custom("`secret-key` should be 64 hex digits"))?;
        Ok(Secret(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{PassphraseFrom, new_key};
    use std::os::unix::fs::PermissionsExt;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.into())).unwrap()
    }

    #[test]
    fn comes_back_from_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let key = new_key().unwrap();
        let right = passphrase("correct horse");
        for (name, passphrase) in [("plain", None), ("encrypted", Some(&right))] {
            let path = folder.path().join(name);
            KeyFile::with_cost(&key, passphrase, CHEAP).unwrap().create(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let read = KeyFile::read(&path).unwrap();
            assert_eq!(read.public_key(), PublicKey::of(&key));
            assert_eq!(read.unlock(passphrase).unwrap().to_bytes(), key.to_bytes());
            let holds_secret =
                fs::read_to_string(&path).unwrap().contains(&hex::encode(key.to_bytes()));
            assert_eq!(holds_secret, passphrase.is_none());
        }
    }

    #[test]
    fn needs_the_passphrase_and_the_right_public_key() {
        let key = new_key().unwrap();
        let mut file = KeyFile::with_cost(&key, Some(&passphrase("right")), CHEAP).unwrap();
        assert!(matches!(file.unlock(None), Err(KeyError::PassphraseNeeded)));
        let wrong = file.unlock(Some(&passphrase("wrong")));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)));
        file.public_key = PublicKey::of(&new_key().unwrap());
        let moved = file.unlock(Some(&passphrase("right")));
        assert!(matches!(moved, Err(KeyError::WrongPassphrase)));
    }

    #[test]
    fn is_never_overwritten_but_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let key = new_key().unwrap();
        KeyFile::new(&key, None).unwrap().create(&path).unwrap();
        let before = fs::read(&path).unwrap();
        let again = KeyFile::new(&new_key().unwrap(), None).unwrap().create(&path);
        assert!(matches!(again, Err(KeyError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), before);

        let encrypted = KeyFile::with_cost(&key, Some(&passphrase("p")), CHEAP).unwrap();
        // What a crash left behind is in nobody's way.
        fs::write(folder.path().join("key.json.new"), "half").unwrap();
        encrypted.replace(&path).unwrap();
        assert!(KeyFile::read(&path).unwrap().is_encrypted());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn is_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        KeyFile::new(&new_key().unwrap(), None).unwrap().create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = KeyFile::read(&path).unwrap_err().to_string();
        assert!(refused.contains("(mode 0640): run `chmod 600 "), "{refused}");
    }

    #[test]
    fn says_what_is_wrong() {
        let key = new_key().unwrap();
        let plain = serde_json::to_string(&KeyFile::new(&key, None).unwrap()).unwrap();
        let right = passphrase("p");
        let encrypted = KeyFile::with_cost(&key, Some(&right), CHEAP).unwrap();
        let encrypted = serde_json::to_string(&encrypted).unwrap();
        let other = PublicKey::of(&new_key().unwrap()).to_string();
        for (text, message) in [
            ("x".to_owned(), "expected value"),
            (plain.replace("\"version\":1", "\"version\":2"), "`version` should be 1"),
            (plain.replace("secret-key", "secret"), "unknown field `secret`"),
            (plain.replace(&PublicKey::of(&key).to_string(), &other), "does not belong"),
            (format!("{{\"version\":1,\"public-key\":\"{other}\"}}"), "either `secret-key` or"),
            (encrypted.replace("\"memory-kib\":64", "\"memory-kib\":4294967295"), "asks for more"),
            (encrypted.replace("\"memory-kib\":64", "\"memory-kib\":0"), "are no use"),
            (encrypted.replace("\"nonce\":\"", "\"nonce\":\"0"), "`nonce` should be 48 hex digits"),
        ] {
            let error = KeyFile::decode(text.as_bytes()).unwrap_err();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    #[test]
    fn no_secret_is_shown_by_accident() {
        let key = new_key().unwrap();
        let shown = format!("{:?} {:?}", KeyFile::new(&key, None).unwrap(), passphrase("hidden"));
        assert!(!shown.contains(&hex::encode(key.to_bytes())) && !shown.contains("hidden"));
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        fs::write(&path, "correct horse\r\nmore\n").unwrap();
        let from = PassphraseFrom::File(path.clone());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(from.read("passphrase").unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(from.read_new("passphrase").unwrap().as_bytes(), b"correct horse");
        fs::write(&path, "\n").unwrap();
        assert!(from.read("passphrase").unwrap_err().to_string().contains("empty first line"));
    }
}
