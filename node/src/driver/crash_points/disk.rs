//! What a crash leaves on the disk, and whether that justifies what the node had let out.

use super::world::{LOG, SLOT, World, config};
use crate::driver::log::{LogDriver, LogSetting};
use crate::guard::Mark;
use crate::metrics::Metrics;
use crate::store::Store;
use hpaxos_consensus::message::{Body, Kind, Message, Verified};
use hpaxos_consensus::{MessageId, NetworkId, Record, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const NETWORK: NetworkId = NetworkId([7; 32]);
const OWNER: [u8; 32] = [1; 32];

/// The node that crashes.
pub struct Subject {
    pub driver: LogDriver,
    pub store: Store,
    pub metrics: Metrics,
}

/// A write of the subject, and the files of its store around it.
pub struct Write {
    /// The mark beside the store before and after it.
    pub marks: [Vec<u8>; 2],
    pub before: PathBuf,
    pub after: PathBuf,
    /// What a power cut leaves after it: what was synced.
    pub synced: PathBuf,
}

/// Where around a write the node crashes.
#[derive(Clone, Copy, Debug)]
pub enum Point {
    /// Nothing of it is on the disk.
    Before,
    /// So many thousandths of it are.
    Torn(u64),
    /// So many thousandths, and zeros after them.
    Zeroed(u64),
    /// All of it is, and nothing has been let out.
    Killed,
    /// So many thousandths of what it justifies have been let out, and only what was synced is on the disk.
    PowerCut(usize),
}

/// The points around one of the writes; what is torn, is torn elsewhere each time.
pub fn points(write: usize) -> [Point; 7] {
    let part = (write as u64 * 137 + 61) % 1000;
    [
        Point::Before,
        Point::Torn(part),
        Point::Torn(999),
        Point::Zeroed(1000 - part),
        Point::Killed,
        Point::PowerCut(500),
        Point::PowerCut(1000),
    ]
}

impl Subject {
    /// Starts, as a node does, from the files in a folder, with a guard beside it.
    pub fn start(node: usize, folder: &Path, guard: &Path) -> Self {
        let store = match Store::is_at(folder) {
            true => Store::open_existing(folder, Some(guard), NETWORK, &OWNER).unwrap(),
            false => Store::open(folder, NETWORK, &OWNER).unwrap(),
        };
        let name = store.id().unwrap().unwrap();
        assert!(Mark::read(guard, name).is_none_or(|synced| synced <= store.turns().unwrap()));
        store.begin(store.count().unwrap() + 1, &BTreeMap::new()).unwrap();
        store.keep_mark(Mark::begin(guard, name, store.turns().unwrap()).unwrap());
        let (slot_min, idle_slot) = Default::default();
        let setting = LogSetting { index: LOG, config: config(node), slot_min, idle_slot };
        let driver = LogDriver::recover(setting, &store).unwrap();
        assert_eq!(driver.replica.silence(), None, "its memory is whole");
        Subject { driver, store, metrics: Metrics::new() }
    }

    /// Everything that the subject ever let out is justified by what its store holds. What the store says was decided.
    pub fn justifies(&self, world: &World, what: &str) -> BTreeMap<LearnerId, ValueHash> {
        let schedule = self.driver.trust.schedule();
        let decided = self.store.decisions(LOG, SLOT, schedule).map(Result::unwrap);
        let decided: BTreeMap<_, _> = decided.map(|it| (it.learner, it.value)).collect();
        for ((_, learner), value) in
            world.decided.iter().filter(|((of, _), _)| *of == world.subject)
        {
            assert_eq!(decided.get(learner), Some(value), "{what}: a decision is lost");
        }
        let records = self.store.records_of(LOG, SLOT, schedule).unwrap();
        // Nobody can sign in a slot that is done with.
        if !records.iter().any(|record| matches!(record, Record::Retired { .. })) {
            self.justifies_messages(&records, world, what);
        }
        decided
    }

    fn justifies_messages(&self, records: &[Record], world: &World, what: &str) {
        let stored: BTreeMap<MessageId, Arc<Verified<Message>>> = records
            .iter()
            .filter_map(|record| match record {
                Record::Messages { messages, .. } => Some(messages),
                _ => None,
            })
            .flatten()
            .map(|message| (message.id(), message.clone()))
            .collect();
        for message in world.said.values() {
            let id = message.id();
            assert!(stored.contains_key(&id), "{what}: {:?} {id} is lost", message.kind());
            let below = message.refs().iter().map(|id| {
                stored
                    .get(id)
                    .unwrap_or_else(|| panic!("{what}: {id}, which it references, is lost"))
            });
            let proposals = below.filter(|below| below.kind() == Kind::OneA).chain([message]);
            for proposal in proposals {
                if let Body::Proposal { value, .. } = &proposal.body {
                    let block = self.store.block(LOG, SLOT, value).unwrap();
                    assert!(block.is_some(), "{what}: the block of {id} is lost");
                }
            }
        }
        let round = records.iter().filter_map(|record| match record {
            Record::Round { round, .. } => Some(*round),
            _ => None,
        });
        let of_messages = stored.values().filter(|one| one.signer() == self.me());
        let of_messages = of_messages.filter_map(|message| match &message.body {
            Body::Proposal { round, .. } => Some(*round),
            Body::Reply(_) => None,
        });
        let known = round.chain(of_messages).max().unwrap_or_default();
        assert!(world.announced <= known, "{what}: round {:?} is lost", world.announced);
    }

    fn me(&self) -> AcceptorId {
        self.driver.replica.config().me.unwrap()
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The log of the database that is being written.
fn log(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|it| it == "log")).max().unwrap()
}

impl Write {
    /// Puts a store into a folder, and a mark beside it, as a crash at this point leaves them.
    pub fn leave(&self, point: Point, folder: &Path, guard: &Path) {
        let [mark_before, mark_after] = &self.marks;
        let (from, mark) = match point {
            Point::Before => (&self.before, mark_before),
            Point::PowerCut(_) => (&self.synced, mark_after),
            Point::Torn(_) | Point::Zeroed(_) | Point::Killed => (&self.after, mark_before),
        };
        copy(from, folder);
        fs::write(Mark::path(guard), mark).unwrap();
        let (Point::Torn(part) | Point::Zeroed(part)) = point else { return };
        let log = log(folder);
        let len =
            |folder: &Path| fs::metadata(folder.join(log.file_name().unwrap())).unwrap().len();
        let (synced, all) = (len(&self.before), len(&self.after));
        assert!(synced < all, "what is written is in the log");
        let file = fs::File::options().write(true).open(&log).unwrap();
        // At least a byte of it, and not all.
        let left = synced + ((all - synced) * part / 1000).clamp(1, all - synced - 1);
        file.set_len(left).unwrap();
        if let Point::Zeroed(_) = point {
            file.set_len(all).unwrap();
        }
    }
}
