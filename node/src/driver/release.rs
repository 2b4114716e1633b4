//! What leaves once the disk has what justifies it, and what the engine asks of its driver.

use super::Driver;
use super::timers::Wake;
use crate::events;
use crate::executor::Decided;
use crate::metrics::Direction;
use crate::store::{LogIndex, StoreError};
use crate::wire::Frame;
use hpaxos_consensus::message::{Body, Packet};
use hpaxos_consensus::{Decision, Effects, Event, Fault, Request, Round, Target};
use rand::Rng;
use std::time::Instant;
use tracing::{debug, error, warn};

impl Driver {
    /// Lets go of what of a log waited for the disk.
    ///
    /// # Errors
    /// If the store cannot be read: then nothing more may leave the node.
    pub(super) fn release(
        &mut self,
        log: LogIndex,
        mut effects: Effects,
    ) -> Result<(), StoreError> {
        for (target, packet) in effects.send.drain(..) {
            self.send(log, target, &packet);
        }
        for (timer, range) in effects.timers.drain(..) {
            let driver = &mut self.logs[usize::from(log.0)];
            let after = rand::rng().random_range(driver.wait(timer, range, &self.caught));
            driver.count += 1;
            driver.armed.insert(timer, driver.count);
            let armed = driver.count;
            self.timers.plan(after, Wake::Timer { log, timer, armed });
        }
        for decision in effects.decided.drain(..) {
            self.decided(log, decision);
        }
        for fault in effects.faults.drain(..) {
            self.blame(log, fault);
        }
        for request in effects.requests.drain(..) {
            self.serve(log, request)?;
        }
        effects.clear();
        self.logs[usize::from(log.0)].effects = effects;
        Ok(())
    }

    fn send(&mut self, log: LogIndex, target: Target, packet: &Packet) {
        self.count_packet(packet, Direction::Out);
        let mut short = None;
        let driver = &self.logs[usize::from(log.0)];
        if let (Target::All, Packet::Message(message, _)) = (target, packet)
            && Some(message.signer()) == driver.replica.config().me
        {
            if let Some(tracer) = &self.parts.tracer {
                tracer.sent(message, &driver.replica);
            }
            self.parts.replies.note(log, message);
            short = self.parts.replies.shorten(log, message);
            if let Body::Proposal { value, .. } = &message.body {
                self.send_block(log, message.place.slot, value);
            }
        }
        let frame = short.map_or_else(|| Frame::packet(packet), |short| Frame::short(&short));
        match target {
            Target::All => {
                let driver = &self.logs[usize::from(log.0)];
                self.parts.network.broadcast(&driver.others, &frame);
                for follower in &self.followers {
                    self.parts.network.send(*follower, frame.clone());
                }
            }
            Target::One(peer) => self.parts.network.send(peer, frame),
        }
    }

    pub(super) fn count_packet(&self, packet: &Packet, direction: Direction) {
        let kind = match packet {
            Packet::Message(message, _) => message.kind().name(),
            Packet::Announcement(_) => "announcement",
            Packet::Tips { .. } => "tips",
            Packet::Ask { .. } => "ask",
            Packet::Highest { .. } => "highest",
        };
        self.parts.metrics.message(kind, direction);
    }

    fn decided(&mut self, log: LogIndex, decision: Decision) {
        let driver = &mut self.logs[usize::from(log.0)];
        let Decision { slot, learner, ballot } = decision;
        let took = driver.proposed.get(&slot).map(Instant::elapsed);
        let is_honest = !self.caught.contains(driver.proposer(slot, ballot.round));
        if let Some(took) = took.filter(|_| is_honest && ballot.round == Round(0)) {
            driver.pace.decided(took);
        }
        let name = self.parts.graph.learner_name(learner);
        debug!(
            log = driver.name(),
            slot = slot.0,
            learner = name,
            round = ballot.round.0,
            "decided"
        );
        match took {
            Some(took) => self.parts.metrics.decided(driver.name(), name, took),
            None => self.parts.metrics.decided_untimed(driver.name(), name),
        }
        let block = ballot.value.to_string();
        let (log_name, learner_name) = (driver.name().to_owned(), name.to_owned());
        self.parts.events.send(events::Event::Decided {
            log: log_name,
            slot: slot.0,
            learner: learner_name,
            block,
        });
        if let Some(tracer) = &self.parts.tracer {
            tracer.decided(&decision, driver.name());
        }
        let bottom = driver.replica.open_slots().next().unwrap_or(slot);
        driver.values.forget_below(bottom);
        driver.proposed = driver.proposed.split_off(&bottom);
        self.parts.mempool.decided(log, slot, ballot.value);
        self.parts.decisions.send(Decided { log, slot, learner, value: ballot.value });
    }

    fn blame(&mut self, log: LogIndex, fault: Fault) {
        let driver = &self.logs[usize::from(log.0)];
        let name = driver.name();
        match fault {
            Fault::Proven(evidence) => {
                let acceptor = self.parts.graph.acceptor_name(evidence.acceptor());
                let slot = evidence.messages[0].place.slot;
                warn!(
                    log = name,
                    slot = slot.0,
                    acceptor,
                    kind = evidence.kind.name(),
                    "caught: signed two conflicting messages; the proof is stored"
                );
                self.parts.metrics.caught(acceptor);
                self.caught.insert(evidence.acceptor());
                let (log, acceptor) = (name.to_owned(), acceptor.to_owned());
                self.parts.events.send(events::Event::Caught { log, slot: slot.0, acceptor });
                if let Some(tracer) = &self.parts.tracer {
                    tracer.caught(&evidence, name);
                }
            }
            Fault::IllFormed { from, signer, id, flaw } => {
                let signer = self.parts.graph.acceptor_name(signer);
                warn!(log = name, ?from, signer, %id, %flaw, "refused an ill-formed message");
            }
            Fault::OwnMessageUnknown { id } => {
                self.parts.metrics.unknown_own_message(name);
                if let Some(tracer) = &self.parts.tracer {
                    tracer.lost();
                }
                error!(log = name, %id, "this node signed a message that its store does not know: the store was lost or is \
                    old, or somebody else uses its key; it signs nothing until it is safe again");
            }
            Fault::Divergence { slot, learner, first, second } => {
                let learner = self.parts.graph.learner_name(learner);
                error!(log = name, slot = slot.0, learner, %first, %second,
                    "a learner decided two values: more acceptors are Byzantine than its trust model allows");
            }
            Fault::WrongPlace { from } | Fault::NotAnAcceptor { from } => {
                debug!(
                    log = name,
                    ?from,
                    "refused a packet of another log, or of no acceptor of it"
                );
            }
            Fault::BeyondWindow { from, slot } => {
                debug!(log = name, ?from, slot = slot.0, "a packet of a slot that is not open yet");
            }
        }
    }

    fn serve(&mut self, log: LogIndex, request: Request) -> Result<(), StoreError> {
        match request {
            Request::Block { slot, round } => {
                let driver = &mut self.logs[usize::from(log.0)];
                let block = self.parts.mempool.propose(log, slot);
                debug!(
                    log = driver.name(),
                    slot = slot.0,
                    round = round.0,
                    bundles = block.bundles,
                    "proposing"
                );
                driver.values.made(slot, block.value, block.bytes);
                driver.queue.push_back(Event::Block { slot, round, value: block.value });
            }
            Request::Value { slot, value, proposer } => {
                self.want_value(log, (slot, value), proposer)?;
            }
            Request::Certificates { to, .. } => self.send_certificates(log, to),
            Request::Load { slot } => {
                let driver = &mut self.logs[usize::from(log.0)];
                let records = self.parts.store.records_of(log, slot, driver.trust.schedule())?;
                // Looked at last: what a snapshot replaced goes with the base's moving. The engine that asks is about to begin
                // anew, and must not take what is left of a slot for all that it ever signed there.
                if slot.0 >= self.parts.store.base(log)? {
                    driver.queue.push_back(Event::Loaded { slot, records });
                }
            }
        }
        Ok(())
    }
}
