//! How those who take part in a random run behave.

use rand::Rng;
use rand::seq::IndexedRandom;

/// How likely what is, in one run.
pub struct Habits {
    /// How many messages there will be.
    pub messages: usize,
    /// At first two parts of the acceptors, with the Byzantine ones in both, do not hear of each other.
    pub parted: bool,
    /// To vote in a ballot.
    pub vote: f64,
    /// To vote in it, if it might, without being Byzantine.
    pub honest_vote: f64,
    /// To try a 2a.
    pub accept: f64,
    /// To try a 2b.
    pub commit: f64,
    /// To hear of some message before a vote.
    pub hear: f64,
    /// That somebody forks, before a ballot.
    pub fork: f64,
    /// That there are messages that follow from no view.
    pub stray: f64,
}

impl Habits {
    /// Those of one run in ten give long chains, those of four in ten two parts.
    pub fn new(rng: &mut impl Rng) -> Self {
        let kind = rng.random_range(0..10);
        let mut one_of = |choices: &[f64]| *choices.choose(rng).expect("there are some");
        let habits = Habits {
            messages: 0,
            parted: false,
            vote: one_of(&[0.6, 0.8, 1.0]),
            honest_vote: 1.0,
            accept: one_of(&[0.2, 0.4, 0.8]),
            commit: one_of(&[0.3, 0.6, 0.9]),
            hear: one_of(&[0.1, 0.5, 0.9]),
            fork: one_of(&[0.0, 0.3, 0.6]),
            stray: one_of(&[0.0, 0.3, 0.6]),
        };
        match kind {
            0 => Habits {
                messages: 40,
                vote: 0.9,
                honest_vote: 0.15,
                accept: 0.0,
                fork: 0.8,
                ..habits
            },
            1..=4 => {
                let (accept, commit) = (one_of(&[0.4, 0.8]), one_of(&[0.4, 0.8]));
                let messages = rng.random_range(30..=40);
                Habits {
                    messages,
                    parted: true,
                    vote: 0.95,
                    accept,
                    commit,
                    hear: 0.9,
                    fork: 0.0,
                    stray: 0.1,
                    ..habits
                }
            }
            _ => Habits { messages: rng.random_range(15..=40), ..habits },
        }
    }
}
