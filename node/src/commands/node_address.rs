//! Which node is asked, and which network is meant: options that many commands share.

use anyhow::Context;
use clap::Args;
use hpaxos_consensus::NetworkId;
use hpaxos_learner_graph::LearnerGraph;
use hpaxos_node::client::Client;
use hpaxos_node::files::{read_genesis, read_graph};
use hpaxos_node::home::Home;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where a node's API listens, unless its settings say otherwise.
const DEFAULT: &str = "127.0.0.1:8645";

/// The node to ask.
#[derive(Args)]
pub struct NodeAddress {
    /// The node's API: an address, or the URL of a proxy before it [default: that of --home, or 127.0.0.1:8645]
    #[arg(long, value_name = "ADDRESS")]
    api: Option<String>,
    /// The node that lives here, with the `api.listen` of its settings.
    #[arg(long, value_name = "DIR", conflicts_with = "api")]
    home: Option<PathBuf>,
}

impl NodeAddress {
    /// Asks it.
    pub fn client(&self) -> anyhow::Result<Client> {
        let address = match (&self.api, &self.home) {
            (Some(api), _) => api.clone(),
            (None, Some(home)) => reachable(Home::open(home)?.config()?.api.listen.0).to_string(),
            (None, None) => DEFAULT.to_owned(),
        };
        Ok(Client::new(&address))
    }
}

/// An address that stands for all of the machine's is reached at loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

/// The network whose id is part of what is signed: from the first of these that is given; else the node says it.
#[derive(Args)]
pub struct NetworkFrom {
    /// The network's id, 64 hex digits [default: that of --graph, of --home, or what the node at --api says]
    #[arg(long, value_name = "HEX", value_parser = read_id, conflicts_with = "graph")]
    network: Option<NetworkId>,
    /// The network's learner graph.
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Its genesis [default: genesis.toml beside the graph]
    #[arg(long, value_name = "FILE", requires = "graph")]
    genesis: Option<PathBuf>,
    #[command(flatten)]
    pub node: NodeAddress,
}

impl NetworkFrom {
    /// The network's id, as far as nobody need be asked.
    pub fn known(&self) -> anyhow::Result<Option<NetworkId>> {
        match (self.network, &self.graph, &self.node.home) {
            (Some(network), ..) => Ok(Some(network)),
            (None, Some(graph), _) => {
                network_of_files(graph, self.genesis.as_deref()).map(|(id, _)| Some(id))
            }
            (None, None, Some(home)) => {
                let home = Home::open(home)?;
                Ok(Some(home.network(&home.config()?)?.id))
            }
            (None, None, None) => Ok(None),
        }
    }

    /// The network's id.
    pub fn id(&self) -> anyhow::Result<NetworkId> {
        if let Some(id) = self.known()? {
            return Ok(id);
        }
        let client = self.node.client()?;
        let said = client.logs().context("--network or --graph would say the network, too")?;
        read_id(&said.network).map_err(anyhow::Error::msg)
    }
}

/// The id of the network that two files make.
pub fn network_of_files(
    graph: &Path,
    genesis: Option<&Path>,
) -> anyhow::Result<(NetworkId, LearnerGraph)> {
    let beside = graph.with_file_name(Home::GENESIS);
    let read = read_graph(graph)?;
    let genesis = read_genesis(genesis.unwrap_or(&beside), &read)?;
    let id = hpaxos_ledger::network_id(&read, &genesis);
    let id = id.with_context(|| {
        format!(
            "{}: an acceptor has no `public-key`, so the network has no id yet",
            graph.display()
        )
    })?;
    Ok((id, read))
}

fn read_id(text: &str) -> Result<NetworkId, String> {
    let text = IntoDeserializer::<Error>::into_deserializer(text);
    NetworkId::deserialize(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_reached_at_loopback() {
        for (listen, reached) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("192.0.2.1:3", "192.0.2.1:3")]
        {
            let listen = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), reached);
        }
    }

    #[test]
    fn an_id_is_64_digits() {
        assert!(read_id(&"0a".repeat(32)).is_ok());
        assert!(read_id("0a").unwrap_err().contains("64 lower-case hex digits"));
    }
}
