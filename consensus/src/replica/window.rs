//! Which slots are open: opening, retiring, parking and bringing back.

use super::Replica;
use crate::engine::{Effects, Fault, Peer, Request, Target};
use crate::ids::{Slot, ValueHash};
use crate::instance::{Instance, SlotEvent};
use crate::record::Record;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use std::collections::BTreeSet;

/// Parked slots that are brought back at a time for each late learner, and as many for others that need help: so many that
/// their round trips overlap, so few that a small machine is done with all of them before their timers end. Timers that end
/// in many slots at once make work that lets more of them end.
const REVIVED_MAX: usize = 16;

impl Replica {
    /// All slots below were decided by some learner.
    fn frontier(&self) -> Slot {
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

    /// Whether a packet for `slot` has somewhere to go; opens the slot if it is time. A parked slot whose turn has not
    /// come, or is over, is brought back only if `needs_help` says that whoever sent the packet is stuck in it.
    pub(super) fn admits(
        &mut self,
        from: Peer,
        slot: Slot,
        needs_help: bool,
        out: &mut Effects,
    ) -> bool {
        if self.instances.contains_key(&slot) {
            return true;
        }
        if self.is_retired(slot) {
            self.request(Request::Certificates { slot, to: from }, out);
            return false;
        }
        if slot < self.window_bottom() {
            if needs_help || self.is_due(slot) {
                self.ask_for(slot, Target::One(from), out);
            }
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

    /// Opens the lowest slot that is not, if the window has one.
    pub(super) fn open_next(&mut self, out: &mut Effects) {
        let (bottom, top) = (self.frontier().0, self.window_top().0);
        let closed = (bottom..=top).map(Slot).find(|slot| self.may_open(*slot));
        if let Some(slot) = closed.filter(|_| !self.is_full()) {
            self.open(slot, out);
        }
    }

    fn may_open(&self, slot: Slot) -> bool {
        !self.instances.contains_key(&slot) && !self.is_retired(slot)
    }

    fn open(&mut self, slot: Slot, out: &mut Effects) {
        let mut instance = Instance::new(self.config.clone(), slot);
        if self.amnesia.silences(slot) {
            instance.silence();
        }
        instance.set_unreachable(self.unreachable);
        instance.open(out);
        self.opened = self.opened.max(slot.next());
        self.instances.insert(slot, instance);
        self.touched.insert(slot);
    }

    /// Parks what fell out of the window, and opens what others have opened already.
    pub(super) fn move_window(&mut self, out: &mut Effects) {
        let bottom = self.window_bottom();
        let low = self.instances.range(..bottom).map(|(slot, _)| *slot);
        let low: Vec<Slot> = low.filter(|slot| !self.revived.contains(slot)).collect();
        for slot in low {
            self.park(slot, out);
        }
        // Slots that the window passed without their being opened here are wanted: this node is behind in them.
        for slot in (self.passed.0..bottom.0).map(Slot) {
            if self.may_open(slot) && !self.parked.contains_key(&slot) {
                self.parked.insert(slot, 0);
                self.ask_for(slot, Target::All, out);
            }
        }
        self.passed = self.passed.max(bottom);
        // A learner that decided something in the window is back: what it missed is wanted.
        let is_back = |one: &super::Progress| one.next() < bottom && one.end() > bottom;
        if !self.parked.is_empty() && self.decided.values().any(is_back) {
            self.revive_some(out);
        }
        let known = self.seen.max(self.frontier());
        let top = Slot(self.window_top().0.min(known.0.saturating_sub(1)));
        for slot in (bottom.0..=top.0).map(Slot) {
            let stored = self.parked.contains_key(&slot) || self.loading.contains_key(&slot);
            if slot < known && !stored && self.may_open(slot) && !self.is_full() {
                self.open(slot, out);
                if let Some(instance) = self.instances.get(&slot) {
                    instance.look_at(Target::All, out);
                }
            }
        }
    }

    fn park(&mut self, slot: Slot, out: &mut Effects) {
        let Some(mut instance) = self.instances.remove(&slot) else { return };
        instance.store_rest(out);
        self.revived.retain(|revived| *revived != slot);
        self.parked.insert(slot, instance.bytes());
    }

    /// Makes an instance of a slot's records.
    pub(super) fn load(&mut self, slot: Slot, records: Vec<Record>, out: &mut Effects) {
        let silent = self.amnesia.silences(slot);
        let mut instance = Instance::recover(self.config.clone(), slot, records, silent, out);
        instance.set_unreachable(self.unreachable);
        for (learner, progress) in &self.certified {
            if progress.holds(slot) {
                instance.restore_certificate(*learner);
            }
        }
        self.instances.insert(slot, instance);
        self.touched.insert(slot);
    }

    /// Whether it is a slot's turn: it is one of the lowest that some learner has not decided here. All nodes work at about the
    /// same ones then, and messages for others do not drive these out.
    fn is_due(&self, slot: Slot) -> bool {
        self.decided.values().any(|progress| {
            !progress.holds(slot)
                && progress
                    .open()
                    .take(REVIVED_MAX)
                    .take_while(|one| *one <= slot)
                    .any(|one| one == slot)
        })
    }

    /// Wants a parked slot back. `who` is to know when it is there.
    fn ask_for(&mut self, slot: Slot, who: Target, out: &mut Effects) {
        let others = self.loading.keys().filter(|slot| !self.is_due(**slot)).count();
        let room = others < REVIVED_MAX || self.is_due(slot);
        if room && !self.loading.contains_key(&slot) {
            self.loading.insert(slot, who);
            self.request(Request::Load { slot }, out);
        }
    }

    /// A parked slot is in memory again. What others know of it is wanted if it is due; else it is there for `who` needs help. If
    /// everybody asked everybody, they would bring it back for each other for ever.
    pub(super) fn revive(&mut self, slot: Slot, who: Target, out: &mut Effects) {
        self.parked.remove(&slot);
        let due = self.is_due(slot);
        if slot < self.window_bottom() {
            self.revived.push_back(slot);
        }
        let others = self.revived.iter().copied().filter(|slot| !self.is_due(*slot));
        let others: Vec<Slot> = others.collect();
        if others.len() > REVIVED_MAX {
            self.park(others[0], out);
        }
        let Some(instance) = self.instances.get(&slot) else { return };
        match who {
            Target::One(peer) if !due => instance.show_to(peer, out),
            _ => instance.look_at(Target::All, out),
        }
    }

    /// Brings back the parked slots that are due: a learner that was away may be back.
    pub(super) fn revive_some(&mut self, out: &mut Effects) {
        let due = self.decided.values().flat_map(|progress| progress.open().take(REVIVED_MAX));
        let due: BTreeSet<Slot> = due.collect();
        for slot in due {
            if self.parked.contains_key(&slot) {
                self.ask_for(slot, Target::All, out);
            }
        }
    }

    /// A learner decided: if that was in a slot that was brought back, it is the turn of another.
    pub(super) fn make_room(&mut self, slot: Slot, out: &mut Effects) {
        if self.revived.contains(&slot) {
            self.revive_some(out);
        }
    }

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
        self.make_room(slot, out);
        if self.is_retired(slot) {
            out.store.push(Record::Retired { slot });
            self.instances.remove(&slot);
            let parked = self.parked.remove(&slot).is_some();
            let revived = self.revived.len();
            self.revived.retain(|revived| *revived != slot);
            if self.revived.len() < revived || parked {
                self.revive_some(out);
            }
        }
        self.moved = true;
    }
}
