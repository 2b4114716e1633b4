//! Says nothing.

use super::{Behaviour, Den, Surroundings, Wire};
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;

pub struct Silent;

impl Behaviour for Silent {
    fn arrival(&mut self, _: AcceptorId, _: &Arc<Wire>, _: &mut Den, _: &mut Surroundings) {}

    fn last_words(&mut self, _: &mut Den, _: &mut Surroundings) {}
}
