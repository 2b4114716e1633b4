//! Opening a store: making one, or reading what is there.
//!
//! The end of the database's log is whatever a crash left there. Cut off, it is passed over: it was not synced, and nothing rests
//! on it. What is there and cannot be read may be that, too, after a power cut, or damage to something that was synced: the
//! mark beside the store knows.

use super::options::{Missing, Tail, of};
use super::{META, Store, StoreError, StoreId, VERSION, synced};
use crate::guard::Mark;
use hpaxos_consensus::NetworkId;
use rocksdb::{DB, WriteBatch};
use std::path::Path;
use tokio::sync::watch;
use tracing::warn;

/// The file of a database that says which of the others count.
const CURRENT: &str = "CURRENT";

impl Store {
    /// Opens the store in a folder, or makes one, for a network and the node with a public key.
    ///
    /// # Errors
    /// If it is not this node's, of a newer version, damaged, or cannot be read or written.
    pub fn open(folder: &Path, network: NetworkId, owner: &[u8; 32]) -> Result<Self, StoreError> {
        let (options, families) = of(Missing::Made, Tail::Whole);
        let database = DB::open_cf_descriptors(&options, folder, families)?;
        let mut store = Store::new(database, network);
        if !store.check_owner(owner)? {
            store.is_new = true;
            store.write_owner(owner)?;
        }
        store.bring_up()?;
        Ok(store)
    }

    /// Opens the store that has to be in a folder, with a guard beside it if the node signs.
    ///
    /// # Errors
    /// As [`Store::open`]; and if some of it is missing.
    pub fn open_existing(
        folder: &Path,
        guard: Option<&Path>,
        network: NetworkId,
        owner: &[u8; 32],
    ) -> Result<Self, StoreError> {
        if !Store::is_at(folder) {
            let missing = folder.join(CURRENT);
            return Err(StoreError::Damaged(format!("{} is missing", missing.display())));
        }
        let open = |tail| {
            let (options, families) = of(Missing::Refused, tail);
            let database = DB::open_cf_descriptors(&options, folder, families);
            Store::new(database.map_err(unopened)?, network).owned(owner)
        };
        let store = open(Tail::Whole).or_else(|error| {
            Store::look_past_tail(folder, guard, network, owner).ok_or(error.clone())?;
            warn!(%error, "nothing of what cannot be read had been synced: the node goes on without it");
            open(Tail::Any)
        })?;
        store.bring_up()?;
        Ok(store)
    }

    /// Opens a store that is there, with a guard beside it if the node signs, to look at it: nothing on disk is changed.
    ///
    /// # Errors
    /// As [`Store::open`]; and if there is none.
    pub fn open_to_read(
        folder: &Path,
        guard: Option<&Path>,
        network: NetworkId,
        owner: &[u8; 32],
    ) -> Result<Self, StoreError> {
        if !Store::is_at(folder) {
            return Err(StoreError::Missing(folder.to_owned()));
        }
        let store = Store::look(folder, network, owner, Tail::Whole)
            .or_else(|error| Store::look_past_tail(folder, guard, network, owner).ok_or(error))?;
        match store.version()? {
            VERSION => Ok(store),
            older => Err(StoreError::Older(older)),
        }
    }

    /// Whether there is a store in a folder.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(CURRENT).is_file()
    }

    fn look(
        folder: &Path,
        network: NetworkId,
        owner: &[u8; 32],
        tail: Tail,
    ) -> Result<Self, StoreError> {
        let (options, families) = of(Missing::Refused, tail);
        let database = DB::open_cf_descriptors_read_only(&options, folder, families, false);
        Store::new(database.map_err(unopened)?, network).owned(owner)
    }

    /// A store of which the end cannot be read, if nothing of that had been synced.
    fn look_past_tail(
        folder: &Path,
        guard: Option<&Path>,
        network: NetworkId,
        owner: &[u8; 32],
    ) -> Option<Self> {
        let seen = Store::look(folder, network, owner, Tail::Any).ok()?;
        seen.has_all_synced(guard).then_some(seen)
    }

    /// Whether the mark knows that everything is there that was ever synced. Of what only follows nobody needs to know.
    fn has_all_synced(&self, guard: Option<&Path>) -> bool {
        let Some(guard) = guard else { return true };
        let name = self.id().ok().flatten();
        let synced = name.and_then(|name| Mark::read(guard, name));
        synced.is_some_and(|synced| self.turns().is_ok_and(|turns| synced <= turns))
    }

    fn new(database: DB, network: NetworkId) -> Self {
        let failed = watch::Sender::new(None);
        let (mark, synced, generations) = Default::default();
        Store { database, network, is_new: false, mark, synced, generations, failed }
    }

    fn owned(self, owner: &[u8; 32]) -> Result<Self, StoreError> {
        match self.check_owner(owner)? {
            true => Ok(self),
            false => Err(StoreError::Damaged("it does not say its version".into())),
        }
    }

    /// Makes a store of an older version one of this version: in version 1 views had other rows. They are worked out again.
    fn bring_up(&self) -> Result<(), StoreError> {
        if self.version()? < VERSION {
            self.clear_views()?;
            self.keep("version", &VERSION.to_be_bytes())?;
        }
        Ok(())
    }

    /// The version with which it was written.
    fn version(&self) -> Result<u32, StoreError> {
        let version = self.kept("version")?.and_then(|bytes| bytes.try_into().ok());
        version.map(u32::from_be_bytes).ok_or_else(|| self.damaged("its version cannot be read"))
    }

    fn write_owner(&self, owner: &[u8; 32]) -> Result<(), StoreError> {
        let meta = self.family(META);
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, b"version", VERSION.to_be_bytes());
        batch.put_cf(meta, b"network", self.network.0);
        batch.put_cf(meta, b"owner", owner);
        batch.put_cf(meta, b"id", StoreId::random().0);
        self.noted(self.database.write_opt(batch, &synced()))
    }

    /// Refuses what is not this node's. Whether anybody's name is on it.
    fn check_owner(&self, owner: &[u8; 32]) -> Result<bool, StoreError> {
        let meta = self.family(META);
        let Some(version) = self.database.get_cf(meta, b"version")? else { return Ok(false) };
        let damaged = |what: &str| StoreError::Damaged(format!("its {what} cannot be read"));
        let version: [u8; 4] = version.try_into().map_err(|_| damaged("version"))?;
        let version = u32::from_be_bytes(version);
        if version > VERSION {
            return Err(StoreError::Version(version));
        }
        let found = self.database.get_cf(meta, b"network")?.unwrap_or_default();
        let found = NetworkId(found.try_into().map_err(|_| damaged("network"))?);
        if found != self.network {
            return Err(StoreError::Network { found, expected: self.network });
        }
        let found = self.database.get_cf(meta, b"owner")?.unwrap_or_default();
        if found != owner {
            let (found, expected) = (hex::encode(found), hex::encode(owner));
            return Err(StoreError::Owner { found, expected });
        }
        Ok(true)
    }
}

/// Why a database does not open: one of whose families some are missing is damaged, too.
fn unopened(error: rocksdb::Error) -> StoreError {
    match error.kind() {
        // A newer program may have more families.
        rocksdb::ErrorKind::InvalidArgument if !error.as_ref().contains("not opened") => {
            StoreError::Damaged(error.into_string())
        }
        _ => error.into(),
    }
}
