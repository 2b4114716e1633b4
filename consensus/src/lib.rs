//! The engine of Heterogeneous Paxos: messages, rules and guarded actions, and nothing else.
//!
//! Consensus in which each learner (here: each chain) keeps its own trust model, and acceptors (here: validators) may be
//! Byzantine. The engine orders opaque values; it has no clock, no IO, no randomness and no hash order. The node, the
//! simulator and the model checker drive the same code.
//!
//! ```text
// ANCHOR: flow
//!   Packet::open          Replica                     Instance: one slot
//!   hash, signature ──▶ log, epoch, window ──▶ inbox: references here? ──▶ Dag: facts derived once
//!   (off its thread)      slots open and close       else they are asked for      │ received
//!                                                                                  ▼
//!   ┌─────────────────────────────────────────────────────────────── acceptor: take in, answer
//!   │  Effects, by lanes: store first, with one sync;                learners: count, decide
//!   └▶ then send, timers, decided, faults, requests                  proposer: choose, propose
//!                                                                    rounds: wait, move on
// ANCHOR_END: flow
//! ```
//!
//! A driver lets [`Replica::handle`] look at each [`Event`] that waits, calls [`Replica::settle`], commits
//! [`Effects::store`] with one sync, and only then releases the other lanes. [`Instance::GUARDS`](Engine::GUARDS) is the
//! protocol's table of contents.
//!
//! # Definitions
//!
//! Sources: Sheff, Wang, van Renesse, Myers, "Heterogeneous Paxos" (OPODIS 2020, arXiv 2011.08253); "Heterogeneous Paxos
//! 2.0" (Anoma, zenodo 12572557) and its TLA+.
//!
//! | definition | papers, TLA+ | here |
//! |---|---|---|
//! | below(x): x and, recursively, what it references | `Tran(x)` | never built: facts of the references stand for it; [`dag::Dag::closure`] lists it |
//! | ballot(x), value(x): those of the highest 1a below x | `B`, `V` | [`rules::Facts::ballot`] |
//! | caught(x): signers of two replies of equal `prev` below x | `Caught` | [`rules::Facts::caught`], `dag/chains.rs` |
//! | connected(l, x): learners k with a safe set of S(l,k) free of caught(x) | `Con` | `rules/connected.rs` |
//! | covers(l, k): learners m with S(l,k) ⊆ S(k,m) | | [`Trust::covers`] |
//! | lock: an own 2a (3-send, or soft) or 2b (hard), for each learner it names | | [`rules::Lock`] |
//! | overtaker: a 2a of a higher ballot and another value | | [`rules::Overtakers`] |
//! | lets go | `Buried`, generalised | [`rules::lets_go_soft`], [`rules::lets_go_hard`] |
//! | fresh(l, x) | `Fresh` | [`rules::fresh`]; of a 1b, [`rules::Facts::named`] |
//! | learners(x) | `lrns`, `q` | [`rules::Facts::named`] |
//! | well-formed | `WellFormed` | `rules/well_formed.rs`; what can be wrong is a [`rules::Flaw`] |
//! | who proposes when | | [`Schedule`] |
//! | what a proposer proposes | | [`rules::choose`] |
//! | decides | `Decision` | `instance/learner.rs` |
//! | takes in, ripe, answers | `Process1a`, `Process1b`, … | `instance/acceptor.rs` |
//! | rounds, announcements | | `instance/rounds.rs` |
//! | whom to wait for | | `replica/reputation.rs` |
//! | open, parked, retired slots | | `replica/window.rs` |
//! | amnesia | | `replica/amnesia.rs` |
//!
//! # Deviations from the papers
//!
// ANCHOR: deviations
//! 1. A ballot is (round, value hash), so two values never share one: an equivocating proposer makes two ballots, and
//!    evidence.
//! 2. A soft lock for k lets go when an overtaker names a learner in connected(k, x), a hard lock, for l, when one names a
//!    learner in covers(l, k). The published rule (the same learner must be named, or any connected one) loses liveness
//!    without any fault, or agreement among three learners.
//! 3. Where the learners' edges are not all the same condition, a decision takes a fourth send, 2b. With three, a live
//!    learner can stay undecided for ever without any fault.
//! 4. `caught(x)` is a function of what lies below x, not the union of what the references caught: two branches may meet
//!    only in x.
//! 5. Well-formedness is complete. At most two references to one signer and one 1a; the signer is not caught in its own
//!    message; a 2a or 2b names somebody whom its signer has not named in this ballot. Without the last rule every message
//!    is answered by another, for ever.
//! 6. A stale 1a becomes known unanswered, and is never referenced. In the published TLA+ it blocks the acceptor for ever.
//! 7. Nothing above a 1a that is not ripe is taken in: taking in a vote before answering its 1a would cost the own vote.
//! 8. Proposers prefer the value of the highest 2a that names a learner connected to their target. Preferring the highest
//!    2b can starve a learner.
//! 9. After its store is lost, an acceptor is silent through slot h + 1 + depth, where h is the highest slot that a quorum
//!    of every learner reports: what it signed before may lie that far ahead.
//! 10. Whoever follows others into later rounds pauses after each two turns of all learners, for a quarter of the round. An
//!     acceptor in every quorum can halt the learners, and no rule helps; without the pauses it could also make the others
//!     propose, vote and store as fast as it can count. Termination waits for less than half a round more.
//! 11. A proposer whose slots waited in vain, or to which the link is down, is waited for only briefly in the first turn of
//!     its next slots. In later turns it is waited for like anybody else, so termination waits for one turn more at most.
//! 12. From the third turn of all learners on an acceptor accepts and commits nothing in a round that it has left, and a
//!     proposer waits for all members of its target, or for a quarter of the round. Else votes that Byzantine acceptors keep
//!     back until the next round begins can spoil any number of rounds, and nobody is caught.
// ANCHOR_END: deviations
//!
//! # What it relies on
//!
//! Signatures are checked before ([`message::Packet::open`]), and short replies expanded ([`message::ShortReply`]); the engine
//! sees only [`message::Verified`] messages. The driver
//! keeps the order of the lanes. Values are stored and judged by the driver, which knows what they are.

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
mod signature;
pub mod trace;
mod trust;

pub use config::{Config, Memory};
pub use engine::{
    Decision, Effects, Engine, Fault, Guard, Peer, Request, Target, Timer, TimerKind,
};
pub use evidence::{Evidence, EvidenceKind, NoEvidence};
pub use ids::*;
pub use instance::{Action, Instance, SlotEvent, WAITING_BYTES_MAX};
pub use record::Record;
pub use replica::{Event, Judgement, Recovery, Replica, Silence};
pub use rules::MUTANTS;
pub use signature::{Signatures, VerifyingKey};
pub use trust::*;
