//! Stake-weighted chains for measuring: a power law with noise, in units of 10⁻¹⁸
//! tokens. Each chain has nine tenths of the validators, and an overlap edge with every other.

use hpaxos_learner_graph::{
    Acceptor, AcceptorId, Declarations, Edge, Fraction, Learner, LearnerId, Quorum, Safe,
};

/// A graph of `chains` over `validators`. A skew of 1.1 is that of large networks, of 0 gives all alike.
pub fn declarations(validators: usize, chains: usize, seed: u64, skew: f64) -> Declarations {
    let mut noise = Noise(seed);
    let acceptors = (0..validators).map(|index| Acceptor {
        name: format!("v{index:03}"),
        public_key: None,
        addresses: Vec::new(),
    });
    let learners = (0..chains).map(|index| Learner {
        name: format!("c{index:02}"),
        quorum: Quorum::Stake {
            stake: stakes(validators, skew, &mut noise),
            rule: Fraction { above: true, numerator: 2, denominator: 3 },
        },
    });
    let edges = (0..chains).flat_map(|a| {
        let between = move |b| (LearnerId::new(a), LearnerId::new(b));
        (a + 1..chains).map(move |b| Edge { between: between(b), safe: Safe::Overlap })
    });
    Declarations {
        acceptors: acceptors.collect(),
        learners: learners.collect(),
        edges: edges.collect(),
        logs: Vec::new(),
    }
}

fn stakes(validators: usize, skew: f64, noise: &mut Noise) -> Vec<(AcceptorId, u128)> {
    let mut stakes = Vec::new();
    for index in 0..validators {
        let takes_part = index < 10 || noise.below(10) > 0;
        let factor = 80 + u128::from(noise.below(45));
        // 10¹² tokens over (rank + 2)^skew, in units of 10⁻¹⁸.
        let rank = (index as f64 + 2.0).powf(skew);
        let tokens = (1e12 / rank) as u128 * 10u128.pow(15) * factor / 100;
        if takes_part {
            let dust = u128::from(noise.below(1 << 40));
            stakes.push((AcceptorId::new(index), tokens + dust));
        }
    }
    stakes
}

/// Knuth's linear congruential generator: good enough for noise, and the same everywhere.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
