//! What is counted, of all nodes together.

use hpaxos_consensus::Round;
use hpaxos_consensus::message::{Body, Kind, Packet, ShortReply};
use std::collections::BTreeMap;

/// What frames add to a packet: one byte that says what it is.
const FRAME_BYTES: usize = 1;

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Messages of the DAG that were signed.
    pub messages: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes of messages of each kind.
    pub bytes_of: BTreeMap<Kind, u64>,
    /// Bytes that say what messages reference.
    pub reference_bytes: u64,
    /// Bytes of attestations on the wire.
    pub attestation_bytes: u64,
    /// Signatures that were made: of messages, and of attestations.
    pub signed: u64,
    /// Signatures that were checked: of whatever came, and of attestations until there is a certificate.
    pub checked: u64,
    /// Syncs.
    pub syncs: u64,
    /// What is sent beside new messages: announcements, questions, and answers to them.
    pub others: u64,
    /// Proposals of later rounds than the first.
    pub later_rounds: u64,
}

impl Counts {
    /// A packet leaves for so many receivers, perhaps in its short form: an own message for all, or what one asked for.
    pub fn packet(&mut self, packet: &Packet, short: Option<&ShortReply>, receivers: usize) {
        let receivers = receivers as u64;
        let whole = packet.encode().len();
        let length = short.map_or(whole, |short| short.encode().len());
        let bytes = (length + FRAME_BYTES) as u64 * receivers;
        self.packets += receivers;
        self.bytes += bytes;
        match packet {
            Packet::Message(message, _) if receivers == 1 => {
                *self.bytes_of.entry(message.kind()).or_default() += bytes;
                self.others += 1;
            }
            Packet::Message(message, _) => {
                self.messages += 1;
                self.signed += 1;
                *self.bytes_of.entry(message.kind()).or_default() += bytes;
                let bare = whole - size_of_val(message.refs());
                self.reference_bytes += length.saturating_sub(bare) as u64 * receivers;
                if let Body::Proposal { round, .. } = message.body {
                    self.later_rounds += u64::from(round > Round(0));
                }
            }
            Packet::Announcement(_) => {
                self.signed += 1;
                self.others += 1;
            }
            _ => self.others += 1,
        }
    }
}
