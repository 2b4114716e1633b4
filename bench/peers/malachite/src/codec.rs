//! Bytes for the network and the write-ahead log: Borsh, for which the engine's crates have most of it.

use crate::chain::{Address, Chain, Height, NoPart, Value};
use crate::signing::Signature;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use malachitebft_app_channel::app::consensus::LivenessMsg;
use malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use malachitebft_app_channel::app::types::streaming::StreamMessage;
use malachitebft_app_channel::app::types::{ProposedValue, SignedConsensusMsg};
use malachitebft_core_types::{
    ExtendedCommitCertificate, ExtendedCommitSignature, PolkaCertificate, Round, ValidatorProof,
};
use malachitebft_sync::{RawDecidedValue, Request, Response, Status, ValueResponse};
use std::io;

#[derive(Clone, Copy, Debug)]
pub struct Borsh;

macro_rules! as_they_are {
    ($($message:ty),* $(,)?) => {$(
        impl Codec<$message> for Borsh {
            type Error = io::Error;

            fn decode(&self, bytes: Bytes) -> io::Result<$message> {
                borsh::from_slice(&bytes)
            }

            fn encode(&self, message: &$message) -> io::Result<Bytes> {
                borsh::to_vec(message).map(Bytes::from)
            }
        }
    )*};
}

as_they_are!(
    NoPart,
    SignedConsensusMsg<Chain>,
    LivenessMsg<Chain>,
    StreamMessage<NoPart>,
    ProposedValue<Chain>,
    PolkaCertificate<Chain>,
    Status<Chain>,
    Request<Chain>,
);

impl Codec<ValidatorProof<Chain>> for Borsh {
    type Error = io::Error;

    fn decode(&self, bytes: Bytes) -> io::Result<ValidatorProof<Chain>> {
        let (public_key, peer_id, signature) = borsh::from_slice(&bytes)?;
        Ok(ValidatorProof { public_key, peer_id, signature })
    }

    fn encode(&self, proof: &ValidatorProof<Chain>) -> io::Result<Bytes> {
        let fields = (&proof.public_key, &proof.peer_id, &proof.signature);
        borsh::to_vec(&fields).map(Bytes::from)
    }
}

/// What a replica that lags behind is sent: the crates do not encode certificates with extensions, which are always empty
/// here.
#[derive(BorshSerialize, BorshDeserialize)]
struct Decided {
    value: Vec<u8>,
    height: Height,
    round: Round,
    id: Value,
    signatures: Vec<(Address, Signature)>,
}

impl Codec<Response<Chain>> for Borsh {
    type Error = io::Error;

    fn decode(&self, bytes: Bytes) -> io::Result<Response<Chain>> {
        let (start_height, decided): (Height, Vec<Decided>) = borsh::from_slice(&bytes)?;
        let values = decided.into_iter().map(|one| {
            let signatures = one.signatures.into_iter();
            let certificate = ExtendedCommitCertificate {
                height: one.height,
                round: one.round,
                value_id: one.id,
                commit_signatures: signatures
                    .map(|(by, signature)| ExtendedCommitSignature::new(by, signature, None))
                    .collect(),
            };
            RawDecidedValue::new(one.value.into(), certificate)
        });
        Ok(Response::ValueResponse(ValueResponse::new(start_height, values.collect())))
    }

    fn encode(&self, response: &Response<Chain>) -> io::Result<Bytes> {
        let Response::ValueResponse(response) = response;
        let decided = response.values.iter().map(|one| Decided {
            value: one.value_bytes.to_vec(),
            height: one.certificate.height,
            round: one.certificate.round,
            id: one.certificate.value_id,
            signatures: one
                .certificate
                .commit_signatures
                .iter()
                .map(|one| (one.address, one.signature))
                .collect(),
        });
        let decided: Vec<Decided> = decided.collect();
        borsh::to_vec(&(response.start_height, decided)).map(Bytes::from)
    }
}

impl HasEncodedLen<Response<Chain>> for Borsh {
    fn encoded_len(&self, response: &Response<Chain>) -> io::Result<usize> {
        Ok(self.encode(response)?.len())
    }
}
