//! What the fuzzers start from and have found worth keeping, on the stable toolchain.
//!
//! `cargo test -p hpaxos-consensus --test fuzz_corpus -- --ignored` writes the part that is made here anew.

#![allow(clippy::disallowed_methods, reason = "it reads the corpus, and writes it when asked to")]

mod support;

use hpaxos_consensus::message::NoSigner;
use hpaxos_consensus::message::{
    Answer, Keys, KnownReplies, Opened, Packet, PacketError, Refs, ReplyKind, ShortReply,
    SignatureError,
};
use hpaxos_consensus::{
    Ballot, Config, Effects, Event, MessageId, Record, Replica, Round, Slot, Trust, ValueHash,
};
use hpaxos_learner_graph::{AcceptorId, LearnerGraph, LearnerId, file};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::forge::{Forge, peer};
use support::run::NETWORK;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn graph() -> LearnerGraph {
    let text = std::fs::read_to_string(fuzz_folder().join("graph.toml")).expect("it is committed");
    file::read(&text).expect("it is a graph")
}

fn trust() -> Arc<Trust> {
    Arc::new(Trust::new(graph().logs().swap_remove(0)).expect("a threshold is easy"))
}

fn keys() -> Keys {
    let graph = graph();
    let logs = graph.logs();
    Keys::new(NETWORK, &graph, logs.iter().map(|log| log.name())).expect("all have good keys")
}

/// The files of a corpus, in order.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = std::fs::read_dir(folder).expect("the corpus is committed");
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a file can be read");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn packets() {
    let (keys, trust) = (keys(), trust());
    let mut count = [0; 3];
    for (path, bytes) in corpus("packet") {
        match Packet::open(&bytes, &keys) {
            Ok(opened) => {
                assert_eq!(opened.encode(), bytes, "{}", path.display());
                let packet = match opened {
                    Opened::Whole(packet) => packet,
                    Opened::Short(short) => {
                        assert!(
                            short.expand(&KnownReplies::default()).is_err(),
                            "nothing is known"
                        );
                        short.tips()
                    }
                };
                let me = Some(AcceptorId::new(0));
                let config = Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner));
                let mut replica = Replica::new(config);
                let mut out = Effects::default();
                replica.handle(Event::Packet { from: peer(1), packet }, &mut out);
                replica.settle(&mut out);
                count[0] += 1;
            }
            Err(PacketError::Signature(_)) => count[1] += 1,
            Err(PacketError::Malformed(_) | PacketError::TooLong(_) | PacketError::Hint(_)) => {
                count[2] += 1;
            }
        }
    }
    assert!(count[0] >= 8 && count[1] >= 3 && count[2] >= 8, "{count:?}");
}

#[test]
fn records() {
    let trust = trust();
    let mut count = [0; 2];
    for (path, bytes) in corpus("record") {
        match Record::decode(&bytes, &NETWORK, trust.schedule()) {
            Ok(record) => {
                assert_eq!(record.encode(), bytes, "{}", path.display());
                count[0] += 1;
            }
            Err(_) => count[1] += 1,
        }
    }
    assert!(count[0] >= 6 && count[1] >= 4, "{count:?}");
}

/// Valid packets, with what a fuzzer would take long to find: right signatures.
fn valid_packets(forge: &Forge) -> Vec<(&'static str, Vec<u8>)> {
    let place = || forge.place.clone();
    let id = |byte| MessageId([byte; 32]);
    let ids = || Refs::new([id(1), id(2)]);
    let proposal = forge.signed(forge.proposal(2, ValueHash([9; 32])));
    let below = proposal.id();
    let vote = forge.signed(forge.reply(ReplyKind::OneB, 1, None, [below]));
    let prev = Some(vote.id());
    let reply = |kind, refs: &[MessageId]| {
        let content = forge.reply(kind, 1, prev, refs.iter().copied());
        Packet::Message(forge.signed(content), Refs::default())
    };
    let announcement = forge.signed_announcement(forge.announcement(3, 6, [below]));
    let packets = vec![
        ("1a", Packet::Message(proposal, Refs::default())),
        ("1b", Packet::Message(vote.clone(), Refs::default())),
        ("1b-hint", Packet::Message(vote.clone(), ids())),
        ("2a", reply(ReplyKind::TwoA, &[vote.id()])),
        ("2b", reply(ReplyKind::TwoB, &[vote.id(), id(3)])),
        ("announcement", Packet::Announcement(announcement)),
        ("tips", Packet::Tips { place: place(), tips: ids(), answer: Answer::Wanted }),
        ("ask", Packet::Ask { place: place(), want: ids(), have: ids() }),
        ("highest", Packet::Highest { place: place(), answer: Answer::Given }),
    ];
    let shorts = [("short", 0), ("short-prev", 1), ("short-others", 2)];
    let encoded = packets.into_iter().map(|(name, packet)| (name, packet.encode()));
    encoded.chain(shorts.map(|(name, index)| (name, shorts_of(forge)[index].encode()))).collect()
}

/// The short forms of a 2a that references all votes, of one that references its own, and of a 2b that references what is not
/// known, too; all of acceptor 1.
fn shorts_of(forge: &Forge) -> [ShortReply; 3] {
    let below = forge.signed(forge.proposal(2, ValueHash([9; 32]))).id();
    let vote = |signer| forge.signed(forge.reply(ReplyKind::OneB, signer, None, [below]));
    let votes = [0, 1, 2, 3].map(vote);
    let mut known = KnownReplies::default();
    votes.iter().for_each(|vote| known.note(vote));
    let own = votes[1].id();
    let all = votes.map(|vote| vote.id());
    let references = [&all[..], &[own], &[own, MessageId([3; 32])]];
    let kinds = [ReplyKind::TwoA, ReplyKind::TwoA, ReplyKind::TwoB];
    std::array::from_fn(|index| {
        let refs = references[index].iter().copied();
        let reply = forge.signed(forge.reply(kinds[index], 1, Some(own), refs));
        ShortReply::of(&reply, &known).expect("it is shorter")
    })
}

/// What is almost one.
fn near_packets(forge: &Forge) -> Vec<(&'static str, Vec<u8>)> {
    let proposal = forge.proposal(2, ValueHash([9; 32]));
    let bare = |message| Packet::Message(message, Refs::default()).encode();
    let vote = |signer| forge.reply(ReplyKind::OneB, signer, None, [MessageId([1; 32])]);
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = bare(forge.signed(vote(1)));
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let mut elsewhere = forge.clone();
    elsewhere.place.epoch.0 = 1;
    let [short, ..] = shorts_of(forge);
    let changed_short = |at: usize, with: &[u8]| {
        let mut bytes = short.encode();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let cut = bare(forge.signed(vote(1)));
    let long = [&cut[..], &[0]].concat();
    // Tag 1, epoch 4, length 4, log 3, slot 8, tag 1, kind 1, acceptor 2, none 1: then come the references.
    let refs = 25;
    vec![
        ("wrong-signer", bare(forge.signed_by(2, vote(1)))),
        ("wrong-proposer", bare(forge.signed_by(0, proposal.clone()))),
        ("wrong-epoch", bare(elsewhere.signed(elsewhere.proposal(2, ValueHash([9; 32]))))),
        ("no-acceptor", bare(forge.signed_by(1, vote(4)))),
        ("cut", cut[..cut.len() - 1].to_vec()),
        ("too-long", long),
        ("many-refs", changed(refs, &u32::MAX.to_le_bytes())),
        ("two-refs", changed(refs, &2u32.to_le_bytes())),
        ("long-name", changed(5, &0x0100_0000u32.to_le_bytes())),
        ("no-text", changed(9, &[0xff; 3])),
        ("no-kind", changed(21, &[3])),
        ("no-such-acceptor", changed(22, &512u16.to_le_bytes())),
        ("no-option", changed(24, &[2])),
        ("nothing", Vec::new()),
        // Tag 1, place 19, kind 1, acceptor 2: then the depth 1, how many groups 1, and of the only one the depth 1, bytes 1, bits 1.
        ("short-deep", changed_short(23, &[33])),
        ("short-two-groups", changed_short(24, &[2])),
        ("short-deep-group", changed_short(25, &[32])),
        ("short-wide-group", changed_short(26, &[65])),
        ("short-nobody", changed_short(27, &[0])),
        ("short-many-others", changed_short(28, &[3, 4])),
        ("short-wrong-id", changed_short(32, &[0xee; 32])),
    ]
}

fn valid_records(forge: &Forge) -> Vec<(&'static str, Record)> {
    let slot = Slot(5);
    let (learner, value, round) = (LearnerId::new(0), ValueHash([9; 32]), Round(2));
    let proposal = forge.signed(forge.proposal(2, value));
    let vote = forge.signed(forge.reply(ReplyKind::OneB, 1, None, [proposal.id()]));
    vec![
        ("messages", Record::Messages { slot, messages: vec![proposal, vote] }),
        ("no-messages", Record::Messages { slot, messages: Vec::new() }),
        ("round", Record::Round { slot, round }),
        ("decided", Record::Decided { slot, learner, ballot: Ballot { round, value } }),
        ("certified", Record::Certified { slot, learner, value }),
        ("retired", Record::Retired { slot }),
        ("silent", Record::Silent { through: Slot(u64::MAX) }),
    ]
}

/// What is almost one: of no learner, of no kind, cut, too long, of more messages than there are.
fn near_records(forge: &Forge) -> Vec<(&'static str, Vec<u8>)> {
    let records: Vec<Vec<u8>> =
        valid_records(forge).into_iter().map(|(_, record)| record.encode()).collect();
    let changed = |which: usize, at: usize, with: &[u8]| {
        let mut bytes = records[which].clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    vec![
        ("no-learner", changed(3, 9, &[64])),
        ("no-kind", changed(2, 0, &[6])),
        ("cut", records[0][..records[0].len() - 1].to_vec()),
        ("too-long", [&records[5][..], &[0]].concat()),
        ("many-messages", changed(1, 9, &u32::MAX.to_le_bytes())),
    ]
}

#[test]
#[ignore = "it writes the corpus"]
fn corpus_is_written() {
    let forge = Forge::new(NETWORK, &trust(), Slot(5));
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let path = fuzz_folder().join("corpus").join(target).join(name);
        std::fs::write(path, bytes).expect("the corpus can be written");
    };
    for (name, bytes) in valid_packets(&forge) {
        write("packet", name, &bytes);
    }
    for (name, bytes) in near_packets(&forge) {
        write("packet", name, &bytes);
    }
    for (name, record) in valid_records(&forge) {
        write("record", name, &record.encode());
    }
    for (name, bytes) in near_records(&forge) {
        write("record", name, &bytes);
    }
}

/// The files are what their names say.
#[test]
fn the_committed_corpus_is_up_to_date() {
    let forge = Forge::new(NETWORK, &trust(), Slot(5));
    let committed = |target: &str, name: &str| {
        let path = fuzz_folder().join("corpus").join(target).join(name);
        std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    };
    let keys = keys();
    for (name, bytes) in valid_packets(&forge) {
        assert_eq!(committed("packet", name), bytes, "{name}");
    }
    for (name, bytes) in near_packets(&forge) {
        assert_eq!(committed("packet", name), bytes, "{name}");
        let refused = Packet::open(&bytes, &keys);
        let expected = match name {
            "wrong-signer" | "wrong-proposer" | "short-wrong-id" => Some(SignatureError::Signature),
            "wrong-epoch" => Some(SignatureError::Epoch),
            "no-acceptor" => Some(SignatureError::Signer),
            _ => None,
        };
        match refused {
            Err(PacketError::Signature(why)) => assert_eq!(Some(why), expected, "{name}"),
            Err(PacketError::Malformed(_)) => assert_eq!(None, expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let trust = trust();
    for (name, record) in valid_records(&forge) {
        assert_eq!(committed("record", name), record.encode(), "{name}");
    }
    for (name, bytes) in near_records(&forge) {
        assert_eq!(committed("record", name), bytes, "{name}");
        assert!(Record::decode(&bytes, &NETWORK, trust.schedule()).is_err(), "{name}");
    }
}
