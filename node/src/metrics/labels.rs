//! What is counted apart.

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this node.
    In,
    /// From this node.
    Out,
}

impl Direction {
    pub(super) fn label(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// What a signature is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// A message of the protocol, or an announcement.
    Message,
    /// What an acceptor executed.
    Attestation,
    /// What a quorum of them did.
    Certificate,
    /// A bundle: one signature of each signer.
    Bundle,
}

impl Signed {
    pub(super) fn label(self) -> &'static str {
        match self {
            Signed::Message => "message",
            Signed::Attestation => "attestation",
            Signed::Certificate => "certificate",
            Signed::Bundle => "bundle",
        }
    }
}
