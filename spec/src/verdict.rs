//! What must be true of a whole network, checked over the traces that its nodes wrote.
//!
//! It needs no more than `decide` and `executed` lines, so that real networks under load can afford it.

use hpaxos_consensus::trace::{Line, TraceError};
use hpaxos_consensus::{LogName, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorSet, Connections, LearnerGraph, LearnerId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufRead;
use thiserror::Error;

/// Something that must be true of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkProperty {
    /// See its sentence.
    Agreement,
    /// See its sentence.
    OneHistory,
    /// See its sentence.
    InOrder,
    /// See its sentence.
    Accused,
}

impl NetworkProperty {
    /// All of them.
    pub const ALL: [NetworkProperty; 4] = [
        NetworkProperty::Agreement,
        NetworkProperty::OneHistory,
        NetworkProperty::InOrder,
        NetworkProperty::Accused,
    ];

    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            NetworkProperty::Agreement => "agreement",
            NetworkProperty::OneHistory => "one-history",
            NetworkProperty::InOrder => "in-order",
            NetworkProperty::Accused => "accused",
        }
    }

    // ANCHOR: sentence
    /// What must be true.
    pub fn sentence(self) -> &'static str {
        match self {
            NetworkProperty::Agreement => {
                "Entangled learners never decide differently in a slot, at any two nodes; a learner that is entangled \
                 with itself never decides twice."
            }
            NetworkProperty::OneHistory => {
                "Views of entangled learners have the same history and state after the same slot, at all nodes."
            }
            NetworkProperty::InOrder => {
                "A view executes slot after slot, and none that its learner has not decided. (After a restart only the \
                 former can be seen: what was decided last may be on disk, and not in the trace.)"
            }
            NetworkProperty::Accused => "Nobody is accused who is not Byzantine.",
        }
    }
    // ANCHOR_END: sentence
}

/// What came of a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// How much was looked at, or what is wrong.
    pub detail: String,
}

/// Why traces cannot be judged.
#[derive(Debug, Error)]
pub enum VerdictError {
    /// The file, or a line that is none, and not the last one of a node that was killed.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A log or learner that the graph does not have.
    #[error("line {line} of the trace names `{name}`, which the learner graph does not have")]
    Unknown {
        /// Which one, from 1.
        line: usize,
        /// The log or learner.
        name: String,
    },
}

/// Who has which value of something that entangled learners must have alike; each pair once.
type Said<T> = BTreeMap<Slot, Vec<(LearnerId, T)>>;

struct Log {
    entangled: Connections,
    decided: Said<ValueHash>,
    executed: Said<(String, String)>,
}

/// A learner's view at one node.
#[derive(Default)]
struct View {
    /// The slot that it executes next; not known before the first, and after a restart.
    next: Option<Slot>,
    /// The last slot decided.
    decided: Option<Slot>,
}

/// What is known of one node.
#[derive(Default)]
struct Node {
    views: BTreeMap<(LogName, LearnerId), View>,
    restarted: bool,
}

/// Judges the traces of a network.
pub struct Verdict<'a> {
    graph: &'a LearnerGraph,
    byzantine: AcceptorSet,
    logs: BTreeMap<LogName, Log>,
    counts: BTreeMap<NetworkProperty, u64>,
    wrong: BTreeMap<NetworkProperty, String>,
}

impl<'a> Verdict<'a> {
    /// For a network in which `byzantine` are the Byzantine acceptors: nothing is promised where they can break it, and their
    /// own traces are not to be read.
    pub fn new(graph: &'a LearnerGraph, byzantine: AcceptorSet) -> Self {
        let logs = graph.every_log().into_iter().map(|log| {
            let entangled = log.connections(&byzantine);
            let name = LogName(log.name().into());
            (name, Log { entangled, decided: BTreeMap::new(), executed: BTreeMap::new() })
        });
        let logs = logs.collect();
        Verdict { graph, byzantine, logs, counts: BTreeMap::new(), wrong: BTreeMap::new() }
    }

    /// Reads the trace of a node. A last line without an end is that of a node that was killed.
    ///
    /// # Errors
    /// If it is no trace of this network.
    pub fn read(&mut self, mut from: impl BufRead) -> Result<(), VerdictError> {
        let mut of_node = Node::default();
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            if from.read_line(&mut text).map_err(TraceError::Io)? == 0 {
                break;
            }
            let parsed: Line = match serde_json::from_str(&text) {
                Ok(parsed) => parsed,
                Err(_) if !text.ends_with('\n') => break,
                Err(why) => return Err(TraceError::Line { line, why }.into()),
            };
            self.line(parsed, &mut of_node).map_err(|name| VerdictError::Unknown { line, name })?;
        }
        Ok(())
    }

    fn line(&mut self, line: Line, of_node: &mut Node) -> Result<(), String> {
        match line {
            Line::Decide { node, log, slot, learner, value, .. }
            | Line::Learned { node, log, slot, learner, value } => {
                let learner = self.learner(&learner)?;
                let view = of_node.views.entry((log.clone(), learner)).or_default();
                view.decided = view.decided.max(Some(slot));
                let of_log = self.logs.get_mut(&log).ok_or_else(|| log.to_string())?;
                let other = say(&mut of_log.decided, &of_log.entangled, slot, learner, &value);
                let wrong = other.map(|(other, decided)| {
                    format!(
                        "in slot {} of {log} {} decides {value} at {node}, and {} decides {decided} somewhere",
                        slot.0,
                        self.graph.learner_name(learner),
                        self.graph.learner_name(other),
                    )
                });
                self.judge(NetworkProperty::Agreement, wrong);
            }
            Line::Executed { node, log, learner, slot, history, state_root } => {
                let name = learner;
                let learner = self.learner(&name)?;
                let view = of_node.views.entry((log.clone(), learner)).or_default();
                let (due, decided) = (view.next, view.decided);
                view.next = Some(Slot(slot.0 + 1));
                let wrong = match due {
                    Some(next) if next != slot => Some(format!(
                        "{name} executes slot {} of {log} at {node}; slot {} is next",
                        slot.0, next.0
                    )),
                    Some(_) if decided < Some(slot) && !of_node.restarted => Some(format!(
                        "{name} executes slot {} of {log} at {node}, and has not decided it",
                        slot.0
                    )),
                    _ => None,
                };
                self.judge(NetworkProperty::InOrder, wrong);
                let of_log = self.logs.get_mut(&log).ok_or_else(|| log.to_string())?;
                let state = (history, state_root);
                let other = say(&mut of_log.executed, &of_log.entangled, slot, learner, &state);
                let wrong = other.map(|(other, there)| {
                    format!(
                        "after slot {} of {log} {name} at {node} has history {} and state {}, and {} somewhere {} and {}",
                        slot.0,
                        state.0,
                        state.1,
                        self.graph.learner_name(other),
                        there.0,
                        there.1,
                    )
                });
                self.judge(NetworkProperty::OneHistory, wrong);
            }
            Line::Caught { node, log, slot, acceptor, .. } => {
                let byzantine = self.graph.acceptor(&acceptor);
                let byzantine = byzantine.is_some_and(|acceptor| self.byzantine.contains(acceptor));
                let wrong = (!byzantine).then(|| {
                    format!("{node} says that it caught {acceptor} in slot {} of {log}", slot.0)
                });
                self.judge(NetworkProperty::Accused, wrong);
            }
            // What was executed after the last write is executed again.
            Line::Restart { .. } => *of_node = Node { restarted: true, ..Node::default() },
            _ => {}
        }
        Ok(())
    }

    fn learner(&self, name: &str) -> Result<LearnerId, String> {
        self.graph.learner(name).ok_or_else(|| name.to_owned())
    }

    fn judge(&mut self, property: NetworkProperty, wrong: Option<String>) {
        *self.counts.entry(property).or_default() += 1;
        if let Some(wrong) = wrong {
            self.wrong.entry(property).or_insert(wrong);
        }
    }

    /// What came of each property; the first thing that is wrong, where something is.
    pub fn judged(&self) -> Vec<Judged> {
        let judged = NetworkProperty::ALL.into_iter().map(|property| {
            let count = self.counts.get(&property).copied().unwrap_or_default();
            let what = match property {
                NetworkProperty::Agreement => "decisions",
                NetworkProperty::OneHistory | NetworkProperty::InOrder => "executed slots",
                NetworkProperty::Accused => "accusations",
            };
            let wrong = self.wrong.get(&property);
            Judged {
                name: property.name().to_owned(),
                holds: wrong.is_none(),
                detail: wrong.cloned().unwrap_or_else(|| format!("{count} {what} looked at")),
            }
        });
        judged.collect()
    }
}

/// Takes note of what a learner has in a slot, and returns an entangled one that has something else.
fn say<T: Clone + PartialEq>(
    said: &mut Said<T>,
    entangled: &Connections,
    slot: Slot,
    learner: LearnerId,
    what: &T,
) -> Option<(LearnerId, T)> {
    let known = said.entry(slot).or_default();
    if known.iter().any(|(other, there)| *other == learner && there == what) {
        return None;
    }
    let connected = entangled.connected(learner);
    let other = known.iter().find(|(other, there)| connected.contains(*other) && there != what);
    let other = other.cloned();
    known.push((learner, what.clone()));
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: &str = include_str!("../../learner-graph/examples/two-chains.toml");

    fn decide(node: &str, slot: u64, learner: &str, value: char) -> String {
        let value = value.to_string().repeat(64);
        format!(
            r#"{{"event":"decide","node":"{node}","log":"red+blue","slot":{slot},"learner":"{learner}","ballot":"{:016x}-{value}","value":"{value}"}}"#,
            0
        ) + "\n"
    }

    fn executed(node: &str, slot: u64, learner: &str, history: char) -> String {
        let history = history.to_string().repeat(64);
        format!(
            r#"{{"event":"executed","node":"{node}","log":"red+blue","learner":"{learner}","slot":{slot},"history":"{history}","state_root":"{history}"}}"#
        ) + "\n"
    }

    /// The names of the properties that the traces violate.
    fn violated(byzantine: &[&str], traces: &[String]) -> Vec<String> {
        let graph = hpaxos_learner_graph::file::read(GRAPH).unwrap();
        let byzantine = byzantine.iter().map(|name| graph.acceptor(name).unwrap());
        let mut verdict = Verdict::new(&graph, byzantine.collect());
        for trace in traces {
            verdict.read(trace.as_bytes()).unwrap();
        }
        let judged = verdict.judged().into_iter();
        judged.filter(|judged| !judged.holds).map(|judged| judged.name).collect()
    }

    #[test]
    fn a_good_network_has_nothing_against_it() {
        let at = |node: &str| {
            [
                decide(node, 0, "red", 'a'),
                decide(node, 0, "blue", 'a'),
                executed(node, 0, "red", 'c'),
                decide(node, 1, "red", 'b'),
                executed(node, 1, "red", 'd'),
                executed(node, 0, "blue", 'c'),
            ]
            .concat()
        };
        let torn = at("v4") + r#"{"event":"dec"#;
        let restarted =
            at("v5") + "{\"event\":\"restart\",\"node\":\"v5\"}\n" + &executed("v5", 1, "red", 'd');
        assert_eq!(violated(&[], &[at("v3"), torn, restarted]), [""; 0]);
    }

    #[test]
    fn entangled_learners_may_not_differ_and_others_may() {
        let traces = [decide("v3", 4, "red", 'a'), decide("v4", 4, "blue", 'b')];
        assert_eq!(violated(&[], &traces), ["agreement"]);
        assert_eq!(violated(&["v3"], &traces), ["agreement"]);
        assert_eq!(violated(&["v3", "v4"], &traces), [""; 0]);
        let traces = [decide("v3", 4, "red", 'a'), decide("v4", 4, "red", 'b')];
        assert_eq!(violated(&["v5", "v6"], &traces), ["agreement"]);
    }

    #[test]
    fn views_have_one_history_and_execute_what_was_decided_in_its_order() {
        let red = decide("v3", 0, "red", 'a') + &executed("v3", 0, "red", 'c');
        let other = decide("v4", 0, "blue", 'a') + &executed("v4", 0, "blue", 'd');
        assert_eq!(violated(&[], &[red.clone(), other]), ["one-history"]);
        let gap = red.clone() + &decide("v3", 2, "red", 'a') + &executed("v3", 2, "red", 'e');
        assert_eq!(violated(&[], &[gap]), ["in-order"]);
        let early = red + &executed("v3", 1, "red", 'e');
        assert_eq!(violated(&[], &[early]), ["in-order"]);
    }

    #[test]
    fn only_byzantine_acceptors_are_accused() {
        let id = "a".repeat(64);
        let line = format!(
            r#"{{"event":"caught","node":"v3","log":"red","slot":1,"acceptor":"v4","evidence":["{id}","{id}"]}}"#
        );
        assert_eq!(violated(&[], &[line.clone() + "\n"]), ["accused"]);
        assert_eq!(violated(&["v4"], &[line + "\n"]), [""; 0]);
    }
}
