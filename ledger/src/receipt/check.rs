//! Whether a receipt is true, asking nobody.

use super::{ChainReceipt, Receipt, ReceiptFlaw, Status};
use crate::bundle::Bundle;
use crate::digest::{BundleId, from_hex};
use crate::results::{BundleResult, ResultPlace, verify_result};
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::LearnerGraph;
use serde::Serialize;

/// What checking a receipt found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The answer.
    pub verdict: Verdict,
    /// What was looked at.
    pub checks: Vec<ReceiptCheck>,
}

/// What a receipt shows, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The bundle is committed on all its chains: a quorum of each attests it.
    Committed,
    /// It is aborted, expired or a duplicate. Who attests that is for the checks to say.
    NotCommitted,
    /// Nothing is wrong, but some chain says nothing yet, or nobody attests what it says.
    Open,
    /// Something in it is not true, or it is of another network.
    Forged,
}

/// What of a receipt was looked at, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptCheck {
    /// The chain; none if it is about the bundle.
    pub chain: Option<String>,
    /// What was looked at.
    pub what: Checked,
    /// Whether it is right.
    pub holds: bool,
    /// Why it is not, of a certificate.
    pub flaw: Option<ReceiptFlaw>,
}

/// What can be looked at in a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// The id and the log are those of the bundle.
    Id,
    /// Every signer has signed.
    Signatures,
    /// The chains are those that the bundle touches.
    Chains,
    /// The result is proved under the results root.
    Result,
    /// The history after the slot follows from the one before, the block and the results root.
    History,
    /// A quorum of the chain attests the history.
    Certificate,
    /// That the bundle expired without having been in a block: nothing contradicts it, and nothing can prove it.
    Unproven,
}

impl ReceiptCheck {
    fn new(chain: Option<&str>, what: Checked, holds: bool) -> Self {
        ReceiptCheck { chain: chain.map(str::to_owned), what, holds, flaw: None }
    }

    /// Whether it shows that the receipt is wrong. What is not attested yet is not wrong.
    pub fn contradicts(&self) -> bool {
        !self.holds && self.flaw != Some(ReceiptFlaw::Missing)
    }
}

impl Receipt {
    /// Looks at whether its parts belong together, and whether a quorum of each chain, as `graph` has it, attests them.
    /// Nothing covers `atomicity`, and a state root only if its very slot is certified.
    ///
    /// Takes as long as its signatures do: some 25 µs for each.
    pub fn verify(&self, network: NetworkId, graph: &LearnerGraph) -> Verified {
        let mut checks = self.check_bundle(network);
        for (name, chain) in &self.chains {
            let check = |what, holds| ReceiptCheck::new(Some(name), what, holds);
            if chain.status == Status::Pending {
                continue;
            }
            if *chain == ChainReceipt::expired() {
                checks.push(check(Checked::Unproven, true));
                continue;
            }
            checks.push(check(Checked::Result, chain.proves_result(&self.id).unwrap_or(false)));
            checks.push(check(Checked::History, chain.follows().unwrap_or(false)));
            let flaw = self.check_certificate(network, graph, name, chain).err();
            checks.push(ReceiptCheck {
                flaw: flaw.clone(),
                ..check(Checked::Certificate, flaw.is_none())
            });
        }
        Verified { verdict: self.verdict(&checks), checks }
    }

    fn check_bundle(&self, network: NetworkId) -> Vec<ReceiptCheck> {
        let body = &self.bundle.body;
        let id = self.id == body.id(network) && self.log == body.log;
        let signed = Bundle::check_signatures([(&self.bundle, &self.id)]).is_ok();
        let touched = !body.parts.is_empty()
            && body.parts.len() == self.chains.len()
            && body.parts.iter().all(|part| self.chains.contains_key(&part.chain));
        let of_bundle =
            [(Checked::Id, id), (Checked::Signatures, signed), (Checked::Chains, touched)];
        of_bundle.map(|(what, holds)| ReceiptCheck::new(None, what, holds)).into()
    }

    fn check_certificate(
        &self,
        network: NetworkId,
        graph: &LearnerGraph,
        name: &str,
        chain: &ChainReceipt,
    ) -> Result<(), ReceiptFlaw> {
        let certificate = chain.certificate.as_ref().ok_or(ReceiptFlaw::Missing)?;
        Ok(certificate.of(graph, &self.log, name, chain)?.verify(network, graph)?)
    }

    fn verdict(&self, checks: &[ReceiptCheck]) -> Verdict {
        let all = |status| self.chains.values().all(|chain| chain.status == status);
        let some = |statuses: &[Status]| {
            self.chains.values().any(|chain| statuses.contains(&chain.status))
        };
        if checks.iter().any(ReceiptCheck::contradicts) {
            Verdict::Forged
        } else if some(&[Status::Aborted, Status::Expired, Status::Duplicate]) {
            Verdict::NotCommitted
        } else if all(Status::Committed) && checks.iter().all(|check| check.holds) {
            Verdict::Committed
        } else {
            Verdict::Open
        }
    }
}

impl ChainReceipt {
    /// Whether the result is proved under its root.
    fn proves_result(&self, id: &BundleId) -> Option<bool> {
        let place = ResultPlace { index: self.index?, results: self.results? };
        let hashes = self.proof.as_ref()?.iter().map(|hash| from_hex(hash));
        let proof = hashes.collect::<Option<Vec<[u8; 32]>>>()?;
        let result = BundleResult { id: *id, outcome: self.outcome()? };
        Some(verify_result(&result, place, &proof, self.results_root.as_ref()?))
    }

    /// Whether the history after the slot follows from the one before.
    fn follows(&self) -> Option<bool> {
        let history = self.previous?.then(self.slot?, self.block?, self.results_root?);
        Some(Some(history) == self.history)
    }
}
