//! Bytes: of each kind of message exactly these; what is encoded is read back; nothing else is a packet or a record.

mod support;

use hpaxos_consensus::message::{
    Acceptor, Announcement, Answer, Body, Keys, Message, Opened, PACKET_BYTES_MAX, Packet,
    PacketError, Refs, Reply, ReplyKind, Verified,
};
use hpaxos_consensus::{Ballot, LOG_NAME_BYTES_MAX, MessageId, Record, Round, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, Declarations, LearnerId, Safe};
use proptest::prelude::*;
use std::sync::Arc;
use support::forge::Forge;
use support::run::NETWORK;
use support::trust::{declarations, trust};

fn declared() -> Declarations {
    declarations(4, &[(3, 4)], || Safe::Overlap)
}

fn keys() -> Keys {
    support::trust::keys(declared())
}

fn forge() -> Forge {
    Forge::new(NETWORK, &trust(declared()), Slot(5))
}

// Ids and packets of a log of four acceptors with the secret keys 32 × 01 to 32 × 04, network 32 × 07, epoch 0, slot 5;
// computed from the description of the formats with hashlib and a curve of its own, not with this code.
const ONE_A: (&str, &str) = (
    "da1e2bc1d4822c1e70de4426fb7642ef10f98120c26a0a0f7d9b07664e769f2e",
    "0000000000030000006c3030050000000000000000020000000000000009090909090909090909090909\
     09090909090909090909090909090909090909fe3be4e2903729b93113b3514d385a3d26aaac84c20964\
     00de21370f488f8ebe961ca5733cb331dcd1379eaa990600ebb5c9e95f03bcbf92cb5f80777313980a01\
     000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
);
const ONE_B: (&str, &str) = (
    "8d87c5bead16206dce91cd2e83646428d7809431db0205b817a0f74d756a6906",
    "0000000000030000006c30300500000000000000010001000001000000da1e2bc1d4822c1e70de4426fb\
     7642ef10f98120c26a0a0f7d9b07664e769f2eaf75f1239802a50cdc0282e73ac02fa6938a21091008d2\
     d8192ae666659fd2932308b887afdd58c3c1e83323780733aab39d3f371e121daac66211c8bd3cc40800\
     000000",
);
const TWO_A: (&str, &str) = (
    "57034d12c25b291e04a34a09ef3c29b50402b007094ee57770418c4cfd94a852",
    "0000000000030000006c3030050000000000000001010100018d87c5bead16206dce91cd2e83646428d7\
     809431db0205b817a0f74d756a6906010000008d87c5bead16206dce91cd2e83646428d7809431db0205\
     b817a0f74d756a6906ec695a8f211a2980eb5b94fe2a51327bc61951984f711257db57d7f07371c09e4a\
     a14144502a271a23b098d941f16e053c7fc9f19812822c37a69c2457a97c0c00000000",
);
const TWO_B: (&str, &str) = (
    "1af48009ddb1254816639c4323767876dbffb6a4edd0d7cb0396d1e2abb42b90",
    "0000000000030000006c30300500000000000000010201000157034d12c25b291e04a34a09ef3c29b504\
     02b007094ee57770418c4cfd94a8520200000057034d12c25b291e04a34a09ef3c29b50402b007094ee5\
     7770418c4cfd94a852eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee40\
     66f7092ad314428a0534be9b648c6e23644acdebcbb5ce36e78db42d8000ec73fb2cdcfd27c78c9ee74e\
     95fbf06cdae3483af1eade2610573bbb625652660200000000",
);
const ANNOUNCEMENT: (&str, &str) = (
    "603cf30460ff4578ef68b27466fc96a030b3f529a7e82a92e47fa7850bcf810f",
    "0100000000030000006c30300500000000000000030006000000000000000200000057034d12c25b291e\
     04a34a09ef3c29b50402b007094ee57770418c4cfd94a8528d87c5bead16206dce91cd2e83646428d780\
     9431db0205b817a0f74d756a69067a15db9bd89a203ea95968a2dab6c919aa4e7860f0899eb24b08883f\
     034ce475b1c226c5e9c65f52906425ce3d7c446ac01c879f76c80cf0cf128737ce6f7f07",
);

/// Whether a packet with this id has exactly these bytes, and they are read back.
fn assert_pinned(id: MessageId, packet: &Packet, (pinned_id, bytes): (&str, &str)) {
    assert_eq!(id.to_string(), pinned_id);
    assert_eq!(hex::encode(packet.encode()), bytes);
    let bytes = hex::decode(bytes).expect("hex");
    let opened = Packet::open(&bytes, &keys()).expect("it is signed");
    assert_eq!(opened, Opened::Whole(packet.clone()));
}

#[test]
fn each_kind_of_message_has_exactly_these_bytes() {
    let forge = forge();
    let id = |pinned: (&str, &str)| {
        MessageId(hex::decode(pinned.0).expect("hex").try_into().expect("32 bytes"))
    };
    let assert_message = |message: Message, hint: Refs, pinned| {
        let message = forge.signed(message);
        assert_pinned(message.id(), &Packet::Message(message, hint), pinned);
    };
    let hint = Refs::new([MessageId([0xaa; 32])]);
    assert_message(forge.proposal(2, ValueHash([9; 32])), hint, ONE_A);
    let reply = |kind, prev, refs: &[MessageId]| forge.reply(kind, 1, prev, refs.iter().copied());
    let (one_a, one_b, two_a) = (id(ONE_A), id(ONE_B), id(TWO_A));
    assert_message(reply(ReplyKind::OneB, None, &[one_a]), Refs::default(), ONE_B);
    assert_message(reply(ReplyKind::TwoA, Some(one_b), &[one_b]), Refs::default(), TWO_A);
    let refs = [MessageId([0xee; 32]), two_a];
    assert_message(reply(ReplyKind::TwoB, Some(two_a), &refs), Refs::default(), TWO_B);
    let announcement = forge.announcement(3, 6, [one_b, two_a]);
    let announcement = forge.signed_announcement(announcement);
    assert_pinned(announcement.id(), &Packet::Announcement(announcement), ANNOUNCEMENT);
}

fn malformed(bytes: &[u8]) -> bool {
    matches!(Packet::open(bytes, &keys()), Err(PacketError::Malformed(_)))
}

#[test]
fn packets_cut_short_or_too_long_are_refused() {
    for (_, pinned) in [ONE_A, ONE_B, TWO_A, TWO_B, ANNOUNCEMENT] {
        let mut bytes = hex::decode(pinned).expect("hex");
        for length in 0..bytes.len() {
            assert!(malformed(&bytes[..length]), "{length} bytes");
        }
        bytes.push(0);
        assert!(malformed(&bytes), "a byte too many");
        bytes.resize(PACKET_BYTES_MAX, 0);
        assert!(malformed(&bytes));
        bytes.push(0);
        let opened = Packet::open(&bytes, &keys());
        assert!(matches!(opened, Err(PacketError::TooLong(length)) if length == bytes.len()));
    }
}

#[test]
fn a_packet_with_one_bit_changed_is_refused() {
    // The hint of a 1a is not signed.
    for (_, pinned) in [ONE_B, TWO_A, TWO_B, ANNOUNCEMENT] {
        let bytes = hex::decode(pinned).expect("hex");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Packet::open(&flipped, &keys()).is_err(), "bit {bit}");
        }
    }
}

/// Replaces what stands at `at` in the packet of the 2a.
fn changed(at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = hex::decode(TWO_A.1).expect("hex");
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// Tag 1, epoch 4, length 4, log 3, slot 8: where the body starts.
const BODY: usize = 20;
/// Tag 1, kind 1, acceptor 2, some 1, prev 32: where the references start.
const REFS: usize = BODY + 37;

#[test]
fn whatever_is_not_in_the_one_canonical_form_is_refused() {
    assert!(!malformed(&changed(0, &[])));
    assert!(malformed(&changed(0, &[6])), "no such packet");
    assert!(malformed(&changed(BODY, &[2])), "no such body");
    assert!(malformed(&changed(BODY + 1, &[3])), "no such kind");
    assert!(malformed(&changed(BODY + 2, &512u16.to_le_bytes())), "no network has so many");
    assert!(malformed(&changed(BODY + 4, &[2])), "neither some nor none");
    for count in [2, 1_027, u32::MAX] {
        assert!(malformed(&changed(REFS, &count.to_le_bytes())), "{count} references");
    }
    let name_at = 5;
    for length in [LOG_NAME_BYTES_MAX as u32 + 1, u32::MAX] {
        assert!(malformed(&changed(name_at, &length.to_le_bytes())), "a name of {length} bytes");
    }
    assert!(malformed(&changed(name_at + 4, &[0xff; 3])), "a name that is not UTF-8");
}

/// The references of a packet, with their number, as they stand there.
fn with_refs(ids: &[MessageId]) -> Vec<u8> {
    let bytes = hex::decode(TWO_A.1).expect("hex");
    let mut with = bytes[..REFS].to_vec();
    with.extend_from_slice(&(ids.len() as u32).to_le_bytes());
    ids.iter().for_each(|id| with.extend_from_slice(&id.0));
    with.extend_from_slice(&bytes[REFS + 36..]);
    with
}

fn id(number: usize) -> MessageId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    MessageId(id)
}

#[test]
fn references_are_ascending_without_duplicates_and_not_too_many() {
    let signature_is_wrong =
        |bytes: &[u8]| matches!(Packet::open(bytes, &keys()), Err(PacketError::Signature(_)));
    assert!(signature_is_wrong(&with_refs(&[id(1), id(2)])), "in order, so it is looked at");
    assert!(malformed(&with_refs(&[id(2), id(1)])));
    assert!(malformed(&with_refs(&[id(1), id(1)])));
    let many: Vec<MessageId> = (0..=Refs::COUNT_MAX).map(id).collect();
    assert!(signature_is_wrong(&with_refs(&many[1..])));
    assert!(malformed(&with_refs(&many)));
}

fn ids(most: usize) -> impl Strategy<Value = Refs> {
    prop::collection::vec(any::<[u8; 32]>().prop_map(MessageId), 0..most).prop_map(Refs::new)
}

fn body() -> impl Strategy<Value = Body> {
    let kinds = vec![ReplyKind::OneB, ReplyKind::TwoA, ReplyKind::TwoB];
    let prev = prop::option::of(any::<[u8; 32]>().prop_map(MessageId));
    let reply = (prop::sample::select(kinds), 0..4usize, prev, ids(9));
    prop_oneof![
        (any::<u64>(), any::<[u8; 32]>()).prop_map(|(round, value)| Body::Proposal {
            round: Round(round),
            value: ValueHash(value),
        }),
        reply.prop_map(|(kind, acceptor, prev, refs)| {
            Body::Reply(Reply { kind, acceptor: Acceptor(AcceptorId::new(acceptor)), prev, refs })
        }),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let answer = prop::sample::select(vec![Answer::Wanted, Answer::Given]);
    (any::<u64>(), body(), ids(9), ids(9), answer, 0..5).prop_map(
        |(slot, body, one, other, answer, kind)| {
            let mut forge = forge();
            forge.place.slot = Slot(slot);
            let place = forge.place.clone();
            match (kind, &body) {
                (0, Body::Reply(reply)) => {
                    let (acceptor, round, maximal) = (reply.acceptor, Round(slot), one);
                    let content = Announcement { place, acceptor, round, maximal };
                    Packet::Announcement(forge.signed_announcement(content))
                }
                (1, _) => Packet::Tips { place, tips: one, answer },
                (2, _) => Packet::Ask { place, want: one, have: other },
                (3, _) => Packet::Highest { place, answer },
                _ => {
                    // Only a 1a comes with a hint.
                    let hint =
                        if matches!(body, Body::Proposal { .. }) { one } else { Refs::default() };
                    Packet::Message(forge.signed(Message { place, body }), hint)
                }
            }
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let messages = prop::collection::vec((body(), any::<u64>()), 0..5);
    (messages, any::<(u64, u64, [u8; 32])>(), 0..64usize, 0..6).prop_map(
        |(messages, (slot, round, value), learner, kind)| {
            let mut forge = forge();
            let learner = LearnerId::new(learner);
            let (slot, round, value) = (Slot(slot), Round(round), ValueHash(value));
            let mut sign = |(body, slot)| -> Arc<Verified<Message>> {
                forge.place.slot = Slot(slot);
                forge.signed(Message { place: forge.place.clone(), body })
            };
            match kind {
                0 => Record::Round { slot, round },
                1 => Record::Decided { slot, learner, ballot: Ballot { round, value } },
                2 => Record::Certified { slot, learner, value },
                3 => Record::Retired { slot },
                4 => Record::Silent { through: slot },
                _ => Record::Messages {
                    slot,
                    messages: messages.into_iter().map(&mut sign).collect(),
                },
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_what_comes_in(packet in packet()) {
        let opened = Packet::open(&packet.encode(), &keys());
        prop_assert_eq!(opened.expect("it is signed"), Opened::Whole(packet));
    }

    #[test]
    fn what_is_stored_is_what_is_found(record in record()) {
        let forge = forge();
        let bytes = record.encode();
        let found = Record::decode(&bytes, &NETWORK, forge.trust.schedule());
        prop_assert_eq!(found.expect("it was encoded"), record);
        for length in 0..bytes.len() {
            let cut = Record::decode(&bytes[..length], &NETWORK, forge.trust.schedule());
            prop_assert!(cut.is_err());
        }
    }
}
