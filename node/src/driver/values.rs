//! The values of a log's open slots: blocks that were made, came beside a proposal, or have to be asked for.

use super::log::LogDriver;
use super::timers::Wake;
use super::{Driver, Input};
use crate::judge::Judged;
use crate::mempool::Mempool;
use crate::store::{LogIndex, Store, StoreError, Turn};
use crate::wire::{Frame, Question};
use hpaxos_consensus::{Event, Judgement, Peer, Slot, ValueHash};
use hpaxos_learner_graph::AcceptorId;
use hpaxos_ledger::BundleId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a value is waited for at most before somebody is asked for it: it mostly travels right beside its proposal.
const PATIENCE_FIRST: Duration = Duration::from_millis(50);
/// How long an answer is waited for at most before somebody else is asked, too.
const PATIENCE_MAX: Duration = Duration::from_millis(500);

/// Bytes of values that came unasked, of one peer: two of the largest blocks.
const UNASKED_BYTES_MAX: usize = 2 << 20;
/// Values that came unasked, of one peer: more than it can propose in the open slots.
const UNASKED_MAX: usize = 64;

/// A value, and the slot for which it was proposed: empty blocks have one hash in all slots.
type Proposed = (Slot, ValueHash);

/// A value that is here.
struct Held {
    bytes: Arc<[u8]>,
    judgement: Judgement,
    /// The bundles in it.
    bundles: Vec<BundleId>,
    /// Who sent it unasked; none once it is wanted.
    unasked: Option<Peer>,
}

/// A value that is missing.
struct Wanted {
    proposer: Option<AcceptorId>,
    attempts: usize,
    /// Whether it was decided: it is wanted however old its slot is.
    decided: bool,
}

/// The values of a log's open slots.
#[derive(Default)]
pub(super) struct Values {
    held: BTreeMap<Proposed, Held>,
    wanted: BTreeMap<Proposed, Wanted>,
    /// What the next turn stores.
    unstored: Vec<Proposed>,
}

impl Values {
    /// Goes on wanting what was decided.
    pub fn take_over(&mut self, before: Values) {
        self.wanted.extend(before.wanted.into_iter().filter(|(_, wanted)| wanted.decided));
    }

    /// Keeps a block that this node made.
    pub fn made(&mut self, slot: Slot, value: ValueHash, bytes: Arc<[u8]>) {
        let (judgement, bundles) = (Judgement::Valid, Vec::new());
        self.held.insert((slot, value), Held { bytes, judgement, bundles, unasked: None });
        self.unstored.push((slot, value));
    }

    /// The bytes of a value.
    pub fn bytes(&self, slot: Slot, value: ValueHash) -> Option<&Arc<[u8]>> {
        self.held.get(&(slot, value)).map(|held| &held.bytes)
    }

    /// Adds what was made or wanted, and is valid, to a turn.
    pub fn store(&mut self, log: LogIndex, store: &Store, turn: &mut Turn) {
        for (slot, value) in self.unstored.drain(..) {
            if let Some(held) = self.held.get(&(slot, value)) {
                store.put_block(turn, log, slot, &value, &held.bytes);
            }
        }
    }

    /// A slot is over.
    pub fn forget(&mut self, slot: Slot) {
        self.held.retain(|(of, _), _| *of != slot);
        self.wanted.retain(|(of, _), wanted| *of != slot || wanted.decided);
    }

    /// Slots below this one are over.
    pub fn forget_below(&mut self, slot: Slot) {
        self.held.retain(|(of, _), _| *of >= slot);
        self.wanted.retain(|(of, _), wanted| *of >= slot || wanted.decided);
    }

    /// Whether a peer may send one more value that nobody asked for.
    fn has_room(&self, peer: Peer, bytes: usize) -> bool {
        let of_peer = self.held.values().filter(|held| held.unasked == Some(peer));
        let (count, sum) =
            of_peer.fold((0, 0), |(count, sum), held| (count + 1, sum + held.bytes.len()));
        count < UNASKED_MAX && sum + bytes <= UNASKED_BYTES_MAX
    }

    /// The event that tells the engine of a value that is here; it will be stored in the same turn.
    fn tell(&mut self, log: LogIndex, proposed: Proposed, mempool: &Mempool) -> Option<Event> {
        let held = self.held.get_mut(&proposed)?;
        let ((slot, value), judgement) = (proposed, held.judgement);
        held.unasked = None;
        self.wanted.remove(&proposed);
        if judgement == Judgement::Valid {
            self.unstored.push(proposed);
            mempool.claim(log, slot, value, std::mem::take(&mut held.bundles));
        }
        Some(Event::Value { slot, value, judgement })
    }
}

impl LogDriver {
    /// How long a value is waited for that was asked for so often: at first as long as a whole decision takes here.
    fn value_patience(&self, attempts: usize) -> Duration {
        let first = self.pace.usual().map_or(PATIENCE_FIRST, |usual| usual.min(PATIENCE_FIRST));
        (first * (1 << attempts.min(8))).min(PATIENCE_MAX)
    }
}

impl Driver {
    /// A value came.
    pub(super) fn receive_value(&mut self, log: LogIndex, slot: Slot, judged: Judged, from: Peer) {
        let driver = &mut self.logs[usize::from(log.0)];
        let Judged { value, bytes, judgement, bundles } = judged;
        let proposed = (slot, value);
        let wanted = driver.values.wanted.contains_key(&proposed);
        let known = driver.values.held.contains_key(&proposed);
        if known || !wanted && !driver.values.has_room(from, bytes.len()) {
            return;
        }
        let held = Held { bytes, judgement, bundles, unasked: Some(from) };
        driver.values.held.insert(proposed, held);
        if wanted && let Some(event) = driver.values.tell(log, proposed, &self.parts.mempool) {
            driver.queue.push_back(event);
        }
    }

    /// The engine wants a value.
    pub(super) fn want_value(
        &mut self,
        log: LogIndex,
        proposed: Proposed,
        proposer: AcceptorId,
    ) -> Result<(), StoreError> {
        let (slot, value) = proposed;
        let driver = &mut self.logs[usize::from(log.0)];
        if let Some(event) = driver.values.tell(log, proposed, &self.parts.mempool) {
            driver.queue.push_back(event);
            return Ok(());
        }
        match self.parts.store.block(log, slot, &value)? {
            Some(bytes) => {
                // Only what is valid was stored.
                let judged = self.parts.judge.judge_now(log, slot, bytes.into());
                let Judged { value: found, bytes, judgement, bundles } = judged;
                if found != value {
                    let what =
                        format!("block {value} of slot {}: its bytes hash to {found}", slot.0);
                    return Err(self.parts.store.damaged(what));
                }
                let held = Held { bytes, judgement, bundles, unasked: None };
                driver.values.held.insert(proposed, held);
                driver.queue.extend(driver.values.tell(log, proposed, &self.parts.mempool));
            }
            None => {
                let wanted = Wanted { proposer: Some(proposer), attempts: 0, decided: false };
                self.want(log, proposed, wanted);
            }
        }
        Ok(())
    }

    /// A decided value is not here.
    pub(super) fn fetch_decided(&mut self, log: LogIndex, slot: Slot, value: ValueHash) {
        let wanted = Wanted { proposer: None, attempts: 0, decided: true };
        self.want(log, (slot, value), wanted);
    }

    fn want(&mut self, log: LogIndex, proposed: Proposed, wanted: Wanted) {
        let driver = &mut self.logs[usize::from(log.0)];
        if let Some(known) = driver.values.wanted.get_mut(&proposed) {
            known.decided |= wanted.decided;
            return;
        }
        driver.values.wanted.insert(proposed, wanted);
        let (slot, value) = proposed;
        self.timers.plan(driver.value_patience(0), Wake::Value { log, slot, value });
    }

    /// Asks for a value that is still missing: its proposer last, who should have sent it unasked; and each time that nobody has
    /// answered the next as well. Whoever does not have it is passed over at once.
    pub(super) fn ask_for_value(&mut self, log: LogIndex, proposed: Proposed) {
        let driver = &mut self.logs[usize::from(log.0)];
        let Some(wanted) = driver.values.wanted.get_mut(&proposed) else { return };
        let mut others = driver.others.clone();
        others.retain(|one| self.connected.contains(*one));
        let proposer = others.iter().position(|one| Some(*one) == wanted.proposer);
        let first = proposer.map_or(0, |proposer| proposer + 1);
        let next = (first + wanted.attempts) % others.len().max(1);
        others.rotate_left(next);
        wanted.attempts += 1;
        let (attempts, (slot, value)) = (wanted.attempts, proposed);
        self.timers.plan(driver.value_patience(attempts), Wake::Value { log, slot, value });
        let request = Question::Block { log: driver.name().to_owned(), slot, value }.encode();
        let (network, judge, inputs) =
            (self.parts.network.clone(), self.parts.judge.clone(), self.parts.inputs.clone());
        self.parts.runtime.spawn(async move {
            for other in others {
                let from = Peer::Acceptor(other);
                let Ok(bytes) = network.ask(from, request.clone().into()).await else { continue };
                let judged = judge.judge(log, slot, bytes.to_vec().into()).await;
                if judged.value == value {
                    let _ = inputs.send(Input::Value { log, slot, judged, from }).await;
                    return;
                }
            }
        });
    }

    /// Sends the block of an own proposal to everybody, ahead of it.
    pub(super) fn send_block(&self, log: LogIndex, slot: Slot, value: &ValueHash) {
        let driver = &self.logs[usize::from(log.0)];
        if let Some(bytes) = driver.values.bytes(slot, *value) {
            let frame = Frame::block(driver.name(), slot, bytes);
            self.parts.network.broadcast(&driver.others, &frame);
        }
    }
}
