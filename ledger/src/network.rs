//! The id of a network, which is part of everything that is signed.

use crate::genesis::Genesis;
use borsh::BorshSerialize;
use hpaxos_consensus::{Epoch, NetworkId};
use hpaxos_learner_graph::LearnerGraph;
use sha2::{Digest, Sha256};

/// The format's version, as in both files.
const VERSION: u32 = 1;

/// The epoch of every network: its learner graph does not change yet.
pub const EPOCH: Epoch = Epoch(0);

/// The id of the network, SHA-256 of the canonical encoding of learner graph and genesis; none if an acceptor has no key
/// yet. Addresses, comments and the order in the files do not count; who may sign what, and what everybody starts with,
/// does.
pub fn network_id(graph: &LearnerGraph, genesis: &Genesis) -> Option<NetworkId> {
    if graph.declarations().acceptors.iter().any(|acceptor| acceptor.public_key.is_none()) {
        return None;
    }
    let mut canonical = Vec::new();
    VERSION
        .serialize(&mut canonical)
        .and_then(|()| genesis.network.serialize(&mut canonical))
        .and_then(|()| graph.serialize(&mut canonical))
        .and_then(|()| genesis.chains.serialize(&mut canonical))
        // At the end, and nothing where there is none: what came before ends by itself, so no two encodings are equal.
        .and_then(|()| {
            genesis.create_deposit.iter().try_for_each(|it| it.serialize(&mut canonical))
        })
        .expect("writing to memory does not fail");
    Some(NetworkId(Sha256::digest(&canonical).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_learner_graph::file;

    const KEYS: [&str; 2] = [
        "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    ];

    fn graph(alice: &str, more: &str) -> LearnerGraph {
        let text = format!(
            "version = 1\n[acceptors.alice]\n{alice}\n[acceptors.bob]\npublic-key = \"{}\"\n{more}\n\
             [learners.red]\nquorum = {{ at-least = 2, of = [\"bob\", \"alice\"] }}\n",
            KEYS[1]
        );
        file::read(&text).unwrap()
    }

    fn genesis(graph: &LearnerGraph, text: &str) -> Genesis {
        Genesis::read(&format!("version = 1\nnetwork = \"laptop\"\n{text}"), graph).unwrap()
    }

    fn gold(amount: u128) -> String {
        format!(
            "[[chains.red.balances]]\nlog = \"red\"\nasset = \"gold\"\nowner = \"{}\"\namount = \"{amount}\"\n",
            KEYS[0]
        )
    }

    #[test]
    fn covers_what_is_agreed_and_nothing_else() {
        let key = format!("public-key = \"{}\"", KEYS[0]);
        let plain = graph(&key, "");
        let id = network_id(&plain, &genesis(&plain, &gold(1000))).unwrap();

        let moved = graph(&key, "addresses = [\"/ip4/10.0.0.1/udp/4001/quic-v1\"] # a comment");
        assert_eq!(network_id(&moved, &genesis(&moved, &gold(1000))), Some(id));
        assert_ne!(network_id(&plain, &genesis(&plain, &gold(1001))), Some(id));
        assert_ne!(network_id(&plain, &genesis(&plain, "")), Some(id));
        let deposit =
            "create_deposit = { asset = \"gold\", amount = \"5\" }\n".to_owned() + &gold(1000);
        assert_ne!(network_id(&plain, &genesis(&plain, &deposit)), Some(id));

        let keyless = graph("", "");
        assert_eq!(network_id(&keyless, &genesis(&keyless, "")), None);
    }

    /// The canonical encoding is a contract: a change of it forks every network from its past.
    #[test]
    fn does_not_change_from_version_to_version() {
        let graph = graph(&format!("public-key = \"{}\"", KEYS[0]), "");
        let id = network_id(&graph, &genesis(&graph, &gold(1000))).unwrap();
        assert_eq!(
            id.to_string(),
            "bbab73cbc80ad78cdd5c879b5f172322d90d61639999b8fa7b13d2781a9167e7"
        );
    }
}
