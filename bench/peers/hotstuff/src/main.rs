//! hotstuff_rs, as it is published: its replica, pacemaker and block sync; store and network are left to its users, and are
//! this program's.

mod application;
mod network;
mod store;

use anyhow::Result;
use application::Application;
use cluster::{Journal, Peer, REPLICAS};
use hotstuff_rs::replica::{Configuration, Replica, ReplicaSpec};
use hotstuff_rs::types::crypto_primitives::SigningKey;
use hotstuff_rs::types::data_types::{BufferSize, ChainID, EpochLength, Power};
use hotstuff_rs::types::update_sets::{AppStateUpdates, ValidatorSetUpdates};
use hotstuff_rs::types::validator_set::{ValidatorSet, ValidatorSetState};
use network::Tcp;
use std::process::ExitCode;
use std::time::Duration;
use store::Store;

const HOTSTUFF: Peer = Peer {
    name: "hotstuff",
    version: "hotstuff_rs 0.4.0 (chained)",
    includes: "four processes; TCP on loopback, this program's own; every change of the block tree appended to a file, \
        fdatasync before the next message leaves; Ed25519, every vote verified, and every certificate",
    excludes: "execution of blocks, a state tree, attestations of what was executed, an HTTP API, authenticated or encrypted \
        connections, a database: the block tree is read from memory",
};

/// Views between two rendezvous of all replicas, which last a whole view's time: none comes while it is measured.
const EPOCH: u32 = 100_000;

fn main() -> ExitCode {
    cluster::main(&HOTSTUFF, run)
}

fn key(index: usize) -> SigningKey {
    SigningKey::from_bytes(&cluster::seed(index))
}

fn validators() -> ValidatorSetState {
    let mut updates = ValidatorSetUpdates::new();
    for index in 0..REPLICAS {
        updates.insert(key(index).verifying_key(), Power::new(1));
    }
    let mut validators = ValidatorSet::new();
    validators.apply_updates(&updates);
    ValidatorSetState::new(validators.clone(), validators, None, true)
}

fn run(replica: cluster::Replica) -> Result<()> {
    let journal = Journal::create(&replica.folder.join("block-tree"))?;
    let store = Store::new(journal, replica.progress.clone());
    let keys = std::array::from_fn(|index| key(index).verifying_key());
    let network = Tcp::connect(&replica, keys, store.clone())?;
    Replica::initialize(store.clone(), AppStateUpdates::new(), validators());

    let configuration = Configuration::builder()
        .me(key(replica.index))
        .chain_id(ChainID::new(0))
        .block_sync_request_limit(10)
        .block_sync_server_advertise_time(Duration::from_secs(10))
        .block_sync_response_timeout(Duration::from_secs(3))
        .block_sync_blacklist_expiry_time(Duration::from_secs(10))
        .block_sync_trigger_min_view_difference(2)
        .block_sync_trigger_timeout(Duration::from_secs(60))
        .progress_msg_buffer_capacity(BufferSize::new(1024 * 1024))
        .epoch_length(EpochLength::new(EPOCH))
        .max_view_time(Duration::from_secs(2))
        .log_events(false)
        .build();
    // No handlers of events: the thread that calls them never waits. The store sees what is decided.
    let _running = ReplicaSpec::builder()
        .app(Application { index: replica.index, progress: replica.progress })
        .network(network)
        .kv_store(store)
        .configuration(configuration)
        .build()
        .start();
    loop {
        std::thread::park();
    }
}
