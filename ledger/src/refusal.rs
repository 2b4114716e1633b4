//! Why a bundle is not taken.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of refusal; the names are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not of the right form, or never right for this log.
    Malformed,
    /// A signature is missing, in excess or wrong.
    BadSignature,
    /// Its last slot has passed.
    Expired,
    /// Its last slot is too far ahead.
    TooFar,
    /// More operations, signers or bytes in a field than a bundle may have.
    Limits,
    /// An object lives in another log.
    WrongHome,
    /// More bytes than a bundle may have.
    TooLarge,
}

/// Why a bundle is not taken: the error object of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// What is wrong and what would be right, for people.
    pub message: String,
    /// Where, like `parts[1].operations[0].key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The log in which the object lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

impl Refusal {
    /// A refusal of the bundle as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), at: None, home: None }
    }

    /// The same, at a place in the bundle.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Refusal { at: Some(place.into()), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Refusal {}
