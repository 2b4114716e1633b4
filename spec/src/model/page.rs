//! The model as stateright's explorer shows it: with names, and one line a fact.
//!
//! The explorer prints states and steps in some places as programmers see them; here they look the same to everybody. Beside
//! the properties, which hold always, it looks for the witnesses.

use super::witness::Witness;
use super::{Engines, State, Step, diagram};
use stateright::{Model, Path, Property};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The model, for the explorer, which shows this name.
pub struct HeterogeneousPaxos {
    model: Arc<Engines>,
    properties: Vec<Property<Engines>>,
}

/// A state that can be read.
#[derive(Clone)]
pub struct Shown {
    /// The state.
    pub state: State,
    model: Arc<Engines>,
}

/// A step that can be read.
#[derive(Clone)]
pub struct Deed {
    /// The step.
    pub step: Step,
    model: Arc<Engines>,
}

impl HeterogeneousPaxos {
    /// Of a model.
    pub fn new(model: Engines) -> Self {
        HeterogeneousPaxos { properties: model.properties(), model: Arc::new(model) }
    }

    fn shown(&self, state: State) -> Shown {
        Shown { state, model: self.model.clone() }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model.described(&self.state))
    }
}

impl Hash for Shown {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state.hash(hasher);
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model.told(&self.step))
    }
}

impl PartialEq for Deed {
    fn eq(&self, other: &Self) -> bool {
        self.step == other.step
    }
}

impl Model for HeterogeneousPaxos {
    type State = Shown;
    type Action = Deed;

    fn init_states(&self) -> Vec<Shown> {
        self.model.init_states().into_iter().map(|state| self.shown(state)).collect()
    }

    fn actions(&self, shown: &Shown, deeds: &mut Vec<Deed>) {
        let mut steps = Vec::new();
        self.model.actions(&shown.state, &mut steps);
        deeds.extend(steps.into_iter().map(|step| Deed { step, model: self.model.clone() }));
    }

    fn next_state(&self, shown: &Shown, deed: Deed) -> Option<Shown> {
        self.model.next_state(&shown.state, deed.step).map(|state| self.shown(state))
    }

    fn format_action(&self, deed: &Deed) -> String {
        self.model.told(&deed.step)
    }

    fn format_step(&self, shown: &Shown, deed: Deed) -> Option<String> {
        self.next_state(shown, deed).map(|next| self.model.described(&next.state))
    }

    fn as_svg(&self, path: Path<Shown, Deed>) -> Option<String> {
        let steps = path.into_actions().into_iter().map(|deed| deed.step);
        Some(diagram::svg(&self.model, &steps.collect::<Vec<_>>()))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! sometimes {
            ($($witness:ident),+) => {
                [$(Property::sometimes(Witness::$witness.name(), |page: &Self, shown: &Shown| {
                    Witness::$witness.shown(&page.model, &shown.state)
                })),+]
            };
        }
        assert!(self.properties.len() <= NTH.len(), "each property has its place");
        let always = self.properties.iter().zip(NTH).map(|(property, condition)| Property {
            expectation: property.expectation.clone(),
            name: property.name,
            condition,
        });
        always
            .chain(sometimes![
                FirstBallotDecided,
                LastBallotDecided,
                Caught,
                Disconnected,
                AllowedDisagreement
            ])
            .collect()
    }
}

/// Asks about the n-th property of the model.
const NTH: [fn(&HeterogeneousPaxos, &Shown) -> bool; 12] = [
    holds::<0>,
    holds::<1>,
    holds::<2>,
    holds::<3>,
    holds::<4>,
    holds::<5>,
    holds::<6>,
    holds::<7>,
    holds::<8>,
    holds::<9>,
    holds::<10>,
    holds::<11>,
];

fn holds<const N: usize>(page: &HeterogeneousPaxos, shown: &Shown) -> bool {
    (page.properties[N].condition)(&page.model, &shown.state)
}
