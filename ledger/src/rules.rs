//! What a bundle is judged by: the log for which it is meant.

use crate::genesis::{Deposit, Genesis};
use crate::network::EPOCH;
use hpaxos_consensus::{Epoch, NetworkId};
use hpaxos_learner_graph::{LearnerGraph, Log};
use std::collections::BTreeSet;

/// What all who judge or execute the blocks of one log agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl LogRules {
    /// The rules of `log`, a log of `graph`.
    pub fn new(network: NetworkId, graph: &LearnerGraph, log: &Log, genesis: &Genesis) -> Self {
        let chains = log.learners().iter().map(|learner| graph.learner_name(learner).to_owned());
        LogRules {
            network,
            epoch: EPOCH,
            log: log.name().to_owned(),
            chains: chains.collect(),
            create_deposit: genesis.create_deposit.clone(),
        }
    }
}
