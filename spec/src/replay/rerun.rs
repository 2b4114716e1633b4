//! One slot of one node, run again.
//!
//! What the node took in is fed to a fresh instance of the engine, batch by batch; what the instance sends must be what the
//! node sent.

use hpaxos_consensus::message::{Kind, Message, Packet, Verified};
use hpaxos_consensus::{Config, Decision, Effects, Instance, Slot, SlotEvent};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub struct Rerun {
    instance: Instance,
    /// Whether anything happened in this batch.
    touched: bool,
    me: hpaxos_learner_graph::AcceptorId,
    sent: VecDeque<Arc<Verified<Message>>>,
    decided: BTreeSet<Decision>,
    out: Effects,
}

impl Rerun {
    pub fn new(config: Arc<Config>, slot: Slot) -> Self {
        let me = config.me.expect("an acceptor is run again");
        let instance = Instance::new(config, slot);
        let (sent, decided) = (VecDeque::new(), BTreeSet::new());
        let mut rerun =
            Rerun { instance, touched: true, me, sent, decided, out: Effects::default() };
        // The batch in which the slot was opened, perhaps without anything else.
        rerun.settle();
        rerun
    }

    /// Feeds one thing that happened.
    pub fn feed(&mut self, event: SlotEvent) {
        if let SlotEvent::Recorded { message, .. } = &event
            && message.signer() == self.me
            && self.instance.dag().find(&message.id()).is_some()
        {
            return;
        }
        self.instance.handle(event, &mut self.out);
        self.touched = true;
        self.collect();
    }

    /// The end of a batch.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.touched) {
            self.instance.settle(&mut self.out);
            self.collect();
        }
    }

    /// Whether the instance decided this.
    pub fn decides(&self, decision: &Decision) -> bool {
        self.decided.contains(decision)
    }

    /// What the instance sent next; none if it said no more.
    pub fn next_sent(&mut self) -> Option<Arc<Verified<Message>>> {
        self.sent.pop_front()
    }

    fn collect(&mut self) {
        let sent = self.out.send.drain(..).filter_map(|(_, packet)| match packet {
            Packet::Message(message, _) if message.signer() == self.me => Some(message),
            _ => None,
        });
        self.sent.extend(sent);
        self.decided.extend(self.out.decided.drain(..));
        self.out.clear();
    }
}

/// How a person would call a message.
pub fn describe(message: &Verified<Message>, name: &str) -> String {
    let what = match message.kind() {
        Kind::OneA => "1a".to_owned(),
        kind => format!("{kind} with {} references", message.refs().len()),
    };
    format!("{what} of {name} ({})", message.id())
}
