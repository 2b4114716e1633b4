//! Where things are in the store. Numbers are big-endian, so that keys sort as they do.

use super::LogIndex;
use hpaxos_consensus::{Evidence, Slot, ValueHash};
use hpaxos_learner_graph::LearnerId;

/// The bytes of the prefix of a log's view in the family of views.
pub(super) const VIEW_PREFIX_BYTES: usize = 4;

/// Of a slot, in any family.
pub(super) fn slot_key(log: LogIndex, slot: Slot) -> Vec<u8> {
    [&log.0.to_be_bytes()[..], &slot.0.to_be_bytes()].concat()
}

/// Of the `number`-th record of a node, in its slot.
pub(super) fn record_key(log: LogIndex, slot: Slot, number: u64) -> Vec<u8> {
    let mut key = slot_key(log, slot);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The slot and the number in the key of a record.
pub(super) fn read_record_key(key: &[u8]) -> Option<(Slot, u64)> {
    let number =
        |range: std::ops::Range<usize>| Some(u64::from_be_bytes(key.get(range)?.try_into().ok()?));
    (key.len() == 18).then_some(())?;
    Some((Slot(number(2..10)?), number(10..18)?))
}

/// Of a block.
pub(super) fn block_key(log: LogIndex, slot: Slot, value: &ValueHash) -> Vec<u8> {
    let mut key = slot_key(log, slot);
    key.extend_from_slice(&value.0);
    key
}

/// The slot and the hash in the key of a block.
pub(super) fn read_block_key(key: &[u8]) -> Option<(Slot, ValueHash)> {
    (key.len() == 42).then_some(())?;
    let slot = u64::from_be_bytes(key[2..10].try_into().ok()?);
    Some((Slot(slot), ValueHash(key[10..].try_into().ok()?)))
}

/// Of evidence: the first against each acceptor in each slot is enough.
pub(super) fn evidence_key(log: LogIndex, evidence: &Evidence) -> Vec<u8> {
    let mut key = slot_key(log, evidence.messages[0].place.slot);
    key.extend_from_slice(&(evidence.acceptor().index() as u16).to_be_bytes());
    key
}

/// With what the keys of a learner's certificates begin.
pub(super) fn certificate_prefix(log: LogIndex, learner: LearnerId) -> Vec<u8> {
    [&log.0.to_be_bytes()[..], &[learner.index() as u8]].concat()
}

/// Of a certificate.
pub(super) fn certificate_key(log: LogIndex, learner: LearnerId, slot: u64) -> Vec<u8> {
    let mut key = certificate_prefix(log, learner);
    key.extend_from_slice(&slot.to_be_bytes());
    key
}

/// Of something of a generation of a log's view.
pub(super) fn view_key(log: LogIndex, generation: u16, key: &[u8]) -> Vec<u8> {
    [&log.0.to_be_bytes()[..], &generation.to_be_bytes(), key].concat()
}
