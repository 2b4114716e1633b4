//! What one slot decides: an ordered list of bundles.
//!
//! What is proposed, voted and decided is the block's hash; whether a block is valid is a pure function of rules, slot
//! and bytes that sees no state. Whether its bundles succeed shows in execution.

use crate::bundle::{Bundle, binary};
use crate::digest::{BundleId, sha256};
use crate::limits::{BLOCK_BUNDLES_MAX, BLOCK_BYTES_MAX};
use crate::refusal::Refusal;
use crate::rules::LogRules;
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_consensus::{NetworkId, ValueHash};
use std::collections::BTreeSet;

const TAG: &[u8] = b"hpaxos/v1/block\0";

/// The bundles of one slot, in the order in which they are executed. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// The bundles.
    #[borsh(deserialize_with = "binary::list::<_, _, BLOCK_BUNDLES_MAX>")]
    pub bundles: Vec<Bundle>,
}

/// Why nobody may vote for a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// More bytes than a block may have.
    #[error("a block of {0} bytes; at most {BLOCK_BYTES_MAX}")]
    TooLarge(usize),
    /// Not the canonical encoding of a block.
    #[error("not the canonical encoding of a block: {0}")]
    Encoding(String),
    /// A bundle that is not valid.
    #[error("bundle {index}: {refusal}")]
    Bundle {
        /// Which one.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// One bundle is there twice.
    #[error("bundle {index} stands above already")]
    Repeated {
        /// The second place.
        index: usize,
    },
}

/// The hash of a block with this canonical encoding: the value that consensus decides on.
pub fn value(network: NetworkId, bytes: &[u8]) -> ValueHash {
    ValueHash(sha256(&[TAG, &network.0, bytes]))
}

impl Block {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads a block and judges whether it is valid in `slot`.
    ///
    /// # Errors
    /// The first thing that is wrong; signatures are looked at last.
    pub fn check(rules: &LogRules, slot: u64, bytes: &[u8]) -> Result<Self, InvalidBlock> {
        Block::check_knowing(rules, slot, bytes, &|_, _| false)
    }

    /// The same, without looking again at the signatures that are `known` to be right: exactly these, of the bundle of
    /// this id.
    ///
    /// # Errors
    /// The first thing that is wrong; signatures are looked at last.
    pub fn check_knowing(
        rules: &LogRules,
        slot: u64,
        bytes: &[u8],
        known: &dyn Fn(&BundleId, &[[u8; 64]]) -> bool,
    ) -> Result<Self, InvalidBlock> {
        let block = Block::decode(bytes)?;
        let (mut ids, mut unknown) = (BTreeSet::new(), Vec::new());
        for (index, bundle) in block.bundles.iter().enumerate() {
            let invalid = |refusal| InvalidBlock::Bundle { index, refusal };
            let id = bundle.check_but_signatures(rules, slot).map_err(invalid)?;
            if !ids.insert(id) {
                return Err(InvalidBlock::Repeated { index });
            }
            if !known(&id, &bundle.signatures) {
                unknown.push((index, id));
            }
        }
        let signed = unknown.iter().map(|(index, id)| (&block.bundles[*index], id));
        Bundle::check_signatures(signed).map_err(|(place, refusal)| InvalidBlock::Bundle {
            index: unknown[place].0,
            refusal,
        })?;
        Ok(block)
    }

    /// Reads the canonical encoding of a block that was judged before.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidBlock> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(InvalidBlock::TooLarge(bytes.len()));
        }
        let block: Block =
            borsh::from_slice(bytes).map_err(|error| InvalidBlock::Encoding(error.to_string()))?;
        if block.to_bytes() != bytes {
            return Err(InvalidBlock::Encoding("the same can be said otherwise".to_owned()));
        }
        Ok(block)
    }
}
