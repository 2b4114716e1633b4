//! Bundles: passed on from peer to peer, some together, and only after the intake has accepted them.
//!
//! A bundle is signed by those whom it concerns, not by those who pass it on; so gossip itself is anonymous, and a
//! message's name in it is the hash of its bytes. Topics carry the network's id: two networks never mix.

use hpaxos_consensus::{LogName, NetworkId};
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity,
    MessageId, TopicHash, ValidationMode, WhitelistSubscriptionFilter,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

use super::NetworkError;

/// The largest bundle that can be passed on.
pub const BUNDLE_BYTES_MAX: usize = 256 << 10;

/// What gossip adds to it: a topic, and a few numbers for each of the bundles that travel together.
const ENVELOPE_BYTES_MAX: usize = 16 << 10;

/// How many messages may wait for one peer; more are dropped, and the peer asks for them when it hears of them.
const QUEUE_MESSAGES_MAX: usize = 512;

/// How long a message is remembered as seen.
const SEEN: Duration = Duration::from_secs(120);

/// How often a node tells others what it has, and mends its mesh.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// In how many topics more than its own a peer may be: none that this node is not in.
const SUBSCRIPTIONS_PER_MESSAGE_MAX: usize = 256;

/// Gossip that only knows the topics of this node's logs.
pub(super) type Gossip =
    Behaviour<libp2p::gossipsub::IdentityTransform, MaxCountSubscriptionFilter<Whitelist>>;

type Whitelist = WhitelistSubscriptionFilter;

/// The topics of this node's logs.
pub(super) struct Topics(BTreeMap<TopicHash, LogName>);

impl Topics {
    /// The topics of `logs`.
    pub fn new(network: &NetworkId, logs: &[LogName]) -> Self {
        Topics(logs.iter().map(|log| (topic(network, log).hash(), log.clone())).collect())
    }

    /// The log whose topic it is.
    pub fn log(&self, topic: &TopicHash) -> Option<&LogName> {
        self.0.get(topic)
    }
}

/// The topic of a log.
pub(super) fn topic(network: &NetworkId, log: &LogName) -> IdentTopic {
    IdentTopic::new(format!("hpaxos/2/{network}/{}", log.0))
}

/// Gossip about `logs`.
pub(super) fn gossip(network: &NetworkId, logs: &[LogName]) -> Result<Gossip, NetworkError> {
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(format!("gossip: {error}"));
    let config = ConfigBuilder::default()
        .max_transmit_size(BUNDLE_BYTES_MAX + ENVELOPE_BYTES_MAX)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::from(Sha256::digest(&message.data).to_vec()))
        .duplicate_cache_time(SEEN)
        .heartbeat_initial_delay(HEARTBEAT)
        .heartbeat_interval(HEARTBEAT)
        // A mesh of all for small networks, and of a few hops for a hundred validators. What a client brings goes to
        // every validator at once: one hop instead of three for its first leg.
        .mesh_n(6)
        .mesh_n_low(4)
        .mesh_n_high(12)
        .flood_publish(true)
        .connection_handler_queue_len(QUEUE_MESSAGES_MAX)
        .build()
        .map_err(|error| setup(&error))?;
    let topics: Vec<_> = logs.iter().map(|log| topic(network, log)).collect();
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: SUBSCRIPTIONS_PER_MESSAGE_MAX,
    };
    let authenticity = MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(authenticity, config, filter)
        .map_err(|error| setup(&error))?;
    for topic in topics {
        gossip.subscribe(&topic).map_err(|error| setup(&error))?;
    }
    Ok(gossip)
}
