//! The types that the engine leaves to its application: a chain of small values among validators that never change.

use borsh::{BorshDeserialize, BorshSerialize};
use cluster::{REPLICAS, VALUE_BYTES};
use malachitebft_core_types as core;
use malachitebft_core_types::{
    LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType, VotingPower,
};
use malachitebft_signing_ed25519::{PrivateKey, PublicKey};
use std::fmt;

use crate::signing::Ed25519;

#[derive(Clone, Debug)]
pub struct Chain;

/// A validator's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Address(pub u8);

impl core::Address for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Height(pub u64);

impl core::Height for Height {
    const ZERO: Self = Height(0);
    const INITIAL: Self = Height(1);

    fn increment_by(&self, n: u64) -> Self {
        Height(self.0 + n)
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// So small that it is its own identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Value(pub [u8; VALUE_BYTES]);

impl core::Value for Value {
    type Id = Value;

    fn id(&self) -> Value {
        *self
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: Value,
    pub pol_round: Round,
    pub by: Address,
}

impl core::Proposal<Chain> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.by
    }
}

/// Values are in the proposals: there are no parts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NoPart;

impl core::ProposalPart<Chain> for NoPart {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// Without an extension: the policy forbids them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<Value>,
    pub by: Address,
}

impl core::Vote<Chain> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Value> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Value> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.by
    }

    fn extension(&self) -> Option<&SignedExtension<Chain>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Chain>> {
        None
    }

    fn extend(self, _: SignedExtension<Chain>) -> Self {
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    address: Address,
    public_key: PublicKey,
}

impl core::Validator<Chain> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn voting_power(&self) -> VotingPower {
        1
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators(Vec<Validator>);

impl Validators {
    /// All replicas.
    pub fn all() -> Self {
        let validator = |index| Validator {
            address: address(index),
            public_key: PrivateKey::from(cluster::seed(index)).public_key(),
        };
        Validators((0..REPLICAS).map(validator).collect())
    }
}

impl core::ValidatorSet<Chain> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.0.len() as VotingPower
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.get_by_index(usize::from(address.0))
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// Where a replica stands among the validators.
pub fn address(index: usize) -> Address {
    Address(u8::try_from(index).expect("there are four replicas"))
}

impl core::Context for Chain {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    /// In turns.
    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        let turn = height.0 + u64::from(round.as_u32().unwrap_or(0));
        &validators.0[(turn % REPLICAS as u64) as usize]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        by: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, by }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        by: Address,
    ) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, by }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        by: Address,
    ) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, by }
    }
}
