//! The engine.
#![warn(missing_docs)]
mod config;
pub mod dag;
mod engine;
mod evidence;
mod ids;
mod instance;
pub mod message;
mod record;
mod replica;
pub mod rules;
mod trust;

pub use config::{Config, Memory};
pub use engine::{
    Decision, Effects, Engine, Fault, Guard, Peer, Request, Target, Timer, TimerKind,
};
pub use evidence::{Evidence, EvidenceKind, NoEvidence};
pub use ids::*;
pub use instance::{Action, Instance, SlotEvent, WAITING_BYTES_MAX};
pub use record::Record;
pub use replica::{Event, Judgement, Replica};
pub use rules::MUTANTS;
pub use trust::*;
