//! What the engine asks of its application: values to propose, and to keep what is decided.

use crate::chain::{Address, Chain, Height, Validators, Value};
use anyhow::{Context, Result};
use cluster::{Journal, Progress};
use malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use malachitebft_app_channel::app::types::sync::RawDecidedValue;
use malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use malachitebft_app_channel::{AppMsg, Channels};
use malachitebft_core_types::{
    CommitCertificate, ExtendedCommitCertificate, Height as _, LinearTimeouts, Round, Validity,
    VoteExtensions,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Decided values that stay in memory, for replicas that lag behind.
const KEPT: usize = 1_000;

pub struct Application {
    pub index: usize,
    pub validators: Validators,
    /// The engine forgets what led to a decision as soon as the next height begins.
    pub journal: Journal,
    pub progress: Progress,
    pub kept: BTreeMap<Height, CommitCertificate<Chain>>,
}

impl Application {
    /// Answers the engine until it stops.
    pub async fn run(mut self, mut channels: Channels<Chain>) -> Result<()> {
        while let Some(message) = channels.consensus.recv().await {
            self.answer(message).context("the engine has stopped")?;
        }
        Ok(())
    }

    fn answer(&mut self, message: AppMsg<Chain>) -> Result<()> {
        // Who does not wait for the answer any more is stopping, which shows at the next message.
        match message {
            AppMsg::ConsensusReady { reply } => {
                let _ = reply.send((Height::INITIAL, self.parameters()));
            }
            AppMsg::StartedRound { reply_value, .. } => {
                let _ = reply_value.send(Vec::new());
            }
            AppMsg::GetValue { height, round, reply, .. } => {
                self.progress.proposed(height.0);
                let value = Value(cluster::value(self.index, height.0));
                let _ = reply.send(LocallyProposedValue::new(height, round, value));
            }
            AppMsg::Decided { certificate, reply, .. } => {
                self.keep(certificate)?;
                let _ = reply.send(());
            }
            AppMsg::Finalized { certificate, reply, .. } => {
                let next = certificate.height.increment();
                let _ = reply.send(Next::Start(next, self.parameters()));
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let first = self.kept.keys().next().copied();
                let _ = reply.send(first.unwrap_or(Height::INITIAL));
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let _ = reply.send(self.decided(range));
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                let _ = reply.send(synced(height, round, proposer, &value_bytes));
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
            AppMsg::ReceivedProposalPart { reply, .. } => {
                let _ = reply.send(None);
            }
            // The engine sends proposals again by itself: there are no parts.
            AppMsg::RestreamProposal { .. } => {}
        }
        Ok(())
    }

    /// No target time: the next height begins at once.
    fn parameters(&self) -> HeightParams<Chain> {
        HeightParams::new(self.validators.clone(), LinearTimeouts::default(), None)
    }

    fn keep(&mut self, certificate: CommitCertificate<Chain>) -> Result<()> {
        self.journal.append(&borsh::to_vec(&certificate)?)?;
        self.progress.decided(certificate.height.0);
        self.kept.insert(certificate.height, certificate);
        if self.kept.len() > KEPT {
            self.kept.pop_first();
        }
        Ok(())
    }

    fn decided(&self, range: RangeInclusive<Height>) -> Vec<RawDecidedValue<Chain>> {
        let kept = self.kept.range(range).map(|(_, certificate)| {
            let value = certificate.value_id.0.to_vec();
            let certificate = ExtendedCommitCertificate::from_commit_certificate_and_extensions(
                certificate.clone(),
                VoteExtensions::default(),
            );
            RawDecidedValue::new(value.into(), certificate)
        });
        kept.collect()
    }
}

fn synced(
    height: Height,
    round: Round,
    proposer: Address,
    bytes: &[u8],
) -> SyncedValueOutcome<Chain> {
    let Ok(bytes) = bytes.try_into() else { return SyncedValueOutcome::PeerFault };
    let (value, validity) = (Value(bytes), Validity::Valid);
    let valid_round = Round::Nil;
    SyncedValueOutcome::Verdict(ProposedValue {
        height,
        round,
        valid_round,
        proposer,
        value,
        validity,
    })
}
