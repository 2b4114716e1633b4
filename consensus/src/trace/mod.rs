//! Traces: what happened, one JSON object a line, for programs that check it afterwards.
//!
//! The first line is the graph. Then come the lines of the nodes, each node's in its own order; lines of different nodes are
//! not ordered among each other. Everything is called by its name: a trace is read without the writer's tables.

mod graph;

pub use graph::{ACCEPTORS_MAX, Edge, Graph, GraphFile, Log, WholeGraph};

use crate::dag::Node;
use crate::ids::{Ballot, LogName, MessageId, Round, Slot, ValueHash};
use crate::message::{Body, Kind};
use crate::trust::Trust;
use hpaxos_learner_graph::{LearnerGraph, LearnerSet};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use thiserror::Error;

/// The version of the format.
pub const VERSION: u32 = 1;

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum Line {
    /// The first one: the trust model.
    Graph(Graph),
    /// A message left a node, after it was stored.
    Send {
        /// Who sent it.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// What.
        message: Message,
        /// To whom, if not to all: an equivocator's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Vec<String>>,
    },
    /// A message entered a node's DAG, after its references.
    Receive {
        /// Whose.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// The message.
        id: MessageId,
        /// In full the first time, in a trace of one node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
        /// With a 1a from its proposer: what that had taken in, and the node waits for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hint: Vec<MessageId>,
    },
    /// A learner decided.
    Decide {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Who.
        learner: String,
        /// The ballot.
        ballot: Ballot,
        /// The value.
        value: ValueHash,
    },
    /// A node has proof against an acceptor.
    Caught {
        /// Who.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Against whom.
        acceptor: String,
        /// The two conflicting messages.
        evidence: [MessageId; 2],
    },
    /// A value was stored and judged.
    Value {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// The value.
        value: ValueHash,
        /// The judgement.
        valid: bool,
    },
    /// A node got the new block that it may propose in a round.
    Propose {
        /// Who.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// The round.
        round: Round,
        /// The value.
        value: ValueHash,
    },
    /// A timer ended.
    Timer {
        /// Whose.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Which one.
        name: String,
        /// Of which round, if it belongs to one.
        round: Option<Round>,
    },
    /// An announcement came.
    Round {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Who announces.
        from: String,
        /// The round.
        round: Round,
        /// Its maximal messages: a proposer waits for them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        maximal: Vec<MessageId>,
    },
    /// A learner's certificate came: its rounds are over.
    Certified {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Whose.
        learner: String,
        /// Of which value.
        value: ValueHash,
    },
    /// A node that was behind learns from a certificate what a learner decided. Its engine need not know.
    Learned {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
        /// Whose decision.
        learner: String,
        /// What it decided.
        value: ValueHash,
    },
    /// A learner's view executed a slot.
    Executed {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// Whose view.
        learner: String,
        /// The slot.
        slot: Slot,
        /// The history after it.
        history: String,
        /// The state after it.
        state_root: String,
    },
    /// The end of a batch: the node took in what had come in it, and answered.
    Settle {
        /// Which one.
        node: String,
    },
    /// A slot was read from disk again, after it was parked or the node was started again: what had not been stored of it is
    /// forgotten. What follows of it may have been told before.
    Loaded {
        /// Where.
        node: String,
        /// The log.
        log: LogName,
        /// The slot.
        slot: Slot,
    },
    /// A node stopped without warning, or lost its store: it does not know any more what it said before.
    Crash {
        /// Which one.
        node: String,
    },
    /// It runs again.
    Restart {
        /// Which one.
        node: String,
    },
}

/// A message of the DAG, with what is derived of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Message {
    /// A proposal.
    #[serde(rename = "1a")]
    OneA {
        /// Its id.
        id: MessageId,
        /// Its ballot.
        ballot: Ballot,
        /// The round.
        round: Round,
        /// Who proposes.
        proposer: String,
        /// The value.
        value: ValueHash,
    },
    /// A vote.
    #[serde(rename = "1b")]
    OneB {
        /// Its id.
        id: MessageId,
        /// Its signer.
        acceptor: String,
        /// The signer's previous reply.
        prev: Option<MessageId>,
        /// References, as signed.
        refs: Vec<MessageId>,
        /// Derived: its ballot.
        ballot: Ballot,
        /// Derived: those for which it is fresh, sorted.
        learners: Vec<String>,
    },
    /// An accept.
    #[serde(rename = "2a")]
    TwoA {
        /// Its id.
        id: MessageId,
        /// Its signer.
        acceptor: String,
        /// The signer's previous reply.
        prev: Option<MessageId>,
        /// References, as signed.
        refs: Vec<MessageId>,
        /// Derived: its ballot.
        ballot: Ballot,
        /// Derived: whom it names, sorted.
        learners: Vec<String>,
    },
    /// A commit.
    #[serde(rename = "2b")]
    TwoB {
        /// Its id.
        id: MessageId,
        /// Its signer.
        acceptor: String,
        /// The signer's previous reply.
        prev: Option<MessageId>,
        /// References, as signed.
        refs: Vec<MessageId>,
        /// Derived: its ballot.
        ballot: Ballot,
        /// Derived: whom it names, sorted.
        learners: Vec<String>,
    },
}

impl Message {
    /// A message of a DAG.
    pub fn new(node: &Node, trust: &Trust, graph: &LearnerGraph) -> Self {
        let id = node.message.id();
        let ballot = node.facts.ballot;
        let signer = graph.acceptor_name(node.signer()).to_owned();
        let reply = match &node.message.body {
            Body::Proposal { round, value } => {
                let (round, value) = (*round, *value);
                return Message::OneA { id, ballot, round, proposer: signer, value };
            }
            Body::Reply(reply) => reply,
        };
        let (acceptor, prev, refs) = (signer, reply.prev, reply.refs.to_vec());
        let learners = names(graph, trust.members_of(node.facts.named));
        match node.kind() {
            Kind::TwoA => Message::TwoA { id, acceptor, prev, refs, ballot, learners },
            Kind::TwoB => Message::TwoB { id, acceptor, prev, refs, ballot, learners },
            _ => Message::OneB { id, acceptor, prev, refs, ballot, learners },
        }
    }

    /// Its id.
    pub fn id(&self) -> MessageId {
        match self {
            Message::OneA { id, .. }
            | Message::OneB { id, .. }
            | Message::TwoA { id, .. }
            | Message::TwoB { id, .. } => *id,
        }
    }
}

fn names(graph: &LearnerGraph, learners: LearnerSet) -> Vec<String> {
    let mut names: Vec<String> =
        learners.iter().map(|learner| graph.learner_name(learner).to_owned()).collect();
    names.sort_unstable();
    names
}

/// Why a trace cannot be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file.
    #[error("the trace cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line.
    #[error("line {line} of the trace: {why}")]
    Line {
        /// Which one, from 1.
        line: usize,
        /// What is wrong with it.
        why: serde_json::Error,
    },
}

/// Writes one line.
///
/// # Errors
/// If `to` does not take it.
pub fn write(to: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Reads lines, as they come.
pub fn read(from: impl BufRead) -> impl Iterator<Item = Result<Line, TraceError>> {
    from.lines().enumerate().map(|(index, text)| {
        serde_json::from_str(&text?).map_err(|why| TraceError::Line { line: index + 1, why })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the format's description come back as they were.
    #[test]
    fn lines_read_back() {
        let id = "ab".repeat(32);
        let ballot = format!("{:016x}-{id}", 3);
        for text in [
            r#"{"event":"graph","path":"graph.toml"}"#.to_owned(),
            format!(
                r#"{{"event":"send","node":"p","log":"red","slot":7,"message":{{"kind":"1a","id":"{id}","ballot":"{ballot}","round":3,"proposer":"p","value":"{id}"}}}}"#
            ),
            format!(
                r#"{{"event":"send","node":"p","log":"red","slot":7,"message":{{"kind":"2a","id":"{id}","acceptor":"p","prev":"{id}","refs":["{id}"],"ballot":"{ballot}","learners":["red"]}},"to":["q"]}}"#
            ),
            format!(r#"{{"event":"receive","node":"q","log":"red","slot":7,"id":"{id}"}}"#),
            r#"{"event":"crash","node":"q"}"#.to_owned(),
        ] {
            let line: Line = serde_json::from_str(&text).expect(&text);
            assert_eq!(serde_json::to_string(&line).expect("a line"), text);
        }
    }

    #[test]
    fn unknown_fields_are_errors() {
        for text in [
            r#"{"event":"crash","node":"q","why":"lightning"}"#,
            r#"{"event":"graph","path":"g","colour":"red"}"#,
        ] {
            assert!(serde_json::from_str::<Line>(text).is_err(), "{text}");
        }
    }
}
