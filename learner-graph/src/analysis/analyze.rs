//! What it takes to break each promise: smallest sets of acceptors, exact.

use super::tie::{Tie, TieSearch, Wanted};
use super::{covers, pairs};
use crate::acceptor_set::{AcceptorId, AcceptorSet};
use crate::expression::Quorum;
use crate::graph::LearnerGraph;
use crate::learner_set::LearnerId;
use crate::log::Log;
use crate::search::{Answer, Effort, Question, solve};
use serde::Serialize;
use std::sync::Arc;

/// What is minimised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// How many acceptors.
    Count,
    /// How much of a learner's stake, by acceptor index.
    Stake(Vec<u128>),
}

impl By {
    /// The stake of `learner`; none if its quorum is no stake rule.
    pub fn stake_of(graph: &LearnerGraph, learner: LearnerId) -> Option<By> {
        match &graph.declarations().learners[learner.index()].quorum {
            Quorum::Expression(_) => None,
            Quorum::Stake { stake, .. } => {
                let mut costs = vec![0; graph.acceptors().len()];
                stake.iter().for_each(|(acceptor, stake)| costs[acceptor.index()] = *stake);
                Some(By::Stake(costs))
            }
        }
    }

    fn costs(&self, graph: &LearnerGraph) -> Vec<u128> {
        match self {
            By::Count => vec![1; graph.acceptors().len()],
            By::Stake(costs) => costs.clone(),
        }
    }
}

/// The answer of `hpaxos graph analyze`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnalyzeAnswer {
    /// One for each log.
    pub logs: Vec<LogAnswer>,
}

/// The answer for one log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogAnswer {
    /// Its name.
    pub log: String,
    /// 3 or 4; none if that was not settled.
    pub sends: Option<u8>,
    /// One for each learner, sorted.
    pub learners: Vec<LearnerAnswer>,
    /// One for each two learners that are connected when all are safe, sorted.
    pub pairs: Vec<PairAnswer>,
}

/// What breaks the promises to one learner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LearnerAnswer {
    /// The learner.
    pub id: String,
    /// Smallest set whose crash leaves it without a quorum.
    pub halts_if: Breaking,
    /// Smallest set whose being Byzantine makes it inaccurate.
    pub forks_if: Breaking,
}

/// What breaks the agreement of two learners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairAnswer {
    /// The learners, sorted.
    pub between: [String; 2],
    /// Smallest set whose being Byzantine disentangles them.
    pub disagree_if: Breaking,
}

/// A smallest set of acceptors that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Breaking {
    /// This one.
    Set {
        /// How many acceptors.
        size: usize,
        /// Their names.
        acceptors: Vec<String>,
        /// Their stake, where that is what was minimised; a decimal string.
        #[serde(skip_serializing_if = "Option::is_none")]
        stake: Option<String>,
    },
    /// Not settled: the number of acceptors lies between these.
    Unsettled {
        /// No set has fewer.
        at_least: usize,
        /// Some set has so many.
        at_most: usize,
    },
    /// Not settled: the stake lies between these decimal strings.
    UnsettledStake {
        /// No set has less.
        at_least: String,
        /// Some set has so much.
        at_most: String,
    },
    /// Nothing breaks it.
    Never,
}

impl Breaking {
    /// Whether the answer is exact.
    pub fn is_settled(&self) -> bool {
        matches!(self, Breaking::Set { .. } | Breaking::Never)
    }
}

impl AnalyzeAnswer {
    /// Whether every answer is exact.
    pub fn is_settled(&self) -> bool {
        self.logs.iter().all(LogAnswer::is_settled)
    }
}

impl LogAnswer {
    /// Whether every answer is exact.
    pub fn is_settled(&self) -> bool {
        let learners =
            self.learners.iter().flat_map(|learner| [&learner.halts_if, &learner.forks_if]);
        let mut all = learners.chain(self.pairs.iter().map(|pair| &pair.disagree_if));
        self.sends.is_some() && all.all(Breaking::is_settled)
    }
}

/// What it takes to break each log of `graph`, as given.
pub fn analyze(graph: &LearnerGraph, by: &By, effort: &mut Effort) -> AnalyzeAnswer {
    AnalyzeAnswer {
        logs: graph.logs().iter().map(|log| analyze_log(graph, log, by, effort)).collect(),
    }
}

/// What it takes to break `log`, a log of `graph` as given or levelled.
pub fn analyze_log(graph: &LearnerGraph, log: &Log, by: &By, effort: &mut Effort) -> LogAnswer {
    let all_safe = log.connections(&AcceptorSet::EMPTY);
    let connected: Vec<_> =
        pairs(log).filter(|(a, b)| a != b && all_safe.connected(*a).contains(*b)).collect();
    let total = log.learners().len() + connected.len();
    let mut breaker = Breaker::new(graph, log, by);
    let name = |learner: LearnerId| graph.learner_name(learner).to_owned();
    let mut learners = Vec::new();
    for (done, learner) in log.learners().iter().enumerate() {
        effort.begin(|| format!("{}: {}", log.name(), graph.learner_name(learner)), done, total);
        learners.push(LearnerAnswer {
            id: name(learner),
            halts_if: breaker.halts(learner, effort),
            forks_if: breaker.disentangles(learner, learner, effort),
        });
    }
    let mut pairs = Vec::new();
    for (index, (a, b)) in connected.into_iter().enumerate() {
        let what =
            || format!("{}: {}-{}", log.name(), graph.learner_name(a), graph.learner_name(b));
        effort.begin(what, learners.len() + index, total);
        pairs.push(PairAnswer {
            between: [name(a), name(b)],
            disagree_if: breaker.disentangles(a, b, effort),
        });
    }
    LogAnswer { log: log.name().to_owned(), sends: covers::sends(log, effort), learners, pairs }
}

/// The set of the acceptors that fail: the only role.
const FAILED: usize = 0;
const OPTIONS: &[u8] = &[0, 1 << FAILED];

struct Breaker<'a> {
    graph: &'a LearnerGraph,
    log: &'a Log,
    by: &'a By,
    costs: Arc<Vec<u128>>,
    cuts: TieSearch<'a>,
}

impl<'a> Breaker<'a> {
    fn new(graph: &'a LearnerGraph, log: &'a Log, by: &'a By) -> Self {
        let costs = Arc::new(by.costs(graph));
        let template = question(log.relevant(), &costs);
        Breaker { graph, log, by, costs, cuts: TieSearch::new(log, template) }
    }

    fn halts(&mut self, learner: LearnerId, effort: &mut Effort) -> Breaking {
        let mut question = question(self.log.members(learner), &self.costs);
        let quorum = self.log.quorum(learner);
        question.requirements.push((FAILED, Arc::new(quorum.dual())));
        let answer = solve(&question, effort);
        let everyone = self.log.everyone();
        self.breaking(answer, |failed| !quorum.holds(&everyone.difference(failed)))
    }

    /// A learner from itself: its chain forks.
    fn disentangles(&mut self, a: LearnerId, b: LearnerId, effort: &mut Effort) -> Breaking {
        let tie = Tie::between(a, b);
        let everyone = self.log.everyone();
        let broken = |failed: &AcceptorSet| !tie.holds(self.log, &everyone.difference(failed));
        if broken(&AcceptorSet::EMPTY) {
            return self.set(AcceptorSet::EMPTY);
        }
        let answer = self.cuts.find(Wanted { hold: None, fail: Some((FAILED, tie)) }, effort);
        self.breaking(answer, broken)
    }

    /// The answer in the form that is shown, its set without members that `breaks` does not need.
    fn breaking(&self, answer: Answer, breaks: impl Fn(&AcceptorSet) -> bool) -> Breaking {
        let all = self.log.relevant();
        let (at_least, at_most) = match answer {
            Answer::Impossible => return Breaking::Never,
            Answer::Found(witness) => {
                let mut set = witness.sets[FAILED];
                for acceptor in set.iter() {
                    set.remove(acceptor);
                    if !breaks(&set) {
                        set.insert(acceptor);
                    }
                }
                return self.set(set);
            }
            Answer::Undecided { at_least, best: Some(witness) } => (at_least, witness.cost),
            Answer::Undecided { at_least, best: None } => (at_least, self.cost(&all)),
        };
        match self.by {
            By::Count => {
                Breaking::Unsettled { at_least: at_least as usize, at_most: at_most as usize }
            }
            By::Stake(_) => Breaking::UnsettledStake {
                at_least: at_least.to_string(),
                at_most: at_most.to_string(),
            },
        }
    }

    fn set(&self, set: AcceptorSet) -> Breaking {
        let name = |acceptor: AcceptorId| self.graph.acceptor_name(acceptor).to_owned();
        let stake = match self.by {
            By::Count => None,
            By::Stake(_) => Some(self.cost(&set).to_string()),
        };
        Breaking::Set { size: set.len(), acceptors: set.iter().map(name).collect(), stake }
    }

    fn cost(&self, set: &AcceptorSet) -> u128 {
        set.iter().map(|acceptor| self.costs[acceptor.index()]).sum()
    }
}

fn question(acceptors: AcceptorSet, costs: &Arc<Vec<u128>>) -> Question {
    Question { acceptors, options: OPTIONS, requirements: Vec::new(), cost: Some(costs.clone()) }
}
