//! What the acceptors of one log attest, and the certificates that it adds up to. No IO.
//!
//! One certificate proves all earlier slots, so not each slot needs one.

use ed25519_dalek::SigningKey;
use hpaxos_consensus::{NetworkId, Trust};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId, LearnerSet};
use hpaxos_ledger::{Attestation, Certificate, EPOCH, Signed, Summary};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Slots of which the attestations of one acceptor are kept, the latest ones.
const SLOTS_MAX: usize = 64;

/// An attestation with its signature, which is right.
#[derive(Clone, Debug)]
pub struct Attested {
    /// Who signed.
    pub by: AcceptorId,
    /// What.
    pub attestation: Attestation,
    /// Its learners.
    pub learners: LearnerSet,
    /// The signature.
    pub signature: [u8; 64],
}

/// Attestations of one log.
pub struct Certifier {
    network: NetworkId,
    trust: Arc<Trust>,
    /// The learners' names, as attestations say them.
    names: BTreeMap<LearnerId, String>,
    me: Option<AcceptorId>,
    key: Arc<SigningKey>,
    /// By acceptor and slot.
    heard: BTreeMap<AcceptorId, BTreeMap<u64, Vec<Attested>>>,
    /// The latest certificate of each learner.
    latest: BTreeMap<LearnerId, Certificate>,
}

impl Certifier {
    /// Of the log of `trust`, whose learners have these names; `me` signs with `key`.
    pub fn new(
        network: NetworkId,
        trust: Arc<Trust>,
        names: BTreeMap<LearnerId, String>,
        me: Option<AcceptorId>,
        key: Arc<SigningKey>,
    ) -> Self {
        let (heard, latest) = (BTreeMap::new(), BTreeMap::new());
        Certifier { network, trust, names, me, key, heard, latest }
    }

    /// The latest certificate of a learner.
    pub fn latest(&self, learner: LearnerId) -> Option<&Certificate> {
        self.latest.get(&learner)
    }

    /// Whether it is certified what a learner executed in `slot`.
    pub fn is_certified(&self, learner: LearnerId, slot: u64) -> bool {
        self.latest(learner).is_some_and(|latest| latest.slot >= slot)
    }

    /// What this node attests of the learners whose views have just executed `slot`, if it counts for any of them and nobody
    /// did before.
    pub fn attest(&self, slot: u64, learners: LearnerSet, summary: &Summary) -> Option<Attested> {
        let by = self.me?;
        let counts = |learner: &LearnerId| {
            self.trust.log().members(*learner).contains(by) && !self.is_certified(*learner, slot)
        };
        let learners: LearnerSet = learners.iter().filter(counts).collect();
        if learners.is_empty() {
            return None;
        }
        let mut names: Vec<String> =
            learners.iter().map(|learner| self.names[&learner].clone()).collect();
        names.sort_unstable();
        let attestation = Attestation {
            epoch: EPOCH,
            log: self.trust.log().name().to_owned(),
            slot,
            learners: names,
            history: summary.history,
            results_root: summary.results_root,
            state_root: summary.state_root,
        };
        let signature = attestation.sign(self.network, &self.key);
        Some(Attested { by, attestation, learners, signature })
    }

    /// Somebody attests something. The certificates that it completes.
    pub fn hear(&mut self, attested: Attested) -> Vec<(LearnerId, Certificate)> {
        let slot = attested.attestation.slot;
        let wanted = |learner: &LearnerId| !self.is_certified(*learner, slot);
        let wanted: LearnerSet = attested.learners.iter().filter(wanted).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let of_acceptor = self.heard.entry(attested.by).or_default();
        let of_slot = of_acceptor.entry(slot).or_default();
        // One word about each learner.
        if of_slot.iter().any(|known| !known.learners.is_disjoint(attested.learners)) {
            return Vec::new();
        }
        of_slot.push(attested.clone());
        if of_acceptor.len() > SLOTS_MAX {
            of_acceptor.pop_first();
        }
        let complete = wanted.iter().filter_map(|learner| {
            let certificate = self.complete(learner, &attested.attestation)?;
            Some((learner, certificate))
        });
        let complete: Vec<_> = complete.collect();
        for (learner, certificate) in &complete {
            self.keep(*learner, certificate.clone());
        }
        complete
    }

    /// The certificate of a learner, if a quorum of its acceptors says the same.
    fn complete(&self, learner: LearnerId, what: &Attestation) -> Option<Certificate> {
        let log = self.trust.log();
        let says_it = |attested: &&Attested| {
            let said = &attested.attestation;
            attested.learners.contains(learner)
                && (said.history, said.results_root, said.state_root)
                    == (what.history, what.results_root, what.state_root)
        };
        let members = log.members(learner);
        let mut signers = AcceptorSet::EMPTY;
        let mut signatures = Vec::new();
        for (acceptor, slots) in self.heard.iter().filter(|(one, _)| members.contains(**one)) {
            let Some(attested) = slots.get(&what.slot).and_then(|all| all.iter().find(says_it))
            else {
                continue;
            };
            signers.insert(*acceptor);
            let (learners, signature) = (attested.learners, attested.signature);
            signatures.push(Signed { acceptor: *acceptor, learners, signature });
        }
        log.is_quorum(learner, &signers)
            .then(|| Certificate::new(what, &self.names[&learner], signatures))
    }

    /// Keeps a certificate that holds. Whether it is later than what was known.
    pub fn keep(&mut self, learner: LearnerId, certificate: Certificate) -> bool {
        let slot = certificate.slot;
        if self.is_certified(learner, slot) {
            return false;
        }
        self.latest.insert(learner, certificate);
        // What is certified for everybody is not waited for.
        let learners = self.trust.learners();
        let lowest = learners.iter().map(|one| self.latest(one).map_or(0, |latest| latest.slot));
        let lowest = lowest.min().unwrap_or(0);
        for slots in self.heard.values_mut() {
            *slots = slots.split_off(&lowest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpaxos_consensus::ValueHash;
    use hpaxos_learner_graph::{LearnerGraph, file};
    use hpaxos_ledger::{History, ResultsRoot, StateRoot};

    const NETWORK: NetworkId = NetworkId([7; 32]);

    fn key(index: usize) -> Arc<SigningKey> {
        Arc::new(SigningKey::from_bytes(&[index as u8 + 1; 32]))
    }

    /// Three of four for red and blue; d counts for red only, a for blue only.
    fn graph() -> LearnerGraph {
        let acceptors = ["a", "b", "c", "d"].iter().enumerate().map(|(index, name)| {
            let key = hex::encode(key(index).verifying_key().to_bytes());
            format!("[acceptors.{name}]\npublic-key = \"{key}\"\n")
        });
        let acceptors: String = acceptors.collect();
        let text = format!(
            "version = 1\n{acceptors}\
             [learners.blue]\nquorum = {{ at-least = 2, of = [\"a\", \"b\", \"c\"] }}\n\
             [learners.red]\nquorum = {{ at-least = 2, of = [\"b\", \"c\", \"d\"] }}\n\
             [[edges]]\nbetween = [\"blue\", \"red\"]\nsafe = {{ any-of = [\"b\", \"c\"] }}\n\
             [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n"
        );
        file::read(&text).unwrap()
    }

    fn certifiers(graph: &LearnerGraph) -> Vec<Certifier> {
        let trust = Arc::new(Trust::new(graph.log("red+blue").unwrap()).unwrap());
        let names = |trust: &Trust| {
            let learners = trust.learners().iter();
            learners.map(|learner| (learner, graph.learner_name(learner).to_owned())).collect()
        };
        let of = |acceptor: AcceptorId| {
            let key = key(acceptor.index());
            Certifier::new(NETWORK, trust.clone(), names(&trust), Some(acceptor), key)
        };
        graph.acceptors().iter().map(of).collect()
    }

    fn summary(what: u8) -> Summary {
        Summary {
            block: ValueHash([what; 32]),
            history: History([what; 32]),
            results_root: ResultsRoot([what; 32]),
            state_root: StateRoot([what; 32]),
            results: 0,
            version: 0,
        }
    }

    #[test]
    fn each_learner_is_certified_by_its_own_quorum() {
        let graph = graph();
        let mut certifiers = certifiers(&graph);
        let [blue, red] = ["blue", "red"].map(|name| graph.learner(name).unwrap());
        let both = LearnerSet::from_iter([blue, red]);
        let said: Vec<Attested> =
            certifiers.iter().map(|one| one.attest(5, both, &summary(1)).unwrap()).collect();
        assert_eq!(said[0].attestation.learners, ["blue"], "a counts for blue only");
        assert_eq!(said[1].attestation.learners, ["blue", "red"]);
        assert_eq!(said[3].attestation.learners, ["red"]);

        let here = &mut certifiers[2];
        assert!(here.hear(said[0].clone()).is_empty());
        let first = here.hear(said[1].clone());
        assert_eq!(first.iter().map(|(learner, _)| *learner).collect::<Vec<_>>(), [blue]);
        let second = here.hear(said[3].clone());
        assert_eq!(second.iter().map(|(learner, _)| *learner).collect::<Vec<_>>(), [red]);
        for (_, certificate) in first.iter().chain(&second) {
            certificate.verify(NETWORK, &graph).unwrap();
            assert_eq!(certificate.slot, 5);
        }
        assert!(here.hear(said[2].clone()).is_empty(), "it is certified already");
        assert!(here.attest(5, both, &summary(1)).is_none(), "nobody needs it any more");
        assert!(here.attest(6, both, &summary(1)).is_some());
    }

    #[test]
    fn who_says_otherwise_does_not_count() {
        let graph = graph();
        let mut certifiers = certifiers(&graph);
        let red = LearnerSet::from_iter(graph.learner("red"));
        let lies = certifiers[1].attest(5, red, &summary(2)).unwrap();
        let truth = certifiers[1].attest(5, red, &summary(1)).unwrap();
        let others = [2, 3].map(|one| certifiers[one].attest(5, red, &summary(1)).unwrap());
        let here = &mut certifiers[0];
        assert!(here.hear(others[0].clone()).is_empty());
        assert!(here.hear(lies).is_empty());
        assert!(here.hear(truth).is_empty(), "it had its say");
        assert_eq!(here.hear(others[1].clone()).len(), 1);
    }

    #[test]
    fn nobody_crowds_out_anybody() {
        let graph = graph();
        let mut certifiers = certifiers(&graph);
        let red = LearnerSet::from_iter(graph.learner("red"));
        let honest = [2, 3].map(|one| certifiers[one].attest(5, red, &summary(1)).unwrap());
        let flood: Vec<Attested> = (0..1_000)
            .map(|slot| certifiers[1].attest(1_000 + slot, red, &summary(1)).unwrap())
            .collect();
        let here = &mut certifiers[0];
        assert!(here.hear(honest[0].clone()).is_empty());
        for one in flood {
            assert!(here.hear(one).is_empty());
        }
        assert!(here.heard.values().all(|slots| slots.len() <= SLOTS_MAX));
        assert_eq!(here.hear(honest[1].clone()).len(), 1);
    }
}
