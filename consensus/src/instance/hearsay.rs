//! Messages that a peer says are there: its maximal ones, or what a proposer had taken in.
//!
//! Nothing rests on them, and they may be made up. Each teller has its own room.

use crate::MessageId;
use crate::engine::Peer;
use crate::message::Refs;
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};

/// How often a message is asked for that nothing waits for.
const ATTEMPTS_MAX: u32 = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Hearsay {
    told: BTreeMap<Peer, BTreeMap<MessageId, Told>>,
}

#[derive(Clone, Debug)]
struct Told {
    /// The proposer who hinted at it.
    hint: Option<AcceptorId>,
    attempts: u32,
}

impl Hearsay {
    /// Takes note of what `teller` says. Those that nobody was asked for yet, on its account.
    pub fn hear(
        &mut self,
        teller: Peer,
        ids: Vec<MessageId>,
        hint: Option<AcceptorId>,
    ) -> Vec<MessageId> {
        if ids.is_empty() {
            return Vec::new();
        }
        let known: BTreeSet<MessageId> = ids
            .iter()
            .filter(|id| self.told.values().any(|told| told.contains_key(*id)))
            .copied()
            .collect();
        let told = self.told.entry(teller).or_default();
        let mut unasked = Vec::new();
        for id in ids {
            if told.len() >= Refs::COUNT_MAX && !told.contains_key(&id) {
                break;
            }
            let entry = told.entry(id).or_insert(Told { hint, attempts: 1 });
            entry.hint = entry.hint.or(hint);
            if !known.contains(&id) {
                unasked.push(id);
            }
        }
        unasked
    }

    /// Whether a proposer other than `signer` hinted at `id`.
    pub fn is_hinted(&self, id: &MessageId, signer: AcceptorId) -> bool {
        let hints = self.told.values().filter_map(|told| told.get(id)?.hint);
        hints.into_iter().any(|hint| hint != signer)
    }

    /// `id` is here, or known to be ill-formed.
    pub fn forget(&mut self, id: &MessageId) {
        if !self.told.is_empty() {
            self.told.retain(|_, told| {
                told.remove(id);
                !told.is_empty()
            });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub fn tellers(&self) -> usize {
        self.told.len()
    }

    /// Adds of each teller its share of what to ask for; how often some of it was asked for before.
    pub fn ask(&mut self, share: usize, ids: &mut BTreeSet<MessageId>) -> u32 {
        let mut attempts = 0;
        self.told.retain(|_, told| {
            told.retain(|_, one| one.attempts < ATTEMPTS_MAX);
            for (id, one) in told.iter_mut().take(share) {
                ids.insert(*id);
                attempts = attempts.max(one.attempts);
                one.attempts += 1;
            }
            !told.is_empty()
        });
        attempts
    }
}
