//! What can be wrong with a reply.

use thiserror::Error;

// ANCHOR: flaw
/// A rule of well-formedness that a message breaks. It is a function of the message and what lies below it alone, so
/// all honest nodes find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Flaw {
    /// It references a message that is ill-formed.
    #[error("it references an ill-formed message")]
    Reference,
    /// No 1a lies below it.
    #[error("it has no ballot: no 1a lies below it")]
    NoBallot,
    /// `prev` is not among the references.
    #[error("`prev` is not among its references")]
    PrevNotReferenced,
    /// `prev` is a 1a, or somebody else's.
    #[error("`prev` is not a reply of its signer")]
    PrevNotOwn,
    /// The signer forked, as the message itself shows.
    #[error("its signer is caught below it")]
    SignerCaught,
    /// More than two references to one signer, `prev` apart.
    #[error("it has more than two references to one signer")]
    CrowdedReferences,
    /// More than one 1a among the references.
    #[error("it references more than one 1a")]
    TwoProposals,
    /// A 1b that does not reference its highest 1a.
    #[error("a 1b references its highest 1a")]
    ProposalNotReferenced,
    /// A 1b, and a reply of its ballot lies below it.
    #[error("a 1b comes before all other replies of its ballot")]
    BallotAnswered,
    /// A 2a or 2b that references a 1a.
    #[error("only a 1b references a 1a")]
    ProposalReferenced,
    /// A 2a or 2b that names nobody.
    #[error("it names no learner")]
    NoLearners,
    /// A 2a or 2b that names nobody new.
    #[error("it names no learner that its signer has not named in this ballot")]
    NothingNew,
    /// A 2b where three sends decide.
    #[error("this log decides in three sends, without 2b's")]
    NoTwoB,
}
// ANCHOR_END: flaw
