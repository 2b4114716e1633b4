//! Messages whose references are not here yet, and who is asked for them.
//!
//! Bounded for each signer: a flood costs its signer the oldest of its own waiting messages, and nobody else's.

use crate::engine::Peer;
use crate::message::{Message, Verified};
use crate::{MessageId, message::Signed};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Bytes of waiting messages for each signer: some seventy messages of a hundred validators.
pub const WAITING_BYTES_MAX: usize = 256 << 10;
/// Messages wanted at a time, whoever needs them: four times the references of a largest message.
const WANTED_MAX: usize = 4_096;
/// How often a missing message is asked for, at one peer after the other, before what waits for it is dropped.
const ATTEMPTS_MAX: u32 = 1_000;
/// The same for a message that nothing waits for: a peer only said that it is there.
const HEARSAY_ATTEMPTS_MAX: u32 = 8;
/// Ill-formed messages remembered, so that what references them is refused at once.
const ILL_FORMED_MAX: usize = 1_024;

#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    waiting: BTreeMap<MessageId, Waiting>,
    wanted: BTreeMap<MessageId, Wanted>,
    signers: BTreeMap<AcceptorId, Queue>,
    ill_formed: BTreeSet<MessageId>,
    ill_formed_order: VecDeque<MessageId>,
}

#[derive(Clone, Debug)]
struct Waiting {
    message: Arc<Verified<Message>>,
    from: Peer,
    missing: usize,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Wanted {
    /// Messages that wait for it; none if a peer only said that it is there.
    by: Vec<MessageId>,
    /// Whether a proposer's hint names it.
    hinted: bool,
    attempts: u32,
}

#[derive(Clone, Debug, Default)]
struct Queue {
    order: VecDeque<MessageId>,
    bytes: usize,
}

impl Inbox {
    /// Lets `message` wait for `missing`. Those that nobody was asked for yet.
    pub fn wait(
        &mut self,
        message: Arc<Verified<Message>>,
        missing: Vec<MessageId>,
        from: Peer,
    ) -> Vec<MessageId> {
        let (id, signer) = (message.id(), message.signer());
        let bytes = 256 + 40 * message.refs().len() + message.place().log.0.len();
        let queue = self.signers.entry(signer).or_default();
        queue.order.push_back(id);
        queue.bytes += bytes;
        self.waiting.insert(id, Waiting { message, from, missing: missing.len(), bytes });
        let mut unasked = Vec::new();
        for missing in missing {
            let wanted = self.wanted.entry(missing).or_default();
            wanted.by.push(id);
            if wanted.attempts == 0 && !self.waiting.contains_key(&missing) {
                wanted.attempts = 1;
                unasked.push(missing);
            }
        }
        while self.signers[&signer].bytes > WAITING_BYTES_MAX {
            let oldest = self.signers[&signer].order.front().copied();
            oldest.into_iter().for_each(|oldest| {
                self.forget(&oldest);
            });
        }
        unasked
    }

    /// Wants messages that a peer says are there. Those that nobody was asked for yet.
    pub fn want(&mut self, ids: impl Iterator<Item = MessageId>, hinted: bool) -> Vec<MessageId> {
        let mut unasked = Vec::new();
        for id in ids {
            if self.wanted.len() >= WANTED_MAX && !self.wanted.contains_key(&id) {
                break;
            }
            if self.waiting.contains_key(&id) {
                continue;
            }
            let wanted = self.wanted.entry(id).or_default();
            wanted.hinted |= hinted;
            if wanted.attempts == 0 {
                wanted.attempts = 1;
                unasked.push(id);
            }
        }
        unasked
    }

    /// Whether `id` waits.
    pub fn holds(&self, id: &MessageId) -> bool {
        self.waiting.contains_key(id)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a message of somebody other than `signer` waits for `id`, or a proposer hinted at it.
    pub fn needs(&self, id: &MessageId, signer: AcceptorId) -> bool {
        self.wanted.get(id).is_some_and(|wanted| {
            let foreign =
                |waiter| self.waiting.get(waiter).is_some_and(|one| one.message.signer() != signer);
            wanted.hinted || wanted.by.iter().any(foreign)
        })
    }

    /// Whether `id` is known to be ill-formed.
    pub fn is_ill_formed(&self, id: &MessageId) -> bool {
        self.ill_formed.contains(id)
    }

    /// Takes note that `id` is here: the messages that waited for nothing else.
    pub fn arrived(&mut self, id: &MessageId) -> Vec<(Arc<Verified<Message>>, Peer)> {
        let Some(wanted) = self.wanted.remove(id) else { return Vec::new() };
        let mut complete = Vec::new();
        for waiter in wanted.by {
            let Some(waiting) = self.waiting.get_mut(&waiter) else { continue };
            waiting.missing -= 1;
            if waiting.missing == 0 {
                complete.extend(self.forget(&waiter));
            }
        }
        complete
    }

    /// Takes note that `id` is ill-formed: the messages that waited for it are too.
    pub fn refuse(&mut self, id: MessageId) -> Vec<(Arc<Verified<Message>>, Peer)> {
        if self.ill_formed.insert(id) {
            self.ill_formed_order.push_back(id);
            if self.ill_formed_order.len() > ILL_FORMED_MAX
                && let Some(oldest) = self.ill_formed_order.pop_front()
            {
                self.ill_formed.remove(&oldest);
            }
        }
        let wanted = self.wanted.remove(&id).unwrap_or_default();
        wanted.by.iter().filter_map(|waiter| self.forget(waiter)).collect()
    }

    /// What to ask for again, and how often it was asked for at most. What was asked for in vain too often is dropped.
    pub fn ask_again(&mut self) -> (Vec<MessageId>, u32) {
        let hopeless: Vec<MessageId> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| {
                let most = if wanted.by.is_empty() { HEARSAY_ATTEMPTS_MAX } else { ATTEMPTS_MAX };
                wanted.attempts >= most
            })
            .map(|(id, _)| *id)
            .collect();
        for id in hopeless {
            let wanted = self.wanted.remove(&id).unwrap_or_default();
            wanted.by.iter().for_each(|waiter| {
                self.forget(waiter);
            });
        }
        let mut attempts = 0;
        let mut ids = Vec::new();
        for (id, wanted) in &mut self.wanted {
            if !self.waiting.contains_key(id) && ids.len() < crate::message::Refs::COUNT_MAX {
                wanted.attempts += 1;
                attempts = attempts.max(wanted.attempts);
                ids.push(*id);
            }
        }
        (ids, attempts)
    }

    /// Whether anything is missing.
    pub fn lacks_any(&self) -> bool {
        !self.wanted.is_empty()
    }

    fn forget(&mut self, id: &MessageId) -> Option<(Arc<Verified<Message>>, Peer)> {
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
            if let Some(wanted) = self.wanted.get_mut(missing) {
                wanted.by.retain(|one| one != id);
                if wanted.by.is_empty() && !wanted.hinted {
                    self.wanted.remove(missing);
                }
            }
        }
        Some((waiting.message, waiting.from))
    }
}
