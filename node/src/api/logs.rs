//! Logs, their slots, the graph, and evidence.

use super::Shared;
use super::answers::{
    ErrorAnswer, Evidence, Executed, Graph, Learner, Log, Logs, Peer, Silent, Slot, SlotDecision,
    Snapshot, Stopped as StoppedAnswer, Sync,
};
use super::error::Failure;
use super::read;
use crate::executor::{Stopped, WhyStopped};
use crate::node::Node;
use crate::store::{SignedPair, StoreError, signer};
use axum::Json;
use axum::extract::{Path, State};
use hpaxos_consensus::Sends;
use hpaxos_consensus::message::Body;
use hpaxos_learner_graph::analysis::AnalyzeAnswer;
use hpaxos_ledger::{Block, Certificate};
use std::collections::BTreeMap;

/// The logs of this node, and how far it is.
#[utoipa::path(get, path = "/v1/logs", responses((status = 200, body = Logs)))]
pub(crate) async fn logs(State(shared): State<Shared>) -> Json<Logs> {
    let node = &shared.node;
    let status = node.engine.borrow().clone();
    let logs = node.views.logs().map(|(index, log)| {
        let of_engine = status.logs.get(usize::from(index.0));
        let trust = &node.logs[usize::from(index.0)];
        let stopped = node.decisions.stopped(index);
        let learners = log.chains.iter().map(|(name, learner)| {
            let next = of_engine.and_then(|log| log.next.iter().find(|(other, _)| other == name));
            let height = node.views.height_of(index, *learner);
            // The engine tells how it is now and then only; what is executed was decided.
            let decided = next.map_or(0, |(_, next)| *next).max(height);
            let stopped = stopped.get(learner).map(|Stopped { slot, why }| {
                let why = match why {
                    WhyStopped::RootMismatch => "root-mismatch",
                    WhyStopped::Diverged => "diverged",
                };
                StoppedAnswer { slot: *slot, why: why.to_owned() }
            });
            (name.clone(), Learner { decided, height, stopped })
        });
        let log_answer = Log {
            learners: learners.collect(),
            begins: node.views.begins(index),
            sends: match trust.sends() {
                Sends::Three => 3,
                Sends::Four => 4,
            },
            open: of_engine.map_or(0, |log| log.open),
            parked: of_engine.map_or(0, |log| log.parked),
            parked_bytes: of_engine.map_or(0, |log| log.parked_bytes),
            waits_for: of_engine.map(|log| log.waits_for.clone()).unwrap_or_default(),
            round: of_engine.map_or(0, |log| log.round),
            leader: of_engine.map(|log| log.leader.clone()).unwrap_or_default(),
            mempool: node.mempool.len(index) as u64,
            sync: node.behind.borrow().get(&index).map(|progress| Sync {
                slots_left: progress.left,
                slots_per_second: progress.rate.round(),
                seconds_left: (progress.rate > 0.0)
                    .then(|| (progress.left as f64 / progress.rate).ceil()),
                snapshot: progress.snapshot.map(|share| Snapshot {
                    slot: share.slot,
                    percent: (share.done * 100.0).floor(),
                    leaves: share.leaves,
                    bytes: share.bytes,
                    seconds_left: share.seconds_left(),
                }),
            }),
            silent: of_engine
                .and_then(|log| log.silent.clone())
                .map(|silent| Silent { why: silent.why, through: silent.through }),
        };
        (log.name.clone(), log_answer)
    });
    let logs = logs.collect();
    Json(Logs { node: node.name.clone(), network: node.id.to_string(), logs })
}

/// A slot: what each learner decided, and what came of it.
#[utoipa::path(get, path = "/v1/logs/{log}/slots/{slot}",
    params(("log" = String, Path), ("slot" = u64, Path)),
    responses((status = 200, body = Slot), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn slot(
    State(shared): State<Shared>,
    Path((log, slot)): Path<(String, u64)>,
) -> Result<Json<Slot>, Failure> {
    let node = shared.node.clone();
    read(move || read_slot(&node, &log, slot)).await?.map(Json)
}

fn read_slot(node: &Node, log: &str, slot: u64) -> Result<Slot, Failure> {
    let index = node.views.log(log).ok_or_else(|| {
        Failure::not_found(format!("this node runs no log `{log}`; /v1/logs lists its logs"))
    })?;
    let trust = &node.logs[usize::from(index.0)];
    let failed = |error| Failure::not_ready(format!("{error}"));
    let records = node.store.records_of(index, hpaxos_consensus::Slot(slot), trust.schedule());
    let summary = node.views.summary(index, slot);
    let mut learners = BTreeMap::new();
    let mut value = None;
    for record in records.map_err(failed)? {
        let hpaxos_consensus::Record::Decided { learner, ballot, .. } = record else { continue };
        value = Some(ballot.value);
        let executed = node.views.height_of(index, learner) > slot;
        let executed = summary.as_ref().filter(|summary| executed && summary.block == ballot.value);
        let decision = SlotDecision {
            block: ballot.value.to_string(),
            ballot: ballot.to_string(),
            executed: executed.map(|summary| Executed {
                history: summary.history.to_string(),
                results_root: summary.results_root.to_string(),
                state_root: summary.state_root.to_string(),
            }),
            certificate: executed
                .and_then(|_| node.views.certificate(index, learner, slot))
                .and_then(|certificate| serde_json::to_value(certificate).ok()),
        };
        learners.insert(node.graph.learner_name(learner).to_owned(), decision);
    }
    let begins = node.store.base(index).map_err(failed)?.max(node.views.begins(index));
    let Some(value) = value else {
        if slot < begins {
            return Err(Failure::not_found(format!(
                "this node knows `{log}` from slot {begins} on, and no more of slot {slot}; ask one that keeps more"
            )));
        }
        return Err(Failure::not_found(format!("slot {slot} of `{log}` is not decided here")));
    };
    let bytes = node.store.block(index, hpaxos_consensus::Slot(slot), &value).map_err(failed)?;
    let block = bytes.and_then(|bytes| Block::decode(&bytes).ok());
    let bundles = block.map(|block| {
        let bundles = block.bundles.iter();
        bundles.map(|bundle| serde_json::to_value(bundle).unwrap_or_default()).collect()
    });
    Ok(Slot { log: log.to_owned(), slot, learners, bundles })
}

/// The learner graph, and how those in it are.
#[utoipa::path(get, path = "/v1/graph", responses((status = 200, body = Graph)))]
pub(crate) async fn graph(State(shared): State<Shared>) -> Json<Graph> {
    let node = &shared.node;
    let caught = node.engine.borrow().caught;
    let names = |set: hpaxos_learner_graph::AcceptorSet| -> Vec<String> {
        set.iter().map(|one| node.graph.acceptor_name(one).to_owned()).collect()
    };
    let status = node.network.peers().borrow().clone();
    let (up, down): (Vec<_>, Vec<_>) = status.iter().partition(|peer| peer.link.is_some());
    let is_acceptor = |peer: &&&crate::network::PeerStatus| {
        matches!(peer.peer, hpaxos_consensus::Peer::Acceptor(_))
    };
    let peers = up.iter().filter_map(|peer| {
        let link = peer.link.as_ref()?;
        let rtt_ms = link.round_trip.map(|rtt| rtt.as_secs_f64() * 1e3);
        Some(Peer { name: peer.name.to_string(), address: link.address.to_string(), rtt_ms })
    });
    let refused = down.iter().filter_map(|peer| {
        let why = peer.refused.as_ref()?;
        Some((peer.name.to_string(), why.to_string()))
    });
    let logs = node.views.logs().map(|(_, log)| log.analysis.clone());
    let analysis = AnalyzeAnswer { logs: logs.collect() };
    Json(Graph {
        network: node.id.to_string(),
        toml: hpaxos_learner_graph::file::write(node.graph.declarations()),
        analysis: serde_json::to_value(analysis).unwrap_or_default(),
        caught: names(caught),
        refused: refused.collect(),
        unreachable: down.iter().filter(is_acceptor).map(|peer| peer.name.to_string()).collect(),
        peers: peers.collect(),
    })
}

/// Proofs of misbehaviour, each enough for a third party to check.
#[utoipa::path(get, path = "/v1/evidence", responses((status = 200, body = Vec<Evidence>)))]
pub(crate) async fn evidence(State(shared): State<Shared>) -> Result<Json<Vec<Evidence>>, Failure> {
    let node = shared.node.clone();
    let all = read(move || {
        let mut all = Vec::new();
        for (index, log) in node.views.logs() {
            let stored = node.store.evidence(index);
            let failed = |error: StoreError| Failure::not_ready(error.to_string());
            for bytes in stored.map_err(failed)? {
                all.extend(described(&node, &log.name, index.0, &bytes));
            }
            let learners = log.chains.values().map(|learner| Some(*learner));
            for learner in learners.chain([None]) {
                let conflict = node.store.conflict(index, learner).map_err(failed)?;
                all.extend(conflict.as_deref().and_then(conflicting));
            }
        }
        Ok(all)
    });
    all.await?.map(Json)
}

fn described(node: &Node, log: &str, index: u16, bytes: &[u8]) -> Option<Evidence> {
    let [one, other]: SignedPair = borsh::from_slice(bytes).ok()?;
    let kind = match &one.0.body {
        Body::Proposal { .. } => "double-proposal",
        Body::Reply(_) => "fork",
    };
    let signer = signer(&one.0, node.logs[usize::from(index)].schedule());
    let slot = one.0.place.slot.0;
    let encode = |one| hex::encode(borsh::to_vec(one).expect("writing to memory does not fail"));
    let messages = vec![encode(&one), encode(&other)];
    Some(Evidence {
        kind: kind.into(),
        log: log.into(),
        slot,
        acceptor: Some(node.graph.acceptor_name(signer).into()),
        messages: Some(messages),
        learners: None,
        certificates: None,
    })
}

/// Certificates that conflict: one with what this node executed, or two with each other.
fn conflicting(certificates: &[Certificate]) -> Option<Evidence> {
    let first = certificates.first()?;
    let kind = if certificates.len() == 1 { "root-mismatch" } else { "divergence" };
    let learners = certificates.iter().map(|one| one.learner.clone());
    let encoded = certificates.iter().map(|one| hex::encode(one.to_bytes()));
    Some(Evidence {
        kind: kind.into(),
        log: first.log.clone(),
        slot: first.slot,
        acceptor: None,
        messages: None,
        learners: Some(learners.collect()),
        certificates: Some(encoded.collect()),
    })
}
