//! The simulator: the product's engine under a virtual clock, network and disk, with everything that can go wrong drawn
//! from a seed.
//!
//! One seed is one run: a storm of faults, then a quiet phase in which every live learner must decide everything. Safe nodes
//! ([`node`]) drive the engine exactly as the product does; Byzantine acceptors ([`adversaries`]) do what they like with their
//! own key. [`crate::properties`] watches every step. Nothing here depends on the real clock, or on the order of threads.

pub mod adversaries;
pub mod certificates;
pub mod disk;
pub mod faults;
pub mod network;
pub mod node;
pub mod queue;
mod quiet;
pub mod recorder;
pub mod scenario;
pub mod setting;
pub mod shrink;
pub mod surroundings;
pub mod wire;

use crate::properties::{Property, Violation};
use adversaries::Traitor;
use hpaxos_consensus::Slot;
use hpaxos_consensus::rules::Rules;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use network::Wall;
use node::Node;
use queue::{Awaited, Happening, Strike, Time};
use rand::Rng;
use recorder::Recorder;
use scenario::{Scenario, Wanted};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use surroundings::Surroundings;

/// How a run ended.
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// How many things happened.
    pub steps: u64,
    /// How long it took in the world of the run.
    pub virtual_time: Time,
    /// What did not hold.
    pub violation: Option<Violation>,
    /// Of everything that happened.
    pub trace_hash: [u8; 32],
    /// Pairs of slot and learner that were decided.
    pub decisions: usize,
    /// The quiet phase, and how long it might have taken; none if no learner was live.
    pub settled: Option<(Duration, Duration)>,
    /// How many slots it was about.
    pub slots: u64,
    /// What was drawn, for people.
    pub story: String,
}

/// Runs one seed, and catches whatever goes wrong in it.
pub fn run(wanted: &Wanted, rules: Rules, trace: Option<Box<dyn Write + Send>>) -> Outcome {
    let scenario = Scenario::draw(wanted);
    let (story, slots) = (scenario.story(), scenario.slots);
    let mut world = World::new(scenario, rules, trace);
    IN_A_RUN.set(true);
    let end = catch_unwind(AssertUnwindSafe(|| world.run()));
    IN_A_RUN.set(false);
    let violation = match end {
        Ok(violation) => violation,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let detail = text.unwrap_or_else(|| "a panic".into());
            Some(Violation { property: Property::Assertions, detail })
        }
    };
    Outcome {
        seed: wanted.seed,
        steps: world.steps,
        virtual_time: world.around.queue.now(),
        violation,
        decisions: world.around.properties.decisions(),
        settled: world.settled,
        trace_hash: world.around.recorder.finish(),
        slots,
        story,
    }
}

thread_local! {
    static IN_A_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in the middle of a run: what panics there is reported with its seed.
pub fn in_a_run() -> bool {
    IN_A_RUN.get()
}

enum Actor {
    Safe(Box<Node>),
    Byzantine(Box<Traitor>),
}

type Nodes = BTreeMap<AcceptorId, Actor>;

/// The safe ones of the nodes.
fn safe(nodes: &Nodes) -> impl Iterator<Item = &Node> {
    nodes.values().filter_map(|actor| match actor {
        Actor::Safe(node) => Some(&**node),
        Actor::Byzantine(_) => None,
    })
}

/// A run.
struct World {
    nodes: Nodes,
    around: Surroundings,
    steps: u64,
    /// When everything must be decided.
    deadline: Option<Time>,
    quiet_since: Time,
    live: Vec<LearnerId>,
    /// Whether no learner is live, because of who is Byzantine alone.
    is_hopeless: bool,
    settled: Option<(Duration, Duration)>,
    /// Forks that some safe node could prove when all was decided.
    forks: Option<BTreeSet<(Slot, AcceptorId)>>,
}

impl World {
    fn new(scenario: Scenario, rules: Rules, trace: Option<Box<dyn Write + Send>>) -> Self {
        let setting = scenario.setting.clone();
        let recorder = Recorder::new(setting.clone(), &scenario.traitors(), trace);
        let mut around = Surroundings::new(scenario, rules, recorder);
        let mut nodes = BTreeMap::new();
        for acceptor in &setting.acceptors {
            let actor = match around.scenario.byzantine.get(acceptor) {
                Some(behaviour) => {
                    let traitor = Traitor::new(*acceptor, *behaviour, &mut around);
                    around.plan(*acceptor, 0, Duration::ZERO, Awaited::Whim);
                    Actor::Byzantine(Box::new(traitor))
                }
                None => {
                    let at = around.scenario.starts.get(acceptor).copied().unwrap_or_default();
                    around.queue.at(at, Happening::Strike(Strike::Restart(*acceptor)));
                    Actor::Safe(Box::new(Node::new(*acceptor)))
                }
            };
            nodes.insert(*acceptor, actor);
        }
        for one in &setting.acceptors {
            for other in setting.acceptors.iter().filter(|other| *other > one) {
                let at = Duration::from_micros(around.rng.random_range(0..50_000));
                around.queue.at(at, Happening::Connect { one: *one, other: *other });
            }
        }
        for (at, strike) in around.scenario.strikes.clone() {
            around.queue.at(at, Happening::Strike(strike));
        }
        let log = setting.trust.log();
        let traitors = around.scenario.traitors();
        World {
            nodes,
            around,
            is_hopeless: !log.learners().iter().any(|learner| log.is_live(learner, &traitors)),
            steps: 0,
            deadline: None,
            quiet_since: Time::ZERO,
            live: Vec::new(),
            settled: None,
            forks: None,
        }
    }

    /// Lets things happen until everything is decided, or a property does not hold.
    fn run(&mut self) -> Option<Violation> {
        while let Some(happening) = self.around.queue.advance() {
            self.steps += 1;
            self.happen(happening);
            self.look_for_refusals();
            if self.around.properties.violation().is_some() {
                return self.around.properties.take_violation();
            }
            if self.is_over() {
                break;
            }
        }
        self.at_the_end();
        self.around.properties.take_violation()
    }

    fn happen(&mut self, happening: Happening) {
        let around = &mut self.around;
        match happening {
            Happening::Arrival { from, to, life, wire } => {
                if !around.network.delivers(from, to, life) {
                    return;
                }
                match self.nodes.get_mut(&to) {
                    Some(Actor::Safe(node)) => node.arrival(from, wire, around),
                    Some(Actor::Byzantine(traitor)) => traitor.arrival(from, &wire, around),
                    None => {}
                }
            }
            Happening::Node { node, run, what } => match self.nodes.get_mut(&node) {
                Some(Actor::Safe(safe)) => safe.awaited(run, what, around),
                Some(Actor::Byzantine(traitor)) => traitor.awaited(run, what, around),
                None => {}
            },
            Happening::Connect { one, other } => self.connect(one, other),
            Happening::Strike(strike) => self.strike(strike),
        }
    }

    fn is_running(&self, node: AcceptorId) -> bool {
        match self.nodes.get(&node) {
            Some(Actor::Safe(node)) => node.is_up(),
            Some(Actor::Byzantine(_)) => true,
            None => false,
        }
    }

    fn connect(&mut self, one: AcceptorId, other: AcceptorId) {
        let running = self.is_running(one) && self.is_running(other);
        let around = &mut self.around;
        let now = around.queue.now();
        if around.network.is_up(one, other) {
            return;
        }
        if !running || !around.network.connect(now, one, other) {
            around.queue.after(Duration::from_millis(300), Happening::Connect { one, other });
            return;
        }
        for (node, peer) in [(one, other), (other, one)] {
            match self.nodes.get_mut(&node) {
                Some(Actor::Safe(safe)) => safe.connected(peer, around),
                Some(Actor::Byzantine(traitor)) => traitor.connected(peer, around),
                None => {}
            }
        }
    }

    fn strike(&mut self, strike: Strike) {
        let around = &mut self.around;
        match strike {
            Strike::Restart(node) => {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.start(around);
                }
            }
            Strike::Quiet => self.end_storm(),
            _ if around.quiet => {}
            Strike::Crash(node) => {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.crash(around);
                }
            }
            Strike::Pause(node) => {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.pause();
                }
            }
            Strike::Resume(node) => {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.resume(around);
                }
            }
            Strike::Jump(node) => {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.jump(around);
                }
            }
            Strike::Break => self.break_some_link(),
            Strike::Partition => self.partition(),
            Strike::Heal => self.heal(),
        }
    }

    fn break_some_link(&mut self) {
        let acceptors = self.around.setting.acceptors.clone();
        let count = acceptors.len();
        let one = acceptors[self.around.rng.random_range(0..count)];
        let other = acceptors[self.around.rng.random_range(0..count)];
        if one == other || !self.around.network.is_up(one, other) {
            return;
        }
        self.around.break_link(one, other);
        if self.around.rng.random_bool(0.5) {
            for (node, peer) in [(one, other), (other, one)] {
                if let Some(Actor::Safe(safe)) = self.nodes.get_mut(&node) {
                    safe.unreachable(peer, &mut self.around);
                }
            }
        }
    }

    /// Cuts a random part off. One way, packets vanish and the links stay; both ways, the links break.
    fn partition(&mut self) {
        let acceptors = self.around.setting.acceptors.clone();
        let one_way = self.around.rng.random_bool(0.4);
        let inside: AcceptorSet =
            acceptors.iter().copied().filter(|_| self.around.rng.random_bool(0.4)).collect();
        for from in inside.iter() {
            for to in acceptors.iter().copied().filter(|to| !inside.contains(*to)) {
                self.around.network.wall(from, to, Wall::Stands);
                if !one_way {
                    self.around.network.wall(to, from, Wall::Stands);
                    self.around.break_link(from, to);
                }
            }
        }
    }

    /// Takes down all walls. Every link that ran into one starts again: what it lost must be noticed.
    fn heal(&mut self) {
        let acceptors = self.around.setting.acceptors.clone();
        for one in &acceptors {
            for other in acceptors.iter().filter(|other| *other > one) {
                let network = &mut self.around.network;
                if network.wall(*one, *other, Wall::Gone) | network.wall(*other, *one, Wall::Gone) {
                    self.around.break_link(*one, *other);
                }
            }
        }
    }

    /// What a safe node refused, no other may hold.
    fn look_for_refusals(&mut self) {
        while let Some(id) = self.around.refusals.pop() {
            for node in safe(&self.nodes) {
                let Some(replica) = node.replica() else { continue };
                let mut open = replica.open_slots().filter_map(|slot| replica.instance(slot));
                let holds = open.any(|instance| instance.dag().find(&id).is_some());
                self.around.properties.check(Property::WellFormedness, !holds, || {
                    format!("{:?} holds {id:?}, which another safe node refuses", node.me())
                });
            }
        }
    }
}
