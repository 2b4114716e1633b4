//! A local multi-chain network.

fn main() {}
