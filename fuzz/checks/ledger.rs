//! What holds of any bytes that somebody takes for something of the ledger. The fuzz targets and the replay of their corpora
//! share it.

use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::{LearnerGraph, file};
use hpaxos_ledger::{
    Block, Bundle, Certificate, Delta, Genesis, LogRules, MemoryState, Piece, Prefix, ReadState,
    Receipt, StateKey, View, begins, check_height, check_summary, execute, forget, height, initial,
    position, prune, prune_states, results, used, value,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;

pub const NETWORK: NetworkId = NetworkId([7; 32]);

pub static GRAPH: LazyLock<LearnerGraph> =
    LazyLock::new(|| file::read(include_str!("../graph.toml")).expect("it is a graph"));

pub const GENESIS: &str = "version = 1\nnetwork = \"fuzz\"\n\n[[chains.l00.balances]]\nlog = \"l00\"\nasset = \"gold\"\n\
    owner = \"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c\"\namount = \"7\"\n";

static GENESIS_READ: LazyLock<Genesis> =
    LazyLock::new(|| Genesis::read(GENESIS, &GRAPH).expect("it is one"));

static RULES: LazyLock<LogRules> =
    LazyLock::new(|| LogRules::new(NETWORK, &GRAPH, &GRAPH.logs()[0], &GENESIS_READ));

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

/// The rows of a view, as they are read from the disk.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// A view that has executed three slots, the second of which has this bundle.
pub fn rows(bundle: &Bundle) -> Rows {
    let mut state = MemoryState::default();
    state.apply(initial(&GENESIS_READ, &RULES));
    for (slot, bundles) in [vec![], vec![bundle.clone()], vec![]].into_iter().enumerate() {
        let block = Block { bundles };
        let hash = value(NETWORK, &block.to_bytes());
        let delta = execute(&state, &RULES, slot as u64, &block, hash).0;
        state.apply(delta);
    }
    state.rows().clone().into_iter().collect()
}

/// Rows on a disk that may have been damaged.
struct Disk(MemoryState);

/// What becomes of whoever reads a damaged row.
struct Unreadable;

impl ReadState for Disk {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.read(key)
    }

    fn last_at_or_before(&self, from: &[u8], to: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        self.0.last_at_or_before(from, to)
    }

    fn each_back(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.0.each_back(from, to, visit);
    }

    fn unreadable(&self, _: &str) -> ! {
        resume_unwind(Box::new(Unreadable))
    }
}

/// The rows of a view: whatever is asked of it is answered, or found to be unreadable. How many questions were answered.
pub fn view(bytes: &[u8]) -> usize {
    let Ok(rows) = borsh::from_slice::<Rows>(bytes) else { return 0 };
    let mut state = MemoryState::default();
    state.apply(rows.into_iter().map(|(key, value)| (key, Some(value))).collect::<Delta>());
    let disk = Disk(state);
    let (chain, owner) = (RULES.log.as_str(), [7; 32]);
    let id = hpaxos_ledger::BundleId([1; 32]);
    let latest = || View::latest(&disk);
    let hat = format!("{chain}:hat");
    let key = StateKey::Object { chain: chain.to_owned(), key: hat.clone() };
    let questions: [&dyn Fn(); 13] = [
        &|| drop(check_height(&disk)),
        &|| drop(check_summary(&disk, &RULES, None, 3)),
        &|| drop((height(&disk), begins(&disk), results(&disk, 1))),
        &|| drop((position(&disk, &id), used(&disk, &id))),
        &|| drop(latest().map(|view| view.object(chain, &hat))),
        &|| drop(latest().map(|view| view.gone_to(chain, &hat))),
        &|| drop(latest().map(|view| view.balances(chain, owner, 9))),
        &|| drop(latest().map(|view| view.prove(&key).to_bytes())),
        &|| drop(latest().map(|view| Piece::of(&view, &Prefix::ROOT, 1 << 16))),
        &|| drop(prune(&disk, 3, 100)),
        &|| drop(prune_states(&disk, 3, 100)),
        &|| drop(forget(&disk, 3, |_| false)),
        &|| {
            let block = Block::default();
            let hash = value(NETWORK, &block.to_bytes());
            drop(latest().map(|view| execute(&disk, &RULES, view.height(), &block, hash)));
        },
    ];
    let answered = |question: &&dyn Fn()| match catch_unwind(AssertUnwindSafe(question)) {
        Ok(()) => true,
        Err(panic) if panic.is::<Unreadable>() => false,
        Err(panic) => resume_unwind(panic),
    };
    questions.iter().filter(|question| answered(question)).count()
}
