//! The definitions of the protocol, one file each, as pure functions.

mod choice;
mod connected;
mod facts;
mod flaw;
mod fresh;
mod locks;
mod mutants;
mod well_formed;

pub use choice::{Choice, choose};
pub use facts::{ClassFacts, Facts};
pub use flaw::Flaw;
pub use fresh::{Vote, fresh};
pub use locks::{Lock, Overtakers, lets_go_hard, lets_go_soft};
pub use mutants::{MUTANTS, Mutant, Rules};
pub(crate) use well_formed::well_formed;

use crate::dag::Ix;
use crate::message::ReplyKind;
use hpaxos_learner_graph::AcceptorId;
use std::sync::Arc;

/// A reply before it is one: signed by nobody yet, perhaps not well-formed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// 1b, 2a or 2b.
    pub kind: ReplyKind,
    /// Who would sign it.
    pub signer: AcceptorId,
    /// The signer's previous reply.
    pub prev: Option<Ix>,
    /// What it references.
    pub refs: Arc<[Ix]>,
}
