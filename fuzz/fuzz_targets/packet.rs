//! Any bytes: either no packet, or one whose signature is right, which has no other encoding, and which a replica takes
//! without panicking.

#![no_main]

use hpaxos_consensus::message::{Keys, NoSigner, Packet};
use hpaxos_consensus::{Config, Effects, Event, NetworkId, Peer, Replica, Trust};
use hpaxos_learner_graph::{AcceptorId, file};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

const NETWORK: NetworkId = NetworkId([7; 32]);

static NODE: LazyLock<(Keys, Arc<Trust>)> = LazyLock::new(|| {
    let graph = file::read(include_str!("../graph.toml")).expect("it is a graph");
    let log = graph.logs().swap_remove(0);
    let keys = Keys::new(NETWORK, &graph, [log.name()]).expect("all have good keys");
    (keys, Arc::new(Trust::new(log).expect("a threshold is easy")))
});

fuzz_target!(|bytes: &[u8]| {
    let (keys, trust) = &*NODE;
    let Ok(packet) = Packet::open(bytes, keys) else { return };
    assert_eq!(packet.encode(), bytes, "a packet has one encoding");
    let me = Some(AcceptorId::new(0));
    let mut replica = Replica::new(Config::new(NETWORK, trust.clone(), me, Arc::new(NoSigner)));
    let mut out = Effects::default();
    for from in [Peer::Acceptor(AcceptorId::new(1)), Peer::Follower(0)] {
        replica.handle(Event::Packet { from, packet: packet.clone() }, &mut out);
        replica.settle(&mut out);
    }
});
