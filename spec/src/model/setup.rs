//! What a model is of: a log, its ballots, and what may go wrong.

use crate::simulator::setting::Setting;
use hpaxos_consensus::rules::Rules;
use hpaxos_consensus::{Sends, Slot, Trust, ValueHash};
use hpaxos_learner_graph::AcceptorSet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which steps a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each receipt is a step, and so is each answer.
    Faithful,
    /// A step takes in whatever there may be, and ends with a message. States that no guard can tell apart are one.
    Reduced,
    /// What is said in one phase of a ballot arrives in the next, or never.
    Rounds,
}

/// What a model is of.
#[derive(Clone)]
pub struct Setup {
    /// The log.
    pub setting: Arc<Setting>,
    /// Its trust model; perhaps with another number of sends than it needs.
    pub trust: Arc<Trust>,
    /// The slot: it says who proposes when.
    pub slot: Slot,
    /// For each way in which the ballots may share values, round and value of each ballot.
    pub patterns: Vec<Vec<(u64, ValueHash)>>,
    /// Who is Byzantine.
    pub byzantine: AcceptorSet,
    /// Messages that they sign in all.
    pub lies: usize,
    /// Crashes of honest acceptors, from which they recover.
    pub crashes: u8,
    /// Stores that honest acceptors lose; in the faithful mode.
    pub amnesias: u8,
    /// Messages that are lost, each on its way to one acceptor; in lock step.
    pub losses: u8,
    /// Whether each message is held against the definitions, taken literally.
    pub definitions: bool,
    /// Whether each state is asked whether live learners decide in time from there on.
    pub liveness: bool,
    /// Honest acceptors that are down from then on.
    pub stopped: AcceptorSet,
    /// Which steps there are.
    pub mode: Mode,
    /// The rules: the protocol's.
    pub rules: Rules,
}

/// The values are called v, w, x, …
pub fn value(letter: char) -> ValueHash {
    ValueHash([letter as u8; 32])
}

/// All ways in which `ballots` ballots may share values, up to names: v, then v or w, …
pub fn patterns(ballots: usize) -> Vec<Vec<(u64, ValueHash)>> {
    let mut patterns = vec![Vec::new()];
    for _ in 0..ballots {
        let longer = |pattern: Vec<u8>| {
            let next = pattern.iter().max().map_or(0, |most| most + 1);
            (0..=next).map(move |one| {
                let mut pattern = pattern.clone();
                pattern.push(one);
                pattern
            })
        };
        patterns = patterns.into_iter().flat_map(longer).collect();
    }
    let name = |(round, one): (usize, u8)| (round as u64, value((b'v' + one) as char));
    patterns
        .into_iter()
        .map(|pattern| pattern.into_iter().enumerate().map(name).collect())
        .collect()
}

impl Setup {
    /// A model of `setting` with `ballots` ballots, in which nothing goes wrong.
    pub fn new(setting: Arc<Setting>, ballots: usize, mode: Mode) -> Self {
        Setup {
            trust: setting.trust.clone(),
            slot: Slot(0),
            patterns: patterns(ballots),
            byzantine: AcceptorSet::EMPTY,
            lies: 0,
            crashes: 0,
            amnesias: 0,
            losses: 0,
            definitions: false,
            liveness: false,
            stopped: AcceptorSet::EMPTY,
            mode,
            rules: Rules::default(),
            setting,
        }
    }

    /// With another number of sends.
    #[must_use]
    pub fn with_sends(mut self, sends: Sends) -> Self {
        self.trust = Arc::new(Trust::clone(&self.trust).with_sends(sends));
        self
    }

    /// With Byzantine acceptors that sign `lies` messages.
    #[must_use]
    pub fn with_byzantine(mut self, byzantine: AcceptorSet, lies: usize) -> Self {
        self.byzantine = byzantine;
        self.lies = lies;
        self
    }

    /// With these values of the ballots only: a letter for each round, or several with a plus between them.
    #[must_use]
    pub fn with_values(mut self, values: &str) -> Self {
        let mut pattern: Vec<(u64, ValueHash)> = Vec::new();
        let mut again = false;
        for letter in values.chars() {
            if letter == '+' {
                again = true;
                continue;
            }
            let last = pattern.last().map_or(0, |(round, _)| *round);
            let round = if pattern.is_empty() || again { last } else { last + 1 };
            pattern.push((round, value(letter)));
            again = false;
        }
        self.patterns = vec![pattern];
        self
    }

    /// All values.
    pub fn values(&self) -> BTreeSet<ValueHash> {
        self.patterns.iter().flatten().map(|(_, value)| *value).collect()
    }

    /// How many rounds have ballots.
    pub fn rounds(&self) -> u64 {
        self.patterns.iter().flatten().map(|(round, _)| round + 1).max().unwrap_or(0)
    }
}
