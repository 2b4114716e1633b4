//! Which slots are open: opening, retiring, parking and bringing back.

use super::Replica;
use crate::engine::{Effects, Fault, Peer, Request, Target};
use crate::ids::{Slot, ValueHash};
use crate::instance::{Instance, SlotEvent};
use crate::message::{Answer, Packet, Refs};
use crate::record::Record;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Parked slots that are in memory because learners lack them, of which each has its share: so many that their round trips
/// overlap, so few that a small machine is done with all of them before their timers end. Timers that end in many slots at
/// once make work that lets more of them end.
const WANTED_MAX: usize = 32;

/// Parked slots that are in memory because somebody asked about them; and how many each may ask about at a time.
const VISITED_MAX: usize = 64;

impl Replica {
    // ANCHOR: bounds
    /// All slots below were decided by some learner.
    pub(super) fn frontier(&self) -> Slot {
        self.decided.values().map(super::Progress::next).max().unwrap_or_default()
    }

    /// The lowest slot that stays in memory without being needed.
    pub(super) fn window_bottom(&self) -> Slot {
        Slot(self.frontier().0.saturating_sub(self.config.depth))
    }

    /// The highest slot that may be open: some learner decided all slots below it but the last `depth`.
    fn window_top(&self) -> Slot {
        Slot(self.frontier().0.saturating_add(self.config.depth))
    }
    // ANCHOR_END: bounds

    // ANCHOR: admits
    /// Whether a packet for `slot` has somewhere to go; opens the slot if it is time.
    pub(super) fn admits(&mut self, from: Peer, slot: Slot, out: &mut Effects) -> bool {
        if self.instances.contains_key(&slot) {
            return true;
        }
        if self.is_retired(slot) {
            self.request(Request::Certificates { slot, to: from }, out);
            return false;
        }
        if let Peer::Acceptor(acceptor) = from {
            self.hear_opened(acceptor, slot.next());
        }
        if slot > self.window_top() || self.is_full() {
            out.faults.push(Fault::BeyondWindow { from, slot });
            return false;
        }
        self.open(slot, out);
        true
    }
    // ANCHOR_END: admits

    // ANCHOR: hear_opened
    /// An acceptor speaks of a slot as open. One alone is not believed: it could make everybody open all that the window has.
    pub(super) fn hear_opened(&mut self, acceptor: AcceptorId, opened: Slot) {
        let said = self.said.entry(acceptor).or_default();
        if opened <= *said {
            return;
        }
        *said = opened;
        if opened <= self.seen {
            return;
        }
        let mut said: Vec<_> =
            self.said.iter().map(|(acceptor, said)| (*said, *acceptor)).collect();
        said.sort_unstable();
        let trust = &self.config.trust;
        let mut ahead = AcceptorSet::EMPTY;
        while let Some((opened, acceptor)) = said.pop() {
            ahead.insert(acceptor);
            if trust.learners().iter().any(|learner| trust.is_blocking(learner, &ahead)) {
                self.moved |= opened > self.seen;
                self.seen = self.seen.max(opened);
                return;
            }
        }
    }
    // ANCHOR_END: hear_opened

    // ANCHOR: open_next
    /// Opens the lowest slot that is not, if the window has one.
    pub(super) fn open_next(&mut self, out: &mut Effects) {
        let (bottom, top) = (self.frontier().0, self.window_top().0);
        let closed = (bottom..=top).map(Slot).find(|slot| self.may_open(*slot));
        if let Some(slot) = closed.filter(|_| !self.is_full()) {
            self.open(slot, out);
        }
    }
    // ANCHOR_END: open_next

    fn may_open(&self, slot: Slot) -> bool {
        !self.instances.contains_key(&slot) && !self.is_retired(slot)
    }

    fn open(&mut self, slot: Slot, out: &mut Effects) {
        let mut instance = Instance::new(self.config.clone(), slot);
        if self.amnesia.silences(slot) {
            instance.silence();
        }
        instance.set_doubted(self.doubted());
        instance.open(out);
        self.opened = self.opened.max(slot.next());
        self.instances.insert(slot, instance);
        self.touched.insert(slot);
    }

    // ANCHOR: move_window
    /// Parks what fell out of the window, and opens what others have opened already.
    pub(super) fn move_window(&mut self, out: &mut Effects) {
        let bottom = self.window_bottom();
        let low = self.instances.range(..bottom).map(|(slot, _)| *slot);
        let low: Vec<Slot> = low.filter(|slot| !self.revived.contains(slot)).collect();
        for slot in low {
            self.park(slot, out);
        }
        // Slots that the window passed without their being opened here: this node is behind in them.
        let mut is_behind = false;
        for slot in (self.passed.0..bottom.0).map(Slot) {
            if self.may_open(slot) && !self.parked.contains(slot) {
                self.parked.insert(slot, 0);
                is_behind = true;
            }
        }
        self.passed = self.passed.max(bottom);
        // A learner that decided something in the window is back: what it missed is wanted.
        let is_back = |one: &super::Progress| one.next() < bottom && one.end() > bottom;
        if is_behind || self.decided.values().any(is_back) {
            self.revive_wanted(out);
        }
        let known = self.seen.max(self.frontier());
        let top = Slot(self.window_top().0.min(known.0.saturating_sub(1)));
        for slot in (bottom.0..=top.0).map(Slot) {
            let stored = self.parked.contains(slot) || self.loading.contains_key(&slot);
            if slot < known && !stored && self.may_open(slot) && !self.is_full() {
                self.open(slot, out);
                if let Some(instance) = self.instances.get(&slot) {
                    instance.look_at(Target::All, out);
                }
            }
        }
    }
    // ANCHOR_END: move_window

    // ANCHOR: park
    fn park(&mut self, slot: Slot, out: &mut Effects) {
        let Some(mut instance) = self.instances.remove(&slot) else { return };
        instance.store_rest(out);
        self.looked_at.remove(&slot);
        self.revived.retain(|revived| *revived != slot);
        self.parked.insert(slot, instance.bytes());
        self.leaving.insert(slot, instance);
    }
    // ANCHOR_END: park

    /// Makes an instance of a slot's records.
    pub(super) fn load(&mut self, slot: Slot, records: Vec<Record>, out: &mut Effects) {
        let silent = self.amnesia.silences(slot);
        let mut instance = Instance::recover(self.config.clone(), slot, records, silent, out);
        instance.set_doubted(self.doubted());
        for (learner, progress) in &self.certified {
            if progress.holds(slot) {
                instance.restore_certificate(*learner);
            }
        }
        self.instances.insert(slot, instance);
        self.touched.insert(slot);
    }

    /// Whether the window has passed a slot that is neither retired nor in memory.
    pub(super) fn is_parked(&self, slot: Slot) -> bool {
        slot < self.window_bottom() && self.may_open(slot)
    }

    // ANCHOR: knock
    /// Somebody has something for a parked slot, or needs something of it: the packet waits until the slot is in memory. What
    /// is said in answer, or to all, brings nothing back; else nodes with many parked slots would call each other's back for
    /// ever, and none would stay.
    pub(super) fn knock(&mut self, from: Peer, packet: Packet, out: &mut Effects) {
        let slot = packet.place().slot;
        let packet = match packet {
            // A hint belongs to the moment.
            Packet::Message(message, _) if Some(message.signer()) != self.config.me => {
                Packet::Message(message, Refs::default())
            }
            Packet::Ask { .. } | Packet::Tips { answer: Answer::Wanted, .. } => packet,
            _ => return,
        };
        let visited = self.loading.values().filter(|waiting| waiting.contains_key(&from));
        if visited.count() < VISITED_MAX {
            self.ask_for(slot, out);
            self.loading.entry(slot).or_default().entry(from).or_insert(packet);
        }
    }
    // ANCHOR_END: knock

    /// Wants a parked slot back.
    fn ask_for(&mut self, slot: Slot, out: &mut Effects) {
        if let Entry::Vacant(entry) = self.loading.entry(slot) {
            entry.insert(BTreeMap::new());
            self.request(Request::Load { slot }, out);
        }
    }

    /// A parked slot is in memory again.
    pub(super) fn revive(&mut self, slot: Slot, out: &mut Effects) {
        self.parked.remove(slot);
        if slot < self.window_bottom() {
            self.revived.push_back(slot);
        }
        let wanted = self.wanted();
        let visited = self.revived.iter().filter(|slot| !wanted.contains(slot));
        let visited: Vec<Slot> = visited.copied().collect();
        for oldest in &visited[..visited.len().saturating_sub(VISITED_MAX)] {
            self.park(*oldest, out);
        }
        if wanted.contains(&slot) {
            self.look_at(slot, out);
        }
    }

    /// Asks the others, once, what they know of a slot that a learner lacks and that is in memory again.
    fn look_at(&mut self, slot: Slot, out: &mut Effects) {
        if let Some(instance) = self.instances.get(&slot)
            && self.looked_at.insert(slot)
        {
            instance.look_at(Target::All, out);
        }
    }

    // ANCHOR: wanted
    /// The lowest slots below the window that a learner lacks, of each learner some: one that decides only now and then cannot
    /// crowd out the others'. All nodes that know the same want the same.
    fn wanted(&self) -> BTreeSet<Slot> {
        let bottom = self.window_bottom();
        let share = (WANTED_MAX / self.decided.len().max(1)).max(1);
        self.decided.values().flat_map(|one| one.missing(bottom).take(share)).collect()
    }
    // ANCHOR_END: wanted

    /// Brings back what learners lack: one that was away may be back.
    pub(super) fn revive_wanted(&mut self, out: &mut Effects) {
        if self.parked.is_empty() && self.revived.is_empty() {
            return;
        }
        let wanted = self.wanted();
        self.looked_at.retain(|slot| wanted.contains(slot));
        for slot in wanted {
            if self.parked.contains(slot) {
                self.ask_for(slot, out);
            } else {
                self.look_at(slot, out);
            }
        }
    }

    // ANCHOR: certify
    /// A certificate is there: the learner has decided, and the slot may be over.
    pub(super) fn certify(
        &mut self,
        slot: Slot,
        learner: LearnerId,
        value: ValueHash,
        out: &mut Effects,
    ) {
        let Some(certified) = self.certified.get_mut(&learner) else { return };
        if !certified.mark(slot) {
            return;
        }
        out.store.push(Record::Certified { slot, learner, value });
        self.tell(slot, SlotEvent::Certified { learner, value }, out);
        self.mark_decided(slot, learner);
        if self.is_retired(slot) {
            out.store.push(Record::Retired { slot });
            self.instances.remove(&slot);
            let parked = self.parked.remove(slot);
            let revived = self.revived.len();
            self.revived.retain(|revived| *revived != slot);
            if self.revived.len() < revived || parked {
                self.revive_wanted(out);
            }
        }
        self.moved = true;
    }
    // ANCHOR_END: certify
}
