//! The replicated state machines: what chains start from, what bundles do to them, and what can be proved of it.
//!
//! ```text
//!   Genesis ──▶ initial ─┐                            ┌─▶ Delta: rows to write      View: what is there, with proofs
//!                        ├─▶ rows ──▶ execute(block) ─┤
//!   Bundle ──▶ Block ────┘    ▲                       └─▶ Results ──▶ Receipt: what a client is told ──▶ verify
//!    check      check         └── apply the delta            │           ▲
//!      ▲                                                     ▼           │ path
//!      │                        an acceptor: Attestation ──▶ a quorum: Certificate
//!      └── Claim: what another log released ◀────────────────────────────┘
//! ```
//!
//! | word | meaning | here |
//! |---|---|---|
//! | bundle | an atomic transaction: one part for each chain it touches, all applied or none | [`Bundle`] |
//! | block | what one slot decides: an ordered list of bundles | [`Block`] |
//! | valid | may be voted for; a pure function of rules, slot and bytes that sees no state | [`Block::check`] |
//! | home | the log in which an object lives; only bundles of that log may write it | [`wrong_home`] |
//! | released, claimed | let go by one log, with a proof; taken in by another, once, with that proof | [`Released`], [`Claim`] |
//! | view | what one learner has decided and executed of one log | [`ReadState`], [`View`] |
//! | height | how many slots a view has executed | [`height`] |
//! | history | hash chain of what a view executed; views of equal history are equal | [`History`] |
//! | attestation | what an acceptor says that views executed | [`Attestation`] |
//! | certificate | what a quorum of a learner attests; it proves every earlier slot too | [`Certificate`] |
//! | receipt | what became of a bundle, with all that is needed to believe it | [`Receipt::verify`] |
//!
//! Invariant: execution is deterministic. Same rows, same block, same bytes out; no clock, no IO, no randomness, no hash
//! order. Rows that no height needs any more may be there or be pruned: it makes no difference.
//!
//! Invariant: nothing is doubled, and nothing is lost but what was released and not claimed yet. What a chain lets go or
//! takes in rests on its own quorums, whatever other chains do.
//!
//! The state machine ([`execute()`], [`View`] and what belongs to them) is behind the feature `execute`, which is on by default.
//! What reads, signs and judges bundles, and verifies receipts and certificates, does without.

#![warn(missing_docs)]

mod atomicity;
mod attestation;
mod block;
mod bundle;
mod certificate;
mod digest;
#[cfg(feature = "execute")]
mod execute;
mod genesis;
#[cfg(feature = "execute")]
mod home;
pub mod limits;
mod moving;
mod network;
mod receipt;
mod refusal;
mod results;
mod rules;
#[cfg(feature = "execute")]
mod state;

pub use atomicity::{Atomicity, Breaks, atomicity};
pub use attestation::Attestation;
pub use block::{Block, InvalidBlock, value};
pub use bundle::{AtLeast, Body, Bundle, Condition, Operation, Part, Release};
pub use certificate::{Certificate, CertificateFlaw, Signed};
pub use digest::{BundleId, History, NotADigest, ResultsRoot, StateRoot};
#[cfg(feature = "execute")]
pub use execute::{Results, execute};
pub use genesis::{Balance, Deposit, GENESIS_BYTES_MAX, Genesis, Object, State};
#[cfg(feature = "execute")]
pub use home::wrong_home;
pub use moving::{Claim, NoClaim, NotAClaim, NotReleased, ReleaseProof, Released, Thing};
pub use network::{EPOCH, network_id};
#[cfg(feature = "execute")]
pub use receipt::ExecutedSlot;
pub use receipt::{
    ChainReceipt, Checked, Receipt, ReceiptCertificate, ReceiptCheck, ReceiptFlaw, Status, Verdict,
    Verified,
};
pub use refusal::{Code, Refusal};
pub use results::{
    Abort, BundleResult, Outcome, RESULT_PROOF_HASHES_MAX, Reason, ResultPlace, results_root,
    verify_result,
};
pub use rules::LogRules;
#[cfg(feature = "execute")]
pub use state::{
    Below, Delta, MemoryState, NoOffer, ObjectState, Offer, PIECE_BYTES, Piece, PieceFlaw,
    Position, Prefix, ReadState, Restoring, StateKey, StateProof, Summary, View, ViewFlaw, begins,
    check_height, check_summary, forget, height, initial, path, position, prune, prune_states,
    results, used,
};
