//! The product's engine in a virtual network in which nothing fails: what decisions cost, and how long they take.
//!
//! The delays are those of the simulator's network ([`hpaxos_spec::simulator::network`]): ordered links, with up to a tenth
//! of jitter. A node ([`node`]) drives its replica as the product does: it feeds what waits, one sync, then it lets go.
//! Computing takes no virtual time.

mod agenda;
mod cost;
mod counts;
mod ears;
mod node;
pub mod regions;

pub use agenda::Time;
pub use cost::{Cost, cost};
pub use counts::Counts;
pub use node::Letter;

use agenda::Agenda;
use ears::Short;
use hpaxos_consensus::message::{KnownReplies, NoSigner, Packet};
use hpaxos_consensus::{Config, NetworkId, Slot, Timer, Trust, ValueHash};
use hpaxos_learner_graph::AcceptorId;
use hpaxos_spec::simulator::network::{Fate, Network};
use node::Node;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The network whose messages are made here.
pub const NETWORK: NetworkId = NetworkId([7; 32]);

/// How long a sync takes: about what one takes on the machines that this was written on.
const SYNC: Duration = Duration::from_micros(200);

/// A node opens slots no more often: the product's default.
const SLOT_EVERY: Duration = Duration::from_millis(20);

/// A bundle, by its number.
pub type BundleNumber = usize;

/// Something that is going to happen.
enum Happening {
    /// A client hands a node a bundle.
    Submitted { node: usize, bundle: BundleNumber },
    /// Something arrives.
    Arrives { from: usize, to: usize, letter: Letter },
    /// A node has waited long enough for what a peer's short reply references.
    WaitIsOver { node: usize, from: usize, wait: u64 },
    /// A node's disk has done what it was told.
    Synced(usize),
    /// A node has read the records of a parked slot.
    Loaded { node: usize, slot: Slot },
    /// A node may open a slot.
    Look(usize),
    /// A node's timer ends, unless it was armed again.
    Timer { node: usize, timer: Timer, armed: u64 },
}

/// A bundle's way.
#[derive(Clone, Debug)]
pub struct Way {
    /// Which node took it.
    pub node: usize,
    /// When.
    pub submitted: Time,
    /// When that node had decided it for all learners, and everything before it.
    pub committed: Option<Time>,
}

/// What all nodes share: the clock, the links, and what is counted.
struct Around {
    agenda: Agenda<Happening>,
    links: Network,
    rng: ChaCha8Rng,
    trust: Arc<Trust>,
    /// What is in each block.
    blocks: BTreeMap<ValueHash, Vec<BundleNumber>>,
    bundles: Vec<Way>,
    /// When the 1a of each block left its proposer.
    proposed: BTreeMap<ValueHash, Time>,
    /// From there to each node's decision for all learners.
    decisions: Vec<Duration>,
    decided: BTreeSet<Slot>,
    counts: Counts,
}

/// Some nodes, and what happens to them.
pub struct World {
    nodes: Vec<Node>,
    around: Around,
}

/// The settings of one node's replica, which signs nothing.
pub fn config(trust: &Arc<Trust>, node: usize) -> Config {
    Config::new(NETWORK, trust.clone(), Some(AcceptorId::new(node)), Arc::new(NoSigner))
}

impl World {
    /// As many nodes as the log has acceptors, with these one-way delays from each to each.
    pub fn new(trust: &Arc<Trust>, delays: Vec<Vec<Duration>>, seed: u64) -> Self {
        assert_eq!(delays.len(), trust.acceptors().len(), "every acceptor of the log is a node");
        let nodes =
            (0..delays.len()).map(|index| Node::new(index, delays.len(), config(trust, index)));
        World {
            nodes: nodes.collect(),
            around: Around {
                agenda: Agenda::new(),
                links: Network::between(delays),
                rng: ChaCha8Rng::seed_from_u64(seed),
                trust: trust.clone(),
                blocks: BTreeMap::new(),
                bundles: Vec::new(),
                proposed: BTreeMap::new(),
                decisions: Vec::new(),
                decided: BTreeSet::new(),
                counts: Counts::default(),
            },
        }
    }

    /// A client will hand a node a bundle.
    pub fn submit(&mut self, at: Time, node: usize) {
        let bundle = self.around.bundles.len();
        self.around.bundles.push(Way { node, submitted: at, committed: None });
        self.around.agenda.at(at, Happening::Submitted { node, bundle });
    }

    /// Lets things happen until nothing is planned any more.
    pub fn run(&mut self) {
        while let Some(happening) = self.around.agenda.advance() {
            let around = &mut self.around;
            match happening {
                Happening::Submitted { node, bundle } => self.nodes[node].submit(bundle, around),
                Happening::Arrives { from, to, letter } => {
                    self.nodes[to].receive(from, letter, around);
                }
                Happening::WaitIsOver { node, from, wait } => {
                    self.nodes[node].give_up(from, wait, around);
                }
                Happening::Loaded { node, slot } => self.nodes[node].loaded(slot, around),
                Happening::Look(node) => self.nodes[node].look(around),
                Happening::Synced(node) => self.nodes[node].synced(around),
                Happening::Timer { node, timer, armed } => {
                    self.nodes[node].time_is_up(timer, armed, around);
                }
            }
        }
    }

    /// What became of the bundles.
    pub fn bundles(&self) -> &[Way] {
        &self.around.bundles
    }

    /// From the moment in which a 1a left its proposer to each node's decision for all learners.
    pub fn decisions(&self) -> &[Duration] {
        &self.around.decisions
    }

    /// Slots that were decided.
    pub fn slots(&self) -> usize {
        self.around.decided.len()
    }

    /// What was counted, of all nodes together.
    pub fn counts(&self) -> &Counts {
        &self.around.counts
    }

    /// The replies that a node knows.
    pub fn known(&self, node: usize) -> &KnownReplies {
        self.nodes[node].known()
    }

    /// What happened to a node's replica, batch by batch.
    pub fn batches(&self, node: usize) -> &[Vec<hpaxos_consensus::Event>] {
        self.nodes[node].batches()
    }
}

impl Around {
    fn send(&mut self, from: usize, to: usize, letter: Letter) {
        let now = self.agenda.now();
        let ends = (AcceptorId::new(from), AcceptorId::new(to));
        let Fate::Arrives { at, .. } = self.links.send(now, ends, &mut self.rng) else {
            unreachable!("nothing fails here");
        };
        self.agenda.at(at, Happening::Arrives { from, to, letter });
    }

    fn broadcast(&mut self, from: usize, letter: &Letter) {
        for to in (0..self.trust.acceptors().len()).filter(|to| *to != from) {
            self.send(from, to, letter.clone());
        }
    }

    /// Sends a packet of the engine to one or all others, in its short form if it has one.
    fn post(&mut self, from: usize, to: Option<usize>, packet: Packet, short: Option<Arc<Short>>) {
        let receivers = to.map_or(self.trust.acceptors().len() - 1, |_| 1);
        self.counts.packet(&packet, short.as_ref().map(|short| &short.reply), receivers);
        let letter = short.map_or_else(|| Letter::Packet(packet), Letter::Short);
        match to {
            Some(to) => self.send(from, to, letter),
            None => self.broadcast(from, &letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphs::{Chain, Edges, trust};

    fn run(edges: &Edges, chains: &[Chain]) -> World {
        let (_, trust) = trust(4, chains, edges);
        let mut world = World::new(&trust, vec![vec![Duration::from_millis(20); 4]; 4], 1);
        (0..5).for_each(|bundle| world.submit(Duration::from_secs(bundle), bundle as usize % 4));
        world.run();
        world
    }

    fn committed_within(world: &World, ms: std::ops::RangeInclusive<u128>) {
        for way in world.bundles() {
            let took = way.committed.expect("nothing fails") - way.submitted;
            assert!(ms.contains(&took.as_millis()), "{took:?}");
        }
    }

    #[test]
    fn one_chain_takes_three_sends_and_the_way_to_the_proposer() {
        let world = run(&Edges::Overlap, &[Chain::of(0..4)]);
        assert_eq!(world.slots(), 5);
        committed_within(&world, 40..=90);
        // 1a, four 1b, four 2a, each to three others.
        assert_eq!((world.counts().messages, world.counts().packets), (45, 135));
        assert_eq!((world.counts().others, world.counts().later_rounds), (0, 0));
    }

    #[test]
    fn chains_that_ask_more_of_each_other_take_four() {
        let chains = [Chain::of(0..4), Chain::of(0..4)];
        let between = Chain { at_least: 4, of: (0..4).collect() };
        let world = run(&Edges::Between(between), &chains);
        committed_within(&world, 60..=112);
        assert_eq!(world.counts().messages, 5 * 13);
    }
}
