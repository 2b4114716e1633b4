//! The learner graph by brute force over all sets of up to eight acceptors.
//!
//! A monotone condition is a table with an entry for each set; condensation is closure of these tables; every answer is
//! a loop over all sets. Sets are bit masks.

use num_bigint::BigInt;
use num_rational::BigRational;
use std::collections::BTreeSet;

/// A set of acceptors, as a bit mask.
pub type Set = usize;
/// For each set whether a condition holds at it.
pub type Table = Vec<bool>;
/// A learner's index.
pub type Learner = usize;

/// An expression of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One acceptor.
    Acceptor(usize),
    /// At least so many of the parts.
    AtLeast(usize, Vec<Expression>),
    /// All parts.
    AllOf(Vec<Expression>),
    /// Any part.
    AnyOf(Vec<Expression>),
    /// At least so much stake; a stake for each acceptor.
    Stake(u64, Vec<u64>),
}

/// A learner's quorums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// More than (or at least) p/q of the stake.
    Stake {
        /// For each acceptor.
        stake: Vec<u64>,
        /// `>` rather than `>=`.
        above: bool,
        /// p and q.
        fraction: (u64, u64),
    },
    /// An expression.
    Expression(Expression),
}

/// The safe sets of a declared edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safe {
    /// `"overlap"`
    Overlap,
    /// `"largest"`
    Largest,
    /// An expression.
    Expression(Expression),
}

/// A declared graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// How many acceptors.
    pub acceptors: usize,
    /// The learners' quorums.
    pub learners: Vec<Quorum>,
    /// Declared edges.
    pub edges: Vec<(Learner, Learner, Safe)>,
    /// Declared logs: learners, and whether the edges are levelled.
    pub logs: Vec<(BTreeSet<Learner>, bool)>,
}

impl Expression {
    fn holds(&self, set: Set) -> bool {
        let count = |parts: &[Expression]| parts.iter().filter(|part| part.holds(set)).count();
        match self {
            Expression::Acceptor(acceptor) => set >> acceptor & 1 == 1,
            Expression::AtLeast(least, parts) => count(parts) >= *least,
            Expression::AllOf(parts) => count(parts) == parts.len(),
            Expression::AnyOf(parts) => count(parts) >= 1,
            Expression::Stake(least, stake) => weight(stake, set) >= *least,
        }
    }

    /// Stakes and the least quorum, if this is one threshold over acceptors or stake.
    fn shares(&self, acceptors: usize) -> Option<(Vec<u64>, u64)> {
        let (least, parts) = match self {
            Expression::Stake(least, stake) => return Some((stake.clone(), *least)),
            Expression::Acceptor(_) => (1, std::slice::from_ref(self)),
            Expression::AtLeast(least, parts) => (*least, parts.as_slice()),
            Expression::AllOf(parts) => (parts.len(), parts.as_slice()),
            Expression::AnyOf(_) => return None,
        };
        let mut stake = vec![0; acceptors];
        for part in parts {
            let Expression::Acceptor(acceptor) = part else { return None };
            stake[*acceptor] = 1;
        }
        Some((stake, least as u64))
    }
}

fn weight(stake: &[u64], set: Set) -> u64 {
    stake
        .iter()
        .enumerate()
        .filter(|(acceptor, _)| set >> acceptor & 1 == 1)
        .map(|(_, stake)| stake)
        .sum()
}

fn ratio(upper: u64, lower: u64) -> BigRational {
    BigRational::new(BigInt::from(upper), BigInt::from(lower))
}

/// A log of the graph: its learners' quorums and its condensed edges, as tables.
#[derive(Clone, Debug)]
pub struct Log {
    /// Its learners, ascending.
    pub learners: Vec<Learner>,
    /// `edges[l][k]`: the condensed edge of two learners, by position; holds nowhere if there is none.
    pub edges: Vec<Vec<Table>>,
}

impl Graph {
    /// Every set of acceptors.
    pub fn sets(&self) -> std::ops::Range<Set> {
        0..1 << self.acceptors
    }

    fn everyone(&self) -> Set {
        (1 << self.acceptors) - 1
    }

    fn table(&self, holds: impl Fn(Set) -> bool) -> Table {
        self.sets().map(holds).collect()
    }

    /// Where the quorums of `learner` are.
    pub fn quorums(&self, learner: Learner) -> Table {
        match &self.learners[learner] {
            Quorum::Expression(expression) => self.table(|set| expression.holds(set)),
            Quorum::Stake { stake, above, fraction } => {
                let total = weight(stake, self.everyone());
                self.table(|set| {
                    let (part, whole) =
                        (ratio(weight(stake, set), total), ratio(fraction.0, fraction.1));
                    if *above { part > whole } else { part >= whole }
                })
            }
        }
    }

    /// Stakes, and the least integer weight that is a quorum.
    fn shares(&self, learner: Learner) -> Option<(Vec<u64>, u64)> {
        match &self.learners[learner] {
            Quorum::Expression(expression) => expression.shares(self.acceptors),
            Quorum::Stake { stake, above, fraction } => {
                let total = weight(stake, self.everyone());
                let suffices = |least: &u64| {
                    let (part, whole) = (ratio(*least, total), ratio(fraction.0, fraction.1));
                    if *above { part > whole } else { part >= whole }
                };
                Some((stake.clone(), (0..=total).find(suffices)?))
            }
        }
    }

    /// The `overlap` edge; none if it does not exist, or is not defined.
    fn overlap(&self, a: Learner, b: Learner) -> Option<Table> {
        let ((s_a, m_a), (s_b, m_b)) = (self.shares(a)?, self.shares(b)?);
        let (t_a, t_b) = (weight(&s_a, self.everyone()), weight(&s_b, self.everyone()));
        let minimum = |i: usize| ratio(s_a[i], t_a).min(ratio(s_b[i], t_b));
        let one = || ratio(1, 1);
        let common: BigRational = (0..self.acceptors).map(minimum).sum();
        let x = common - (one() - ratio(m_a, t_a)) - (one() - ratio(m_b, t_b));
        if x <= ratio(0, 1) {
            return None;
        }
        Some(self.table(|set| {
            let outside = (0..self.acceptors).filter(|i| set >> i & 1 == 0).map(minimum);
            outside.sum::<BigRational>() < x
        }))
    }

    /// The `largest` edge; none if it does not exist.
    fn largest(&self, a: Learner, b: Learner) -> Option<Table> {
        let (of_a, of_b) = (self.quorums(a), self.quorums(b));
        let meets_all = |set: Set| {
            self.sets()
                .filter(|x| of_a[*x])
                .all(|x| self.sets().filter(|y| of_b[*y]).all(|y| set & x & y != 0))
        };
        let table = self.table(meets_all);
        table[self.everyone()].then_some(table)
    }

    /// Whether the file can be used: every declared edge exists, and levelled logs hang together.
    pub fn is_usable(&self) -> bool {
        let exists = |(a, b, safe): &(Learner, Learner, Safe)| match safe {
            Safe::Overlap => self.overlap(*a, *b).is_some(),
            Safe::Largest => self.largest(*a, *b).is_some(),
            Safe::Expression(_) => true,
        };
        self.edges.iter().all(exists)
            && self.logs.iter().filter(|(_, level)| *level).all(|(learners, _)| {
                let log = self.condensed(learners, false);
                let all = self.everyone();
                let distinct = |(a, b): (usize, usize)| a == b || log.edges[a][b][all];
                (0..log.learners.len()).all(|a| (0..log.learners.len()).all(|b| distinct((a, b))))
            })
    }

    /// The edge as declared, or the default of a self-edge; none if it does not exist.
    fn base_edge(&self, a: Learner, b: Learner) -> Option<Table> {
        let between =
            |(x, y, _): &&(Learner, Learner, Safe)| (*x, *y) == (a, b) || (*x, *y) == (b, a);
        match self.edges.iter().find(between) {
            Some((_, _, Safe::Overlap)) => self.overlap(a, b),
            Some((_, _, Safe::Largest)) => self.largest(a, b),
            Some((_, _, Safe::Expression(expression))) => {
                Some(self.table(|set| expression.holds(set)))
            }
            None if a == b => self.overlap(a, a).or_else(|| self.largest(a, a)),
            None => None,
        }
    }

    /// The graph restricted to `learners` and closed: symmetric, and with every composition.
    pub fn condensed(&self, learners: &BTreeSet<Learner>, level: bool) -> Log {
        let learners: Vec<Learner> = learners.iter().copied().collect();
        let nothing = self.table(|_| false);
        let base =
            |a: &Learner, b: &Learner| self.base_edge(*a, *b).unwrap_or_else(|| nothing.clone());
        let mut edges: Vec<Vec<Table>> =
            learners.iter().map(|a| learners.iter().map(|b| base(a, b)).collect()).collect();
        let count = learners.len();
        if level {
            // Each edge that exists becomes what all that exist have in common.
            let exists = |edge: &&mut Table| edge[self.everyone()];
            let existing = edges.clone().into_iter().flatten().filter(|edge| edge[self.everyone()]);
            let existing: Vec<Table> = existing.collect();
            let common = self.table(|set| existing.iter().all(|edge| edge[set]));
            edges.iter_mut().flatten().filter(exists).for_each(|edge| edge.clone_from(&common));
        }
        loop {
            let before = edges.clone();
            for a in 0..count {
                for b in 0..count {
                    for c in 0..count {
                        for set in self.sets() {
                            edges[a][c][set] |= edges[a][b][set] && edges[b][c][set];
                        }
                    }
                }
            }
            if edges == before {
                break;
            }
        }
        Log { learners, edges }
    }

    /// The logs that commands answer for, in the order of their declaration, then base logs; or all learners.
    pub fn logs(&self) -> Vec<Log> {
        let everybody: BTreeSet<Learner> = (0..self.learners.len()).collect();
        if self.logs.is_empty() {
            return vec![self.condensed(&everybody, false)];
        }
        let mut logs: Vec<Log> =
            self.logs.iter().map(|(learners, level)| self.condensed(learners, *level)).collect();
        for learner in everybody {
            if !self.logs.iter().any(|(learners, _)| learners.contains(&learner)) {
                logs.push(self.condensed(&BTreeSet::from([learner]), false));
            }
        }
        logs
    }

    /// Whether the default self-edge of `learner` does not exist.
    pub fn lacks_self_edge(&self, learner: Learner) -> bool {
        self.base_edge(learner, learner).is_none()
    }

    /// Whether the condensed edge of the `a`-th and `b`-th learner of `log` has a row, and then whether it is valid.
    pub fn is_valid(&self, log: &Log, a: usize, b: usize) -> Option<bool> {
        if a == b && self.lacks_self_edge(log.learners[a]) {
            return Some(false);
        }
        let edge = &log.edges[a][b];
        if !edge[self.everyone()] {
            return None;
        }
        let (of_a, of_b) = (self.quorums(log.learners[a]), self.quorums(log.learners[b]));
        Some(self.sets().filter(|x| edge[*x]).all(|x| {
            self.sets()
                .filter(|y| of_a[*y])
                .all(|y| self.sets().filter(|z| of_b[*z]).all(|z| x & y & z != 0))
        }))
    }

    /// 3 if every pair has an edge and all edges are the same condition; else 4.
    pub fn sends(&self, log: &Log) -> u8 {
        let mut edges = log.edges.iter().flatten();
        let first = &log.edges[0][0];
        let level =
            edges.all(|edge| edge == first) && (log.learners.len() == 1 || first[self.everyone()]);
        if level || log.learners.len() == 1 { 3 } else { 4 }
    }

    /// The learners m (as positions) such that every safe set of S(l,k) is one of S(k,m).
    pub fn covers(&self, log: &Log, l: usize, k: usize) -> BTreeSet<usize> {
        if !log.edges[l][k][self.everyone()] {
            return BTreeSet::new();
        }
        let covered = |m: &usize| self.sets().all(|x| !log.edges[l][k][x] || log.edges[k][*m][x]);
        (0..log.learners.len()).filter(covered).collect()
    }

    /// Triples (l, k, m) of positions of distinct learners with edges l–k and l–m and S(l,k) ⊄ S(k,m).
    pub fn uncovered(&self, log: &Log) -> BTreeSet<[usize; 3]> {
        let all = self.everyone();
        let mut triples = BTreeSet::new();
        for l in 0..log.learners.len() {
            for k in 0..log.learners.len() {
                for m in 0..log.learners.len() {
                    let distinct = l != k && k != m && l != m;
                    if distinct
                        && log.edges[l][k][all]
                        && log.edges[l][m][all]
                        && !self.covers(log, l, k).contains(&m)
                    {
                        triples.insert([l, k, m]);
                    }
                }
            }
        }
        triples
    }

    /// The least cost of a set whose failing makes `condition` fail; none if nothing does.
    pub fn least_breaking(&self, condition: &Table, costs: &[u64]) -> Option<u64> {
        let all = self.everyone();
        self.sets()
            .filter(|failed| !condition[all & !failed])
            .map(|failed| weight(costs, failed))
            .min()
    }
}
