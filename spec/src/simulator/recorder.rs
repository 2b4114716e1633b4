//! The trace of a run: its hash always, its lines if somebody wants them.

use super::queue::Time;
use super::setting::Setting;
use hpaxos_consensus::dag::Dag;
use hpaxos_consensus::message::{Announcement, Message, Verified};
use hpaxos_consensus::rules::Rules;
use hpaxos_consensus::trace::{self, Graph, GraphFile, Line, WholeGraph};
use hpaxos_consensus::{
    Decision, Evidence, Judgement, MessageId, Round, Slot, Timer, TimerKind, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Writes a trace.
pub struct Recorder {
    setting: Arc<Setting>,
    hash: Sha256,
    to: Option<Box<dyn Write + Send>>,
    /// What was sent, for what is derived of it; only if lines are written.
    library: BTreeMap<Slot, Dag>,
    /// Sends that came before what they reference.
    early: Vec<Early>,
}

/// A send that has no line yet.
struct Early {
    node: AcceptorId,
    message: Arc<Verified<Message>>,
    to: Option<AcceptorSet>,
}

impl Recorder {
    /// One that only hashes, or also writes lines.
    pub fn new(
        setting: Arc<Setting>,
        byzantine: &AcceptorSet,
        to: Option<Box<dyn Write + Send>>,
    ) -> Self {
        let mut recorder = Recorder {
            setting,
            hash: Sha256::new(),
            to,
            library: BTreeMap::new(),
            early: Vec::new(),
        };
        recorder.first_line(byzantine);
        recorder
    }

    /// The hash of all lines, in a short binary form of them.
    pub fn finish(mut self) -> [u8; 32] {
        if let Some(to) = &mut self.to {
            let _ = to.flush();
        }
        self.hash.finalize().into()
    }

    fn first_line(&mut self, byzantine: &AcceptorSet) {
        let names = |set: &AcceptorSet| -> Vec<String> {
            set.iter().map(|one| self.setting.graph.acceptor_name(one).to_owned()).collect()
        };
        let byzantine = names(byzantine);
        self.hash.update(format!("{} {byzantine:?}", self.setting.name));
        if self.to.is_none() {
            return;
        }
        let setting = &self.setting;
        let whole =
            WholeGraph::new(&setting.graph, &[&setting.trust], setting.network, "simulator");
        let line = match whole {
            Some(whole) => {
                Graph::Whole(Box::new(WholeGraph { byzantine: Some(byzantine), ..whole }))
            }
            None => Graph::File(GraphFile { path: setting.name.clone() }),
        };
        self.write(Line::Graph(line));
    }

    fn short(&mut self, tag: u8, node: AcceptorId, slot: Slot, what: &[u8]) {
        let mut line = [0; 11];
        line[0] = tag;
        line[1..3].copy_from_slice(&(node.index() as u16).to_le_bytes());
        line[3..].copy_from_slice(&slot.0.to_le_bytes());
        self.hash.update(line);
        self.hash.update(what);
    }

    fn name(&self, acceptor: AcceptorId) -> String {
        self.setting.graph.acceptor_name(acceptor).to_owned()
    }

    fn write(&mut self, line: Line) {
        if let Some(to) = &mut self.to {
            // A full disk ends the trace, not the run.
            let _ = trace::write(to, &line);
        }
    }

    fn writes(&self) -> bool {
        self.to.is_some()
    }

    /// A message left a node for the first time; `to` whom, if not to all.
    pub fn send(
        &mut self,
        node: AcceptorId,
        message: &Arc<Verified<Message>>,
        to: Option<&AcceptorSet>,
    ) {
        let slot = message.place.slot;
        self.short(b'S', node, slot, &message.id().0);
        if let Some(to) = to {
            to.iter().for_each(|one| self.hash.update([one.index() as u8]));
        }
        if !self.writes() {
            return;
        }
        self.early.push(Early { node, message: message.clone(), to: to.copied() });
        self.write_sent(slot);
    }

    /// Writes the sends whose references were sent too. What references something that never is has no line: nobody can
    /// ever take it in.
    fn write_sent(&mut self, slot: Slot) {
        let trust = self.setting.trust.clone();
        let mut written = true;
        while std::mem::take(&mut written) {
            for one in std::mem::take(&mut self.early) {
                let dag = self.library.entry(slot);
                let dag = dag.or_insert_with(|| Dag::new(trust.clone(), Rules::default()));
                let refs = match dag.resolve(&one.message) {
                    Ok(refs) if one.message.place.slot == slot => refs,
                    _ => {
                        self.early.push(one);
                        continue;
                    }
                };
                if dag.find(&one.message.id()).is_some() {
                    continue;
                }
                let Ok(ix) = dag.insert(one.message, refs) else { continue };
                written = true;
                let message = trace::Message::new(dag.node(ix), &trust, &self.setting.graph);
                let to = one.to.map(|to| to.iter().map(|one| self.name(one)).collect());
                let (node, log) = (self.name(one.node), self.setting.log().clone());
                self.write(Line::Send { node, log, slot, message, to });
            }
        }
    }

    /// A node got the block that it may propose.
    pub fn propose(&mut self, node: AcceptorId, slot: Slot, round: Round, value: ValueHash) {
        self.short(b'P', node, slot, &value.0);
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            self.write(Line::Propose { node, log, slot, round, value });
        }
    }

    /// A message entered a node's DAG.
    pub fn receive(
        &mut self,
        node: AcceptorId,
        message: &Arc<Verified<Message>>,
        hint: Vec<MessageId>,
    ) {
        let (slot, id) = (message.place.slot, message.id());
        self.short(b'R', node, slot, &id.0);
        if !self.writes() {
            return;
        }
        // One that its signer hid, and a friend passed on: it counts as sent to the first who got it.
        if self.library.get(&slot).is_none_or(|dag| dag.find(&id).is_none()) {
            let to = Some(AcceptorSet::from_iter([node]));
            self.early.push(Early { node: message.signer(), message: message.clone(), to });
            self.write_sent(slot);
        }
        let (node, log) = (self.name(node), self.setting.log().clone());
        self.write(Line::Receive { node, log, slot, id, message: None, hint });
    }

    /// A learner decided.
    pub fn decide(&mut self, node: AcceptorId, decision: &Decision) {
        let Decision { slot, learner, ballot } = *decision;
        self.short(b'D', node, slot, &ballot.value.0);
        self.hash.update([learner.index() as u8]);
        self.hash.update(ballot.round.0.to_le_bytes());
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            let learner = self.setting.graph.learner_name(learner).to_owned();
            self.write(Line::Decide { node, log, slot, learner, ballot, value: ballot.value });
        }
    }

    /// A node has proof.
    pub fn caught(&mut self, node: AcceptorId, evidence: &Evidence) {
        let slot = evidence.messages[0].place.slot;
        let ids = evidence.messages.each_ref().map(|message| message.id());
        self.short(b'C', node, slot, &ids[0].0);
        self.hash.update(ids[1].0);
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            let acceptor = self.name(evidence.acceptor());
            self.write(Line::Caught { node, log, slot, acceptor, evidence: ids });
        }
    }

    /// A value was judged.
    pub fn value(&mut self, node: AcceptorId, slot: Slot, value: ValueHash, judged: Judgement) {
        self.short(b'V', node, slot, &value.0);
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            let valid = judged == Judgement::Valid;
            self.write(Line::Value { node, log, slot, value, valid });
        }
    }

    /// A timer ended.
    pub fn timer(&mut self, node: AcceptorId, timer: Timer, now: Time) {
        self.short(b'T', node, timer.slot, &now.as_nanos().to_le_bytes());
        if self.writes() {
            let (name, round) = match timer.kind {
                TimerKind::Round(round) => ("round", Some(round)),
                TimerKind::Propose(round) => ("propose", Some(round)),
                TimerKind::Hint(round) => ("hint", Some(round)),
                TimerKind::Quiet => ("quiet", None),
                TimerKind::Fetch => ("fetch", None),
            };
            let (node, log) = (self.name(node), self.setting.log().clone());
            self.write(Line::Timer { node, log, slot: timer.slot, name: name.into(), round });
        }
    }

    /// An announcement came.
    pub fn round(&mut self, node: AcceptorId, announcement: &Verified<Announcement>) {
        let (slot, from, round) =
            (announcement.place.slot, announcement.signer(), announcement.round);
        self.short(b'A', node, slot, &round.0.to_le_bytes());
        self.hash.update([from.index() as u8]);
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            let from = self.name(from);
            let maximal = announcement.maximal.to_vec();
            self.write(Line::Round { node, log, slot, from, round, maximal });
        }
    }

    /// A certificate came.
    pub fn certified(
        &mut self,
        node: AcceptorId,
        slot: Slot,
        learner: LearnerId,
        value: ValueHash,
    ) {
        self.short(b'Q', node, slot, &value.0);
        self.hash.update([learner.index() as u8]);
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            let learner = self.setting.graph.learner_name(learner).to_owned();
            self.write(Line::Certified { node, log, slot, learner, value });
        }
    }

    /// A parked slot is back.
    pub fn loaded(&mut self, node: AcceptorId, slot: Slot) {
        if self.writes() {
            let (node, log) = (self.name(node), self.setting.log().clone());
            self.write(Line::Loaded { node, log, slot });
        }
    }

    /// A node came to the end of a batch.
    pub fn settle(&mut self, node: AcceptorId) {
        if self.writes() {
            let node = self.name(node);
            self.write(Line::Settle { node });
        }
    }

    /// A node stopped.
    pub fn crash(&mut self, node: AcceptorId) {
        self.short(b'X', node, Slot(0), &[]);
        if self.writes() {
            let node = self.name(node);
            self.write(Line::Crash { node });
        }
    }

    /// It runs again.
    pub fn restart(&mut self, node: AcceptorId) {
        self.short(b'Y', node, Slot(0), &[]);
        if self.writes() {
            let node = self.name(node);
            self.write(Line::Restart { node });
        }
    }
}
