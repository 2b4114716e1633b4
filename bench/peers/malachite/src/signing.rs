//! Ed25519, with the keys that the engine's authors publish; every signature is verified by itself, as the engine asks.

use crate::chain::{Chain, Proposal, Vote};
use async_trait::async_trait;
use borsh::{BorshDeserialize, BorshSerialize};
use malachitebft_core_types::{SignedMessage, SigningScheme, ValidatorProof, VoteExtensionScope};
use malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use malachitebft_signing_ed25519::{self as ed25519, PrivateKey, PublicKey};
use std::io;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519;

/// Bytes, so that it can be encoded with everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl SigningScheme for Ed25519 {
    type DecodingError = io::Error;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = PrivateKey;

    fn decode_signature(bytes: &[u8]) -> io::Result<Signature> {
        bytes.try_into().map(Signature).map_err(io::Error::other)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> io::Result<PublicKey> {
        let bytes = bytes.try_into().map_err(io::Error::other)?;
        PublicKey::from_bytes(bytes).map_err(io::Error::other)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

/// What is signed: a byte for the kind, and the message.
fn vote_bytes(vote: &Vote) -> Vec<u8> {
    borsh::to_vec(&(0_u8, vote)).expect("writing to memory does not fail")
}

fn proposal_bytes(proposal: &Proposal) -> Vec<u8> {
    borsh::to_vec(&(1_u8, proposal)).expect("writing to memory does not fail")
}

fn verify(bytes: &[u8], signature: &Signature, key: &PublicKey) -> VerificationResult {
    let signature = ed25519::Signature::from_bytes(signature.0);
    VerificationResult::from_bool(key.verify(bytes, &signature).is_ok())
}

pub struct Keyless;

#[async_trait]
impl Verifier<Chain> for Keyless {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verify(&vote_bytes(vote), signature, key))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verify(&proposal_bytes(proposal), signature, key))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Chain>,
        _: &(),
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Err(Error::from_source("votes have no extensions here"))
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<Chain>,
    ) -> Result<VerificationResult, Error> {
        let key = proof.decoded_public_key().map_err(Error::from_source)?;
        Ok(verify(&proof.preimage(), &proof.signature, &key))
    }
}

pub struct Keyed(pub PrivateKey);

impl Keyed {
    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).to_bytes())
    }
}

#[async_trait]
impl Signer<Chain> for Keyed {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Chain, Vote>, Error> {
        let signature = self.sign(&vote_bytes(&vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Chain, Proposal>, Error> {
        let signature = self.sign(&proposal_bytes(&proposal));
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Chain>,
        (): (),
    ) -> Result<SignedMessage<Chain, ()>, Error> {
        Err(Error::from_source("votes have no extensions here"))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Chain>, Error> {
        let signature = self.sign(&ValidatorProof::<Chain>::signing_bytes(&public_key, &peer_id));
        Ok(ValidatorProof::new(public_key, peer_id, signature))
    }
}
