//! What makes the properties mean something: states that the model should reach, and a shortest path to one.

use super::{Engines, State, Step};
use crate::properties::Property;
use hpaxos_consensus::Trust;
use hpaxos_learner_graph::AcceptorSet;
use stateright::Model;
use std::collections::{BTreeSet, HashSet};

/// Something that should occur somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// Somebody decides in the first ballot.
    FirstBallotDecided,
    /// Somebody decides in the last one.
    LastBallotDecided,
    /// An honest acceptor has caught somebody, and says so.
    Caught,
    /// And learners are no longer connected for that.
    Disconnected,
    /// Learners disagree, and may.
    AllowedDisagreement,
}

impl Witness {
    /// All of them.
    pub const ALL: [Witness; 5] = [
        Witness::FirstBallotDecided,
        Witness::LastBallotDecided,
        Witness::Caught,
        Witness::Disconnected,
        Witness::AllowedDisagreement,
    ];

    /// As [`Engines::witnesses`] calls it.
    pub fn name(self) -> &'static str {
        match self {
            Witness::FirstBallotDecided => "first-ballot-decided",
            Witness::LastBallotDecided => "last-ballot-decided",
            Witness::Caught => "caught",
            Witness::Disconnected => "disconnected",
            Witness::AllowedDisagreement => "allowed-disagreement",
        }
    }

    /// Whether a state shows it.
    pub fn shown(self, model: &Engines, state: &State) -> bool {
        let decided = |round: u64| model.seen(state).rounds.contains(&round);
        let trust = &model.setup().trust;
        let mut caught = model.honest(state).filter_map(|local| {
            let last = model.universe().said(local.last()?);
            Some(last.facts.caught)
        });
        match self {
            Witness::FirstBallotDecided => decided(0),
            Witness::LastBallotDecided => decided(model.setup().rounds().saturating_sub(1)),
            Witness::Caught => caught.any(|caught| !caught.is_empty()),
            Witness::Disconnected => caught.any(|caught| disconnects(trust, &caught)),
            Witness::AllowedDisagreement => {
                let seen = model.seen(state);
                let values: BTreeSet<_> = seen.decided.iter().map(|(_, value)| value).collect();
                seen.flaw.is_none() && values.len() > 1
            }
        }
    }
}

/// Whether some learners are no longer connected once these are caught.
pub fn disconnects(trust: &Trust, caught: &AcceptorSet) -> bool {
    let left = trust.log().connections(caught);
    let mut learners = trust.learners().iter();
    learners.any(|learner| left.connected(learner) != trust.all_safe().connected(learner))
}

/// A path: states, and the steps between them.
pub type Way = Vec<(State, Option<Step>)>;

/// What a search found.
pub enum Found {
    /// A shortest path to a state that shows it.
    Shown(Way),
    /// A shortest path to where a property does not hold; no shorter one leads to a state that shows it.
    Violated(Property, Way),
    /// No state shows it.
    Nowhere,
    /// None of those that were met; there are more.
    NotYet,
}

/// Looks for a state that shows `witness`, breadth first, among at most `most` different states if that is given. (Stateright
/// looks at states by the thousand, and keeps the last path that it finds in the first thousand.)
pub fn search(model: &Engines, witness: Option<Witness>, most: Option<usize>) -> Found {
    let mut reached: Vec<Reached> = Vec::new();
    let mut met = HashSet::new();
    for state in model.init_states() {
        if met.insert(state.key) {
            reached.push(Reached { state, from: None });
        }
    }
    let mut at = 0;
    while let Some(Reached { state, .. }) = reached.get(at) {
        if let Some((property, _)) = model.flaw(state) {
            return Found::Violated(property, way(reached, at));
        }
        if !model.goes_on(state) {
            return Found::Violated(Property::Liveness, way(reached, at));
        }
        if witness.is_some_and(|witness| witness.shown(model, state)) {
            return Found::Shown(way(reached, at));
        }
        if most.is_some_and(|most| reached.len() >= most) {
            return Found::NotYet;
        }
        for (step, state) in model.next_steps(state) {
            if met.insert(state.key) {
                reached.push(Reached { state, from: Some((at, step)) });
            }
        }
        at += 1;
    }
    Found::Nowhere
}

struct Reached {
    state: State,
    /// From which, and how.
    from: Option<(usize, Step)>,
}

fn way(mut reached: Vec<Reached>, to: usize) -> Way {
    let mut way = Vec::new();
    let (mut at, mut next) = (to, None);
    loop {
        reached.truncate(at + 1);
        let Some(Reached { state, from }) = reached.pop() else { break };
        way.push((state, next.take()));
        let Some((before, step)) = from else { break };
        at = before;
        next = Some(step);
    }
    way.reverse();
    way
}
