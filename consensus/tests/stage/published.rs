//! Rules other than the engine's, for what has been said so far: what they would allow from here on.

use super::Stage;
use super::labels::{value, value_name};
use super::words::Words;
use hpaxos_consensus::ValueHash;
use hpaxos_consensus::dag::Node;
use hpaxos_consensus::message::{Kind, Verified};
use hpaxos_consensus::rules::{ClassFacts, Rules, Vote, fresh};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId, LearnerSet};

impl Stage {
    /// `published NODES -> VALUES`: under the rules of Heterogeneous Paxos 2.0 as published, who of these nodes could vote
    /// for which value so that the vote is fresh, at best: above everything that was said, with nobody caught.
    ///
    /// There, 2a's decide, and are the only locks; a lock is buried only by a 2a of a higher ballot and another value that
    /// names the same learner. Any new 2a needs a quorum of fresh votes; so when no learner has one for any value, none
    /// will decide. What was said must hold no vote that is not fresh for all: then both rules agree on what 2a's name.
    pub(super) fn published(&mut self, words: &mut Words) -> Result<(), String> {
        let voters = self.nodes(words)?;
        words.expect("->")?;
        let dag = self.labels.dag(self.slot).ok_or("nothing was said")?;
        let all = self.config.trust.classes_of(self.config.trust.learners());
        if dag.nodes().any(|(_, node)| node.kind() == Kind::OneB && node.facts.named != all) {
            return Err("a vote is not fresh for all".to_owned());
        }
        for name in words.list()? {
            let mut hopeful = LearnerSet::EMPTY;
            let mut votes = Vec::new();
            let learners = self.config.trust.learners();
            for learner in learners.iter() {
                let fresh = |voter: &AcceptorId| self.is_fresh(*voter, value(name), learner);
                let fresh: AcceptorSet =
                    voters.iter().filter(|voter| fresh(voter)).copied().collect();
                if self.config.trust.log().is_quorum(learner, &fresh) {
                    hopeful.insert(learner);
                }
                let learner = self.labels.learners([learner].into_iter().collect());
                votes.push(format!("{} for {learner}", self.labels.acceptors(&fresh)));
            }
            let votes = votes.join(", ");
            let hopeful = self.labels.learners(hopeful);
            self.print(format!("{name}: fresh votes of {votes}; could decide: {hopeful}"));
        }
        Ok(())
    }

    /// Whether each lock of another value that names a learner connected to `learner` is buried.
    fn is_fresh(&self, voter: AcceptorId, value: ValueHash, learner: LearnerId) -> bool {
        let Some(dag) = self.labels.dag(self.slot) else { return true };
        let trust = &self.config.trust;
        let named = |node: &Node| trust.members_of(node.facts.named);
        let accepts = || dag.nodes().map(|(_, node)| node).filter(|one| one.kind() == Kind::TwoA);
        let buried = |lock: &Node, learner: LearnerId| {
            let (ballot, names) = (lock.facts.ballot, |node: &Node| named(node).contains(learner));
            accepts()
                .filter(|node| names(node))
                .any(|node| node.facts.ballot > ballot && node.facts.ballot.value != ballot.value)
        };
        let connected = trust.all_safe().connected(learner);
        let locks =
            accepts().filter(|node| node.signer() == voter && node.facts.ballot.value != value);
        locks.into_iter().all(|lock| {
            named(lock).iter().filter(|one| connected.contains(*one)).all(|one| buried(lock, one))
        })
    }

    /// `softly LABEL`: for whom a vote would be fresh if 2b's let go as 2a's do.
    pub(super) fn softly(&mut self, words: &mut Words) -> Result<(), String> {
        let label = words.next()?;
        let message = self.labels.message(label)?;
        let node = self.derived(message).ok_or("it is ill-formed")?;
        let prev = node.prev.and_then(|ix| self.labels.dag(self.slot).map(|dag| dag.node(ix)));
        let locks: Vec<ClassFacts> = prev.map_or_else(Vec::new, |prev| {
            let soft = |facts: &ClassFacts| {
                let soft = facts.soft.max(facts.hard);
                ClassFacts { soft, hard: None, ..facts.clone() }
            };
            prev.facts.classes.iter().map(soft).collect()
        });
        let trust = &self.config.trust;
        let value = node.facts.ballot.value;
        let vote = Vote { value: Some(value), locks: &locks, caught: &node.facts.caught };
        let overtakers = |class: usize| node.facts.classes[class].overtakers;
        let found = fresh(trust, Rules::default(), &vote, &overtakers, trust.classes());
        let found = self.labels.learners(trust.members_of(found));
        self.print(format!("{label}: {} would be fresh for {found}", value_name(value)));
        Ok(())
    }

    fn derived(&self, message: &Verified<hpaxos_consensus::message::Message>) -> Option<&Node> {
        let dag = self.labels.dag(message.place.slot)?;
        dag.find(&message.id()).map(|ix| dag.node(ix))
    }
}
