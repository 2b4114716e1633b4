//! Pictures of a learner graph that need no legend: SVG for people, Graphviz for further work.
//!
//! A [`Picture`] finds out what to say ([`crate::analysis`] does) and writes it down. For each log: its learners with
//! what makes them halt or fork, and for each two of them what makes them disagree. For all logs together: who
//! validates where, with what share of the stake. The words are those of users: learners are chains, acceptors are
//! validators, and who is Byzantine lies.
//!
//! Up to six learners of a log stand in a ring with lines between them, more are a table. The layout is ours, so that
//! texts never overlap and the same graph gives the same bytes.

mod canvas;
mod card;
mod dot;
mod facts;
mod membership;
mod palette;
mod panel;
mod ring;
mod shape;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod words;

use crate::graph::LearnerGraph;
use crate::log::Log;
use crate::search::Effort;
use facts::Facts;

/// What a picture shows, ready to be written in either format.
pub struct Picture {
    facts: Facts,
}

impl Picture {
    /// A picture of `logs`, which are logs of `graph`: all of [`LearnerGraph::logs`], or some. Analyses them, which may
    /// take long; what `effort` does not settle is drawn as a range.
    pub fn new(graph: &LearnerGraph, logs: &[Log], effort: &mut Effort) -> Picture {
        Picture { facts: Facts::of(graph, logs, effort) }
    }

    /// Whether every number in it is exact.
    pub fn is_settled(&self) -> bool {
        self.facts.is_settled()
    }

    /// As a standalone SVG document.
    pub fn svg(&self) -> String {
        svg::svg(&self.facts)
    }

    /// As a Graphviz file, for `dot`.
    pub fn dot(&self) -> String {
        dot::dot(&self.facts)
    }
}
