//! The state at one height, for somebody who begins with it: in pieces, each of which proves itself.
//!
//! ```text
//!   a quorum of each learner certifies:  slot, history, state root         Offer
//!                                                    │
//!                     root ──▶ Inner: hashes of 16 subtrees                 Piece
//!                                │ ...
//!                                └──▶ Leaves: keys and values below a prefix of their places
//! ```
//!
//! A piece is asked for by the prefix of the tree's places that it covers, and has to have the hash that the piece above it
//! says, and at last the root. So whoever sends a wrong one is found out by that piece alone, nothing is kept that is not part of
//! the state, and once no piece is missing, the state is whole. The tree's rows are made while pieces come; nothing is
//! executed.
//!
//! What is not part of the state is not in a snapshot: older states, results, and where bundles were executed. The ids that
//! were used up are.

mod offer;
mod piece;
mod restore;
mod subtree;

pub use offer::{NoOffer, Offer};
pub use piece::{Below, PIECE_BYTES, Piece, Prefix};
pub use restore::{PieceFlaw, Restoring};
