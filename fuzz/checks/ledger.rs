//! What holds of any bytes that somebody takes for something of the ledger. The fuzz targets and the replay of their corpora
//! share it.

use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::{LearnerGraph, file};
use hpaxos_ledger::{Block, Bundle, Certificate, Genesis, LogRules, Receipt};
use std::sync::LazyLock;

pub const NETWORK: NetworkId = NetworkId([7; 32]);

pub static GRAPH: LazyLock<LearnerGraph> =
    LazyLock::new(|| file::read(include_str!("../graph.toml")).expect("it is a graph"));

static RULES: LazyLock<LogRules> = LazyLock::new(|| {
    let genesis = Genesis::read("version = 1\nnetwork = \"fuzz\"\n", &GRAPH).expect("it is one");
    LogRules::new(NETWORK, &GRAPH, &GRAPH.logs()[0], &genesis)
});

/// Bytes off the network or the disk: what they are has no other encoding, and can be judged. How many things they are.
pub fn bytes(bytes: &[u8]) -> usize {
    let mut read = 0;
    if let Some(bundle) = Bundle::from_bytes(bytes) {
        assert_eq!(bundle.to_bytes(), bytes, "a bundle has one encoding");
        let _ = bundle.check(&RULES, 0);
        let json = serde_json::to_vec(&bundle).expect("a bundle has a text");
        if let Ok(again) = Bundle::from_json(&json) {
            assert_eq!(again, bundle, "its text says the same");
        }
        read += 1;
    }
    if let Ok(block) = Block::decode(bytes) {
        assert_eq!(block.to_bytes(), bytes, "a block has one encoding");
        read += 1;
    }
    if let Some(certificate) = Certificate::from_bytes(bytes) {
        assert_eq!(certificate.to_bytes(), bytes, "a certificate has one encoding");
        let _ = certificate.verify(NETWORK, &GRAPH);
        read += 1;
    }
    read
}

/// Text that a client or an operator brings: it says the same when it is written again, or what is wrong and where. How many
/// things it is.
pub fn text(bytes: &[u8]) -> usize {
    let mut read = 0;
    if let Ok(bundle) = Bundle::from_json(bytes) {
        let again = serde_json::to_vec(&bundle).expect("a bundle has a text");
        assert_eq!(Bundle::from_json(&again).expect("it was read before"), bundle);
        assert_eq!(Bundle::from_bytes(&bundle.to_bytes()).as_ref(), Some(&bundle));
        let _ = bundle.check(&RULES, 0);
        read += 1;
    }
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(bytes) {
        let again = serde_json::to_vec(&receipt).expect("a receipt has a text");
        assert_eq!(serde_json::from_slice::<Receipt>(&again).expect("it was read before"), receipt);
        receipt.verify(NETWORK, &GRAPH);
        read += 1;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Genesis::read(text, &GRAPH) {
            Ok(_) => read += 1,
            Err(error) => {
                assert!(error.line >= 1 && error.column >= 1 && error.span.end <= text.len());
            }
        }
    }
    read
}
