//! What the engine asks of a log's learner graph, worked out once.

use crate::ids::{Round, Slot};
use hpaxos_learner_graph::analysis;
use hpaxos_learner_graph::search::Effort;
use hpaxos_learner_graph::{
    AcceptorId, AcceptorSet, Connections, LearnerId, LearnerSet, Link, Log,
};
use thiserror::Error;

/// How many sends a decision takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// 1a, 1b, 2a; the graph of the log's learners is level.
    Three,
    /// 1a, 1b, 2a, 2b.
    Four,
}

/// The trust model of one log, with everything that the rules ask of it.
///
/// Learners that the graph treats alike are one *class*: each fact is the same for all of them, and is derived once.
#[derive(Clone, Debug)]
pub struct Trust {
    log: Log,
    sends: Sends,
    classes: Vec<Class>,
    covers: Vec<Vec<ClassSet>>,
    acceptors: AcceptorSet,
    schedule: Schedule,
    all_safe: Connections,
}

/// Learners with equal quorums and equal edges.
#[derive(Clone, Debug)]
struct Class {
    members: LearnerSet,
    first: LearnerId,
}

/// A set of classes: bit c is the c-th.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassSet(u64);

impl ClassSet {
    /// No class.
    pub const EMPTY: ClassSet = ClassSet(0);

    /// Whether the `class`-th is a member.
    pub fn contains(self, class: usize) -> bool {
        self.0 >> class & 1 == 1
    }

    /// Adds the `class`-th.
    pub fn insert(&mut self, class: usize) {
        self.0 |= 1 << class;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all are in `other`.
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Members of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        ClassSet(self.0 | other.0)
    }

    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |class| self.contains(*class))
    }
}

/// The graph is too hard for an exact answer, on which well-formedness would rest.
#[derive(Debug, Error)]
#[error(
    "log `{0}`: its edges could not be compared exactly within the effort allowed; a simpler graph is needed"
)]
pub struct TrustError(String);

/// Steps spent on comparing edges before a graph is refused.
pub const EFFORT_STEPS: u64 = 500_000_000;

impl Trust {
    // ANCHOR: new
    /// Works out the trust model of `log`.
    ///
    /// # Errors
    /// If comparing its edges takes more than [`EFFORT_STEPS`].
    pub fn new(log: Log) -> Result<Self, TrustError> {
        let mut effort = Effort::steps(EFFORT_STEPS);
        let too_hard = || TrustError(log.name().to_owned());
        let sends = match analysis::sends(&log, &mut effort).ok_or_else(too_hard)? {
            3 => Sends::Three,
            _ => Sends::Four,
        };
        let classes = classes(&log);
        let mut covers = Vec::new();
        for class in &classes {
            let mut of_class = vec![ClassSet::EMPTY; hpaxos_learner_graph::LEARNERS_MAX];
            for learner in log.learners().iter() {
                let covered = analysis::covers(&log, class.first, learner, &mut effort);
                of_class[learner.index()] = touched(&classes, covered.ok_or_else(too_hard)?);
            }
            covers.push(of_class);
        }
        let acceptors = log.acceptors();
        let schedule = Schedule::new(&log);
        let all_safe = log.connections(&AcceptorSet::EMPTY);
        Ok(Trust { log, sends, classes, covers, acceptors, schedule, all_safe })
    }
    // ANCHOR_END: new

    /// The same with another number of sends than the graph needs: for models, which show why it needs them.
    #[must_use]
    pub fn with_sends(self, sends: Sends) -> Self {
        Trust { sends, ..self }
    }

    /// The log's graph.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many sends a decision takes.
    pub fn sends(&self) -> Sends {
        self.sends
    }

    /// The learners of the log.
    pub fn learners(&self) -> LearnerSet {
        self.log.learners()
    }

    /// The acceptors of the log.
    pub fn acceptors(&self) -> &AcceptorSet {
        &self.acceptors
    }

    /// Who proposes when.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many classes there are.
    pub fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// All classes.
    pub fn classes(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.classes.len()
    }

    /// The first learner of a class, which speaks for all.
    pub fn first(&self, class: usize) -> LearnerId {
        self.classes[class].first
    }

    /// The class of a learner.
    pub fn class_of(&self, learner: LearnerId) -> usize {
        let found = self.classes.iter().position(|class| class.members.contains(learner));
        found.expect("each learner of the log is in a class")
    }

    /// The learners of some classes.
    pub fn members_of(&self, classes: ClassSet) -> LearnerSet {
        let members = classes.iter().map(|class| self.classes[class].members);
        members.fold(LearnerSet::EMPTY, LearnerSet::union)
    }

    /// The classes of some learners.
    pub fn classes_of(&self, learners: LearnerSet) -> ClassSet {
        touched(&self.classes, learners)
    }

    /// Whether `set` is a quorum of the learners of `class`.
    pub fn is_quorum(&self, class: usize, set: &AcceptorSet) -> bool {
        self.log.is_quorum(self.classes[class].first, set)
    }

    // ANCHOR: is_blocking
    /// Whether `set` hits every quorum of `learner`: without it, none is left.
    pub fn is_blocking(&self, learner: LearnerId, set: &AcceptorSet) -> bool {
        !self.log.is_quorum(learner, &self.log.members(learner).difference(set))
    }
    // ANCHOR_END: is_blocking

    /// `covers(l, k)` for the learners l of `class`, as classes.
    pub fn covers(&self, class: usize, k: LearnerId) -> ClassSet {
        self.covers[class][k.index()]
    }

    /// Who is connected when nobody is caught.
    pub fn all_safe(&self) -> &Connections {
        &self.all_safe
    }
}

/// The classes that have a member among `learners`.
fn touched(classes: &[Class], learners: LearnerSet) -> ClassSet {
    let mut touched = ClassSet::EMPTY;
    for (index, class) in classes.iter().enumerate() {
        if !class.members.is_disjoint(learners) {
            touched.insert(index);
        }
    }
    touched
}

/// Groups learners that may be exchanged without changing the graph.
fn classes(log: &Log) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for learner in log.learners().iter() {
        match classes.iter_mut().find(|class| alike(log, class.first, learner)) {
            Some(class) => class.members.insert(learner),
            None => {
                let members = LearnerSet::from_iter([learner]);
                classes.push(Class { members, first: learner });
            }
        }
    }
    classes
}

/// Whether exchanging `a` and `b` changes no quorum and no edge.
fn alike(log: &Log, a: LearnerId, b: LearnerId) -> bool {
    let link = |x: LearnerId, y: LearnerId| -> Option<&Link> {
        let between = if x <= y { (x, y) } else { (y, x) };
        log.links().iter().find(|link| link.between == between)
    };
    let same = |one: Option<&Link>, other: Option<&Link>| match (one, other) {
        (Some(one), Some(other)) => one.condition == other.condition,
        (None, None) => true,
        _ => false,
    };
    log.quorum(a) == log.quorum(b)
        && same(link(a, a), link(b, b))
        && log
            .learners()
            .iter()
            .filter(|other| *other != a && *other != b)
            .all(|other| same(link(a, other), link(b, other)))
}

/// Who proposes in which round.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Each learner with its members, both ascending.
    targets: Vec<(LearnerId, Vec<AcceptorId>)>,
}

impl Schedule {
    /// The schedule of `log`.
    pub fn new(log: &Log) -> Self {
        let targets = log.learners().iter();
        let targets = targets.map(|learner| (learner, log.members(learner).iter().collect()));
        Schedule { targets: targets.collect() }
    }

    /// Learners of the log: a turn has as many rounds.
    pub fn turn(&self) -> u64 {
        self.targets.len() as u64
    }

    /// The learner for which the proposer of `round` proposes.
    pub fn target(&self, slot: Slot, round: Round) -> LearnerId {
        self.at(slot, round).0
    }

    /// The acceptor that may propose in `round`.
    pub fn proposer(&self, slot: Slot, round: Round) -> AcceptorId {
        self.at(slot, round).1
    }

    // ANCHOR: schedule_at
    /// i = slot + round; target = learners[i mod L]; proposer = members(target)[(i / L) mod |members(target)|].
    fn at(&self, slot: Slot, round: Round) -> (LearnerId, AcceptorId) {
        let i = u128::from(slot.0) + u128::from(round.0);
        let count = self.targets.len() as u128;
        let (learner, members) = &self.targets[(i % count) as usize];
        (*learner, members[((i / count) % members.len() as u128) as usize])
    }
    // ANCHOR_END: schedule_at
}
