//! The messages of a trace, as the engine knows them.

use hpaxos_consensus::message::{Acceptor, Body, Message, Refs, Reply, ReplyKind, Verified};
use hpaxos_consensus::{Epoch, LogName, NetworkId, Place, Slot, trace};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph};
use std::sync::Arc;

/// Makes of a line's message what was signed.
pub struct Messages<'a> {
    pub graph: &'a LearnerGraph,
    pub network: NetworkId,
}

impl Messages<'_> {
    /// The message; its id is computed, not believed.
    pub fn read(
        &self,
        log: &LogName,
        slot: Slot,
        message: &trace::Message,
    ) -> Result<Arc<Verified<Message>>, String> {
        let (signer, body) = match message {
            trace::Message::OneA { round, proposer, value, .. } => {
                (self.acceptor(proposer)?, Body::Proposal { round: *round, value: *value })
            }
            trace::Message::OneB { acceptor, prev, refs, .. } => {
                self.reply(ReplyKind::OneB, acceptor, *prev, refs)?
            }
            trace::Message::TwoA { acceptor, prev, refs, .. } => {
                self.reply(ReplyKind::TwoA, acceptor, *prev, refs)?
            }
            trace::Message::TwoB { acceptor, prev, refs, .. } => {
                self.reply(ReplyKind::TwoB, acceptor, *prev, refs)?
            }
        };
        let place = Place { epoch: Epoch(0), log: log.clone(), slot };
        let read = Verified::trusted(Message { place, body }, signer, [0; 64], &self.network);
        if read.id() != message.id() {
            return Err(format!("the message called {} hashes to {}", message.id(), read.id()));
        }
        Ok(Arc::new(read))
    }

    fn reply(
        &self,
        kind: ReplyKind,
        acceptor: &str,
        prev: Option<hpaxos_consensus::MessageId>,
        refs: &[hpaxos_consensus::MessageId],
    ) -> Result<(AcceptorId, Body), String> {
        let signer = self.acceptor(acceptor)?;
        let refs = Refs::new(refs.iter().copied());
        Ok((signer, Body::Reply(Reply { kind, acceptor: Acceptor(signer), prev, refs })))
    }

    /// The acceptor called `name`.
    pub fn acceptor(&self, name: &str) -> Result<AcceptorId, String> {
        self.graph.acceptor(name).ok_or_else(|| format!("the graph has no acceptor `{name}`"))
    }
}
