//! The nodes of a running network.

mod blows;

use crate::clocks::{self, Clocks};
use crate::folder::{NetworkFile, NodeEntry, Prepared};
use crate::links::Links;
use crate::process::{Process, Usage, end_of};
use crate::topology::Topology;
use anyhow::{Context, Result, bail};
use hpaxos_learner_graph::AcceptorSet;
use hpaxos_node::client::Client;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// How long nodes may take to find each other.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a network is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program `hpaxos`.
    pub hpaxos: PathBuf,
    /// This program, which has the traitors.
    pub testnet: PathBuf,
    /// Whether nodes trace everything.
    pub trace: bool,
    /// Whether nodes reach each other without forwarders.
    pub direct: bool,
    /// Whether nodes are to see an error, and not be ended by the system, where their files may grow no more.
    pub full_disks: bool,
    /// How clocks of nodes can be made to jump, if they can.
    pub clocks: Option<Clocks>,
}

/// How a node is.
pub enum State {
    /// It runs.
    Up(Process),
    /// It was stopped in its tracks.
    Paused(Process),
    /// It was stopped or killed.
    Down,
    /// It ended by itself.
    Failed(String),
    /// It is Byzantine.
    Traitor(Process),
}

/// A node.
pub struct Node {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What its former processes have used.
    past: Usage,
    /// Whether it was ever a traitor: its trace is worth nothing, and it may be accused.
    pub is_byzantine: bool,
}

/// The nodes of a running network.
pub struct Fleet {
    /// The files.
    pub prepared: Prepared,
    options: Options,
    links: Option<Links>,
    /// The nodes, in the topology's order.
    pub nodes: Vec<Node>,
    /// Whether some node ended without being asked to.
    pub was_cut_short: bool,
}

impl State {
    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            State::Up(_) => "up",
            State::Paused(_) => "paused",
            State::Down => "down",
            State::Failed(_) => "failed",
            State::Traitor(_) => "traitor",
        }
    }

    /// Its process, if it has one.
    pub fn process(&self) -> Option<&Process> {
        match self {
            State::Up(process) | State::Paused(process) | State::Traitor(process) => Some(process),
            State::Down | State::Failed(_) => None,
        }
    }
}

impl Node {
    /// What all its processes together have used, and the present memory.
    pub fn usage(&self) -> Usage {
        let now = self.state.process().map(Process::usage).unwrap_or_default();
        Usage {
            cpu_ms: self.past.cpu_ms + now.cpu_ms,
            rss_bytes: now.rss_bytes,
            write_bytes: self.past.write_bytes + now.write_bytes,
        }
    }

    /// Its API, if it runs and is no traitor.
    pub fn api(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Up(process) => process.addresses.api,
            _ => None,
        }
    }

    fn take(&mut self) -> Option<Process> {
        self.past = Usage { rss_bytes: 0, ..self.usage() };
        match std::mem::replace(&mut self.state, State::Down) {
            State::Up(process) | State::Paused(process) | State::Traitor(process) => Some(process),
            State::Down | State::Failed(_) => None,
        }
    }
}

impl Fleet {
    /// Writes everybody's files, and opens the links between them. Nobody runs yet.
    ///
    /// # Errors
    /// What is wrong with the topology's settings, or with the system.
    pub async fn new(prepared: Prepared, topology: &Topology, options: Options) -> Result<Self> {
        let names = topology.names();
        let ports = ports(names.len(), topology.base_port, options.direct)?;
        let links = match options.direct {
            true => None,
            false => Some(Links::open(&names).await.context("cannot make links between nodes")?),
        };
        for (name, own) in names.iter().zip(&ports) {
            let addresses = match &links {
                Some(links) => links.addresses_of(name),
                None => names
                    .iter()
                    .zip(&ports)
                    .map(|(other, [p2p, ..])| (other.clone(), ([127, 0, 0, 1], *p2p).into()))
                    .collect(),
            };
            prepared.equip(topology, name, *own, &addresses)?;
        }
        let traitors = prepared.folder.traitors();
        let nodes = names.into_iter().map(|name| Node {
            state: State::Down,
            past: Usage::default(),
            is_byzantine: traitors.contains(&name),
            name,
        });
        let nodes = nodes.collect();
        Ok(Fleet { prepared, options, links, nodes, was_cut_short: false })
    }

    /// The place of the node called `name`.
    ///
    /// # Errors
    /// If there is none.
    fn place(&self, name: &str) -> Result<usize> {
        let place = self.nodes.iter().position(|node| node.name == name);
        place.with_context(|| {
            let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("there is no node `{name}`; there are {}", names.join(", "))
        })
    }

    /// Starts everybody, and waits until they have found each other. Tells of each that listens.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn start(&mut self, mut tell: impl FnMut(&str)) -> Result<()> {
        for place in 0..self.nodes.len() {
            self.launch(place, None).await?;
            tell(&self.nodes[place].name);
        }
        self.wait_until_ready().await
    }

    /// Waits until every node that is up says that it is ready.
    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        for place in 0..self.nodes.len() {
            while let Some(api) = self.nodes[place].api() {
                let client = Client::new(&api.to_string());
                let ready = tokio::task::spawn_blocking(move || client.is_ready()).await?;
                if ready.unwrap_or(false) {
                    break;
                }
                self.notice_ends();
                let node = &self.nodes[place];
                if let State::Failed(why) = &node.state {
                    bail!("{}: {why}", node.name);
                }
                if Instant::now() > deadline {
                    let log = self.prepared.folder.log_path(&node.name);
                    bail!(
                        "{} finds no quorum of the others within {} s:\n{}",
                        node.name,
                        READY_PATIENCE.as_secs(),
                        end_of(&log)
                    );
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Starts a node, as a traitor if a behaviour is named.
    async fn launch(&mut self, place: usize, behaviour: Option<&str>) -> Result<()> {
        let folder = &self.prepared.folder;
        let name = self.nodes[place].name.clone();
        let (log, addresses) = (folder.log_path(&name), folder.addresses_path(&name));
        let (program, word) = match behaviour {
            None => (&self.options.hpaxos, "run"),
            Some(_) => (&self.options.testnet, "traitor"),
        };
        let mut command = match self.options.full_disks {
            false => Command::new(program),
            true => {
                let mut shell = Command::new("/bin/bash");
                shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program);
                shell
            }
        };
        command.arg(word).arg("--home").arg(folder.home_path(&name));
        command.arg("--addresses").arg(&addresses);
        match behaviour {
            None => {
                let detail = if self.options.trace { "everything" } else { "decisions" };
                command.arg("--trace").arg(folder.trace_path(&name));
                command.args(["--trace-detail", detail]);
                if let Some(clocks) = &self.options.clocks {
                    let clock = folder.clock_path(&name);
                    if !clock.exists() {
                        clocks::set(&clock, 0)?;
                    }
                    clocks.equip(&mut command, &clock);
                }
            }
            Some(behaviour) => {
                command.arg(behaviour);
            }
        }
        let process = Process::start(command, &log, &addresses).await;
        let process = process.with_context(|| format!("{name} does not start"))?;
        self.route(place, &process.addresses.p2p)?;
        let node = &mut self.nodes[place];
        node.state = match behaviour {
            None => State::Up(process),
            Some(_) => State::Traitor(process),
        };
        self.write_network()
    }

    /// Leads the links to a node to where it listens.
    fn route(&self, place: usize, listening: &[String]) -> Result<()> {
        let Some(links) = &self.links else { return Ok(()) };
        let to = &self.nodes[place].name;
        let address = listening.first().with_context(|| format!("{to} listens nowhere"))?;
        let address = socket_address(address)?;
        for from in self.nodes.iter().filter(|node| node.name != *to) {
            links.set_target(&from.name, to, address);
        }
        Ok(())
    }

    fn write_network(&self) -> Result<()> {
        let nodes = self.nodes.iter().map(|node| {
            let process = node.state.process();
            NodeEntry {
                name: node.name.clone(),
                pid: process.map(|process| process.pid),
                api: process.and_then(|process| process.addresses.api),
                p2p: process.and_then(|process| process.addresses.p2p.first().cloned()),
                home: self.prepared.folder.home_path(&node.name),
            }
        });
        let network = self.prepared.network.to_string();
        self.prepared.folder.write_network(&NetworkFile { network, validators: nodes.collect() })
    }

    /// The program `hpaxos`.
    pub fn hpaxos(&self) -> &Path {
        &self.options.hpaxos
    }

    /// Takes note of nodes that ended by themselves, and returns their names.
    pub fn notice_ends(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        for node in &mut self.nodes {
            let (State::Up(process) | State::Traitor(process)) = &mut node.state else { continue };
            if let Some(status) = process.ended() {
                let log = end_of(&self.prepared.folder.log_path(&node.name));
                node.state = State::Failed(format!("it ended by itself with {status}:\n{log}"));
                ended.push(node.name.clone());
            }
        }
        self.was_cut_short |= !ended.is_empty();
        ended
    }

    /// Who was ever made a traitor.
    pub fn byzantine(&self) -> AcceptorSet {
        let traitors = self.nodes.iter().filter(|node| node.is_byzantine);
        traitors.filter_map(|node| self.prepared.graph.acceptor(&node.name)).collect()
    }

    /// Clients of the nodes that are up, by name.
    pub fn clients(&self) -> BTreeMap<String, Client> {
        let up = self.nodes.iter().filter_map(|node| Some((node, node.api()?)));
        up.map(|(node, api)| (node.name.clone(), Client::new(&api.to_string()))).collect()
    }

    /// Where the nodes that are up show what they count.
    pub fn metrics(&self) -> Vec<SocketAddr> {
        let up = self.nodes.iter().filter_map(|node| match &node.state {
            State::Up(process) => process.addresses.metrics,
            _ => None,
        });
        up.collect()
    }

    /// The first log of several chains, else the first one, and its chains.
    pub fn shared_log(&self) -> Option<(String, Vec<String>)> {
        let graph = &self.prepared.graph;
        let logs = graph.every_log();
        let log = logs.iter().find(|log| log.learners().iter().count() > 1).or(logs.first())?;
        let chains = log.learners().iter().map(|learner| graph.learner_name(learner).to_owned());
        let mut chains: Vec<String> = chains.collect();
        chains.sort_unstable();
        Some((log.name().to_owned(), chains))
    }

    /// Clients of the nodes that are up and run a log, by name.
    pub fn runners(&self, log: &str) -> Vec<(String, Client)> {
        let graph = &self.prepared.graph;
        let Some(log) = graph.log(log) else { return Vec::new() };
        let runs = |name: &str| {
            graph.acceptor(name).is_none_or(|acceptor| log.acceptors().contains(acceptor))
        };
        self.clients().into_iter().filter(|(name, _)| runs(name)).collect()
    }

    /// Stops everybody in order.
    ///
    /// # Errors
    /// The first that had to be killed, or ended badly; the others are stopped all the same.
    pub async fn stop(&mut self) -> Result<()> {
        let mut stopping = Vec::new();
        for node in &mut self.nodes {
            let is_traitor = matches!(node.state, State::Traitor(_));
            if let Some(process) = node.take() {
                // All at once: each waits for itself only.
                let _ = process.signal(Signal::CONT);
                let _ = process.signal(Signal::TERM);
                stopping.push((node.name.clone(), is_traitor, process));
            }
        }
        let mut result = Ok(());
        for (name, is_traitor, process) in stopping {
            let stopped = match process.stop().await {
                Ok(status) if status.success() || is_traitor => Ok(()),
                Ok(status) => {
                    let log = end_of(&self.prepared.folder.log_path(&name));
                    Err(anyhow::anyhow!("{name} ended with {status}:\n{log}"))
                }
                Err(error) => Err(error.context(name)),
            };
            result = result.and(stopped);
        }
        self.write_network()?;
        result
    }
}

/// The ports of each node, for peers, API and metrics: numbered from `base`, else any free ones. Only who is reached without
/// a forwarder has to know its port before.
fn ports(nodes: usize, base: u16, direct: bool) -> Result<Vec<[u16; 3]>> {
    let numbered = |number: usize| u16::try_from(usize::from(base) + number).ok();
    if base == 0 && direct {
        return Ok(free_ports(nodes)?.into_iter().map(|free| [free, 0, 0]).collect());
    }
    (0..nodes)
        .map(|node| match base {
            0 => Ok([0; 3]),
            _ => {
                let three = [numbered(3 * node), numbered(3 * node + 1), numbered(3 * node + 2)];
                let [Some(p2p), Some(api), Some(metrics)] = three else {
                    bail!("`base-port` {base} leaves too few ports for {nodes} nodes")
                };
                Ok([p2p, api, metrics])
            }
        })
        .collect()
}

/// The first port that may be picked.
const FIRST_PORT: u16 = 10_000;

/// Ports on which nobody listens, and from which the system makes no connections: such a one could be taken before its node
/// listens, or while it is down.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    // Linux says where these begin; elsewhere they begin higher.
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let begin = range.ok().and_then(|range| range.split_whitespace().next()?.parse::<u16>().ok());
    let span = begin.unwrap_or(32_768).saturating_sub(FIRST_PORT);
    // Networks that start at one time begin to look at different ones.
    let offset: u16 = rand::random();
    let port =
        |step: u16| FIRST_PORT + ((u32::from(offset) + u32::from(step)) % u32::from(span)) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = (0..span).map(port).filter(is_free).take(count).collect();
    if ports.len() < count {
        bail!(
            "no {count} ports are free between {FIRST_PORT} and those that the system makes connections from \
             (net.ipv4.ip_local_port_range); `base-port` in the topology says which to use"
        );
    }
    Ok(ports)
}

/// The socket behind `/ip4/…/tcp/…`.
fn socket_address(address: &str) -> Result<SocketAddr> {
    let parts: Vec<&str> = address.split('/').collect();
    match parts[..] {
        ["", "ip4", ip, "tcp", port, ..] => Ok(SocketAddr::new(ip.parse()?, port.parse()?)),
        _ => bail!("{address} is no TCP address: links of a local network are TCP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_free_and_each_is_given_once() {
        let ports = free_ports(64).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 64);
        // What a connection is made from is none of them.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ports.iter().all(|port| *port < listener.local_addr().unwrap().port()));
        let held: Vec<_> =
            ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(free_ports(64).unwrap().iter().all(|port| !ports.contains(port)));
    }
}
