//! What all nodes of a run share: the queue, the network, chance, and those who watch.

use super::network::{Fate, Network};
use super::queue::{Awaited, Happening, Queue, Strike};
use super::recorder::Recorder;
use super::scenario::Scenario;
use super::setting::Setting;
use super::wire::Wire;
use crate::properties::Properties;
use hpaxos_consensus::message::{Message, Verified};
use hpaxos_consensus::rules::Rules;
use hpaxos_consensus::{Judgement, MessageId, Slot, ValueHash};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerId};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What all nodes of a run share.
pub struct Surroundings {
    /// Where.
    pub setting: Arc<Setting>,
    /// What was drawn.
    pub scenario: Scenario,
    /// The rules in force.
    pub rules: Rules,
    /// What is going to happen.
    pub queue: Queue,
    /// The links.
    pub network: Network,
    /// Chance.
    pub rng: ChaCha8Rng,
    /// Watches.
    pub properties: Properties,
    /// Writes down.
    pub recorder: Recorder,
    /// Whether the storm is over.
    pub quiet: bool,
    /// What safe nodes refused as ill-formed and nobody has looked for elsewhere yet.
    pub refusals: Vec<MessageId>,
    /// What is still to be decided, and where; from the end of the storm.
    pub missing: BTreeSet<(AcceptorId, LearnerId, Slot)>,
    values: BTreeMap<ValueHash, Judgement>,
    sent: BTreeSet<MessageId>,
}

impl Surroundings {
    /// Those of a run that begins.
    pub fn new(scenario: Scenario, rules: Rules, recorder: Recorder) -> Self {
        let setting = scenario.setting.clone();
        let mut rng = scenario.rng();
        let everyone = setting.graph.acceptors().len();
        Surroundings {
            network: Network::new(everyone, scenario.weather, &mut rng),
            properties: Properties::new(&setting.trust, scenario.traitors()),
            setting,
            rules,
            queue: Queue::default(),
            rng,
            recorder,
            quiet: false,
            refusals: Vec::new(),
            missing: BTreeSet::new(),
            values: BTreeMap::new(),
            sent: BTreeSet::new(),
            scenario,
        }
    }

    /// Sends to one node.
    pub fn send(&mut self, from: AcceptorId, to: AcceptorId, wire: &Arc<Wire>) {
        if from == to {
            return;
        }
        let now = self.queue.now();
        match self.network.send(now, (from, to), &mut self.rng) {
            Fate::Lost => {}
            Fate::Breaks => self.break_link(from, to),
            Fate::Arrives { life, at, again } => {
                for at in [Some(at), again].into_iter().flatten() {
                    let wire = wire.clone();
                    self.queue.at(at, Happening::Arrival { from, to, life, wire });
                }
            }
        }
    }

    /// Sends to every other acceptor of the log.
    pub fn broadcast(&mut self, from: AcceptorId, wire: &Arc<Wire>) {
        for index in 0..self.setting.acceptors.len() {
            let to = self.setting.acceptors[index];
            self.send(from, to, wire);
        }
    }

    /// A link breaks; its ends will try to connect again.
    pub fn break_link(&mut self, one: AcceptorId, other: AcceptorId) {
        self.network.cut_link(one, other);
        let pause = Duration::from_millis(self.rng.random_range(50..2_000));
        self.queue.after(pause, Happening::Connect { one, other });
    }

    /// All links of a node break.
    pub fn isolate(&mut self, node: AcceptorId) {
        for index in 0..self.setting.acceptors.len() {
            let other = self.setting.acceptors[index];
            if other != node && self.network.cut_link(node, other) {
                self.queue
                    .after(Duration::from_millis(100), Happening::Connect { one: node, other });
            }
        }
    }

    /// Plans what a node waits for.
    pub fn plan(&mut self, node: AcceptorId, run: u32, after: Duration, what: Awaited) {
        self.queue.after(after, Happening::Node { node, run, what });
    }

    /// Plans a strike.
    pub fn strike_after(&mut self, after: Duration, strike: Strike) {
        self.queue.after(after, Happening::Strike(strike));
    }

    /// Makes up a value.
    pub fn new_value(&mut self, judgement: Judgement) -> ValueHash {
        let value = ValueHash(self.rng.random());
        self.values.insert(value, judgement);
        self.properties.value(value, judgement == Judgement::Valid);
        value
    }

    /// Whether a value is valid, as every node finds that has it.
    pub fn judge(&self, value: &ValueHash) -> Judgement {
        self.values.get(value).copied().unwrap_or(Judgement::Invalid)
    }

    /// Takes note that a message is sent. Whether it is the first time.
    pub fn first_sent(
        &mut self,
        node: AcceptorId,
        message: &Arc<Verified<Message>>,
        to: Option<&AcceptorSet>,
    ) -> bool {
        let first = self.sent.insert(message.id());
        if first {
            self.recorder.send(node, message, to);
            if !self.scenario.byzantine.contains_key(&node) {
                self.properties.says(node, message);
            }
        }
        first
    }

    /// Whether a message was sent before.
    pub fn was_sent(&self, id: &MessageId) -> bool {
        self.sent.contains(id)
    }

    /// A learner has decided at a node.
    pub fn progress(&mut self, node: AcceptorId, slot: Slot, learner: LearnerId) {
        if self.quiet {
            self.missing.remove(&(node, learner, slot));
        }
    }
}
