//! The learner graph: acceptors, learners, edges and logs, checked for everything that makes it usable.
//!
//! A [`LearnerGraph`] exists only if every declared edge does and every condition holds at all acceptors. Whether it is
//! *valid* is another question, for [`crate::analysis`].

use crate::acceptor_set::{ACCEPTORS_MAX, AcceptorId, AcceptorSet};
use crate::condition::Condition;
use crate::edge::{NoLargest, NoOverlap, Shares, largest, overlap};
use crate::expression::{Edge, Quorum, Safe};
use crate::learner_set::{LEARNERS_MAX, LearnerId, LearnerSet};
use crate::log::{Link, Log};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The log of all learners that a file without `[logs]` has.
pub const ALL: &str = "all";

/// An acceptor, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptor {
    /// Its name, unique.
    pub name: String,
    /// Its ed25519 key; optional for studying a trust model.
    pub public_key: Option<[u8; 32]>,
    /// Where it can be reached, as multiaddresses.
    pub addresses: Vec<String>,
}

/// A learner, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learner {
    /// Its name, unique.
    pub name: String,
    /// Its quorums.
    pub quorum: Quorum,
}

/// A set of chains that commit together, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDeclaration {
    /// Its name, unique among logs and different from every learner's.
    pub name: String,
    /// Its learners, at least two.
    pub learners: LearnerSet,
    /// `edges = "level"`: every edge becomes what all have in common, so that three sends suffice.
    pub level: bool,
}

/// Everything that a file declares. Acceptors and learners are sorted by name; ids are positions in these lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    /// At most [`ACCEPTORS_MAX`].
    pub acceptors: Vec<Acceptor>,
    /// At most [`LEARNERS_MAX`].
    pub learners: Vec<Learner>,
    /// No pair twice.
    pub edges: Vec<Edge>,
    /// Sorted by name.
    pub logs: Vec<LogDeclaration>,
}

/// Why declarations are no learner graph; indices are those of [`Declarations`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// `overlap` is declared where a quorum is no threshold or stake rule.
    #[error(
        "`overlap` needs both quorums to be one threshold over acceptors or stake, and the quorum of `{learner}` is \
         not: use \"largest\", or a condition"
    )]
    NoShares {
        /// The edge.
        edge: usize,
        /// The learner whose quorum it is.
        learner: String,
    },
    /// A declared `overlap` edge that does not exist.
    #[error(
        "there is no `overlap` edge here: {why}; leave the edge out, or raise the quorums or the overlap"
    )]
    NoOverlap {
        /// The edge.
        edge: usize,
        /// The numbers.
        why: NoOverlap,
    },
    /// A declared `largest` edge that does not exist.
    #[error(
        "there is no `largest` edge here: {quorums} have nobody in common; leave the edge out, or raise the quorums"
    )]
    Disjoint {
        /// The edge.
        edge: usize,
        /// The two quorums, as text.
        quorums: String,
    },
    /// A `largest` edge that is too large to list.
    #[error(
        "`largest` has more than {max} minimal intersections here; use \"overlap\", or a condition",
        max = crate::edge::INTERSECTIONS_MAX
    )]
    TooManyIntersections {
        /// The edge.
        edge: usize,
    },
    /// A default self-edge that is too large to list.
    #[error(
        "the self-edge of `{name}` is \"largest\" by default, with more than {max} minimal intersections; declare it: \
         [[edges]] between = [\"{name}\", \"{name}\"], safe = a condition",
        max = crate::edge::INTERSECTIONS_MAX
    )]
    SelfEdgeTooLarge {
        /// The learner.
        learner: usize,
        /// Its name.
        name: String,
    },
    /// A levelled log in which some learners have no edge with the others.
    #[error(
        "the edges of a log can be levelled only where they connect all its learners, and none leads from `{from}` to \
         `{to}`"
    )]
    NothingInCommon {
        /// The log.
        log: usize,
        /// One learner.
        from: String,
        /// Another, not connected to it when all are safe.
        to: String,
    },
}

/// A learner graph.
#[derive(Clone, Debug)]
pub struct LearnerGraph {
    declarations: Declarations,
    quorums: Vec<Arc<Condition>>,
    links: Vec<Link>,
    disjoint: BTreeMap<LearnerId, (AcceptorSet, AcceptorSet)>,
}

impl LearnerGraph {
    /// Derives all conditions.
    ///
    /// # Errors
    /// [`GraphError`] says which declaration stands in the way, and what would be right.
    ///
    /// # Panics
    /// If the declarations break what their fields promise; [`crate::file::read`] makes none that do.
    pub fn new(declarations: Declarations) -> Result<Self, GraphError> {
        assert!(
            declarations.acceptors.len() <= ACCEPTORS_MAX
                && declarations.learners.len() <= LEARNERS_MAX
        );
        assert!(
            declarations.acceptors.is_sorted_by(|a, b| a.name < b.name),
            "acceptors are sorted by name"
        );
        assert!(
            declarations.learners.is_sorted_by(|a, b| a.name < b.name),
            "learners are sorted by name"
        );
        let quorums = declarations
            .learners
            .iter()
            .map(|learner| Arc::new(learner.quorum.condition()))
            .collect();
        let mut graph =
            LearnerGraph { declarations, quorums, links: Vec::new(), disjoint: BTreeMap::new() };
        for index in 0..graph.declarations.edges.len() {
            let link = graph.declared_link(index)?;
            graph.links.push(link);
        }
        for index in 0..graph.declarations.learners.len() {
            graph.add_default_self_edge(index)?;
        }
        graph.links.sort_by_key(|link| link.between);
        for index in 0..graph.declarations.logs.len() {
            graph.check_levelled(index)?;
        }
        Ok(graph)
    }

    /// What was declared.
    pub fn declarations(&self) -> &Declarations {
        &self.declarations
    }

    /// The acceptors.
    pub fn acceptors(&self) -> AcceptorSet {
        AcceptorSet::first(self.declarations.acceptors.len())
    }

    /// The name of `acceptor`.
    pub fn acceptor_name(&self, acceptor: AcceptorId) -> &str {
        &self.declarations.acceptors[acceptor.index()].name
    }

    /// The acceptor called `name`.
    pub fn acceptor(&self, name: &str) -> Option<AcceptorId> {
        let found = self
            .declarations
            .acceptors
            .binary_search_by(|acceptor| acceptor.name.as_str().cmp(name));
        found.ok().map(AcceptorId::new)
    }

    /// The learners, ascending.
    pub fn learners(&self) -> impl Iterator<Item = LearnerId> + use<> {
        (0..self.declarations.learners.len()).map(LearnerId::new)
    }

    /// The name of `learner`.
    pub fn learner_name(&self, learner: LearnerId) -> &str {
        &self.declarations.learners[learner.index()].name
    }

    /// The learner called `name`.
    pub fn learner(&self, name: &str) -> Option<LearnerId> {
        let found =
            self.declarations.learners.binary_search_by(|learner| learner.name.as_str().cmp(name));
        found.ok().map(LearnerId::new)
    }

    /// The condition that holds at the quorums of `learner`.
    pub fn quorum(&self, learner: LearnerId) -> &Condition {
        &self.quorums[learner.index()]
    }

    /// The `overlap` edge of two learners, declared or not; none if it does not exist, or is not defined.
    pub fn overlap(&self, a: LearnerId, b: LearnerId) -> Option<Condition> {
        Some(Condition::Threshold(overlap(&self.shares(a)?, &self.shares(b)?).ok()?))
    }

    /// Stake, total and least quorum of a learner whose quorum is one threshold or stake rule.
    pub fn shares(&self, learner: LearnerId) -> Option<Shares> {
        self.declarations.learners[learner.index()].quorum.shares()
    }

    /// The edges that exist, declared ones and default self-edges, not condensed; sorted by `between`.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Two disjoint quorums of `learner`, if for that reason its default self-edge does not exist.
    pub fn disjoint_quorums(&self, learner: LearnerId) -> Option<(AcceptorSet, AcceptorSet)> {
        self.disjoint.get(&learner).copied()
    }

    /// Whether the edge between two learners stands in the declarations.
    pub fn is_declared(&self, between: (LearnerId, LearnerId)) -> bool {
        self.declarations.edges.iter().any(|edge| edge.between == between)
    }

    /// The log called `name`: a declared one, a learner's base log, or `all` where none is declared.
    pub fn log(&self, name: &str) -> Option<Log> {
        let learners = self.log_learners(name)?;
        let level = self.declarations.logs.iter().any(|log| log.name == name && log.level);
        Some(self.log_of(name, learners, level))
    }

    /// The learners of the log called `name`: what [`LearnerGraph::log`] has, without deriving the log.
    pub fn log_learners(&self, name: &str) -> Option<LearnerSet> {
        if let Some(log) = self.declarations.logs.iter().find(|log| log.name == name) {
            return Some(log.learners);
        }
        if let Some(learner) = self.learner(name) {
            return Some(LearnerSet::from_iter([learner]));
        }
        let all = name == ALL && self.declarations.logs.is_empty();
        all.then(|| self.learners().collect())
    }

    /// The logs that the commands answer for: the declared ones, and the base log of each learner that is in none of
    /// these; without declared logs `all`, or the base log of the only learner. Sorted by name.
    pub fn logs(&self) -> Vec<Log> {
        let declared = &self.declarations.logs;
        let mut names: Vec<&str> = declared.iter().map(|log| log.name.as_str()).collect();
        if declared.is_empty() && self.declarations.learners.len() > 1 {
            names.push(ALL);
        } else {
            let in_declared =
                declared.iter().fold(LearnerSet::EMPTY, |all, log| all.union(log.learners));
            names.extend(
                self.learners()
                    .filter(|id| !in_declared.contains(*id))
                    .map(|id| self.learner_name(id)),
            );
        }
        names.sort_unstable();
        names
            .into_iter()
            .map(|name| self.log(name).expect("a log of this graph has one of its names"))
            .collect()
    }

    /// Every log that exists: the declared ones, or `all` where none is, and each learner's base log. Sorted by name.
    pub fn every_log(&self) -> Vec<Log> {
        let base = self.learners().map(|id| self.learner_name(id));
        let answered = self.logs();
        let names: BTreeSet<&str> = answered.iter().map(Log::name).chain(base).collect();
        names.into_iter().filter_map(|name| self.log(name)).collect()
    }

    /// The restriction of the graph to `learners`.
    fn log_of(&self, name: &str, learners: LearnerSet, level: bool) -> Log {
        let links = self
            .links
            .iter()
            .filter(|link| learners.contains(link.between.0) && learners.contains(link.between.1));
        let log =
            Log::new(name, learners, &self.quorums, links.cloned().collect(), self.acceptors());
        if level { log.levelled() } else { log }
    }

    fn declared_link(&self, index: usize) -> Result<Link, GraphError> {
        let Edge { between, safe } = &self.declarations.edges[index];
        let (a, b) = *between;
        let condition = match safe {
            Safe::Expression(expression) => expression.condition(),
            Safe::Overlap => {
                let shares = |learner: LearnerId| {
                    let declared = &self.declarations.learners[learner.index()];
                    let no_shares =
                        || GraphError::NoShares { edge: index, learner: declared.name.clone() };
                    declared.quorum.shares().ok_or_else(no_shares)
                };
                let threshold = overlap(&shares(a)?, &shares(b)?);
                Condition::Threshold(
                    threshold.map_err(|why| GraphError::NoOverlap { edge: index, why })?,
                )
            }
            Safe::Largest => largest(self.quorum(a), self.quorum(b)).map_err(|why| match why {
                NoLargest::TooMany => GraphError::TooManyIntersections { edge: index },
                NoLargest::Disjoint(of_a, of_b) => {
                    let quorum = |learner, set| {
                        format!("{} of `{}`", self.name_list(set), self.learner_name(learner))
                    };
                    GraphError::Disjoint {
                        edge: index,
                        quorums: format!("the quorums {} and {}", quorum(a, of_a), quorum(b, of_b)),
                    }
                }
            })?,
        };
        Ok(Link { between: *between, condition: Arc::new(condition) })
    }

    /// `overlap` for one threshold or stake rule, else (or where that is not enough to show it) `largest`.
    fn add_default_self_edge(&mut self, index: usize) -> Result<(), GraphError> {
        let learner = LearnerId::new(index);
        if self.is_declared((learner, learner)) {
            return Ok(());
        }
        let declared = &self.declarations.learners[index];
        let from_shares =
            declared.quorum.shares().and_then(|shares| overlap(&shares, &shares).ok());
        let condition = match from_shares {
            Some(threshold) => Condition::Threshold(threshold),
            None => match largest(self.quorum(learner), self.quorum(learner)) {
                Ok(condition) => condition,
                Err(NoLargest::Disjoint(a, b)) => {
                    self.disjoint.insert(learner, (a, b));
                    return Ok(());
                }
                Err(NoLargest::TooMany) => {
                    return Err(GraphError::SelfEdgeTooLarge {
                        learner: index,
                        name: declared.name.clone(),
                    });
                }
            },
        };
        self.links.push(Link { between: (learner, learner), condition: Arc::new(condition) });
        Ok(())
    }

    fn check_levelled(&self, index: usize) -> Result<(), GraphError> {
        let log = &self.declarations.logs[index];
        if !log.level {
            return Ok(());
        }
        let as_given = self.log_of(&log.name, log.learners, false).connections(&AcceptorSet::EMPTY);
        let mut learners = log.learners.iter();
        let from = learners.next().expect("a declared log has learners");
        match learners.find(|to| !as_given.connected(from).contains(*to)) {
            None => Ok(()),
            Some(to) => Err(GraphError::NothingInCommon {
                log: index,
                from: self.learner_name(from).to_owned(),
                to: self.learner_name(to).to_owned(),
            }),
        }
    }

    fn name_list(&self, set: AcceptorSet) -> String {
        let names: Vec<&str> = set.iter().map(|acceptor| self.acceptor_name(acceptor)).collect();
        format!("{{{}}}", names.join(", "))
    }
}

/// The canonical bytes of the trust model, which the network id covers: acceptors by name with keys, learners'
/// conditions, edges, logs. Addresses, and the order in the file, do not count.
impl borsh::BorshSerialize for LearnerGraph {
    fn serialize<W: std::io::Write>(&self, out: &mut W) -> std::io::Result<()> {
        let acceptors: Vec<(&str, Option<[u8; 32]>)> = self
            .declarations
            .acceptors
            .iter()
            .map(|acceptor| (acceptor.name.as_str(), acceptor.public_key))
            .collect();
        acceptors.serialize(out)?;
        let learners: Vec<(&str, &Condition)> = self
            .learners()
            .map(|learner| (self.learner_name(learner), self.quorum(learner)))
            .collect();
        learners.serialize(out)?;
        let links: Vec<(u8, u8, &Condition)> = self
            .links
            .iter()
            .map(|link| {
                (link.between.0.index() as u8, link.between.1.index() as u8, &*link.condition)
            })
            .collect();
        links.serialize(out)?;
        let logs: Vec<(&str, Vec<u8>, bool)> = self
            .declarations
            .logs
            .iter()
            .map(|log| {
                (
                    log.name.as_str(),
                    log.learners.iter().map(|id| id.index() as u8).collect(),
                    log.level,
                )
            })
            .collect();
        logs.serialize(out)
    }
}
