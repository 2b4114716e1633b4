//! Prints a learner graph of stake-weighted chains, as the benchmarks use them:
//!
//! ```text
//! cargo run --example stake_graph -- VALIDATORS CHAINS [SEED [SKEW]] > graph.toml
//! ```

#![allow(clippy::print_stdout, reason = "its output is the graph")]

use hpaxos_learner_graph::file;

#[path = "../benches/stakes/mod.rs"]
mod stakes;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (validators, chains, seed, skew) = match arguments[..] {
        [validators, chains] => (validators, chains, "1", "1.1"),
        [validators, chains, seed] => (validators, chains, seed, "1.1"),
        [validators, chains, seed, skew] => (validators, chains, seed, skew),
        _ => panic!("usage: stake_graph VALIDATORS CHAINS [SEED [SKEW]]"),
    };
    let whole = |text: &str| text.parse::<usize>().expect("a whole number");
    let skew = skew.parse().expect("a number");
    let declarations =
        stakes::declarations(whole(validators), whole(chains), whole(seed) as u64, skew);
    print!("{}", file::write(&declarations));
}
