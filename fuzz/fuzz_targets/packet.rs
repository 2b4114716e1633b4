//! Any bytes: either no packet, or one whose signature is right, which has no other encoding, and which a replica takes
//! without panicking. What a short reply is expanded to, by somebody who knows what the corpus references, is what was signed
//! or nothing.

#![no_main]

use hpaxos_consensus::message::{Keys, KnownReplies, NoSigner, Opened, Packet, Refs};
use hpaxos_consensus::{Config, Effects, Event, NetworkId, Peer, Replica, Trust};
use hpaxos_learner_graph::{AcceptorId, file};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

const NETWORK: NetworkId = NetworkId([7; 32]);

static NODE: LazyLock<(Keys, Arc<Trust>, KnownReplies)> = LazyLock::new(|| {
    let graph = file::read(include_str!("../graph.toml")).expect("it is a graph");
    let log = graph.logs().swap_remove(0);
    let keys = Keys::new(NETWORK, &graph, [log.name()]).expect("all have good keys");
    let mut known = KnownReplies::default();
    for bytes in [&include_bytes!("../corpus/packet/1b")[..], include_bytes!("../corpus/packet/2a")] {
        let opened = Packet::open(bytes, &keys).expect("the corpus is up to date");
        if let Opened::Whole(Packet::Message(message, _)) = opened {
            known.note(&message);
        }
    }
    (keys, Arc::new(Trust::new(log).expect("a threshold is easy")), known)
});

fuzz_target!(|bytes: &[u8]| {
    let (keys, trust, known) = &*NODE;
    let Ok(opened) = Packet::open(bytes, keys) else { return };
    assert_eq!(opened.encode(), bytes, "a packet has one encoding");
    let packet = match opened {
        Opened::Whole(packet) => packet,
        Opened::Short(short) => {
            let expanded = short.expand(known).ok();
            let message = expanded.and_then(|message| short.confirm(message, &NETWORK));
            assert!(message.as_ref().is_none_or(|message| message.id() == short.id()));
            message.map_or(short.tips(), |message| Packet::Message(message, Refs::default()))
        }
    };
    let me = Some(AcceptorId::new(0));
    let mut replica = Replica::new(Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner)));
    let mut out = Effects::default();
    for from in [Peer::Acceptor(AcceptorId::new(1)), Peer::Follower(0)] {
        replica.handle(Event::Packet { from, packet: packet.clone() }, &mut out);
        replica.settle(&mut out);
    }
});
