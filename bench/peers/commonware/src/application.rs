//! What the engine asks of its application: values to propose, and to keep what is finalized.

use anyhow::Result;
use cluster::{Journal, Progress, VALUE_BYTES};
use commonware_actor::Feedback;
use commonware_codec::Encode;
use commonware_consensus::simplex::Plan;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Activity, Context, Finalization};
use commonware_consensus::{Automaton, CertifiableAutomaton, Relay, Reporter, Viewable};
use commonware_cryptography::ed25519::PublicKey;
use commonware_cryptography::sha256::Digest;
use commonware_utils::channel::oneshot;
use std::sync::mpsc::{Receiver, Sender};

#[derive(Clone)]
pub struct Application {
    pub index: usize,
    pub progress: Progress,
    pub finalized: Sender<Finalization<Scheme, Digest>>,
}

/// The engine agrees on 32 bytes, which others use for a hash: here they are the value itself, and zeros.
fn payload(value: [u8; VALUE_BYTES]) -> Digest {
    let mut bytes = [0; 32];
    bytes[..VALUE_BYTES].copy_from_slice(&value);
    Digest(bytes)
}

fn answer<T>(value: T) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    // Its receiver is here.
    let _ = sender.send(value);
    receiver
}

impl Automaton for Application {
    type Context = Context<Digest, PublicKey>;
    type Digest = Digest;

    async fn propose(&mut self, context: Self::Context) -> oneshot::Receiver<Digest> {
        let view = context.view().get();
        self.progress.proposed(view);
        answer(payload(cluster::value(self.index, view)))
    }

    async fn verify(&mut self, _: Self::Context, payload: Digest) -> oneshot::Receiver<bool> {
        answer(payload.0[VALUE_BYTES..].iter().all(|byte| *byte == 0))
    }
}

impl CertifiableAutomaton for Application {}

impl Relay for Application {
    type Digest = Digest;
    type PublicKey = PublicKey;
    type Plan = Plan<PublicKey>;

    /// There is nothing beside the payload.
    fn broadcast(&mut self, _: Digest, _: Self::Plan) -> Feedback {
        Feedback::Ok
    }
}

impl Reporter for Application {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        match activity {
            Activity::Finalization(finalization) => match self.finalized.send(finalization) {
                Ok(()) => Feedback::Ok,
                Err(_) => Feedback::Closed,
            },
            _ => Feedback::Ok,
        }
    }
}

/// Keeps what is finalized, with its certificate, until the engine stops; the engine goes on meanwhile.
pub fn keep(
    finalized: &Receiver<Finalization<Scheme, Digest>>,
    mut journal: Journal,
    progress: &Progress,
) -> Result<()> {
    while let Ok(first) = finalized.recv() {
        let all: Vec<_> = std::iter::once(first).chain(finalized.try_iter()).collect();
        let records: Vec<u8> = all.iter().flat_map(|one| one.encode().to_vec()).collect();
        journal.append(&records)?;
        for one in all {
            progress.decided(one.view().get());
        }
    }
    Ok(())
}
