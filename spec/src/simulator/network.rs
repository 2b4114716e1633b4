//! The virtual network: ordered streams between any two nodes, until a link breaks.

use super::queue::Time;
use hpaxos_learner_graph::AcceptorId;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// One-way delays between seven places of the world, in milliseconds; the mean is 50. Nodes are spread over them.
const DELAYS_MS: [[u64; 7]; 7] = [
    [2, 12, 38, 45, 70, 85, 62],
    [12, 2, 32, 40, 75, 90, 58],
    [38, 32, 2, 30, 95, 80, 42],
    [45, 40, 30, 2, 88, 52, 78],
    [70, 75, 95, 88, 2, 35, 66],
    [85, 90, 80, 52, 35, 2, 48],
    [62, 58, 42, 78, 66, 48, 2],
];

/// The longest one-way delay while the network is synchronous, jitter included.
pub const DELAY_MAX: Duration = Duration::from_millis(110);

/// How badly a network behaves; each rate is a probability for each packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Packets that are held up.
    pub delay: f64,
    /// For how long, at the most.
    pub delay_max: Duration,
    /// Packets whose link breaks.
    pub drop: f64,
    /// Packets that arrive twice.
    pub duplicate: f64,
    /// Packets that may overtake others.
    pub reorder: f64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost: there is no link, or a wall.
    Lost,
    /// It is lost, and with it the link.
    Breaks,
    /// It arrives, in this life of the link, perhaps twice.
    Arrives {
        /// The life of the link.
        life: u32,
        /// When.
        at: Time,
        /// When once more.
        again: Option<Time>,
    },
}

#[derive(Clone, Debug)]
struct Link {
    up: bool,
    /// How often it broke: what was sent before is lost.
    life: u32,
    /// Whether packets in this direction run into a wall.
    cut: bool,
    /// When the last packet in this direction arrives.
    last: Time,
    delay: Duration,
}

/// The links, one for each direction; the two of a pair are up and down together.
pub struct Network {
    links: Vec<Vec<Link>>,
    weather: Weather,
}

impl Network {
    /// `nodes` nodes, each somewhere in the world, nobody connected.
    pub fn new(nodes: usize, weather: Weather, rng: &mut ChaCha8Rng) -> Self {
        let shift = rng.random_range(0..DELAYS_MS.len());
        let place = |node: usize| (node * 3 + shift) % DELAYS_MS.len();
        let link = |from: usize, to: usize| Link {
            up: false,
            life: 0,
            cut: false,
            last: Time::ZERO,
            delay: Duration::from_millis(DELAYS_MS[place(from)][place(to)]),
        };
        let links = (0..nodes).map(|from| (0..nodes).map(|to| link(from, to)).collect());
        Network { links: links.collect(), weather }
    }

    /// Nodes with these one-way delays, from row to column, all connected, in good weather.
    pub fn between(delays: Vec<Vec<Duration>>) -> Self {
        let link = |delay| Link { up: true, life: 0, cut: false, last: Time::ZERO, delay };
        let links = delays.into_iter().map(|row| row.into_iter().map(link).collect());
        Network { links: links.collect(), weather: Weather::default() }
    }

    /// Good weather from now on, and no walls.
    pub fn calm(&mut self) {
        self.weather = Weather::default();
        self.links.iter_mut().flatten().for_each(|link| link.cut = false);
    }

    /// What becomes of a packet that is sent now.
    pub fn send(
        &mut self,
        now: Time,
        (from, to): (AcceptorId, AcceptorId),
        rng: &mut ChaCha8Rng,
    ) -> Fate {
        let weather = self.weather;
        let link = &mut self.links[from.index()][to.index()];
        if !link.up || link.cut {
            return Fate::Lost;
        }
        if happens(weather.drop, rng) {
            return Fate::Breaks;
        }
        let jitter = rng.random_range(0..=100) as u32;
        let mut delay = link.delay + link.delay * jitter / 1_000;
        if happens(weather.delay, rng) {
            let held = rng.random_range(0..=weather.delay_max.as_micros() as u64);
            delay += Duration::from_micros(held);
        }
        let mut at = now + delay;
        if !happens(weather.reorder, rng) {
            at = at.max(link.last);
            link.last = at;
        }
        let again = happens(weather.duplicate, rng).then(|| at + delay);
        Fate::Arrives { life: link.life, at, again }
    }

    /// Whether what was sent in `life` of a link still arrives.
    pub fn delivers(&self, from: AcceptorId, to: AcceptorId, life: u32) -> bool {
        let link = &self.links[from.index()][to.index()];
        link.up && link.life == life && !link.cut
    }

    /// Whether two nodes are connected.
    pub fn is_up(&self, one: AcceptorId, other: AcceptorId) -> bool {
        self.links[one.index()][other.index()].up
    }

    /// Breaks a link. Whether it was up.
    pub fn cut_link(&mut self, one: AcceptorId, other: AcceptorId) -> bool {
        let was_up = self.is_up(one, other);
        for (from, to) in [(one, other), (other, one)] {
            let link = &mut self.links[from.index()][to.index()];
            link.up = false;
            link.life += 1;
        }
        was_up
    }

    /// Connects two nodes, unless there is a wall or they are connected.
    pub fn connect(&mut self, now: Time, one: AcceptorId, other: AcceptorId) -> bool {
        let walled = |from: AcceptorId, to: AcceptorId, links: &Vec<Vec<Link>>| {
            links[from.index()][to.index()].cut
        };
        if self.is_up(one, other)
            || walled(one, other, &self.links)
            || walled(other, one, &self.links)
        {
            return false;
        }
        for (from, to) in [(one, other), (other, one)] {
            let link = &mut self.links[from.index()][to.index()];
            link.up = true;
            link.last = now;
        }
        true
    }

    /// Builds or takes down a wall for packets in one direction. Whether there was one.
    pub fn wall(&mut self, from: AcceptorId, to: AcceptorId, stands: Wall) -> bool {
        let cut = &mut self.links[from.index()][to.index()].cut;
        std::mem::replace(cut, stands == Wall::Stands)
    }

    /// The delay of a link when nothing is wrong.
    pub fn delay(&self, from: AcceptorId, to: AcceptorId) -> Duration {
        self.links[from.index()][to.index()].delay
    }
}

/// Whether there is a wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// There is.
    Stands,
    /// There is none.
    Gone,
}

/// Whether something with this probability happens. What cannot happen draws no number.
pub fn happens(probability: f64, rng: &mut ChaCha8Rng) -> bool {
    probability > 0.0 && rng.random_bool(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stated_mean_is_the_mean() {
        let different = (0..7).flat_map(|a| (0..7).map(move |b| (a, b))).filter(|(a, b)| a != b);
        let delays: Vec<u64> = different.map(|(a, b)| DELAYS_MS[a][b]).collect();
        let mean = delays.iter().sum::<u64>() / delays.len() as u64;
        assert!((48..=62).contains(&mean), "{mean}");
        assert!(delays.iter().all(|ms| Duration::from_millis(*ms) * 11 / 10 <= DELAY_MAX));
    }
}
