//! Short replies: whatever two nodes know, what one says is understood by the other as it was meant, or not at all.

mod support;

use hpaxos_consensus::message::{
    Keys, KnownReplies, Message, Opened, Packet, PacketError, ReplyKind, ShortReply, Verified,
};
use hpaxos_consensus::{MessageId, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, Declarations, Safe};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::forge::{Forge, Noise};
use support::run::NETWORK;
use support::trust::{declarations, trust};

const SIGNERS: u64 = 5;

type Reply = Arc<Verified<Message>>;

fn declared() -> Declarations {
    declarations(SIGNERS as usize, &[(3, 5)], || Safe::Overlap)
}

fn keys() -> Keys {
    support::trust::keys(declared())
}

fn forge() -> Forge {
    Forge::new(NETWORK, &trust(declared()), Slot(5))
}

fn ids(replies: &[Reply]) -> impl Iterator<Item = MessageId> {
    replies.iter().map(|reply| reply.id())
}

/// What somebody who knows all of these, and has heard of them in this order, knows.
fn knows<'a>(replies: impl IntoIterator<Item = &'a Reply>) -> KnownReplies {
    let mut known = KnownReplies::default();
    replies.into_iter().for_each(|reply| known.note(reply));
    known
}

/// What became of a reply that was sent short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Whole,
    Understood,
    Missing,
    Another,
}

fn send(reply: &Reply, sender: &KnownReplies, receiver: &KnownReplies) -> Fate {
    let Some(short) = ShortReply::of(reply, sender) else { return Fate::Whole };
    let whole = support::forge::packet(reply);
    assert!(short.encode().len() < whole.encode().len());
    assert_eq!(
        (short.id(), short.signer(), short.place()),
        (reply.id(), reply.signer(), &reply.place)
    );
    match short.expand(receiver) {
        Err(missing) => {
            assert!(!missing.is_empty());
            Fate::Missing
        }
        Ok(message) => {
            let is_it = message == ***reply;
            let confirmed = short.confirm(message, &NETWORK);
            assert_eq!(confirmed.is_some(), is_it, "it is confirmed if and only if it is right");
            match confirmed {
                Some(confirmed) => {
                    assert_eq!(confirmed, *reply, "with its signature");
                    Fate::Understood
                }
                None => Fate::Another,
            }
        }
    }
}

/// Replies of a slot, references first. The first `honest` signers' are chains; the others' may fork, or have a `prev` that
/// they do not reference.
fn random_replies(noise: &mut Noise, forge: &Forge, honest: u64) -> Vec<Reply> {
    let mut replies: Vec<Reply> = Vec::new();
    for _ in 0..10 + noise.below(30) {
        let signer = noise.below(SIGNERS);
        let own = replies.iter().filter(|reply| reply.signer().index() as u64 == signer);
        let own: Vec<MessageId> = own.map(|reply| reply.id()).collect();
        let strays = signer >= honest && noise.below(3) == 0;
        let prev = match strays {
            true if !own.is_empty() => Some(own[noise.below(own.len() as u64) as usize]),
            true => None,
            false => own.last().copied(),
        };
        let mut refs: Vec<MessageId> = Vec::new();
        refs.extend(prev.filter(|_| signer < honest || noise.below(20) > 0));
        let often = noise.below(4);
        refs.extend(ids(&replies).filter(|_| noise.below(4) <= often));
        if noise.below(3) == 0 {
            refs.push(noise.id());
        }
        let kind = [ReplyKind::OneB, ReplyKind::TwoA, ReplyKind::TwoB][noise.below(3) as usize];
        replies.push(forge.unsigned(forge.reply(kind, signer as usize, prev, refs)));
    }
    replies
}

/// Some of them, in their order, but for a few that came late.
fn some_of<'a>(noise: &mut Noise, replies: &'a [Reply]) -> Vec<&'a Reply> {
    let hidden = noise.below(4);
    let mut some: Vec<&Reply> = replies.iter().filter(|_| noise.below(12) >= hidden).collect();
    for _ in 0..noise.below(4) {
        if !some.is_empty() {
            let late = some.remove(noise.below(some.len() as u64) as usize);
            some.insert(noise.below(some.len() as u64 + 1) as usize, late);
        }
    }
    some
}

#[test]
fn what_is_understood_is_what_was_meant() {
    let forge = forge();
    let mut fates = BTreeMap::<Fate, usize>::new();
    for seed in 0..4_000 {
        let mut noise = Noise(seed);
        let honest = noise.below(SIGNERS + 1);
        let replies = random_replies(&mut noise, &forge, honest);
        let sender = knows(some_of(&mut noise, &replies));
        let receiver = knows(some_of(&mut noise, &replies));
        for reply in &replies {
            *fates.entry(send(reply, &sender, &receiver)).or_default() += 1;
        }
    }
    for (fate, least) in [(Fate::Understood, 10_000), (Fate::Missing, 10_000), (Fate::Another, 50)]
    {
        assert!(fates.get(&fate).is_some_and(|count| *count > least), "{fates:?}");
    }
}

#[test]
fn who_knows_the_same_chains_understands_everything() {
    let forge = forge();
    let (mut whole, mut understood) = (0, 0);
    for seed in 0..1_000 {
        let mut noise = Noise(seed);
        let replies = random_replies(&mut noise, &forge, SIGNERS);
        let known = knows(&replies);
        for (index, reply) in replies.iter().enumerate() {
            // The sender knows what it references, the receiver may know more.
            match send(reply, &knows(&replies[..index]), &known) {
                Fate::Understood => understood += 1,
                Fate::Whole => {
                    // A place takes less than an id, unless it is the only one that is saved.
                    let named = reply.refs().iter().filter(|id| ids(&replies).any(|it| it == **id));
                    let has_prev = reply.reply().is_some_and(|reply| reply.prev.is_some());
                    assert!(!has_prev && named.count() < 3, "{reply:?}");
                    whole += 1;
                }
                other => panic!("seed {seed}: {other:?} {reply:?}"),
            }
        }
    }
    assert!(whole > 500 && understood > 10_000, "{whole} {understood}");
}

/// Votes of all, and a 2a of acceptor 1 above them.
fn scene(forge: &Forge) -> (Vec<Reply>, Reply) {
    let proposal = forge.signed(forge.proposal(2, ValueHash([9; 32]))).id();
    let vote = |signer| forge.signed(forge.reply(ReplyKind::OneB, signer, None, [proposal]));
    let votes: Vec<Reply> = (0..5).map(vote).collect();
    let refs: Vec<MessageId> = ids(&votes).collect();
    let accept = forge.signed(forge.reply(ReplyKind::TwoA, 1, Some(refs[1]), refs));
    (votes, accept)
}

#[test]
fn a_short_reply_has_exactly_these_bytes() {
    let forge = forge();
    let (votes, accept) = scene(&forge);
    let short = ShortReply::of(&accept, &knows(&votes)).expect("it is shorter");
    let mut bytes = vec![5];
    // Epoch, name of the log, slot.
    bytes.extend([0; 4]);
    bytes.extend(*b"\x03\0\0\0l00\x05\0\0\0\0\0\0\0");
    // A 2a of acceptor 1, after one of its own; of the first ones those of 0, 2, 3 and 4; nothing else.
    bytes.extend([1, 1, 0, 1, 1, 0, 1, 0b1_1101, 0, 0, 0, 0]);
    bytes.extend(accept.id().0);
    bytes.extend(accept.signature());
    assert_eq!(short.encode(), bytes);
    assert_eq!(Packet::open(&bytes, &keys()).expect("it is signed"), Opened::Short(short));
}

/// What the bytes say to somebody who knows the votes, if they are a packet at all.
fn understood(bytes: &[u8], keys: &Keys, known: &KnownReplies) -> Option<Reply> {
    let Opened::Short(short) = Packet::open(bytes, keys).ok()? else { panic!("no short reply") };
    short.confirm(short.expand(known).ok()?, &NETWORK)
}

#[test]
fn with_one_bit_changed_it_says_nothing_else() {
    let (keys, (votes, accept)) = (keys(), scene(&forge()));
    let known = knows(&votes);
    let bytes = ShortReply::of(&accept, &known).expect("it is shorter").encode();
    assert_eq!(understood(&bytes, &keys, &known).as_ref(), Some(&accept));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // One bit names its `prev` once more.
        let understood = understood(&flipped, &keys, &known);
        assert!(understood.is_none_or(|reply| reply == accept), "bit {bit}");
    }
    for length in 0..bytes.len() {
        let opened = Packet::open(&bytes[..length], &keys);
        assert!(matches!(opened, Err(PacketError::Malformed(_))), "{length} bytes");
    }
}

#[test]
fn who_lacks_something_says_whose() {
    let (votes, accept) = scene(&forge());
    let short = ShortReply::of(&accept, &knows(&votes)).expect("it is shorter");
    let missing = |known: &[Reply]| short.expand(&knows(known)).expect_err("something is missing");
    let set = |signers: &[usize]| -> AcceptorSet {
        signers.iter().map(|signer| AcceptorId::new(*signer)).collect()
    };
    assert_eq!(missing(&[]), set(&[0, 1, 2, 3, 4]));
    assert_eq!(missing(&votes[..3]), set(&[3, 4]));
    assert_eq!(
        missing(&[votes[0].clone(), votes[2].clone()]),
        set(&[1, 3, 4]),
        "its own prev, too"
    );
}

#[test]
fn whoever_forked_is_named_by_ids() {
    let forge = forge();
    let (votes, accept) = scene(&forge);
    let other = forge.signed(forge.reply(ReplyKind::OneB, 3, None, [MessageId([8; 32])]));
    let (before, after) = (knows(&votes), knows(votes.iter().chain([&other])));
    let short = ShortReply::of(&accept, &after).expect("it is shorter");
    assert_eq!(short.encode().len(), ShortReply::of(&accept, &before).unwrap().encode().len() + 32);
    // A place that two had stays empty, whoever comes once more.
    let again = knows(votes.iter().chain([&other]).chain(&votes));
    assert_eq!(ShortReply::of(&accept, &again).as_ref(), Some(&short));
    // Whoever knows of the fork or not, and which side.
    let split =
        votes.iter().map(|vote| if vote.signer() == other.signer() { &other } else { vote });
    for receiver in [&before, &after, &knows(split.clone())] {
        assert_eq!(send(&accept, &after, receiver), Fate::Understood);
    }
    assert_eq!(send(&accept, &before, &knows(split)), Fate::Another);
    assert_eq!(send(&accept, &before, &after), Fate::Missing);
}

#[test]
fn chains_that_are_too_deep_are_named_by_ids() {
    let forge = forge();
    let (mut chain, mut known) = (Vec::new(), KnownReplies::default());
    for depth in 0..40 {
        let prev = ids(&chain).last();
        let refs = ids(&chain).chain([MessageId([8; 32])]);
        let reply = forge.unsigned(forge.reply(ReplyKind::TwoA, 1, prev, refs));
        assert_eq!(ShortReply::of(&reply, &known).is_some(), (1..=32).contains(&depth), "{depth}");
        known.note(&reply);
        chain.push(reply);
    }
}

#[test]
fn of_each_signer_the_highest_slots_are_known() {
    let mut forge = forge();
    let mut known = KnownReplies::default();
    let (votes, accept) = scene(&forge);
    votes.iter().for_each(|vote| known.note(vote));
    // Acceptor 3 signs in many other slots: that costs nobody but it.
    for slot in 6..69 {
        forge.place.slot = Slot(slot);
        known.note(&forge.unsigned(forge.reply(ReplyKind::OneB, 3, None, [MessageId([8; 32])])));
        assert_eq!(send(&accept, &knows(&votes), &known), Fate::Understood, "{slot}");
    }
    forge.place.slot = Slot(69);
    known.note(&forge.unsigned(forge.reply(ReplyKind::OneB, 3, None, [MessageId([8; 32])])));
    let short = ShortReply::of(&accept, &knows(&votes)).expect("it is shorter");
    let missing = short.expand(&known).expect_err("the lowest slot is gone");
    assert_eq!(missing, AcceptorSet::from_iter([AcceptorId::new(3)]));
}
