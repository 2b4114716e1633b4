//! What the API answers, for those who serve it and those who ask.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A bundle was taken: it waits, and was passed on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Its id, 64 hex digits.
    pub id: String,
    /// Whether it was here before.
    pub duplicate: bool,
}

/// An error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    /// What is wrong.
    pub error: ErrorBody,
}

/// What is wrong, and what would be right.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// `malformed`, `bad_signature`, `expired`, `too_far`, `limits`, `wrong_home`, `too_large`, `busy`, `not_ready`, `not_found`,
    /// `forbidden`.
    pub code: String,
    /// For people.
    pub message: String,
    /// Where in the bundle, like `parts[1].operations[0].key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The log in which the object lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

/// The logs of this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// The node's name.
    pub node: String,
    /// The network's id.
    pub network: String,
    /// The logs, by name.
    pub logs: BTreeMap<String, Log>,
}

/// A log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Of each learner, how far it is.
    pub learners: BTreeMap<String, Learner>,
    /// The first slot of which is known what was executed: those before were let go of, or there was a snapshot.
    #[serde(default)]
    pub begins: u64,
    /// Messages from proposal to decision: 3 or 4.
    pub sends: u8,
    /// Undecided slots that are open.
    pub open: u64,
    /// Slots that are on disk only, because some learner has not decided them for good.
    pub parked: u64,
    /// Their bytes on disk.
    #[serde(default)]
    pub parked_bytes: u64,
    /// Where these are too many, and no new slot is opened: the chains that have not decided them.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// The highest round of an open slot: 0 if all is well.
    pub round: u64,
    /// Who proposes next; empty if no slot is open.
    pub leader: String,
    /// Bundles that wait here.
    pub mempool: u64,
    /// How it catches up; none if it is where the others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// What this node does not sign, because its store was lost; null if nothing keeps it from signing.
    pub silent: Option<Silent>,
}

/// What a node does not sign, and why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Silent {
    /// How its store was lost.
    pub why: String,
    /// It signs nothing in slots up to this one; null until quorums of all learners have said how far the log is.
    pub through: Option<u64>,
}

/// A node that was away catches up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sync {
    /// Slots that are certified and not executed here.
    pub slots_left: u64,
    /// Executed in a second, since it began.
    pub slots_per_second: f64,
    /// As long as it goes on like that; none before it has begun to.
    pub seconds_left: Option<f64>,
    /// How a snapshot of the state comes, if the others have let go of the slots that are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// A snapshot of the state comes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The slot after which the state is fetched.
    pub slot: u64,
    /// How much of it is there, from 0 to 100.
    pub percent: f64,
    /// Objects, balances and so on that are there.
    pub leaves: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// As long as it goes on like that; none before it has begun to.
    pub seconds_left: Option<f64>,
}

/// How far a learner is, at this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Learner {
    /// The first slot that it has not decided.
    pub decided: u64,
    /// The first slot that its view has not executed.
    pub height: u64,
    /// Why its view goes no further; none if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

/// A learner's view goes no further: /v1/evidence has what there is to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// The slot in which it differs.
    pub slot: u64,
    /// `root-mismatch`: a quorum of the learner attests another outcome than this node's. `diverged`: the learner decided another
    /// block than the others of its log.
    pub why: String,
}

/// A slot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Slot {
    /// The log.
    pub log: String,
    /// Its number.
    pub slot: u64,
    /// Of each learner that decided it here, what.
    pub learners: BTreeMap<String, SlotDecision>,
    /// The bundles of the decided block, as in receipts, in order; none if no learner decided or the block is not here.
    pub bundles: Option<Vec<serde_json::Value>>,
}

/// What a learner decided in a slot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SlotDecision {
    /// The hash of the block.
    pub block: String,
    /// The ballot: 16 hex digits of the round, `-`, the block.
    pub ballot: String,
    /// What it executed; none if it has not.
    pub executed: Option<Executed>,
    /// Who attests it, as in receipts; none until a quorum does.
    pub certificate: Option<serde_json::Value>,
}

/// What a view made of a slot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Executed {
    /// The hash chain over all slots so far.
    pub history: String,
    /// The root of the results.
    pub results_root: String,
    /// The root of the state after it.
    pub state_root: String,
}

/// An object.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Object {
    /// The chain.
    pub chain: String,
    /// `<birth log>:<key>`.
    pub key: String,
    /// Base64.
    pub value: String,
    /// The owner's key.
    pub owner: String,
    /// 1 at creation, one more with each write.
    pub version: u64,
    /// The log in which it lives.
    pub home: String,
    /// The slots that the view has executed.
    pub height: u64,
    /// The root of the state that the proof is for.
    pub state_root: String,
    /// The proof.
    pub proof: serde_json::Value,
}

/// The balances of an owner in a chain.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Balances {
    /// The chain.
    pub chain: String,
    /// The owner's key.
    pub owner: String,
    /// Each balance that is not 0.
    pub balances: Vec<Balance>,
}

/// A balance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    /// The log in which it lives.
    pub log: String,
    /// The asset.
    pub asset: String,
    /// How much, in decimal.
    pub amount: String,
}

/// The learner graph, and how those in it are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// The network's id.
    pub network: String,
    /// The learner graph's file.
    pub toml: String,
    /// What it takes to break each log of this node, as `hpaxos graph analyze --json` says it: smallest sets of acceptors whose
    /// crash halts a chain, and whose being Byzantine forks one or lets two disagree.
    pub analysis: serde_json::Value,
    /// Acceptors of whom there is proof that they signed two conflicting messages.
    pub caught: Vec<String>,
    /// Acceptors to whom there is no link.
    pub unreachable: Vec<String>,
    /// Why this node refuses peers: what of them differs.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// Acceptors to whom there is.
    pub peers: Vec<Peer>,
}

/// A peer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its name in the graph.
    pub name: String,
    /// Its address.
    pub address: String,
    /// There and back, in milliseconds; none before the first answer.
    pub rtt_ms: Option<f64>,
}

/// Proof of misbehaviour.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// `fork` or `double-proposal`: an acceptor signed two messages that conflict. `root-mismatch`: a quorum attests another
    /// outcome than this node's. `divergence`: quorums of two learners attest different outcomes.
    pub kind: String,
    /// The log.
    pub log: String,
    /// The slot.
    pub slot: u64,
    /// Who signed both messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptor: Option<String>,
    /// The two messages with their signatures, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<String>>,
    /// The learners whose quorums attest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learners: Option<Vec<String>>,
    /// What they attest: certificates, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<String>>,
}

/// Whether the node is alive, or ready.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is missing.
    pub status: String,
}
