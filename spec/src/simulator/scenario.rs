//! Everything about a run that is drawn from its seed before it begins.
//!
//! Each fault draws from a stream of its own: taking one away does not change the others. A league that overturns decisions
//! takes the place of all other Byzantine acceptors, and often chooses the graph.

use super::faults::{Fault, Faults};
use super::network::Weather;
use super::queue::{Strike, Time};
use super::setting::{CATALOGUE, FRAGILE, Setting, catalogue};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What somebody asked for; the seed decides the rest.
#[derive(Clone)]
pub struct Wanted {
    /// The seed.
    pub seed: u64,
    /// The graph, if not one that the seed draws.
    pub setting: Option<Arc<Setting>>,
    /// Faults that may happen.
    pub faults: Faults,
    /// How many slots, if that is not drawn.
    pub slots: Option<u64>,
    /// After so many messages a Byzantine acceptor says nothing more.
    pub acts: u32,
}

/// Messages that a Byzantine acceptor makes up at most in a run.
pub const ACTS: u32 = 300;

/// A run, before it begins.
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Where.
    pub setting: Arc<Setting>,
    /// Which faults happen in this run.
    pub faults: Faults,
    /// The Byzantine acceptors, each with how it behaves.
    pub byzantine: BTreeMap<AcceptorId, Fault>,
    /// Messages that each makes up at most.
    pub acts: u32,
    /// Slots to be decided.
    pub slots: u64,
    /// The network until the storm is over.
    pub weather: Weather,
    /// When the storm is over.
    pub storm: Time,
    /// What happens when.
    pub strikes: Vec<(Time, Strike)>,
    /// When each node starts.
    pub starts: BTreeMap<AcceptorId, Time>,
    /// How long until something else waits to be proposed.
    pub open_every: Duration,
    /// How long a sync takes.
    pub sync: Range<Duration>,
    /// The probability that a sync fails.
    pub sync_error: f64,
    /// The probability that a node's store is damaged while it is down.
    pub bit_flip: f64,
    /// The probability that it starts from an old copy, if there is one.
    pub old_copy: f64,
    /// The writes at which nodes crash.
    pub crash_at: BTreeMap<AcceptorId, Vec<u64>>,
    /// How fast each clock runs.
    pub clocks: BTreeMap<AcceptorId, f64>,
}

impl Scenario {
    /// Draws a run.
    pub fn draw(wanted: &Wanted) -> Self {
        let seed = wanted.seed;
        let mut rng = stream(seed, 0);
        // The named graphs make up half of the runs.
        let index = rng.random_range(0..CATALOGUE);
        let index = if rng.random_bool(0.5) { index % 9 } else { index };
        let mut league = stream(seed, 101);
        let overturns = league.random_bool(0.15) && wanted.faults.has(Fault::Overturn);
        // A league is at its best where earlier rules broke.
        let fragile = overturns && league.random_bool(0.5);
        let index = if fragile { league.random_range(FRAGILE) } else { index };
        let setting = wanted.setting.clone().unwrap_or_else(|| catalogue(index));
        let slots = [1, 1, 2, 3, 5, 8, 12, 20].choose(&mut rng).copied().unwrap_or(1);
        let storm = Duration::from_millis(rng.random_range(1_000..12_000));
        let open_every = Duration::from_millis(rng.random_range(20..400));
        let slowest = rng.random_range(2_000..20_000);
        let mut scenario = Scenario {
            seed,
            faults: Faults::NONE,
            byzantine: BTreeMap::new(),
            acts: wanted.acts,
            slots: wanted.slots.unwrap_or(slots),
            weather: Weather::default(),
            storm,
            strikes: Vec::new(),
            starts: BTreeMap::new(),
            open_every,
            sync: Duration::from_micros(300)..Duration::from_micros(slowest),
            sync_error: 0.0,
            bit_flip: 0.0,
            old_copy: 0.0,
            crash_at: BTreeMap::new(),
            clocks: BTreeMap::new(),
            setting,
        };
        let calm = rng.random_bool(0.1);
        for (index, fault) in Fault::ALL.iter().enumerate() {
            let mut rng = stream(seed, 1 + index as u64);
            let happens = match fault {
                Fault::Overturn => overturns && !calm,
                _ => rng.random_bool(0.4) && !calm,
            };
            if happens && wanted.faults.has(*fault) {
                scenario.faults = scenario.faults.with(*fault);
                scenario.plan(*fault, &mut rng);
            }
        }
        if scenario.faults.has(Fault::Overturn) {
            scenario.draw_league(&mut league);
        } else {
            scenario.draw_byzantine(&mut stream(seed, 100));
        }
        scenario.strikes.push((scenario.storm, Strike::Quiet));
        scenario
    }

    /// The random numbers for what happens on the way.
    pub fn rng(&self) -> ChaCha8Rng {
        stream(self.seed, 200)
    }

    /// The Byzantine acceptors.
    pub fn traitors(&self) -> AcceptorSet {
        self.byzantine.keys().copied().collect()
    }

    /// What was drawn, in a line.
    pub fn story(&self) -> String {
        let name = |acceptor: &AcceptorId| self.setting.graph.acceptor_name(*acceptor).to_owned();
        let traitors = self.byzantine.iter();
        let traitors: Vec<String> = traitors
            .map(|(acceptor, kind)| format!("{} {}", name(acceptor), kind.name()))
            .collect();
        format!(
            "{}, {} slots, storm {:?}, faults {}, byzantine [{}]",
            self.setting.name,
            self.slots,
            self.storm,
            self.faults,
            traitors.join(", ")
        )
    }

    fn plan(&mut self, fault: Fault, rng: &mut ChaCha8Rng) {
        let rate = rng.random_range(1..=100) as f64 / 1_000.0;
        let acceptors = self.setting.acceptors.clone();
        let victim =
            |rng: &mut ChaCha8Rng| acceptors.choose(rng).copied().expect("a log has acceptors");
        let storm = self.storm;
        let moment = |rng: &mut ChaCha8Rng| {
            Duration::from_micros(rng.random_range(0..storm.as_micros() as u64))
        };
        let times = rng.random_range(1..=4);
        match fault {
            Fault::Delay => {
                self.weather.delay = rate * 3.0;
                self.weather.delay_max = Duration::from_millis(rng.random_range(100..3_000));
            }
            Fault::Drop => {
                for _ in 0..times {
                    self.strikes.push((moment(rng), Strike::Break));
                }
                self.weather.drop = rate / 50.0;
            }
            Fault::Duplicate => self.weather.duplicate = rate,
            Fault::Reorder => self.weather.reorder = rate * 5.0,
            Fault::Partition => {
                let start = moment(rng);
                self.strikes.push((start, Strike::Partition));
                self.strikes.push((start + moment(rng) / 2, Strike::Heal));
            }
            Fault::Crash => {
                for _ in 0..times {
                    self.strikes.push((moment(rng), Strike::Crash(victim(rng))));
                }
                if rng.random_bool(0.3) {
                    self.starts.insert(victim(rng), moment(rng));
                }
            }
            Fault::CrashAtWrite => {
                for _ in 0..times {
                    let write = rng.random_range(1..40);
                    self.crash_at.entry(victim(rng)).or_default().push(write);
                }
            }
            Fault::SyncError => self.sync_error = rate / 10.0,
            Fault::BitFlip => self.bit_flip = rate * 5.0,
            Fault::OldCopy => self.old_copy = rate * 5.0,
            Fault::Pause => {
                for _ in 0..times {
                    let (start, node) = (moment(rng), victim(rng));
                    self.strikes.push((start, Strike::Pause(node)));
                    self.strikes.push((start + moment(rng) / 3, Strike::Resume(node)));
                }
            }
            Fault::Clock => {
                for acceptor in &acceptors {
                    self.clocks.insert(*acceptor, rng.random_range(80..=125) as f64 / 100.0);
                }
                for _ in 0..times {
                    self.strikes.push((moment(rng), Strike::Jump(victim(rng))));
                }
            }
            _ => {}
        }
    }

    /// Draws who is Byzantine: few, or as many as leave something to be promised. In half of the runs some learner stays live
    /// and they stay within what its trust model allows; else it is enough that some two learners must still agree.
    fn draw_byzantine(&mut self, rng: &mut ChaCha8Rng) {
        let behaviours: Vec<Fault> =
            Fault::BYZANTINE.iter().copied().filter(|one| self.faults.has(*one)).collect();
        if behaviours.is_empty() {
            return;
        }
        let log = self.setting.trust.log();
        let lively = rng.random_bool(0.5);
        let promises = |set: &AcceptorSet| {
            let connections = log.connections(set);
            log.learners().iter().any(|learner| {
                let accurate = !connections.connected(learner).is_empty();
                accurate && (!lively || log.is_live(learner, set))
            })
        };
        let mut acceptors = self.setting.acceptors.clone();
        acceptors.shuffle(rng);
        let most = if rng.random_bool(0.4) { rng.random_range(1..=2) } else { acceptors.len() };
        let mut chosen = AcceptorSet::EMPTY;
        for acceptor in acceptors {
            let mut more = chosen;
            more.insert(acceptor);
            if more.len() <= most && promises(&more) {
                chosen = more;
            }
        }
        let together = rng.random_bool(0.5).then(|| behaviours.choose(rng).copied()).flatten();
        for acceptor in chosen.iter() {
            let alone = behaviours.choose(rng).copied().expect("there is one");
            self.byzantine.insert(acceptor, together.unwrap_or(alone));
        }
    }

    /// Draws a league: as many as leave one learner that must not decide twice.
    fn draw_league(&mut self, rng: &mut ChaCha8Rng) {
        let log = self.setting.trust.log();
        let mut acceptors = self.setting.acceptors.clone();
        acceptors.shuffle(rng);
        let mut league = AcceptorSet::EMPTY;
        for acceptor in acceptors {
            let mut more = league;
            more.insert(acceptor);
            let connections = log.connections(&more);
            if log.learners().iter().any(|one| connections.connected(one).contains(one)) {
                league = more;
            }
        }
        self.byzantine = league.iter().map(|acceptor| (acceptor, Fault::Overturn)).collect();
    }
}

/// The `number`-th stream of random numbers of a seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
