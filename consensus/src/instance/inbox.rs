//! Messages whose references are not here yet, and what is asked for.
//!
//! Everything is bounded for each signer and each teller, and they take turns when missing messages are asked for: a flood
//! costs its maker the oldest of its own, and nobody else's.

use super::hearsay::Hearsay;
use crate::MessageId;
use crate::engine::Peer;
use crate::message::{Message, Refs, Signed, Verified};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

// ANCHOR: bounds
/// Bytes of waiting messages for each signer: some seventy messages of a hundred validators.
pub const WAITING_BYTES_MAX: usize = 256 << 10;
/// How often a missing message is asked for, at one peer after the other, before what waits for it is dropped.
const ATTEMPTS_MAX: u32 = 1_000;
/// Ill-formed messages remembered, so that what references them is refused at once.
const ILL_FORMED_MAX: usize = 1_024;
// ANCHOR_END: bounds

/// A message and who sent it.
pub(super) type Sent = (Arc<Verified<Message>>, Peer);

// ANCHOR: inbox
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    waiting: BTreeMap<MessageId, Waiting>,
    /// What is waited for: here too, or missing.
    awaited: BTreeMap<MessageId, Awaited>,
    signers: BTreeMap<AcceptorId, Queue>,
    hearsay: Hearsay,
    ill_formed: BTreeSet<MessageId>,
    ill_formed_order: VecDeque<MessageId>,
}
// ANCHOR_END: inbox

#[derive(Clone, Debug)]
struct Waiting {
    message: Arc<Verified<Message>>,
    from: Peer,
    missing: usize,
    bytes: usize,
}

// ANCHOR: awaited
#[derive(Clone, Debug, Default)]
struct Awaited {
    /// Messages that wait for it.
    by: Vec<MessageId>,
    attempts: u32,
    /// Signers of what waits for it, by way of others too: two are enough to say whether one is not a given signer.
    above: [Option<AcceptorId>; 2],
}
// ANCHOR_END: awaited

impl Awaited {
    /// Whether that is news.
    fn add_above(&mut self, signer: AcceptorId) -> bool {
        if self.above.contains(&Some(signer)) {
            return false;
        }
        let free = self.above.iter_mut().find(|one| one.is_none());
        free.map(|free| *free = Some(signer)).is_some()
    }
}

/// The waiting messages of a signer, oldest first.
#[derive(Clone, Debug, Default)]
struct Queue {
    order: VecDeque<MessageId>,
    bytes: usize,
}

impl Inbox {
    /// Lets `message` wait for `missing`. Those that nobody was asked for yet.
    pub fn wait(&mut self, sent: Sent, missing: Vec<MessageId>) -> Vec<MessageId> {
        let (message, from) = sent;
        let (id, signer) = (message.id(), message.signer());
        let bytes = 256 + 40 * message.refs().len() + message.place().log.0.len();
        let queue = self.signers.entry(signer).or_default();
        queue.order.push_back(id);
        queue.bytes += bytes;
        self.waiting.insert(id, Waiting { message, from, missing: missing.len(), bytes });
        let mut above = self.awaited.get(&id).map(|awaited| awaited.above).unwrap_or_default();
        if !above.contains(&Some(signer)) {
            above.rotate_right(1);
            above[0] = Some(signer);
        }
        let mut unasked = Vec::new();
        for missing in missing {
            let awaited = self.awaited.entry(missing).or_default();
            awaited.by.push(id);
            if awaited.attempts == 0 && !self.waiting.contains_key(&missing) {
                awaited.attempts = 1;
                unasked.push(missing);
            }
            above.into_iter().flatten().for_each(|signer| self.sink(missing, signer));
        }
        while self.signers.get(&signer).is_some_and(|queue| queue.bytes > WAITING_BYTES_MAX) {
            let oldest = self.signers.get(&signer).and_then(|queue| queue.order.front().copied());
            let Some(oldest) = oldest else { break };
            self.forget(&oldest);
        }
        unasked
    }

    /// Takes note of messages that `teller` says are there. Those that nobody was asked for yet.
    pub fn hear_of(
        &mut self,
        teller: Peer,
        ids: impl Iterator<Item = MessageId>,
        hint: Option<AcceptorId>,
    ) -> Vec<MessageId> {
        let known = |id: &MessageId| self.waiting.contains_key(id) || self.awaited.contains_key(id);
        let (known, new): (Vec<MessageId>, Vec<MessageId>) = ids.partition(known);
        if let Some(proposer) = hint {
            known.into_iter().for_each(|id| self.sink(id, proposer));
        }
        self.hearsay.hear(teller, new, hint)
    }

    /// Whether `id` waits.
    pub fn holds(&self, id: &MessageId) -> bool {
        self.waiting.contains_key(id)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes note that a message of `signer` waits for `id`, by way of others perhaps, or that `signer` hinted at it. Each
    /// entry changes twice at most, so this costs no more than there are references.
    fn sink(&mut self, id: MessageId, signer: AcceptorId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let news = self.awaited.get_mut(&id).is_none_or(|awaited| awaited.add_above(signer));
            if let Some(waiting) = self.waiting.get(&id).filter(|_| news) {
                open.extend(waiting.message.refs());
            }
        }
    }

    // ANCHOR: needs
    /// Whether a message of somebody other than `signer` waits for `id`, perhaps by way of others that wait, or the
    /// proposer who hinted at it is somebody else.
    pub fn needs(&self, id: &MessageId, signer: AcceptorId) -> bool {
        let foreign = |awaited: &Awaited| awaited.above.iter().flatten().any(|one| *one != signer);
        self.awaited.get(id).is_some_and(foreign) || self.hearsay.is_hinted(id, signer)
    }
    // ANCHOR_END: needs

    /// Whether anything waits for `id`.
    pub fn awaits(&self, id: &MessageId) -> bool {
        self.awaited.contains_key(id)
    }

    // ANCHOR: discard
    /// Forgets what waits for `id`, by way of others too.
    pub fn discard(&mut self, id: MessageId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for waiter in self.awaited.remove(&id).unwrap_or_default().by {
                self.forget(&waiter);
                open.push(waiter);
            }
        }
    }
    // ANCHOR_END: discard

    /// Whether `id` is known to be ill-formed.
    pub fn is_ill_formed(&self, id: &MessageId) -> bool {
        self.ill_formed.contains(id)
    }

    /// Takes note that `id` is here: the messages that waited for nothing else.
    pub fn arrived(&mut self, id: &MessageId) -> Vec<Sent> {
        self.hearsay.forget(id);
        let Some(awaited) = self.awaited.remove(id) else { return Vec::new() };
        let mut complete = Vec::new();
        for waiter in awaited.by {
            let Some(waiting) = self.waiting.get_mut(&waiter) else { continue };
            waiting.missing -= 1;
            if waiting.missing == 0 {
                complete.extend(self.forget(&waiter));
            }
        }
        complete
    }

    /// Takes note that `id` is ill-formed: the messages that waited for it are too.
    pub fn refuse(&mut self, id: MessageId) -> Vec<Sent> {
        self.hearsay.forget(&id);
        if self.ill_formed.insert(id) {
            self.ill_formed_order.push_back(id);
            if self.ill_formed_order.len() > ILL_FORMED_MAX
                && let Some(oldest) = self.ill_formed_order.pop_front()
            {
                self.ill_formed.remove(&oldest);
            }
        }
        let awaited = self.awaited.remove(&id).unwrap_or_default();
        awaited.by.iter().filter_map(|waiter| self.forget(waiter)).collect()
    }

    /// Whether anything is missing.
    pub fn lacks_any(&self) -> bool {
        !self.awaited.is_empty() || !self.hearsay.is_empty()
    }

    /// What to ask for, and how often some of it was asked for before: of each signer and each teller its share, oldest
    /// first. What was asked for in vain too often is dropped.
    pub fn ask(&mut self) -> (Vec<MessageId>, u32) {
        self.drop_hopeless();
        let owners = self.signers.len() + self.hearsay.tellers();
        let share = (Refs::COUNT_MAX / owners.max(1)).max(1);
        let mut ids = BTreeSet::new();
        for queue in self.signers.values() {
            let mut taken = 0;
            for missing in queue.order.iter().flat_map(|id| self.missing(id)) {
                if taken >= share {
                    break;
                }
                taken += usize::from(ids.insert(missing));
            }
        }
        let mut attempts = self.hearsay.ask(share, &mut ids);
        let ids: Vec<MessageId> = ids.into_iter().take(Refs::COUNT_MAX).collect();
        for id in &ids {
            if let Some(awaited) = self.awaited.get_mut(id) {
                attempts = attempts.max(awaited.attempts);
                awaited.attempts += 1;
            }
        }
        (ids, attempts)
    }

    /// What a waiting message waits for and is not here.
    fn missing(&self, id: &MessageId) -> impl Iterator<Item = MessageId> {
        let refs = self.waiting.get(id).map(|waiting| waiting.message.refs()).unwrap_or_default();
        let missing =
            |id: &&MessageId| self.awaited.contains_key(*id) && !self.waiting.contains_key(*id);
        refs.iter().filter(missing).copied()
    }

    fn drop_hopeless(&mut self) {
        let hopeless = self.awaited.iter().filter(|(_, awaited)| awaited.attempts >= ATTEMPTS_MAX);
        let hopeless: Vec<MessageId> = hopeless.map(|(id, _)| *id).collect();
        for id in hopeless {
            let awaited = self.awaited.remove(&id).unwrap_or_default();
            for waiter in &awaited.by {
                self.forget(waiter);
            }
        }
    }

    fn forget(&mut self, id: &MessageId) -> Option<Sent> {
        let waiting = self.waiting.remove(id)?;
        let signer = waiting.message.signer();
        if let Some(queue) = self.signers.get_mut(&signer) {
            queue.bytes -= waiting.bytes;
            queue.order.retain(|one| one != id);
            if queue.order.is_empty() {
                self.signers.remove(&signer);
            }
        }
        for missing in waiting.message.refs() {
            if let Some(awaited) = self.awaited.get_mut(missing) {
                awaited.by.retain(|one| one != id);
                if awaited.by.is_empty() {
                    self.awaited.remove(missing);
                }
            }
        }
        Some((waiting.message, waiting.from))
    }
}
