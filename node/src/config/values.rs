//! Values whose errors should say what would be right.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::net::SocketAddr;

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bind(pub SocketAddr);

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Bind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let address = text.parse().map_err(|_| {
            de::Error::custom(format!(
                "`{}` is no address with a port; one looks like \"127.0.0.1:8645\" or \"[::1]:8645\"",
                text.escape_debug()
            ))
        });
        address.map(Bind)
    }
}

/// Multiaddresses that a node can listen at.
pub(super) fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Multiaddr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| address(text).map_err(de::Error::custom)).collect()
}

fn address(text: &str) -> Result<Multiaddr, String> {
    let looks = "one looks like \"/ip4/0.0.0.0/udp/4001/quic-v1\" or \"/ip4/0.0.0.0/tcp/4001\"";
    let shown = text.escape_debug();
    let address: Multiaddr =
        text.parse().map_err(|error| format!("`{shown}` is no address ({error}); {looks}"))?;
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let usable = matches!(
        parts.as_slice(),
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)]
            | [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1]
    );
    if usable { Ok(address) } else { Err(format!("`{shown}` is no address to listen at; {looks}")) }
}
