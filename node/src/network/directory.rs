//! Who is who: libp2p's names of peers, the graph's, and the engine's.

use super::{NetworkConfig, NetworkError, peer_id};
use hpaxos_consensus::Peer;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::warn;

/// A peer that may connect.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// As the engine calls it.
    pub peer: Peer,
    /// As people call it.
    pub name: Arc<str>,
    /// As libp2p calls it.
    pub id: PeerId,
    /// Where it may be dialled.
    pub addresses: Vec<Multiaddr>,
}

/// Every peer that may connect. It does not change while the node runs.
pub(super) struct Directory(BTreeMap<PeerId, Known>);

impl Directory {
    /// The peers that `config` names.
    ///
    /// # Errors
    /// A key that is none, or that two of them share.
    pub fn new(config: &NetworkConfig, me: PeerId) -> Result<Self, NetworkError> {
        let mut known: BTreeMap<PeerId, Known> = BTreeMap::new();
        let mut insert = |entry: Known| {
            if entry.id == me {
                return Err(NetworkError::SameKey(entry.name.to_string(), "this node".into()));
            }
            let name = entry.name.to_string();
            match known.insert(entry.id, entry) {
                Some(other) => Err(NetworkError::SameKey(name, other.name.to_string())),
                None => Ok(()),
            }
        };
        for validator in &config.validators {
            let id =
                peer_id(&validator.key).ok_or_else(|| NetworkError::Key(validator.name.clone()))?;
            insert(Known {
                peer: Peer::Acceptor(validator.acceptor),
                name: validator.name.as_str().into(),
                id,
                addresses: dialable(&validator.name, &validator.addresses),
            })?;
        }
        for (number, &id) in (0u32..).zip(&config.followers_allowed) {
            let name = format!("follower {number}").into();
            insert(Known { peer: Peer::Follower(number), name, id, addresses: Vec::new() })?;
        }
        Ok(Directory(known))
    }

    /// The peer that libp2p calls `id`.
    pub fn get(&self, id: &PeerId) -> Option<&Known> {
        self.0.get(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.0.values()
    }
}

/// The addresses that this node has a transport for; the others are named in the log.
fn dialable(name: &str, addresses: &[Multiaddr]) -> Vec<Multiaddr> {
    let (good, bad): (Vec<_>, Vec<_>) = addresses.iter().cloned().partition(is_dialable);
    for address in bad {
        warn!(peer = name, %address, "cannot dial this address: only IP with TCP or QUIC is known");
    }
    good
}

fn is_dialable(address: &Multiaddr) -> bool {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let host = matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let port = match parts.next() {
        Some(Protocol::Tcp(_)) => true,
        Some(Protocol::Udp(_)) => parts.next() == Some(Protocol::QuicV1),
        _ => false,
    };
    host && port && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_with_a_transport_are_dialled() {
        for (address, expected) in [
            ("/ip4/10.0.0.1/tcp/7000", true),
            ("/ip6/::1/udp/7000/quic-v1", true),
            ("/ip4/10.0.0.1/udp/7000", false),
            ("/dns4/example.org/tcp/7000", false),
            ("/ip4/10.0.0.1/tcp/7000/ws", false),
        ] {
            assert_eq!(is_dialable(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
