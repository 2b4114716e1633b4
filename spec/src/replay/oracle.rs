//! The definitions, taken literally, asked about the messages of one slot.

use crate::naive::dag::{Ballot, Kind as NaiveKind, Message as Naive, Reply as NaiveReply};
use crate::naive::protocol::Protocol;
use crate::naive::trust::Trust;
use hpaxos_consensus::message::{Body, Message, ReplyKind, Verified};
use hpaxos_consensus::{MessageId, ValueHash};
use std::collections::{BTreeMap, BTreeSet};

/// Acceptors up to which the definitions are worked out over all sets of them.
pub const ACCEPTORS_MAX: usize = 12;

/// The messages of a slot under the definitions.
pub struct Oracle<'a> {
    protocol: Protocol<'a>,
    ids: BTreeMap<MessageId, usize>,
    /// The slot's values in order: the definitions compare them by their place here.
    values: Vec<ValueHash>,
}

/// What follows from a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Derived {
    /// The round and the value of its ballot.
    pub ballot: (u64, ValueHash),
    /// Of a 1b those for whom it is fresh, else those it names; by index in the learner graph.
    pub learners: BTreeSet<usize>,
}

impl<'a> Oracle<'a> {
    /// Without messages; `values` are all that the slot's proposals name.
    pub fn new(trust: &'a Trust, values: BTreeSet<ValueHash>) -> Self {
        let protocol = Protocol::new(trust, Default::default());
        Oracle { protocol, ids: BTreeMap::new(), values: values.into_iter().collect() }
    }

    /// Adds a message whose references were added; none if it is ill-formed.
    pub fn add(&mut self, message: &Verified<Message>) -> Option<Derived> {
        let naive = match &message.body {
            Body::Proposal { round, value } => {
                let value = self.values.binary_search(value).ok()?;
                Naive::Proposal(Ballot { round: round.0, value: u8::try_from(value).ok()? })
            }
            Body::Reply(reply) => Naive::Reply(NaiveReply {
                kind: match reply.kind {
                    ReplyKind::OneB => NaiveKind::OneB,
                    ReplyKind::TwoA => NaiveKind::TwoA,
                    ReplyKind::TwoB => NaiveKind::TwoB,
                },
                signer: message.signer().index(),
                prev: match &reply.prev {
                    Some(prev) => Some(*self.ids.get(prev)?),
                    None => None,
                },
                refs: reply
                    .refs
                    .iter()
                    .map(|id| self.ids.get(id).copied())
                    .collect::<Option<_>>()?,
            }),
        };
        let is_proposal = matches!(naive, Naive::Proposal(_));
        let fresh = matches!(&naive, Naive::Reply(reply) if reply.kind == NaiveKind::OneB);
        let x = self.protocol.push(naive);
        if !self.protocol.is_well_formed(x) {
            self.protocol.pop();
            return None;
        }
        self.ids.insert(message.id(), x);
        let ballot = self.protocol.ballot(x)?;
        let learners = match (is_proposal, fresh) {
            (true, _) => BTreeSet::new(),
            (false, true) => self.protocol.fresh(x).clone(),
            (false, false) => self.protocol.learners(x).clone(),
        };
        Some(Derived { ballot: (ballot.round, self.values[usize::from(ballot.value)]), learners })
    }

    /// Whether `learner` decides the ballot of `round` and `value`, as far as `held` goes.
    pub fn decides(
        &self,
        held: &BTreeSet<MessageId>,
        learner: usize,
        round: u64,
        value: ValueHash,
    ) -> bool {
        let Ok(value) = self.values.binary_search(&value) else { return false };
        let held = held.iter().filter_map(|id| self.ids.get(id).copied()).collect();
        let decided = self.protocol.decided(&held);
        decided
            .get(&learner)
            .into_iter()
            .flatten()
            .any(|ballot| ballot.round == round && usize::from(ballot.value) == value)
    }
}
