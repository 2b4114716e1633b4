//! The node's trace: lines for programs that check or repeat afterwards what happened.

use hpaxos_consensus::message::{Announcement, Message, Packet, Refs, Verified};
use hpaxos_consensus::trace::{self, Graph, GraphFile, Line, WholeGraph};
use hpaxos_consensus::{
    Decision, Event, Evidence, Judgement, LogName, MessageId, NetworkId, Peer, Replica, Slot,
    TimerKind, Trust, ValueHash,
};
use hpaxos_learner_graph::LearnerGraph;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::error;

/// How much a trace tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What was decided and executed.
    Decisions,
    /// Everything that an engine needs to be run again.
    Everything,
}

/// Writes the trace of a node.
#[derive(Clone)]
pub struct Tracer {
    detail: Detail,
    shared: Arc<Shared>,
}

struct Shared {
    node: String,
    graph: Arc<LearnerGraph>,
    trusts: BTreeMap<LogName, Arc<Trust>>,
    state: Mutex<State>,
}

struct State {
    /// None once the disk failed.
    to: Option<BufWriter<File>>,
    /// Messages of open slots that were written in full.
    written: BTreeMap<Slot, BTreeSet<MessageId>>,
    /// What proposers had taken in: it is told with the proposal.
    hints: BTreeMap<MessageId, Refs>,
}

/// Takes away the line that a process did not finish, and returns what is left, in bytes.
fn cut_torn_line(file: &mut File) -> io::Result<u64> {
    const LINE_BYTES_MAX: u64 = 1 << 20;
    let len = file.metadata()?.len();
    let from = len.saturating_sub(LINE_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(from + whole)?;
    Ok(from + whole)
}

/// Slots of which it is remembered what was written: more than are ever open.
const SLOTS_MAX: usize = 4_096;

impl Tracer {
    /// Begins a trace, or goes on with one: then it says that the node started again.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn new(
        path: &Path,
        detail: Detail,
        (node, network): (&str, NetworkId),
        (graph, graph_path): (Arc<LearnerGraph>, &Path),
        trusts: &[Arc<Trust>],
    ) -> io::Result<Self> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let begins = cut_torn_line(&mut file)? == 0;
        let names = trusts.iter().map(|trust| LogName(trust.log().name().into()));
        let state = State {
            to: Some(BufWriter::new(file)),
            written: BTreeMap::new(),
            hints: BTreeMap::new(),
        };
        let shared = Shared {
            node: node.to_owned(),
            trusts: names.zip(trusts.iter().cloned()).collect(),
            graph,
            state: Mutex::new(state),
        };
        let tracer = Tracer { detail, shared: Arc::new(shared) };
        if begins {
            let trusts: Vec<&Trust> = trusts.iter().map(AsRef::as_ref).collect();
            let whole = WholeGraph::new(&tracer.shared.graph, &trusts, network, node);
            let line = match whole {
                Some(whole) => Graph::Whole(Box::new(whole)),
                None => Graph::File(GraphFile { path: graph_path.display().to_string() }),
            };
            tracer.write(&Line::Graph(line));
            // However soon the process is killed, the next one sees that there was one.
            tracer.flush();
        } else {
            tracer.write(&Line::Restart { node: tracer.node() });
        }
        Ok(tracer)
    }

    /// A view was replaced by a snapshot: what was executed before is not told.
    pub fn begins_anew(&self) {
        self.write(&Line::Restart { node: self.node() });
    }

    fn is_full(&self) -> bool {
        self.detail == Detail::Everything
    }

    fn node(&self) -> String {
        self.shared.node.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) {
        let mut state = self.state();
        if let Some(to) = &mut state.to
            && let Err(error) = trace::write(to, line)
        {
            // The trace ends; the node does not.
            error!(%error, "the trace cannot be written any more");
            state.to = None;
        }
    }

    /// Lets what was written reach the file.
    pub fn flush(&self) {
        if let Some(to) = &mut self.state().to {
            let _ = to.flush();
        }
    }

    /// Something is about to happen to a replica. What comes for a slot that is not open changes nothing.
    pub(super) fn before(&self, event: &Event, replica: &Replica) {
        if !self.is_full() {
            return;
        }
        let (node, log) = (self.node(), replica.config().log.clone());
        let is_open = |slot: Slot| replica.instance(slot).is_some();
        let line = match event {
            Event::Packet { from, packet: Packet::Message(message, hint) } => {
                return self.remember_hint(*from, message, hint, replica);
            }
            Event::Timer(timer) if is_open(timer.slot) => {
                let (name, round) = match timer.kind {
                    TimerKind::Round(round) => ("round", Some(round)),
                    TimerKind::Propose(round) => ("propose", Some(round)),
                    TimerKind::Hint(round) => ("hint", Some(round)),
                    TimerKind::Quiet => ("quiet", None),
                    TimerKind::Fetch => ("fetch", None),
                };
                Line::Timer { node, log, slot: timer.slot, name: name.into(), round }
            }
            Event::Value { slot, value, judgement } if is_open(*slot) => {
                let valid = *judgement == Judgement::Valid;
                Line::Value { node, log, slot: *slot, value: *value, valid }
            }
            Event::Block { slot, round, value } if is_open(*slot) => {
                Line::Propose { node, log, slot: *slot, round: *round, value: *value }
            }
            Event::Certified { slot, learner, value } if is_open(*slot) => {
                let learner = self.shared.graph.learner_name(*learner).to_owned();
                Line::Certified { node, log, slot: *slot, learner, value: *value }
            }
            _ => return,
        };
        self.write(&line);
    }

    fn remember_hint(
        &self,
        from: Peer,
        message: &Verified<Message>,
        hint: &Refs,
        replica: &Replica,
    ) {
        let instance = replica.instance(message.place.slot);
        let new = instance.is_none_or(|instance| instance.dag().find(&message.id()).is_none());
        if Peer::Acceptor(message.signer()) == from && !hint.is_empty() && new {
            self.state().hints.insert(message.id(), hint.clone());
        }
    }

    /// An announcement came; it may have opened its slot.
    pub(super) fn announced(&self, announcement: &Verified<Announcement>, replica: &Replica) {
        let slot = announcement.place.slot;
        if !self.is_full() || replica.instance(slot).is_none() {
            return;
        }
        let from = self.shared.graph.acceptor_name(announcement.signer()).to_owned();
        let (round, maximal) = (announcement.round, announcement.maximal.to_vec());
        let log = replica.config().log.clone();
        self.write(&Line::Round { node: self.node(), log, slot, from, round, maximal });
    }

    /// A message entered the DAG.
    pub(super) fn received(&self, message: &Verified<Message>, replica: &Replica) {
        let (slot, id) = (message.place.slot, message.id());
        // An own one is told when it is sent; from one who is silent it can only be one that it has forgotten.
        let instance = replica.instance_or_leaving(slot);
        let made = Some(message.signer()) == replica.config().me
            && instance.is_some_and(|instance| !instance.is_silent());
        if !self.is_full() || made {
            return;
        }
        let hint = self.state().hints.remove(&id).unwrap_or_default().to_vec();
        let message = self.first(message, replica);
        let log = replica.config().log.clone();
        self.write(&Line::Receive { node: self.node(), log, slot, id, message, hint });
    }

    /// A slot is in memory as the store has it: whatever else was known of it is forgotten, and what the store has may not be
    /// in the file, if the process that wrote both was killed.
    pub(super) fn restored(&self, slot: Slot, replica: &Replica) {
        let Some(instance) = replica.instance(slot).filter(|_| self.is_full()) else { return };
        let log = &replica.config().log;
        self.write(&Line::Loaded { node: self.node(), log: log.clone(), slot });
        for (_, known) in instance.dag().nodes() {
            let Some(message) = self.first(&known.message, replica) else { continue };
            let (node, log, id) = (self.node(), log.clone(), known.message.id());
            self.write(&if Some(known.signer()) == replica.config().me {
                Line::Send { node, log, slot, message, to: None }
            } else {
                Line::Receive { node, log, slot, id, message: Some(message), hint: Vec::new() }
            });
        }
    }

    /// The store was lost: what was said before is not known any more.
    pub(super) fn lost(&self) {
        if self.is_full() {
            self.write(&Line::Crash { node: self.node() });
        }
    }

    /// A message as a trace tells it, if it was not told before.
    fn first(&self, message: &Verified<Message>, replica: &Replica) -> Option<trace::Message> {
        let (slot, id) = (message.place.slot, message.id());
        let dag = replica.instance_or_leaving(slot)?.dag();
        let node = dag.node(dag.find(&id)?);
        let trust = self.shared.trusts.get(&replica.config().log)?;
        let mut state = self.state();
        if !state.written.entry(slot).or_default().insert(id) {
            return None;
        }
        if state.written.len() > SLOTS_MAX {
            state.written.pop_first();
        }
        Some(trace::Message::new(node, trust, &self.shared.graph))
    }

    /// A hint counts when its proposal is admitted with it, or never.
    pub(super) fn end_of_event(&self) {
        if self.is_full() {
            self.state().hints.clear();
        }
    }

    /// The end of a batch.
    pub(super) fn settle(&self) {
        if self.is_full() {
            self.write(&Line::Settle { node: self.node() });
        }
    }

    /// An own message leaves.
    pub(super) fn sent(&self, message: &Verified<Message>, replica: &Replica) {
        if !self.is_full() {
            return;
        }
        let slot = message.place.slot;
        if let Some(message) = self.first(message, replica) {
            let log = replica.config().log.clone();
            self.write(&Line::Send { node: self.node(), log, slot, message, to: None });
        }
    }

    /// A learner decided.
    pub(super) fn decided(&self, decision: &Decision, log: &str) {
        let Decision { slot, learner, ballot } = *decision;
        let learner = self.shared.graph.learner_name(learner).to_owned();
        let log = LogName(log.into());
        let value = ballot.value;
        self.write(&Line::Decide { node: self.node(), log, slot, learner, ballot, value });
    }

    /// A certificate says what a learner decided.
    pub fn learned(&self, log: &str, learner: &str, slot: Slot, value: ValueHash) {
        let (node, log) = (self.node(), LogName(log.into()));
        self.write(&Line::Learned { node, log, slot, learner: learner.to_owned(), value });
    }

    /// A view executed a slot.
    pub fn executed(
        &self,
        log: &str,
        learner: &str,
        slot: Slot,
        (history, root): (&[u8; 32], &[u8; 32]),
    ) {
        self.write(&Line::Executed {
            node: self.node(),
            log: LogName(log.into()),
            learner: learner.to_owned(),
            slot,
            history: hex::encode(history),
            state_root: hex::encode(root),
        });
    }

    /// There is proof against an acceptor.
    pub(super) fn caught(&self, evidence: &Evidence, log: &str) {
        let slot = evidence.messages[0].place.slot;
        let ids = evidence.messages.each_ref().map(|message| message.id());
        let acceptor = self.shared.graph.acceptor_name(evidence.acceptor()).to_owned();
        let log = LogName(log.into());
        self.write(&Line::Caught { node: self.node(), log, slot, acceptor, evidence: ids });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off() {
        for (text, left) in [("", ""), ("{}\n", "{}\n"), ("{}\n{\"ev", "{}\n"), ("{\"ev", "")] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(cut_torn_line(&mut file).unwrap(), left.len() as u64, "{text}");
            file.rewind().unwrap();
            let mut read = String::new();
            file.read_to_string(&mut read).unwrap();
            assert_eq!(read, left);
        }
    }
}
