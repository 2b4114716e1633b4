//! Runs a recorded trace again, through the engine and against the definitions, and says where they first differ.
//!
//! Each message is derived anew by the engine's DAG and by the naive twin. What a node took in is fed to a fresh instance,
//! which must send and decide the same. A slot is run again until it is read from disk, after it was parked or its node was
//! started again: what had been taken in but not stored is then unknown, and only messages and decisions are checked. A node
//! that the trace says crashed is not run again at all.
//!
//! What a line carries in full is what its node got: to different nodes, a proposal may come from different proposers, as it
//! does in traces of the model, where acceptors answer their own late. And a log has as many sends as the first line says.

mod graph;
mod messages;
pub mod oracle;
mod rerun;

use crate::model;
use crate::naive::trust::Trust as NaiveTrust;
use anyhow::{Context, Result, bail};
use hpaxos_consensus::dag::Dag;
use hpaxos_consensus::message::{Acceptor, Announcement, Message, NoSigner, Refs, Verified};
use hpaxos_consensus::rules::Rules;
use hpaxos_consensus::trace::{self, Graph, Line};
use hpaxos_consensus::{
    Config, Decision, Epoch, Evidence, Judgement, LogName, MessageId, NetworkId, Peer, Place,
    Round, Sends, Slot, SlotEvent, TimerKind, Trust, ValueHash,
};
use hpaxos_learner_graph::{LearnerGraph, LearnerId};
use messages::Messages;
use oracle::{Derived, Oracle};
use rerun::{Rerun, describe};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

/// What came of a replay.
#[derive(Debug, Default, Serialize)]
pub struct Answer {
    /// Lines read.
    pub lines: usize,
    /// Messages whose derived facts were compared.
    pub messages: usize,
    /// Sends of safe nodes that the engine, run again, sent too.
    pub replies: usize,
    /// Decisions that engine and definitions confirm.
    pub decisions: usize,
    /// Whether the definitions were asked too; not for more than some acceptors.
    pub definitions: bool,
    /// The first difference.
    pub difference: Option<Difference>,
}

/// Where a trace differs.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The line, from 1.
    pub line: usize,
    /// What differs.
    pub what: String,
}

/// Replays a trace. A graph that the trace names is looked for beside it, in `folder`.
///
/// # Errors
/// If it cannot be read.
pub fn replay(from: impl BufRead, folder: &Path) -> Result<Answer> {
    let lines: Vec<Line> = trace::read(from).collect::<Result<_, _>>()?;
    let Some(Line::Graph(first)) = lines.first() else {
        bail!("the first line of a trace is its graph")
    };
    let graph = graph::learner_graph(first, folder)?;
    let network = match first {
        Graph::Whole(whole) => whole.network,
        Graph::File(_) => NetworkId([7; 32]),
    };
    let byzantine = match first {
        Graph::Whole(whole) => whole.byzantine.clone().unwrap_or_default(),
        Graph::File(_) => Vec::new(),
    };
    let logs = trust_of(&graph, first, &lines)?;
    let definitions = logs.values().all(|log| log.naive.is_some());
    let mut replay = Replay {
        messages: Messages { graph: &graph, network },
        byzantine: byzantine.into_iter().collect(),
        logs: &logs,
        slots: BTreeMap::new(),
        nodes: BTreeMap::new(),
        crashed: BTreeSet::new(),
        batches: lines.iter().any(|line| matches!(line, Line::Settle { .. })),
        lenient: matches!(first, Graph::Whole(whole) if whole.writer == model::trace::WRITER),
        answer: Answer { definitions, ..Answer::default() },
    };
    for (index, line) in lines.iter().enumerate() {
        if let Err(what) = replay.line(line) {
            replay.answer.difference = Some(Difference { line: index + 1, what });
            break;
        }
        replay.answer.lines = index + 1;
    }
    Ok(replay.answer)
}

/// The logs of a trace, and what was worked out for each.
struct LogTrust {
    trust: Arc<Trust>,
    naive: Option<NaiveTrust>,
    values: BTreeMap<Slot, BTreeSet<ValueHash>>,
}

struct Replay<'a> {
    messages: Messages<'a>,
    byzantine: BTreeSet<String>,
    logs: &'a BTreeMap<LogName, LogTrust>,
    slots: BTreeMap<(LogName, Slot), SlotState<'a>>,
    nodes: BTreeMap<(String, LogName, Slot), Node>,
    crashed: BTreeSet<String>,
    /// Whether the trace says where batches end: else nothing can be run again.
    batches: bool,
    /// Whether acceptors accept however late: in the model they are all in a late round.
    lenient: bool,
    answer: Answer,
}

/// All messages of a slot.
struct SlotState<'a> {
    dag: Dag,
    oracle: Option<Oracle<'a>>,
    messages: BTreeMap<MessageId, Arc<Verified<Message>>>,
}

/// One node in a slot.
#[derive(Default)]
struct Node {
    rerun: Option<Rerun>,
    held: BTreeSet<MessageId>,
}

type Outcome = Result<(), String>;

/// Works out the trust models of all logs in which something was sent, or received from others.
fn trust_of(
    graph: &LearnerGraph,
    first: &Graph,
    lines: &[Line],
) -> Result<BTreeMap<LogName, LogTrust>> {
    let mut logs = BTreeMap::new();
    for line in lines {
        let (name, slot, message) = match line {
            Line::Send { log, slot, message, .. } => (log, slot, message),
            Line::Receive { log, slot, message: Some(message), .. } => (log, slot, message),
            _ => continue,
        };
        if !logs.contains_key(name) {
            let log =
                graph.log(&name.0).with_context(|| format!("the graph has no log `{name}`"))?;
            let small = log.everyone().len() <= oracle::ACCEPTORS_MAX;
            let mut naive = small.then(|| NaiveTrust::of_log(&log));
            let mut trust = Trust::new(log)?;
            if let Some(sends) = sends_of(first, name)? {
                trust = trust.with_sends(sends);
                naive =
                    naive.map(|naive| naive.with_sends(if sends == Sends::Three { 3 } else { 4 }));
            }
            let trust = Arc::new(trust);
            logs.insert(name.clone(), LogTrust { trust, naive, values: BTreeMap::new() });
        }
        if let (Some(log), trace::Message::OneA { value, .. }) = (logs.get_mut(name), message) {
            log.values.entry(*slot).or_default().insert(*value);
        }
    }
    Ok(logs)
}

/// How many sends the first line says that a log has.
fn sends_of(first: &Graph, log: &LogName) -> Result<Option<Sends>> {
    let Graph::Whole(whole) = first else { return Ok(None) };
    Ok(match whole.logs.get(&*log.0).map(|log| log.sends) {
        None => None,
        Some(3) => Some(Sends::Three),
        Some(4) => Some(Sends::Four),
        Some(other) => bail!("log `{log}` has 3 sends or 4, not {other}"),
    })
}

impl<'a> Replay<'a> {
    fn line(&mut self, line: &Line) -> Outcome {
        match line {
            Line::Send { node, log, slot, message, .. } => self.send(node, log, *slot, message),
            Line::Receive { node, log, slot, id, message, hint } => {
                let message = match message {
                    Some(message) if message.id() != *id => {
                        return Err(format!("the message received as {id} is {}", message.id()));
                    }
                    Some(message) => self.know(log, *slot, message)?,
                    None => {
                        let known = self.slot(log, *slot)?.messages.get(id).cloned();
                        known.ok_or_else(|| format!("nobody sent {id}"))?
                    }
                };
                self.receive(node, message, hint)
            }
            Line::Decide { node, log, slot, learner, ballot, value } => {
                if ballot.value != *value {
                    return Err(format!("the ballot is of value {}, not {value}", ballot.value));
                }
                let learner = self.messages.graph.learner(learner);
                let learner = learner.ok_or("the graph has no such learner")?;
                let decision = Decision { slot: *slot, learner, ballot: *ballot };
                self.decide(node, log, decision)
            }
            Line::Caught { node, log, slot, acceptor, evidence } => {
                self.caught(node, log, *slot, acceptor, evidence)
            }
            Line::Value { node, log, slot, value, valid } => {
                let judgement = if *valid { Judgement::Valid } else { Judgement::Invalid };
                self.feed(node, log, *slot, SlotEvent::Value { value: *value, judgement })
            }
            Line::Propose { node, log, slot, value, .. } => {
                self.feed(node, log, *slot, SlotEvent::Block { value: *value })
            }
            Line::Timer { node, log, slot, name, round } => {
                let kind = timer(name, *round)?;
                self.feed(node, log, *slot, SlotEvent::Timer(kind))
            }
            Line::Round { node, log, slot, from, round, maximal } => {
                let acceptor = self.messages.acceptor(from)?;
                let place = Place { epoch: Epoch(0), log: log.clone(), slot: *slot };
                let (round, maximal) = (*round, Refs::new(maximal.iter().copied()));
                let said = Announcement { place, acceptor: Acceptor(acceptor), round, maximal };
                let said = Verified::trusted(said, acceptor, [0; 64], &self.messages.network);
                let announcement = Arc::new(said);
                self.feed(node, log, *slot, SlotEvent::Announcement { announcement })
            }
            Line::Certified { node, log, slot, learner, value } => {
                let learner = self.messages.graph.learner(learner);
                let learner = learner.ok_or("the graph has no such learner")?;
                self.feed(node, log, *slot, SlotEvent::Certified { learner, value: *value })
            }
            Line::Loaded { node, log, slot } => {
                let place = (node.clone(), log.clone(), *slot);
                self.nodes.entry(place).or_default().rerun = None;
                Ok(())
            }
            Line::Settle { node } => {
                self.slots_of(node).filter_map(|slot| slot.rerun.as_mut()).for_each(Rerun::settle);
                Ok(())
            }
            Line::Restart { node } => {
                self.slots_of(node).for_each(|slot| slot.rerun = None);
                Ok(())
            }
            Line::Crash { node } => {
                self.crashed.insert(node.clone());
                Ok(())
            }
            Line::Learned { .. } | Line::Executed { .. } | Line::Graph(_) => Ok(()),
        }
    }

    /// All slots of a node so far.
    fn slots_of<'n>(&mut self, node: &'n str) -> impl Iterator<Item = &mut Node> + use<'_, 'n, 'a> {
        let from = (node.to_owned(), LogName("".into()), Slot(0));
        let slots = self.nodes.range_mut(from..);
        slots.take_while(move |((name, _, _), _)| name == node).map(|(_, slot)| slot)
    }

    fn log(&self, log: &LogName) -> Result<&'a LogTrust, String> {
        self.logs.get(log).ok_or_else(|| format!("nothing was sent in log `{log}`"))
    }

    fn slot(&mut self, log: &LogName, slot: Slot) -> Result<&mut SlotState<'a>, String> {
        let known = self.log(log)?;
        Ok(self.slots.entry((log.clone(), slot)).or_insert_with(|| {
            let values = known.values.get(&slot).cloned().unwrap_or_default();
            SlotState {
                dag: Dag::new(known.trust.clone(), Rules::default()),
                oracle: known.naive.as_ref().map(|trust| Oracle::new(trust, values)),
                messages: BTreeMap::new(),
            }
        }))
    }

    /// The node, if it is one that can be run again.
    fn node(&mut self, name: &str, log: &LogName, slot: Slot) -> Result<&mut Node, String> {
        let known = self.log(log)?;
        let me = self.messages.acceptor(name)?;
        let again = self.batches
            && !self.byzantine.contains(name)
            && !self.crashed.contains(name)
            && known.trust.acceptors().contains(me);
        let network = self.messages.network;
        let node = self.nodes.entry((name.to_owned(), log.clone(), slot)).or_insert_with(|| {
            let signer = Arc::new(NoSigner);
            let mut config = Config::new(network, known.trust.clone(), Some(me), signer);
            if self.lenient {
                config.lenient_turns = u64::MAX;
            }
            let rerun = again.then(|| Rerun::new(Arc::new(config), slot));
            Node { rerun, held: BTreeSet::new() }
        });
        if !again {
            node.rerun = None;
        }
        Ok(node)
    }

    fn feed(&mut self, name: &str, log: &LogName, slot: Slot, event: SlotEvent) -> Outcome {
        // A slot in which nothing was ever sent has nothing to compare.
        if self.logs.contains_key(log)
            && let Some(rerun) = &mut self.node(name, log, slot)?.rerun
        {
            rerun.feed(event);
        }
        Ok(())
    }

    /// Derives a message, by engine and definitions, and compares. The message, as this line has it.
    fn know(
        &mut self,
        log: &LogName,
        slot: Slot,
        line: &trace::Message,
    ) -> Result<Arc<Verified<Message>>, String> {
        let message = self.messages.read(log, slot, line)?;
        let id = message.id();
        let graph = self.messages.graph;
        let trust = self.log(log)?.trust.clone();
        let state = self.slot(log, slot)?;
        if state.messages.contains_key(&id) {
            return Ok(message);
        }
        let refs = state
            .dag
            .resolve(&message)
            .map_err(|missing| format!("{id} references {}, which nobody sent", missing[0]))?;
        let derived = state.dag.insert(message.clone(), refs).map(|ix| state.dag.node(ix));
        let by_definition = state.oracle.as_mut().map(|oracle| oracle.add(&message));
        let node = match (derived, &by_definition) {
            (Err(flaw), Some(Some(_))) => {
                return Err(format!("the engine refuses {id}: {flaw}; the definitions do not"));
            }
            (Err(flaw), _) => return Err(format!("{id} is ill-formed: {flaw}")),
            (Ok(_), Some(None)) => return Err(format!("by the definitions {id} is ill-formed")),
            (Ok(node), _) => node,
        };
        if let Some(Some(by_definition)) = by_definition {
            let ballot = (node.facts.ballot.round.0, node.facts.ballot.value);
            let learners = trust.members_of(node.facts.named).iter();
            let derived = Derived { ballot, learners: learners.map(LearnerId::index).collect() };
            if derived != by_definition {
                return Err(format!(
                    "of {id} the engine derives {derived:?}, the definitions say {by_definition:?}"
                ));
            }
        }
        let derived = trace::Message::new(node, &trust, graph);
        state.messages.insert(id, message.clone());
        self.answer.messages += 1;
        if derived != *line {
            return Err(format!("derived is {derived:?}"));
        }
        Ok(message)
    }

    fn send(&mut self, name: &str, log: &LogName, slot: Slot, line: &trace::Message) -> Outcome {
        let message = self.know(log, slot, line)?;
        let me = self.messages.acceptor(name)?;
        if message.signer() != me && !self.byzantine.contains(name) {
            return Err(format!("{name} sends as its own what it did not sign"));
        }
        let node = self.node(name, log, slot)?;
        node.held.insert(message.id());
        let Some(rerun) = &mut node.rerun else { return Ok(()) };
        match rerun.next_sent() {
            Some(sent) if sent.id() == message.id() => {
                self.answer.replies += 1;
                Ok(())
            }
            Some(sent) => Err(format!("run again, the engine sends {}", describe(&sent, name))),
            None => Err("run again, the engine sends nothing here".to_owned()),
        }
    }

    fn receive(
        &mut self,
        name: &str,
        message: Arc<Verified<Message>>,
        hint: &[MessageId],
    ) -> Outcome {
        let (id, log, slot) = (message.id(), message.place.log.clone(), message.place.slot);
        let node = self.node(name, &log, slot)?;
        if let Some(missing) = message.refs().iter().find(|below| !node.held.contains(*below)) {
            return Err(format!("{id} is received before {missing}, which it references"));
        }
        node.held.insert(id);
        let (from, hint) = (Peer::Acceptor(message.signer()), Refs::new(hint.iter().copied()));
        self.feed(name, &log, slot, SlotEvent::Recorded { from, message, hint })
    }

    fn decide(&mut self, name: &str, log: &LogName, decision: Decision) -> Outcome {
        let node = self.node(name, log, decision.slot)?;
        if node.rerun.as_ref().is_some_and(|rerun| !rerun.decides(&decision)) {
            return Err("run again, the engine does not decide this here".to_owned());
        }
        let held = node.held.clone();
        let (round, value) = (decision.ballot.round.0, decision.ballot.value);
        let state = self.slot(log, decision.slot)?;
        if let Some(oracle) = &state.oracle
            && !oracle.decides(&held, decision.learner.index(), round, value)
        {
            return Err("by the definitions, what the node holds does not decide this".to_owned());
        }
        self.answer.decisions += 1;
        Ok(())
    }

    fn caught(
        &mut self,
        name: &str,
        log: &LogName,
        slot: Slot,
        acceptor: &str,
        evidence: &[MessageId; 2],
    ) -> Outcome {
        let acceptor = self.messages.acceptor(acceptor)?;
        let state = self.slot(log, slot)?;
        let find = |id: &MessageId| {
            state.messages.get(id).cloned().ok_or_else(|| format!("nobody sent {id}"))
        };
        let proof = Evidence::new(find(&evidence[0])?, find(&evidence[1])?);
        let proof = proof.map_err(|why| format!("this proves nothing: {why}"))?;
        if proof.acceptor() != acceptor {
            return Err("this proves something about another acceptor".to_owned());
        }
        let node = self.node(name, log, slot)?;
        match evidence.iter().find(|id| !node.held.contains(*id)) {
            Some(id) => Err(format!("{name} does not hold {id}")),
            None => Ok(()),
        }
    }
}

fn timer(name: &str, round: Option<Round>) -> Result<TimerKind, String> {
    Ok(match (name, round) {
        ("round", Some(round)) => TimerKind::Round(round),
        ("propose", Some(round)) => TimerKind::Propose(round),
        ("hint", Some(round)) => TimerKind::Hint(round),
        ("quiet", None) => TimerKind::Quiet,
        ("fetch", None) => TimerKind::Fetch,
        _ => return Err(format!("there is no timer `{name}` of round {round:?}")),
    })
}
