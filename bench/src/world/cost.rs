//! What a run cost one node: its engine, and the signatures around it, each measured by itself.

use super::{NETWORK, World, config};
use crate::graphs::key;
use crate::primitives::used;
use hpaxos_consensus::message::{
    Keys, Kind, KnownReplies, Message, Opened, Packet, Refs, ShortReply, Verified,
};
use hpaxos_consensus::{Effects, Event, Replica, Trust};
use hpaxos_learner_graph::LearnerGraph;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often each thing is repeated. The least time counts: whatever else the machine does only adds to it.
const REPEATED: usize = 5;

/// Of each kind, so many of the messages that came are opened to see what that takes.
const OPENED_MAX: usize = 32;

/// CPU time of one node, for a whole run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// The engine: its events once more, on a fresh replica.
    pub engine: Duration,
    /// Opening what came: decoding, finding what it references, hashing, and the check of the signature.
    pub opening: Duration,
    /// Signing what it said, and putting it into its short form.
    pub signing: Duration,
}

/// What something takes, which is made ready before.
fn least<T>(ready: impl Fn() -> T, act: impl Fn(T)) -> Duration {
    let times = (0..REPEATED).map(|_| {
        let made = ready();
        let started = used();
        act(made);
        used() - started
    });
    times.min().expect("there are some")
}

/// What a run cost a node, without storage, transport, blocks and attestations.
pub fn cost(world: &World, graph: &LearnerGraph, trust: &Arc<Trust>, node: usize) -> Cost {
    let batches = world.batches(node);
    let mut arrived: BTreeMap<Kind, Vec<&Arc<Verified<Message>>>> = BTreeMap::new();
    for event in batches.iter().flatten() {
        if let Event::Packet { packet: Packet::Message(message, _), .. } = event {
            arrived.entry(message.kind()).or_default().push(message);
        }
    }
    let keys = Keys::new(NETWORK, graph, [trust.log().name()]).expect("all have keys");
    let known = world.known(node);
    let opening = arrived.values().map(|messages| opening(messages, &keys, known)).sum();
    // What it signs is as long as what comes: as many of each kind as there are slots, and of 1a's a part.
    let signing = arrived
        .values()
        .map(|messages| signing(messages, known, messages.len() as f64 / world.nodes.len() as f64))
        .sum();
    let engine = least(|| batches.to_vec(), |batches| replay(batches, trust, node));
    Cost { engine, opening, signing }
}

fn replay(batches: Vec<Vec<Event>>, trust: &Arc<Trust>, node: usize) {
    let mut replica = Replica::new(config(trust, node));
    let mut effects = Effects::default();
    for batch in batches {
        effects.clear();
        batch.into_iter().for_each(|event| replica.handle(event, &mut effects));
        replica.settle(&mut effects);
    }
}

fn sample<'a>(messages: &[&'a Arc<Verified<Message>>]) -> Vec<&'a Arc<Verified<Message>>> {
    let step = messages.len().div_ceil(OPENED_MAX);
    messages.iter().copied().step_by(step).collect()
}

/// Messages of the run have no signatures: so those of the sample are made.
fn sign(message: &Verified<Message>) -> Verified<Message> {
    let signer = message.signer();
    Verified::sign(Message::clone(message), &NETWORK, signer, &key(signer.index()))
}

/// As it was sent: whatever the node knows by now, it knew of the chains of this message's slot.
fn sent(message: Verified<Message>, known: &KnownReplies) -> Vec<u8> {
    let message = Arc::new(message);
    match ShortReply::of(&message, known) {
        Some(short) => short.encode(),
        None => Packet::Message(message, Refs::default()).encode(),
    }
}

fn open(bytes: &[u8], keys: &Keys, known: &KnownReplies) -> Packet {
    match Packet::open(bytes, keys).expect("it is signed") {
        Opened::Whole(packet) => packet,
        Opened::Short(short) => {
            let message = short.expand(known).expect("it knows all that came");
            let message = short.confirm(message, &NETWORK).expect("nobody forks");
            Packet::Message(message, Refs::default())
        }
    }
}

fn opening(messages: &[&Arc<Verified<Message>>], keys: &Keys, known: &KnownReplies) -> Duration {
    let sample = sample(messages);
    let bytes: Vec<Vec<u8>> = sample.iter().map(|message| sent(sign(message), known)).collect();
    let time = least(|| (), |()| bytes.iter().for_each(|one| drop(open(one, keys, known))));
    time.mul_f64(messages.len() as f64 / sample.len() as f64)
}

fn signing(messages: &[&Arc<Verified<Message>>], known: &KnownReplies, count: f64) -> Duration {
    let sample = sample(messages);
    let make = || sample.iter().for_each(|message| drop(sent(sign(message), known)));
    let time = least(|| (), |()| make());
    time.mul_f64(count / sample.len() as f64)
}
