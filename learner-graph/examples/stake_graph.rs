//! Prints a learner graph of stake-weighted chains, as the benchmarks use them:
//!
//! ```text
//! cargo run --example stake_graph -- VALIDATORS CHAINS [SEED] > graph.toml
//! ```

#![allow(clippy::print_stdout, reason = "its output is the graph")]

use hpaxos_learner_graph::file;

#[path = "../benches/stakes/mod.rs"]
mod stakes;

fn main() {
    let arguments: Vec<u64> =
        std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let [validators, chains, ref seed @ ..] = arguments[..] else {
        panic!("usage: stake_graph VALIDATORS CHAINS [SEED]")
    };
    let seed = seed.first().copied().unwrap_or(1);
    print!("{}", file::write(&stakes::declarations(validators as usize, chains as usize, seed)));
}
