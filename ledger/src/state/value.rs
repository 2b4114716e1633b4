//! The values of the state.

use super::ReadState;
use crate::limits::SLOT_MAX;
use borsh::{BorshDeserialize, BorshSerialize};

/// An object as it is now. Its encoding is what its leaf holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ObjectState {
    /// What its owner put in.
    pub value: Vec<u8>,
    /// Whose signature changes it.
    pub owner: [u8; 32],
    /// 1 at creation, one more at each write.
    pub version: u64,
    /// How much of the deposit's asset its last owner gets back.
    pub deposit: u128,
}

/// The canonical encoding.
pub(crate) fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory does not fail")
}

/// Reads what this crate has written to `state`.
pub(crate) fn decode<T: BorshDeserialize>(state: &impl ReadState, bytes: &[u8]) -> T {
    borsh::from_slice(bytes)
        .unwrap_or_else(|error| state.unreadable(&format!("a row of a view: {error}")))
}

/// A number of slots or versions that was read. There is always a next one.
pub(crate) fn counted(state: &impl ReadState, number: u64) -> u64 {
    if number > SLOT_MAX {
        state.unreadable("a row of a view: it counts beyond the last slot that there can be");
    }
    number
}
