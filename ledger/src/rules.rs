//! What a bundle is judged by: the log for which it is meant.

use crate::genesis::{Deposit, Genesis};
use crate::network::EPOCH;
use hpaxos_consensus::{Epoch, NetworkId};
use hpaxos_learner_graph::{LearnerGraph, Log};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What all who judge or execute the blocks of one log agree on.
#[derive(Clone, Debug)]
pub struct LogRules {
    /// The network.
    pub network: NetworkId,
    /// Which learner graph the network is on.
    pub epoch: Epoch,
    /// The log's name.
    pub log: String,
    /// The chains that commit together in it.
    pub chains: BTreeSet<String>,
    /// What is held while an object lives, if anything.
    pub create_deposit: Option<Deposit>,
    /// The other logs of each of these chains: where its things may go.
    pub other_logs: BTreeMap<String, BTreeSet<String>>,
    /// Whose certificates count.
    pub graph: Arc<LearnerGraph>,
}

impl LogRules {
    /// The rules of `log`, a log of `graph`.
    pub fn new(network: NetworkId, graph: &LearnerGraph, log: &Log, genesis: &Genesis) -> Self {
        let named = |log: &Log| -> BTreeSet<String> {
            let names = log.learners().iter().map(|learner| graph.learner_name(learner).to_owned());
            names.collect()
        };
        let chains = named(log);
        let mut other_logs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for other in graph.every_log().iter().filter(|other| other.name() != log.name()) {
            for chain in named(other).intersection(&chains) {
                other_logs.entry(chain.clone()).or_default().insert(other.name().to_owned());
            }
        }
        LogRules {
            network,
            epoch: EPOCH,
            log: log.name().to_owned(),
            chains,
            create_deposit: genesis.create_deposit.clone(),
            other_logs,
            graph: Arc::new(graph.clone()),
        }
    }
}
