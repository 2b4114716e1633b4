//! A node with a long past starts quickly: of slots that are retired nothing is read, of parked ones only that they are there.

use super::commit::commit;
use super::log::{LogDriver, LogSetting};
use crate::metrics::Metrics;
use crate::store::{LogIndex, Store};
use hpaxos_consensus::message::{
    Acceptor, Body, Message, NoSigner, Refs, Reply, ReplyKind, Verified,
};
use hpaxos_consensus::{
    Ballot, Config, Epoch, Event, LogName, MessageId, NetworkId, Place, Record, Round, Slot, Trust,
    ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, file};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const NETWORK: NetworkId = NetworkId([7; 32]);
const OWNER: [u8; 32] = [1; 32];
const LOG: LogIndex = LogIndex(0);
const VALUE: ValueHash = ValueHash([9; 32]);

const GRAPH: &str = r#"
version = 1
[acceptors.p]
[acceptors.q]
[acceptors.r]
[acceptors.s]
[learners.red]
quorum = { at-least = 3, of = ["p", "q", "r", "s"] }
[learners.blue]
quorum = { at-least = 3, of = ["p", "q", "r", "s"] }
[[edges]]
between = ["red", "blue"]
safe = "overlap"
[logs."red+blue"]
learners = ["red", "blue"]
"#;

fn trust() -> Arc<Trust> {
    let graph = file::read(GRAPH).unwrap();
    Arc::new(Trust::new(graph.log("red+blue").unwrap()).unwrap())
}

fn recover(trust: &Arc<Trust>, store: &Store) -> Result<LogDriver, crate::store::StoreError> {
    let me = Some(AcceptorId::new(0));
    let config = Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner));
    let (slot_min, idle_slot) = Default::default();
    LogDriver::recover(LogSetting { index: LOG, config, slot_min, idle_slot }, store)
}

/// The messages of a slot without failures.
fn messages(slot: Slot, trust: &Trust) -> Vec<Arc<Verified<Message>>> {
    let place = Place { epoch: Epoch(0), log: LogName("red+blue".into()), slot };
    let sign = |signer: AcceptorId, body: Body| {
        let message = Message { place: place.clone(), body };
        Arc::new(Verified::trusted(message, signer, [0; 64], &NETWORK))
    };
    let proposer = trust.schedule().proposer(slot, Round(0));
    let proposal = sign(proposer, Body::Proposal { round: Round(0), value: VALUE });
    let mut all = vec![proposal.clone()];
    let mut reply = |kind, prevs: Vec<Option<MessageId>>, refs: Vec<MessageId>| -> Vec<MessageId> {
        let mut ids = Vec::new();
        for (node, prev) in prevs.into_iter().enumerate() {
            let acceptor = AcceptorId::new(node);
            let refs = Refs::new(refs.iter().copied().chain(prev));
            let reply = Reply { kind, acceptor: Acceptor(acceptor), prev, refs };
            let message = sign(acceptor, Body::Reply(reply));
            ids.push(message.id());
            all.push(message);
        }
        ids
    };
    let votes = reply(ReplyKind::OneB, vec![None; 4], vec![proposal.id()]);
    let prevs = votes.iter().copied().map(Some).collect();
    reply(ReplyKind::TwoA, prevs, votes);
    all
}

/// What became of the slots of a long log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    /// All learners have decided them, and nobody has a certificate.
    Parked,
    /// All learners have certificates.
    Retired,
}

/// A store of a node that has so many slots behind it.
fn store_with(past: Past, slots: u64, folder: &Path, trust: &Arc<Trust>) -> Store {
    let store = Store::open(folder, NETWORK, &OWNER).unwrap();
    store.begin(1, &BTreeMap::new()).unwrap();
    let mut driver = recover(trust, &store).unwrap();
    let metrics = Metrics::new();
    for chunk in (0..slots).collect::<Vec<_>>().chunks(500) {
        for slot in chunk.iter().copied().map(Slot) {
            let ballot = Ballot { round: Round(0), value: VALUE };
            let decided = trust.learners().iter();
            let decided = decided.map(|learner| Record::Decided { slot, learner, ballot });
            let messages = Record::Messages { slot, messages: messages(slot, trust) };
            driver.effects.store.extend([messages].into_iter().chain(decided));
            let learners = trust.learners().iter().filter(|_| past == Past::Retired);
            for learner in learners {
                driver.tell(Event::Certified { slot, learner, value: VALUE }, None);
            }
        }
        commit(std::slice::from_mut(&mut driver), &store, None, &metrics, false).unwrap();
    }
    store
}

/// Puts something where messages of a slot should be, behind the store's back.
fn spoil(folder: &Path, slots: Range<u64>) {
    let options = rocksdb::Options::default();
    let families = rocksdb::DB::list_cf(&options, folder).unwrap();
    let database = rocksdb::DB::open_cf(&options, folder, families).unwrap();
    for slot in slots {
        let key = [&LOG.0.to_be_bytes()[..], &slot.to_be_bytes(), &[0xff; 8]].concat();
        database.put_cf(database.cf_handle("messages").unwrap(), key, b"nothing").unwrap();
    }
}

#[test]
fn what_is_parked_is_not_read() {
    const SLOTS: u64 = 500;
    let (folder, trust) = (tempfile::tempdir().unwrap(), trust());
    drop(store_with(Past::Parked, SLOTS, folder.path(), &trust));
    let open = || Store::open(folder.path(), NETWORK, &OWNER).unwrap();
    let bottom = SLOTS - 8;
    spoil(folder.path(), 0..bottom);
    {
        let store = open();
        let driver = recover(&trust, &store).expect("it reads what it needs");
        let replica = &driver.replica;
        assert_eq!(replica.parked_slots().count() as u64, bottom);
        assert_eq!(
            replica.open_slots().collect::<Vec<_>>(),
            (bottom..SLOTS).map(Slot).collect::<Vec<_>>()
        );
        assert_eq!(replica.instance(Slot(bottom)).unwrap().dag().len(), 9);
        assert!(store.records_of(LOG, Slot(3), trust.schedule()).is_err(), "it could not have");
    }
    spoil(folder.path(), bottom..bottom + 1);
    assert!(recover(&trust, &open()).is_err(), "what it needs it does read");
}

/// How many slots a long log has: two thousand, unless a variable says otherwise.
fn slots() -> u64 {
    std::env::var("HPAXOS_LONG_LOG").map_or(2_000, |slots| slots.parse().unwrap())
}

/// Starts a node with a past. How many rows of the store it walked over.
fn start(past: Past, slots: u64, trust: &Arc<Trust>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    drop(store_with(past, slots, folder.path(), trust));
    let started = Instant::now();
    let store = Store::open(folder.path(), NETWORK, &OWNER).unwrap();
    let opened = started.elapsed();
    let driver = recover(trust, &store).unwrap();
    let recovered = started.elapsed() - opened;
    let learner = trust.learners().iter().next().unwrap();
    assert_eq!(driver.replica.next_undecided(learner), Slot(slots));
    let parked = if past == Past::Parked { slots - 8 } else { 0 };
    assert_eq!(driver.replica.parked_slots().count() as u64, parked);
    let walked = store.walked();
    println!("{slots} slots: {walked} rows; the database {opened:?}, the replica {recovered:?}");
    walked
}

#[test]
fn a_start_reads_nothing_of_slots_that_are_retired() {
    let trust = trust();
    let few = start(Past::Retired, 100, &trust);
    let many = start(Past::Retired, slots(), &trust);
    assert_eq!(few, many, "what is read does not grow with the log");
    // Those of the window.
    assert!(many < 50, "{many} rows");
}

#[test]
fn a_start_reads_of_parked_slots_who_has_decided_them() {
    let (trust, slots) = (trust(), slots());
    let rows = start(Past::Parked, slots, &trust);
    // And those of the window, with their messages.
    assert!(rows <= slots * 2 + 100, "{rows} rows of {slots} slots");
}
