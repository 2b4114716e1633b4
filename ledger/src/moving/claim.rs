//! The operation that takes what another log let go.

use super::{NotReleased, ReleaseProof, Released, Thing};
use crate::bundle::Operation;
use crate::digest::from_hex;
use crate::limits::NUMBER_MAX;
use crate::receipt::{Receipt, ReceiptFlaw};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::LearnerGraph;

/// What an [`Operation::Claim`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub released: Released,
    /// Why.
    pub proof: ReleaseProof,
}

/// Which field of an operation is none of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAClaim {
    /// `release` is not the canonical encoding of a [`Released`], or of one that nothing could have become.
    Release,
    /// `proof` is not the canonical encoding of a [`ReleaseProof`].
    Proof,
}

/// Why nothing can be claimed with a receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClaim {
    /// Nothing was let go there.
    #[error("the receipt says of no such operation that it let something go")]
    Nothing,
    /// The receipt says too little.
    #[error("the receipt has no slot, history, roots or proof of it")]
    Incomplete,
    /// The receipt's certificate is missing, or not for what the receipt says.
    #[error("{0}")]
    Receipt(#[from] ReceiptFlaw),
    /// The receipt is wrong.
    #[error("{0}")]
    Wrong(#[from] NotReleased),
}

impl Claim {
    /// Reads both fields of an operation.
    ///
    /// # Errors
    /// Which of them is not what it should be.
    pub fn read(release: &[u8], proof: &[u8]) -> Result<Self, NotAClaim> {
        let released: Released = canonical(release).ok_or(NotAClaim::Release)?;
        // Versions count writes: no log that is right has let go one that will not do to count on.
        if matches!(released.thing, Thing::Object { version, .. } if version > NUMBER_MAX) {
            return Err(NotAClaim::Release);
        }
        Ok(Claim { released, proof: canonical(proof).ok_or(NotAClaim::Proof)? })
    }

    /// The operation that says it.
    pub fn to_operation(&self) -> Operation {
        let proof = borsh::to_vec(&self.proof).expect("writing to memory does not fail");
        Operation::Claim { release: self.released.to_bytes(), proof }
    }

    /// Whether a quorum of the chain attests that it was let go.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, network: NetworkId, graph: &LearnerGraph) -> Result<(), NotReleased> {
        self.proof.verify(&self.released, network, graph)
    }

    /// What the receipt of a bundle lets anybody claim: what operation `operation` of its part on `chain` let go.
    ///
    /// # Errors
    /// Why it is nothing, or why nobody would believe it.
    pub fn of_receipt(
        network: NetworkId,
        graph: &LearnerGraph,
        receipt: &Receipt,
        (chain, operation): (&str, u32),
    ) -> Result<Self, NoClaim> {
        let of_chain = receipt.chains.get(chain).ok_or(NoClaim::Nothing)?;
        let mut released = of_chain.released.iter();
        let released = released.find(|it| it.chain == chain && it.operation == operation).cloned();
        let released = released.ok_or(NoClaim::Nothing)?;
        let short = of_chain.certificate.as_ref().ok_or(ReceiptFlaw::Missing)?;
        let certificate = short.of(graph, &receipt.log, chain, of_chain)?;
        let proof = || {
            let hashes = of_chain.proof.as_ref()?.iter().map(|hash| from_hex(hash));
            Some(ReleaseProof {
                bundle: receipt.id,
                released: of_chain.released.iter().map(Released::digest).collect(),
                index: of_chain.index?,
                results: of_chain.results?,
                proof: hashes.collect::<Option<_>>()?,
                previous: of_chain.previous?,
                slot: of_chain.slot?,
                block: of_chain.block?,
                results_root: of_chain.results_root?,
                path: short.path.clone(),
                certificate,
            })
        };
        let claim = Claim { released, proof: proof().ok_or(NoClaim::Incomplete)? };
        claim.verify(network, graph)?;
        Ok(claim)
    }
}

impl Operation {
    /// The operation that claims what operation `operation` of the part on `chain` of a bundle let go, for the log to which it
    /// goes: see [`Claim::of_receipt`].
    ///
    /// # Errors
    /// Why it is nothing, or why nobody would believe it.
    pub fn claim_of(
        network: NetworkId,
        graph: &LearnerGraph,
        receipt: &Receipt,
        of: (&str, u32),
    ) -> Result<Self, NoClaim> {
        Claim::of_receipt(network, graph, receipt, of).map(|claim| claim.to_operation())
    }
}

/// What `bytes` are the canonical encoding of, with nothing after it.
fn canonical<T: BorshDeserialize + BorshSerialize>(bytes: &[u8]) -> Option<T> {
    let read: T = borsh::from_slice(bytes).ok()?;
    let again = borsh::to_vec(&read).expect("writing to memory does not fail");
    (again == bytes).then_some(read)
}
