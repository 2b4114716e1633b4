//! Which edges contain which: whether three sends suffice, and what a hard lock may be let go for.

use super::tie::{Tie, TieSearch, Wanted};
use crate::acceptor_set::AcceptorSet;
use crate::learner_set::{LearnerId, LearnerSet};
use crate::log::{Connections, Log};
use crate::search::{Answer, Effort, Question};

// ANCHOR: sends
/// 3 if the graph of the log is *level*: every pair of its learners has an edge, and all edges of the condensed graph,
/// self-edges included, are the same condition as functions. Else 4. None if that was not settled.
pub fn sends(log: &Log, effort: &mut Effort) -> Option<u8> {
    let learners = log.learners();
    if learners.len() == 1 {
        return Some(3);
    }
    if !log.is_connected() {
        return Some(4);
    }
    let mut inclusions = Inclusions::new(log);
    // S(a,b) ⊆ S(a,a) always; level means that the reverse holds too, for every a and b.
    let mut settled = true;
    for a in learners.iter() {
        for b in learners.iter().filter(|b| *b != a) {
            match inclusions.includes((a, a), (a, b), effort) {
                Some(true) => {}
                Some(false) => return Some(4),
                None => settled = false,
            }
        }
    }
    settled.then_some(3)
}
// ANCHOR_END: sends

// ANCHOR: covers
/// The learners m such that every safe set of S(l,k) is also one of S(k,m); contains k and l. None if that was not
/// settled. Empty if the log has no edge l–k.
pub fn covers(log: &Log, l: LearnerId, k: LearnerId, effort: &mut Effort) -> Option<LearnerSet> {
    let mut inclusions = Inclusions::new(log);
    if !inclusions.all_safe.connected(l).contains(k) {
        return Some(LearnerSet::EMPTY);
    }
    let mut covered = LearnerSet::EMPTY;
    for m in log.learners().iter() {
        if inclusions.includes((l, k), (k, m), effort)? {
            covered.insert(m);
        }
    }
    Some(covered)
}
// ANCHOR_END: covers

// ANCHOR: uncovered
/// The triples of distinct learners (l, k, m) with edges l–k and l–m and S(l,k) ⊄ S(k,m), sorted: where an equivocation
/// that is exposed too late can leave a learner undecided. None if some was not settled.
pub fn uncovered(log: &Log, effort: &mut Effort) -> Option<Vec<[LearnerId; 3]>> {
    let mut inclusions = Inclusions::new(log);
    let mut triples = Vec::new();
    for l in log.learners().iter() {
        let connected = inclusions.all_safe.connected(l);
        let partners = || connected.iter().filter(move |other| *other != l);
        for k in partners() {
            for m in partners().filter(|m| *m != k) {
                if !inclusions.includes((l, k), (k, m), effort)? {
                    triples.push([l, k, m]);
                }
            }
        }
    }
    Some(triples)
}
// ANCHOR_END: uncovered

/// Questions whether one condensed edge contains another, with what is known from earlier ones.
struct Inclusions<'a> {
    log: &'a Log,
    all_safe: Connections,
    search: TieSearch<'a>,
    /// Sets that told two edges apart before; they often do again.
    telling: Vec<AcceptorSet>,
}

/// Sets remembered; beyond that, looking through them costs more than a search.
const TELLING_MAX: usize = 64;

impl<'a> Inclusions<'a> {
    fn new(log: &'a Log) -> Self {
        const X: usize = 0;
        const OUTSIDE: usize = 1;
        const OPTIONS: &[u8] = &[1 << X, 1 << OUTSIDE];
        let template = Question {
            acceptors: log.relevant(),
            options: OPTIONS,
            requirements: Vec::new(),
            cost: None,
        };
        let all_safe = log.connections(&AcceptorSet::EMPTY);
        Inclusions { log, all_safe, search: TieSearch::new(log, template), telling: Vec::new() }
    }

    /// Whether every safe set of S(inner) is one of S(outer).
    fn includes(
        &mut self,
        inner: (LearnerId, LearnerId),
        outer: (LearnerId, LearnerId),
        effort: &mut Effort,
    ) -> Option<bool> {
        // Levelled edges are all the same.
        if self.log.is_levelled() && self.all_safe.connected(outer.0).contains(outer.1) {
            return Some(true);
        }
        let inner = Tie::between(inner.0, inner.1);
        let outer = Tie::between(outer.0, outer.1);
        if inner == outer {
            return Some(true);
        }
        if self.telling.iter().any(|set| inner.holds(self.log, set) && !outer.holds(self.log, set))
        {
            return Some(false);
        }
        let wanted = Wanted { hold: Some((0, inner)), fail: Some((1, outer)) };
        match self.search.find(wanted, effort) {
            Answer::Impossible => Some(true),
            Answer::Undecided { .. } => None,
            Answer::Found(witness) => {
                if self.telling.len() < TELLING_MAX {
                    self.telling.push(witness.sets[0]);
                }
                Some(false)
            }
        }
    }
}
