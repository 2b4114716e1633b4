//! Things that move from log to log: `release` in one, `claim` in another.
//!
//! ```text
//!   log red:       release ──▶ Outcome::Released ──▶ results root ──▶ history ──▶ Certificate of learner red
//!                   gone from the state                                                    │
//!   log red+blue:  claim ◀── Released, ReleaseProof: all of that, hash by hash ◀───────────┘
//!                   there, and remembered as claimed
//! ```
//!
//! In between a thing is in flight: it is in no log's state, and whoever has the proof can claim it for its owner, once. A
//! claim rests on the accuracy of its own chain and nothing else. What a bundle released stands in its result as one hash
//! for each thing, so that a thing can be claimed by itself, whatever else went with it.

mod claim;
mod proof;
mod released;

pub use claim::{Claim, NoClaim, NotAClaim};
pub use proof::{NotReleased, ReleaseProof};
pub use released::{Released, Thing};
