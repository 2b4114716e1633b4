//! Bundles: published, and judged by the intake before they are passed on.

use super::{Driver, Work};
use crate::network::gathering::{self, Message};
use crate::network::gossip::topic;
use crate::network::intake::Verdict;
use crate::network::traffic::{Direction, Protocol};
use hpaxos_consensus::LogName;
use libp2p::PeerId;
use libp2p::gossipsub::{self, Event, MessageAcceptance, MessageId, PublishError};
use tokio::time::Instant;
use tracing::{debug, warn};

/// How many messages of one peer the intake looks at, at once: 16 MiB of the largest. More are not taken from it, but
/// may still come from another.
const JUDGED_PER_PEER_MAX: usize = 64;

/// A message whose bundles were looked at.
pub(super) struct Judged {
    source: PeerId,
    message: MessageId,
    verdict: Verdict,
}

impl Driver {
    /// Passes on a bundle that a client brought, with those that come soon after.
    pub(super) fn gather(&mut self, log: &LogName, bundle: Vec<u8>) {
        if let Some(message) = self.gathering.add(log, bundle) {
            self.publish(log, message);
        }
        self.publish_due();
    }

    /// Publishes what was gathered for long enough.
    pub(super) fn publish_due(&mut self) {
        if self.gathering.due().is_some_and(|due| due <= Instant::now()) {
            for (log, message) in self.gathering.take() {
                self.publish(&log, message);
            }
        }
    }

    fn publish(&mut self, log: &LogName, message: Message) {
        let bytes = message.len();
        match self.swarm.behaviour_mut().gossip.publish(topic(&self.network, log), message) {
            Ok(_) => self.traffic.count(Protocol::Gossip, Direction::Out, bytes),
            Err(PublishError::Duplicate) => {}
            Err(error) => debug!(log = %log.0, %error, "bundles are not passed on"),
        }
    }

    pub(super) fn gossip_event(&mut self, event: Event) {
        match event {
            Event::Message { propagation_source, message_id, message } => {
                self.judge(propagation_source, message_id, message);
            }
            Event::SlowPeer { peer_id, .. } => {
                if let Some(contact) = self.contacts.get(&peer_id) {
                    debug!(peer = %contact.known.name, "the peer is too slow for gossip");
                }
            }
            _ => {}
        }
    }

    fn judge(&mut self, source: PeerId, id: MessageId, message: gossipsub::Message) {
        self.traffic.count(Protocol::Gossip, Direction::In, message.data.len());
        let log = self.topics.log(&message.topic);
        let (Some(log), Some(contact)) = (log, self.contacts.get_mut(&source)) else { return };
        if contact.judging >= JUDGED_PER_PEER_MAX {
            let verdict = Verdict::Ignore;
            self.settle(&Judged { source, message: id, verdict });
            return;
        }
        contact.judging += 1;
        let (peer, log, intake) = (contact.known.peer, log.clone(), self.intake.clone());
        self.work.spawn(async move {
            let verdict = match gathering::read(&message.data) {
                Some(bundles) => intake.bundles(peer, log, bundles).await,
                None => Verdict::Reject,
            };
            Work::Judged(Judged { source, message: id, verdict })
        });
    }

    pub(super) fn judged(&mut self, judged: Judged) {
        if let Some(contact) = self.contacts.get_mut(&judged.source) {
            contact.judging -= 1;
            if judged.verdict == Verdict::Reject {
                warn!(peer = %contact.known.name, "passed on what is no good bundle");
            }
        }
        self.settle(&judged);
    }

    fn settle(&mut self, Judged { source, message, verdict }: &Judged) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(message, source, acceptance);
    }
}
