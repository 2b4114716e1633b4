//! What became of the bundles of one slot, and proofs of it.

use crate::digest::{BundleId, History, ResultsRoot, sha256};
use crate::moving::Released;
use borsh::{BorshDeserialize, BorshSerialize};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use hpaxos_consensus::{Epoch, NetworkId, ValueHash};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const HISTORY_TAG: &[u8] = b"hpaxos/v1/history\0";

/// The longest proof of a result: a block has at most 2^12 bundles.
pub const RESULT_PROOF_HASHES_MAX: usize = 12;

/// What became of a bundle in a slot. The id is used up unless it is expired or a duplicate.
///
/// What is hashed into the results root is the canonical encoding, with one exception: in place of each thing that was let
/// go stands its [digest](Released::digest).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    /// All its parts are applied.
    Committed,
    /// None is applied.
    Aborted(Abort),
    /// None is applied: the slot is later than those for which it was meant.
    Expired,
    /// None is applied: its id was used up before.
    Duplicate,
    /// All its parts are applied, and let these things go to other logs: at least one, in the order of parts and operations.
    Released(Vec<Released>),
}

/// The first operation that failed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The chain of its part.
    pub chain: String,
    /// Its place in the part, from 0.
    pub operation: u32,
    /// Why it failed.
    pub reason: Reason,
}

/// Why an operation fails. In borsh: one byte, in this order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An object of this key is there already.
    Exists,
    /// No object of this key is there.
    Absent,
    /// The owner has not signed.
    NotOwner,
    /// The object is at another version.
    Version,
    /// What is required does not hold.
    Condition,
    /// There is not so much.
    Balance,
    /// There would be more than 2^128 - 1.
    Overflow,
    /// The chain has no other log of this name.
    BadLog,
    /// What is claimed was not let go, or nobody has shown that it was.
    BadProof,
    /// What is claimed is here already.
    Claimed,
}

impl Outcome {
    /// Whether a bundle of the same id is a duplicate from now on.
    pub fn uses_id(&self) -> bool {
        self.is_committed() || matches!(self, Outcome::Aborted(_))
    }

    /// Whether all parts are applied.
    pub fn is_committed(&self) -> bool {
        matches!(self, Outcome::Committed | Outcome::Released(_))
    }
}

/// What became of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BundleResult {
    /// The bundle.
    pub id: BundleId,
    /// What became of it.
    pub outcome: Outcome,
}

/// The tree over the results of one slot.
pub(crate) struct ResultsTree(MemoryBackedTree<Sha256, Vec<u8>>);

impl ResultsTree {
    pub(crate) fn new(results: &[BundleResult]) -> Self {
        let mut tree = MemoryBackedTree::new();
        results.iter().for_each(|result| tree.push(leaf(result)));
        ResultsTree(tree)
    }

    pub(crate) fn root(&self) -> ResultsRoot {
        ResultsRoot((*self.0.root().as_bytes()).into())
    }

    /// From the bottom up.
    #[cfg(feature = "execute")]
    pub(crate) fn proof(&self, index: usize) -> Vec<[u8; 32]> {
        let proof = self.0.prove_inclusion(index);
        let (hashes, rest) = proof.as_bytes().as_chunks::<32>();
        assert!(rest.is_empty(), "a proof consists of hashes");
        hashes.to_vec()
    }
}

/// The number of [`Outcome::Released`] in borsh.
const RELEASED: u8 = 4;

fn leaf(result: &BundleResult) -> Vec<u8> {
    match &result.outcome {
        Outcome::Released(things) => {
            let digests: Vec<[u8; 32]> = things.iter().map(Released::digest).collect();
            released_leaf(&result.id, &digests)
        }
        _ => borsh::to_vec(result).expect("writing to memory does not fail"),
    }
}

fn released_leaf(id: &BundleId, digests: &[[u8; 32]]) -> Vec<u8> {
    borsh::to_vec(&(id, RELEASED, digests)).expect("writing to memory does not fail")
}

/// The root over `results`: RFC 6962 (leaf 00, node 01) over the encoding of each, as at [`Outcome`].
pub fn results_root(results: &[BundleResult]) -> ResultsRoot {
    ResultsTree::new(results).root()
}

/// Where a result stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultPlace {
    /// From 0, in the order of the block.
    pub index: u32,
    /// How many results the slot has. The root does not tell it: a proof is one for this number.
    pub results: u32,
}

/// Whether `proof`, from the bottom up, shows that `result` is one of the results under `root`.
pub fn verify_result(
    result: &BundleResult,
    place: ResultPlace,
    proof: &[[u8; 32]],
    root: &ResultsRoot,
) -> bool {
    is_leaf(&leaf(result), place, proof, root)
}

/// The same for a bundle that let these things go, of which only the digests are known.
pub(crate) fn verify_released(
    id: &BundleId,
    digests: &[[u8; 32]],
    place: ResultPlace,
    proof: &[[u8; 32]],
    root: &ResultsRoot,
) -> bool {
    is_leaf(&released_leaf(id, digests), place, proof, root)
}

fn is_leaf(leaf: &Vec<u8>, place: ResultPlace, proof: &[[u8; 32]], root: &ResultsRoot) -> bool {
    if proof.len() > RESULT_PROOF_HASHES_MAX {
        return false;
    }
    let proof = InclusionProof::<Sha256>::from_bytes(proof.concat());
    let root = RootHash::<Sha256>::new(root.0.into(), u64::from(place.results));
    root.verify_inclusion(leaf, u64::from(place.index), &proof).is_ok()
}

impl History {
    /// The history of a view of `log` that has executed nothing.
    pub fn initial(network: NetworkId, epoch: Epoch, log: &str) -> Self {
        let place = borsh::to_vec(&(epoch, log)).expect("writing to memory does not fail");
        History(sha256(&[HISTORY_TAG, &network.0, &place]))
    }

    /// The history after `slot`, in which the block of this hash had these results.
    #[must_use]
    pub fn then(&self, slot: u64, block: ValueHash, results: ResultsRoot) -> Self {
        History(sha256(&[HISTORY_TAG, &self.0, &slot.to_le_bytes(), &block.0, &results.0]))
    }
    /// The history at the end of `path`, which names block and results root of each slot after slot `after`, of which this
    /// is the history: see [`path`](crate::path).
    #[must_use]
    pub fn along(&self, after: u64, path: &[(ValueHash, ResultsRoot)]) -> Self {
        let slots = after.saturating_add(1)..=u64::MAX;
        path.iter()
            .zip(slots)
            .fold(*self, |history, ((block, results), slot)| history.then(slot, *block, *results))
    }
}
