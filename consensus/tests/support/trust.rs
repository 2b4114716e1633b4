//! Small trust models, of thresholds over `v000`, `v001` and so on.

use super::run::NETWORK;
use ed25519_dalek::SigningKey;
use hpaxos_consensus::Trust;
use hpaxos_consensus::message::Keys;
use hpaxos_learner_graph::{
    Acceptor, AcceptorId, Declarations, Edge, Expression, Learner, LearnerGraph, LearnerId, Quorum,
    Safe,
};
use std::sync::Arc;

/// The secret key of an acceptor.
pub fn key(acceptor: usize) -> SigningKey {
    SigningKey::from_bytes(&[(acceptor + 1) as u8; 32])
}

/// The keys of all logs.
pub fn keys(declarations: Declarations) -> Keys {
    let graph = LearnerGraph::new(declarations).expect("its edges exist");
    let logs = graph.logs();
    Keys::new(NETWORK, &graph, logs.iter().map(|log| log.name())).expect("all have good keys")
}

/// The least quorum of `acceptors` of which any two meet in an honest one, while fewer than a third are Byzantine.
pub fn two_thirds(acceptors: usize) -> usize {
    acceptors * 2 / 3 + 1
}

/// `at_least` of the first `of` acceptors.
fn threshold(at_least: usize, of: usize) -> Expression {
    let of = (0..of).map(|index| Expression::Acceptor(AcceptorId::new(index)));
    Expression::AtLeast { at_least, of: of.collect() }
}

/// One learner for each quorum, a threshold of some of the first acceptors; every two have the edge that `safe` says.
pub fn declarations(
    acceptors: usize,
    quorums: &[(usize, usize)],
    safe: impl Fn() -> Safe,
) -> Declarations {
    let acceptors = (0..acceptors).map(|index| Acceptor {
        name: format!("v{index:03}"),
        public_key: Some(key(index).verifying_key().to_bytes()),
        addresses: Vec::new(),
    });
    let learners = quorums.iter().enumerate().map(|(index, (at_least, of))| Learner {
        name: format!("l{index:02}"),
        quorum: Quorum::Expression(threshold(*at_least, *of)),
    });
    let ids = || (0..quorums.len()).map(LearnerId::new);
    let pairs = ids().flat_map(|a| ids().filter(move |b| a < *b).map(move |b| (a, b)));
    Declarations {
        acceptors: acceptors.collect(),
        learners: learners.collect(),
        edges: pairs.map(|between| Edge { between, safe: safe() }).collect(),
        logs: Vec::new(),
    }
}

/// The trust model of the log of all learners.
pub fn trust(declarations: Declarations) -> Arc<Trust> {
    let graph = LearnerGraph::new(declarations).expect("its edges exist");
    let log = graph.log(graph.logs()[0].name()).expect("it has a log");
    Arc::new(Trust::new(log).expect("thresholds are easy to compare"))
}

/// Safe sets that meet whatever two quorums of two thirds have in common.
fn safe_of_two_thirds(acceptors: usize) -> Safe {
    let common = 2 * two_thirds(acceptors) - acceptors;
    Safe::Expression(threshold(acceptors - common + 1, acceptors))
}

/// Learners with the same quorums and edges: three sends decide.
pub fn equal(acceptors: usize, learners: usize) -> Arc<Trust> {
    let quorums = vec![(two_thirds(acceptors), acceptors); learners];
    trust(declarations(acceptors, &quorums, || safe_of_two_thirds(acceptors)))
}

/// Learners with the same edges, each of which wants one acceptor more than the one before: three sends decide.
pub fn level(acceptors: usize, learners: usize) -> Arc<Trust> {
    let least = two_thirds(acceptors);
    let quorums: Vec<_> = (0..learners).map(|more| (least + more, acceptors)).collect();
    let safe = || safe_of_two_thirds(acceptors);
    let mut declared = declarations(acceptors, &quorums, safe);
    let own = (0..learners).map(LearnerId::new);
    declared.edges.extend(own.map(|own| Edge { between: (own, own), safe: safe() }));
    trust(declared)
}

/// Learners each of which wants one acceptor more than the one before, and edges as they follow: four sends decide.
pub fn differing(acceptors: usize, learners: usize) -> Arc<Trust> {
    let least = two_thirds(acceptors);
    let quorums: Vec<_> = (0..learners).map(|more| (least + more, acceptors)).collect();
    trust(declarations(acceptors, &quorums, || Safe::Overlap))
}
