//! Who signed what: keys, signatures with their edge cases, and evidence that a third party checks.
//!
//! *Signature right* means ZIP 215 by a key that is not weak, everywhere; `zip215.rs` has more of it. The vectors below were made
//! with an implementation of the curve of their own, for the signing bytes of [`vote`].

mod support;

use hpaxos_consensus::message::{
    Keys, KeysError, Message, Opened, Packet, PacketError, ReplyKind, SignatureError, Verified,
};
use hpaxos_consensus::{Epoch, ValueHash};
use hpaxos_consensus::{Evidence, EvidenceKind, LogName, MessageId, NetworkId, NoEvidence, Slot};
use hpaxos_learner_graph::{Declarations, LearnerGraph, Safe};
use std::sync::Arc;
use support::forge::{Forge, packet};
use support::points::{SMALL, unhex};
use support::run::NETWORK;
use support::trust::{declarations, trust};

/// Four acceptors with a log, and a fifth that is in no quorum.
fn declared() -> Declarations {
    declarations(5, &[(3, 4)], || Safe::Overlap)
}

fn keys_of(declared: Declarations) -> Result<Keys, KeysError> {
    let graph = LearnerGraph::new(declared).expect("its edges exist");
    let logs = graph.logs();
    Keys::new(NETWORK, &graph, logs.iter().map(|log| log.name()))
}

fn keys() -> Keys {
    keys_of(declared()).expect("all have good keys")
}

fn forge() -> Forge {
    Forge::new(NETWORK, &trust(declared()), Slot(5))
}

fn vote(forge: &Forge) -> Message {
    let proposal = forge.proposal(2, ValueHash([9; 32]));
    let id = forge.unsigned(proposal).id();
    forge.reply(ReplyKind::OneB, 1, None, [id])
}

fn opened(message: &Arc<Verified<Message>>, keys: &Keys) -> Result<MessageId, SignatureError> {
    match Packet::open(&packet(message).encode(), keys) {
        Ok(Opened::Whole(Packet::Message(message, _))) => Ok(message.id()),
        Ok(other) => panic!("{other:?}"),
        Err(PacketError::Signature(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_signer_is_whom_the_message_says() {
    let (keys, forge) = (keys(), forge());
    let vote = vote(&forge);
    assert!(opened(&forge.signed_by(1, vote.clone()), &keys).is_ok());
    for other in [0, 2, 3, 4] {
        let wrong = opened(&forge.signed_by(other, vote.clone()), &keys);
        assert_eq!(wrong, Err(SignatureError::Signature));
    }
}

/// Slot 5, round 2, one learner with four members: it is the turn of the last.
#[test]
fn a_1a_is_signed_by_the_proposer_of_its_round() {
    let (keys, forge) = (keys(), forge());
    let proposal = forge.proposal(2, ValueHash([9; 32]));
    for signer in 0..5 {
        let opened = opened(&forge.signed_by(signer, proposal.clone()), &keys);
        assert_eq!(opened.is_ok(), signer == 3, "{opened:?}");
    }
}

#[test]
fn acceptors_outside_the_log_or_the_network_sign_nothing() {
    let (keys, forge) = (keys(), forge());
    for signer in [4, 5, 511] {
        let id = MessageId([1; 32]);
        let reply = forge.reply(ReplyKind::OneB, signer, None, [id]);
        let message = forge.signed_by(signer, reply);
        assert_eq!(opened(&message, &keys), Err(SignatureError::Signer));
        let announcement = forge.signed_announcement(forge.announcement(signer, 1, []));
        let opened = Packet::open(&Packet::Announcement(announcement).encode(), &keys);
        let refused = matches!(opened, Err(PacketError::Signature(SignatureError::Signer)));
        assert!(refused, "{opened:?}");
    }
}

#[test]
fn other_logs_epochs_slots_networks_and_kinds_have_other_signatures() {
    let (keys, forge) = (keys(), forge());
    let vote = vote(&forge);
    let in_place = |change: fn(&mut Forge)| {
        let mut elsewhere = forge.clone();
        change(&mut elsewhere);
        let mut message = vote.clone();
        message.place = elsewhere.place.clone();
        (elsewhere, message)
    };
    let (elsewhere, message) = in_place(|forge| forge.place.log = LogName("blue".into()));
    assert_eq!(opened(&elsewhere.signed(message), &keys), Err(SignatureError::Log));
    let (elsewhere, message) = in_place(|forge| forge.place.epoch = Epoch(1));
    assert_eq!(opened(&elsewhere.signed(message), &keys), Err(SignatureError::Epoch));
    let (elsewhere, message) = in_place(|forge| forge.network = NetworkId([8; 32]));
    assert_eq!(opened(&elsewhere.signed(message), &keys), Err(SignatureError::Signature));

    // The same bytes of the body, in another slot or as another kind, under the signature of the first.
    let signature = forge.signature(1, &vote);
    let (_, message) = in_place(|forge| forge.place.slot = Slot(6));
    assert_eq!(keys.verify(message, signature), Err(SignatureError::Signature));
    let refs = vote.refs().to_vec();
    let accept = forge.reply(ReplyKind::TwoA, 1, None, refs);
    assert_eq!(keys.verify(accept, signature), Err(SignatureError::Signature));
    assert!(keys.verify(vote, signature).is_ok());
}

/// A relayer could poison the id otherwise.
#[test]
fn a_wrong_signature_says_nothing_against_the_id() {
    let (keys, forge) = (keys(), forge());
    let vote = vote(&forge);
    let wrong = forge.signed_by(2, vote.clone());
    let right = forge.signed(vote);
    assert_eq!(wrong.id(), right.id());
    assert_eq!(opened(&wrong, &keys), Err(SignatureError::Signature));
    assert_eq!(opened(&right, &keys), Ok(right.id()));
}

/// Of the vote, by acceptor 1, with each point of [`SMALL`] as R, and an s for which the equation holds but for R's part of small
/// order.
const SMALL_R: [&str; 14] = [
    "0cbe48e2c607e187c3cb132ff110175a6c2a10408804a69ee0666253677e480b",
    "7e39cf56beaa00efb2f23b8324668dcd9c27f80cf201fc481bc6e607b05a2b07",
    "da8170ed5017a8e82317a88c73b4dec818dc70315e88cdc1d88e8194bbe94006",
    "3bf1fe5ea082f1582c1581f8244fca7288e9d5693c5065f813bcb17681b1ae08",
    "140b56a0f6f6d01c4fa714e3b777ef47652d9dc3c6b85dd83708c3bd5dfb6a08",
    "47a2d6d78f044ceba4fdec3b7dc0d16ce137d66d5db2215aba1e9202f7de3a08",
    "b406a79813d10a874052b92fcefc7be296850b2fe9f4b88745eecd5bee61f108",
    "1b6a14c65a4dd2aea9909ca4c80780ca8d99256b79c4e2c52443c19dc340f707",
    "3e27d84961e3f23a8b8b86f23192634a16f8e8762ee9e340f6cb74a5f4fcdb05",
    "b26770fe528db9add0394d3c30ab9d8353195308ae75ed5bd0aabce98f95a401",
    "b8c2d0fbcabcae49b93ff2ad054829a33bc7830f326db0d2acc16d67bc30fb0d",
    "9708b5230b6075bf7dbb3afc397b53660a95f566caeef3490d3c473fca926b02",
    "1518b5f4578d3275cd1c89ca24cd44aadf810464e8b06e91919bc9fbf0fc0b09",
    "fa4a7a909abd8c56c7422450960686578ba73fede1e4a039a72b1724bc69b40c",
];

#[test]
fn keys_for_which_anybody_can_sign_are_refused_when_loaded() {
    let with = |key: Option<[u8; 32]>| {
        let mut declared = declared();
        declared.acceptors[2].public_key = key;
        keys_of(declared).map(|_| ())
    };
    for small in SMALL {
        assert!(matches!(with(Some(unhex(small))), Err(KeysError::Weak(name)) if name == "v002"));
    }
    // No point of the curve has y = 2.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert!(matches!(with(Some(no_point)), Err(KeysError::Weak(_))));
    assert!(matches!(with(None), Err(KeysError::Missing(name)) if name == "v002"));
}

/// However the point is encoded. Whoever makes such a signature has the key, and could make another.
#[test]
fn an_r_of_small_order_makes_no_difference() {
    let (keys, forge) = (keys(), forge());
    for (point, scalar) in SMALL.into_iter().zip(SMALL_R) {
        let signature = unhex(&format!("{point}{scalar}"));
        assert!(keys.verify(vote(&forge), signature).is_ok(), "{point}");
        // Nor does it make a signature of something else.
        let proposal = forge.unsigned(forge.proposal(2, ValueHash([8; 32]))).id();
        let other = keys.verify(forge.reply(ReplyKind::OneB, 1, None, [proposal]), signature);
        assert_eq!(other, Err(SignatureError::Signature), "{point}");
    }
}

const GOOD: &str = "af75f1239802a50cdc0282e73ac02fa6938a21091008d2d8192ae666659fd293\
                    2308b887afdd58c3c1e83323780733aab39d3f371e121daac66211c8bd3cc408";
/// The same with s + L, where L is the order of the base point.
const GOOD_PLUS_ORDER: &str = "af75f1239802a50cdc0282e73ac02fa6938a21091008d2d8192ae666659fd293\
                               10dcade4c9406b1b98852bc6560112bfb39d3f371e121daac66211c8bd3cc418";

#[test]
fn a_signature_has_one_form() {
    let (keys, forge) = (keys(), forge());
    let good = unhex(GOOD);
    assert_eq!(*forge.signed(vote(&forge)).signature(), good);
    assert!(keys.verify(vote(&forge), good).is_ok());
    let other = keys.verify(vote(&forge), unhex(GOOD_PLUS_ORDER));
    assert_eq!(other, Err(SignatureError::Signature));
    for bit in 0..512 {
        let mut flipped = good;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = keys.verify(vote(&forge), flipped);
        assert_eq!(refused, Err(SignatureError::Signature), "bit {bit}");
    }
}

/// Acceptor 1's key plus a point of order 8.
const MIXED_KEY: &str = "427c34ceb60215a37c70d1a8e9006fef5d6a2f7263bbd25ca94ac45015caf68a";
/// Where the part of small order cancels out.
const MIXED_EXACT: [&str; 2] = [
    "25e7469c6d449ca7a29d771ca60bec46899b9dc243b09da5e594f46f9e84399799d2a4393601a5a2f19fc1a1471537082d88e1095b3a57570eaa2c14fed8450e",
    "7a3911c098a43521c4f93f6ac2519b690b1aef5d05ba152ebff91b008c6f294258dd6432cf7d276658ceafd825722e119dbfbba4f4059892adbf612718150f08",
];
/// Where it does not: only who multiplies by the cofactor takes it, and whoever checks signatures together has to.
const MIXED_WITH_COFACTOR: &str = "c1ebfbbbb950480d8a5b26279e67342114aa941d6d118a25bc3450df5775a645142b206e7d4b0c80e26fb826a878a9fd6a8704c9849fa0f1ac2b30f77779d607";

/// Whoever has such a key made it on purpose. All honest nodes must find the same.
#[test]
fn the_equation_is_checked_with_the_cofactor() {
    let mut declared = declared();
    declared.acceptors[1].public_key = Some(unhex(MIXED_KEY));
    let keys = keys_of(declared).expect("it is not weak");
    let forge = forge();
    for exact in MIXED_EXACT {
        assert!(keys.verify(vote(&forge), unhex(exact)).is_ok());
    }
    assert!(keys.verify(vote(&forge), unhex(MIXED_WITH_COFACTOR)).is_ok());
}

/// A message with its signature, as somebody hands it over.
fn claim(forge: &Forge, message: Message) -> (Message, [u8; 64]) {
    let signed = forge.signed(message);
    (Message::clone(&signed), *signed.signature())
}

#[test]
fn a_third_party_can_check_evidence() {
    let (keys, forge) = (keys(), forge());
    let first = vote(&forge);
    let other = forge.reply(ReplyKind::TwoA, 1, None, [MessageId([4; 32])]);
    let fork = [claim(&forge, first.clone()), claim(&forge, other)];
    let checked = Evidence::check(fork.clone(), &keys).expect("two replies without `prev`");
    assert_eq!((checked.kind, checked.acceptor().index()), (EvidenceKind::Fork, 1));
    let turned = Evidence::check([fork[1].clone(), fork[0].clone()], &keys);
    assert_eq!(turned, Ok(checked), "whichever way round");

    let proposals = [1, 2].map(|value| claim(&forge, forge.proposal(2, ValueHash([value; 32]))));
    let checked = Evidence::check(proposals, &keys).expect("two proposals of a round");
    assert_eq!((checked.kind, checked.acceptor().index()), (EvidenceKind::DoubleProposal, 3));
}

#[test]
fn nothing_else_is_evidence() {
    let (keys, forge) = (keys(), forge());
    let check = |a: Message, b: Message| {
        Evidence::check([claim(&forge, a), claim(&forge, b)], &keys).map(|evidence| evidence.kind)
    };
    let first = vote(&forge);
    let reply = |signer, prev, reference| {
        forge.reply(ReplyKind::OneB, signer, prev, [MessageId([reference; 32])])
    };
    assert_eq!(check(first.clone(), first.clone()), Err(NoEvidence::Same));
    let mut elsewhere = reply(1, None, 4);
    elsewhere.place.slot = Slot(6);
    assert_eq!(check(first.clone(), elsewhere), Err(NoEvidence::Place));
    assert_eq!(check(first.clone(), reply(2, None, 4)), Err(NoEvidence::Signer));
    let next = reply(1, Some(MessageId([4; 32])), 4);
    assert_eq!(check(first.clone(), next), Err(NoEvidence::Compatible));
    let [one, other] = [2, 6].map(|round| forge.proposal(round, ValueHash([round as u8; 32])));
    assert_eq!(check(one.clone(), other), Err(NoEvidence::Compatible), "two rounds");
    let own = forge.reply(ReplyKind::OneB, 3, None, [MessageId([4; 32])]);
    assert_eq!(check(one, own), Err(NoEvidence::Compatible), "a proposal and a reply");
    // Two members of the network that are no acceptors of the log.
    let strangers = [4, 5].map(|reference| reply(4, None, reference));
    let [a, b] = strangers;
    assert_eq!(check(a, b), Err(NoEvidence::Signature));
}

#[test]
fn evidence_with_one_bit_changed_is_none() {
    let (keys, forge) = (keys(), forge());
    let other = forge.reply(ReplyKind::TwoA, 1, None, [MessageId([4; 32])]);
    let fork = [claim(&forge, vote(&forge)), claim(&forge, other)];
    for which in 0..2 {
        for bit in 0..512 {
            let mut tampered = fork.clone();
            tampered[which].1[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Evidence::check(tampered, &keys), Err(NoEvidence::Signature));
        }
        let mut tampered = fork.clone();
        tampered[which].0.place.slot = Slot(6);
        assert_eq!(Evidence::check(tampered, &keys), Err(NoEvidence::Signature));
        let exchanged = fork[1 - which].1;
        let mut tampered = fork.clone();
        tampered[which].1 = exchanged;
        assert_eq!(Evidence::check(tampered, &keys), Err(NoEvidence::Signature));
    }
}
