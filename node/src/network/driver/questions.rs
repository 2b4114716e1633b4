//! Questions and answers.

use super::{Driver, Work};
use crate::network::Bytes;
use crate::network::exchange::{
    ANSWER_BYTES_MAX, ANSWER_TIME_MAX, AskError, QUESTIONS_PER_PEER_MAX,
};
use crate::network::traffic::{Direction, Protocol};
use hpaxos_consensus::Peer;
use libp2p::PeerId;
use libp2p::request_response::{Event, Message, OutboundRequestId, ResponseChannel};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::debug;

/// A question that waits for its answer.
pub(super) struct Asked {
    id: PeerId,
    reply: oneshot::Sender<Result<Bytes, AskError>>,
}

/// A peer's question, with its answer.
pub(super) struct Answered {
    id: PeerId,
    channel: ResponseChannel<Option<Bytes>>,
    answer: Option<Bytes>,
}

impl Driver {
    pub(super) fn ask(
        &mut self,
        peer: Peer,
        request: Bytes,
        reply: oneshot::Sender<Result<Bytes, AskError>>,
    ) {
        let id = self.ids.get(&peer).copied();
        let contact = id.and_then(|id| self.contacts.get_mut(&id)).filter(|c| c.up.is_some());
        let Some(contact) = contact else {
            let _ = reply.send(Err(AskError::NotConnected));
            return;
        };
        if contact.asked >= QUESTIONS_PER_PEER_MAX {
            let _ = reply.send(Err(AskError::Busy));
            return;
        }
        contact.asked += 1;
        self.traffic.count(Protocol::Exchange, Direction::Out, request.len());
        let id = contact.known.id;
        let number = self.swarm.behaviour_mut().exchange.send_request(&id, request);
        self.asked.insert(number, Asked { id, reply });
    }

    pub(super) fn exchange_event(&mut self, event: Event<Bytes, Option<Bytes>>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.answer(peer, request, channel);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                let bytes = response.as_ref().map_or(0, Bytes::len);
                self.traffic.count(Protocol::Exchange, Direction::In, bytes);
                self.reply(request_id, response.ok_or(AskError::NoAnswer));
            }
            Event::OutboundFailure { request_id, error, .. } => {
                self.reply(request_id, Err(error.into()));
            }
            Event::InboundFailure { peer, error, .. } => {
                if let Some(contact) = self.contacts.get(&peer) {
                    debug!(peer = %contact.known.name, %error, "a question stays unanswered");
                }
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn reply(&mut self, number: OutboundRequestId, answer: Result<Bytes, AskError>) {
        let Some(Asked { id, reply }) = self.asked.remove(&number) else { return };
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.asked -= 1;
        }
        let _ = reply.send(answer);
    }

    /// Has the intake answer. A peer that asks too much at once gets no answer: its stream is reset.
    fn answer(&mut self, id: PeerId, request: Bytes, channel: ResponseChannel<Option<Bytes>>) {
        self.traffic.count(Protocol::Exchange, Direction::In, request.len());
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if contact.answering >= QUESTIONS_PER_PEER_MAX {
            return;
        }
        contact.answering += 1;
        let (peer, intake) = (contact.known.peer, self.intake.clone());
        self.work.spawn(async move {
            let answer = timeout(ANSWER_TIME_MAX, intake.answer(peer, request)).await;
            Work::Answered(Answered { id, channel, answer: answer.unwrap_or_default() })
        });
    }

    pub(super) fn answered(&mut self, Answered { id, channel, answer }: Answered) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.answering -= 1;
        }
        // Of a very large graph the certificates alone may be too much: then there is no answer.
        let answer = answer.filter(|answer| answer.len() <= ANSWER_BYTES_MAX);
        let bytes = answer.as_ref().map_or(0, Bytes::len);
        // An error says that nobody waits for it any more.
        if self.swarm.behaviour_mut().exchange.send_response(channel, answer).is_ok() {
            self.traffic.count(Protocol::Exchange, Direction::Out, bytes);
        }
    }
}
