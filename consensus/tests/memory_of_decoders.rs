//! Decoders read what anybody sends: they never panic, and take no more than a few times what they are given, whatever
//! lengths it claims.

mod support;

use allocation_counter::measure;
use hpaxos_consensus::message::{
    Answer, Keys, KnownReplies, Message, PACKET_BYTES_MAX, Packet, PacketError, Refs, ReplyKind,
    ShortReply, Verified,
};
use hpaxos_consensus::{Ballot, MessageId, Record, Round, Slot, ValueHash};
use hpaxos_learner_graph::{LearnerGraph, LearnerId, Safe};
use std::sync::Arc;
use support::forge::{Forge, Noise};
use support::run::NETWORK;
use support::trust::{declarations, trust};

/// Bytes held at a time for each byte of a packet. While a list grows, it is there twice.
const PACKET_FACTOR: u64 = 4;
/// For each byte of a record, which comes from the node's own disk: a message takes 120 bytes there at least, and some 200
/// in memory, where all of them are held in both forms for a moment.
const RECORD_FACTOR: u64 = 6;
const BESIDE: u64 = 64 << 10;

struct Decoders {
    keys: Keys,
    forge: Forge,
    noise: Noise,
    /// Inputs that were a packet, or a record.
    taken: usize,
    refused: usize,
}

impl Decoders {
    fn new() -> Self {
        let declared = declarations(4, &[(3, 4)], || Safe::Overlap);
        let graph = LearnerGraph::new(declared.clone()).expect("its edges exist");
        let trust = trust(declared);
        let keys = Keys::new(NETWORK, &graph, [trust.log().name()]).expect("all have good keys");
        let forge = Forge::new(NETWORK, &trust, Slot(5));
        Decoders { keys, forge, noise: Noise(1), taken: 0, refused: 0 }
    }

    /// Lets both decoders look at the bytes.
    fn feed(&mut self, bytes: &[u8]) {
        let mut right_form = false;
        let packet = measure(|| {
            let opened = Packet::open(bytes, &self.keys);
            right_form |= matches!(opened, Ok(_) | Err(PacketError::Signature(_)));
        });
        let record = measure(|| {
            let decoded = Record::decode(bytes, &NETWORK, self.forge.trust.schedule());
            right_form |= decoded.is_ok();
        });
        for (used, factor) in [(packet, PACKET_FACTOR), (record, RECORD_FACTOR)] {
            let limit = factor * bytes.len() as u64 + BESIDE;
            assert!(used.bytes_max <= limit, "{} of {limit} for {}", used.bytes_max, show(bytes));
        }
        self.taken += usize::from(right_form);
        self.refused += usize::from(!right_form);
    }

    fn ids(&mut self, count: usize) -> Vec<MessageId> {
        (0..count).map(|_| self.noise.id()).collect()
    }

    fn message(&mut self, refs: usize) -> Arc<Verified<Message>> {
        let refs = self.ids(refs);
        let prev = refs.first().copied();
        self.forge.signed(self.forge.reply(ReplyKind::TwoA, 1, prev, refs))
    }

    /// One of each packet and record, small and large.
    fn samples(&mut self) -> Vec<Vec<u8>> {
        let place = self.forge.place.clone();
        let (slot, round, value) = (place.slot, Round(2), ValueHash([9; 32]));
        let learner = LearnerId::new(0);
        let mut samples = Vec::new();
        for refs in [0, 3, 200, Refs::COUNT_MAX] {
            let message = self.message(refs);
            let proposal = self.forge.signed(self.forge.proposal(2, value));
            let announcement = self.forge.announcement(3, 6, message.refs().iter().copied());
            let announcement = self.forge.signed_announcement(announcement);
            let list = Refs::new(message.refs().iter().copied());
            let (tips, want, have) = (list.clone(), list.clone(), list.clone());
            for packet in [
                Packet::Message(message.clone(), Refs::default()),
                Packet::Message(proposal.clone(), list),
                Packet::Announcement(announcement),
                Packet::Tips { place: place.clone(), tips, answer: Answer::Wanted },
                Packet::Ask { place: place.clone(), want, have },
                Packet::Highest { place: place.clone(), answer: Answer::Given },
            ] {
                samples.push(packet.encode());
            }
            let messages = vec![proposal, message];
            samples.push(Record::Messages { slot, messages }.encode());
        }
        samples.extend(self.shorts());
        for record in [
            Record::Round { slot, round },
            Record::Decided { slot, learner, ballot: Ballot { round, value } },
            Record::Certified { slot, learner, value },
            Record::Retired { slot },
            Record::Silent { through: slot },
        ] {
            samples.push(record.encode());
        }
        samples
    }
}

impl Decoders {
    /// Short replies, with few groups of references and many: of a chain as deep as can be.
    fn shorts(&mut self) -> Vec<Vec<u8>> {
        let mut known = KnownReplies::default();
        let (mut chain, mut shorts) = (Vec::<MessageId>::new(), Vec::new());
        for _ in 0..32 {
            let prev = chain.last().copied();
            let mut refs = chain.clone();
            refs.extend(self.ids(shorts.len()));
            let reply = self.forge.signed(self.forge.reply(ReplyKind::TwoA, 1, prev, refs));
            shorts.extend(ShortReply::of(&reply, &known).map(|short| short.encode()));
            known.note(&reply);
            chain.push(reply.id());
        }
        assert!(shorts.len() > 30, "all but the first");
        shorts
    }
}

fn show(bytes: &[u8]) -> String {
    format!("{} bytes: {}", bytes.len(), hex::encode(&bytes[..bytes.len().min(64)]))
}

#[test]
fn random_bytes() {
    let mut decoders = Decoders::new();
    for round in 0..20_000u64 {
        let length = decoders.noise.below(1 << (round % 12)) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| decoders.noise.next() as u8).collect();
        // Often one of the tags that there are.
        if let Some(tag) = bytes.first_mut() {
            *tag %= 8;
        }
        decoders.feed(&bytes);
    }
    assert!(decoders.refused > 10_000, "{} refused", decoders.refused);
}

#[test]
fn what_was_encoded_with_some_of_it_changed() {
    let mut decoders = Decoders::new();
    for sample in decoders.samples() {
        decoders.feed(&sample);
        for _ in 0..300 {
            let mut bytes = sample.clone();
            for _ in 0..=decoders.noise.below(3) {
                let at = decoders.noise.below(bytes.len() as u64) as usize;
                match decoders.noise.below(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] ^= 1 << decoders.noise.below(8),
                    2 => bytes[at] = [0, 1, 0x7f, 0xff][decoders.noise.below(4) as usize],
                    _ => bytes.insert(at, decoders.noise.next() as u8),
                }
            }
            decoders.feed(&bytes);
        }
    }
    assert!(decoders.taken > 300 && decoders.refused > 1_000, "{}", decoders.taken);
}

/// Every place of every sample, taken for a length.
#[test]
fn lengths_beyond_all_bounds() {
    let mut decoders = Decoders::new();
    let samples = decoders.samples();
    for sample in samples {
        for at in 0..sample.len().min(200) {
            for length in [1_026, 4_096, 1 << 16, 1 << 24, 1 << 30, u32::MAX] {
                let mut bytes = sample.clone();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&u32::to_le_bytes(length)[..end - at]);
                decoders.feed(&bytes);
            }
        }
    }
}

/// Many small messages are where a decoded record is largest beside its bytes.
#[test]
fn records_of_many_messages() {
    let mut decoders = Decoders::new();
    for count in [1, 10, 100, 1_000, 1_025] {
        for refs in [0, 1, 10] {
            let messages = (0..count).map(|_| decoders.message(refs)).collect();
            let record = Record::Messages { slot: Slot(5), messages };
            decoders.feed(&record.encode());
        }
    }
    let largest = vec![0; PACKET_BYTES_MAX];
    decoders.feed(&largest);
    assert_eq!(decoders.taken, 15);
}
