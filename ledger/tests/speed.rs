//! How long a block takes; run by hand: `cargo test --release -p hpaxos-ledger --test speed -- --ignored --nocapture`.

mod common;

use common::*;
use hpaxos_ledger::*;

/// On red and on blue one payment each, by one of many pairs of clients.
fn block(salt: u64, count: u64) -> Vec<Bundle> {
    let bundle = |number: u64| {
        let (from, to) = ((number % 4) as u8, ((number + 1) % 4) as u8);
        let far = |operation| match operation {
            Operation::Pay { asset, from, amount, .. } => {
                let mut to = [0; 32];
                to[..8].copy_from_slice(&(number % 997).to_be_bytes());
                Operation::Pay { asset, from, to, amount }
            }
            other => other,
        };
        let parts =
            vec![part("blue", vec![pay(from, to, 1)]), part("red", vec![far(pay(to, from, 1))])];
        unsigned(salt * count + number, 100_000, &[from, to], parts)
    };
    (0..count).map(bundle).collect()
}

#[test]
#[ignore = "measures"]
#[allow(clippy::disallowed_types, reason = "a clock measures")]
fn a_block_of_500_bundles() {
    let mut world = World::new("");
    for slot in 0..8 {
        let bundles = block(slot, 500);
        let start = std::time::Instant::now();
        let (delta, results) = world.next(&bundles);
        let took = start.elapsed();
        let committed =
            results.results.iter().filter(|it| it.outcome == Outcome::Committed).count();
        let bytes: usize =
            delta.iter().map(|(key, it)| key.len() + it.as_ref().map_or(0, Vec::len)).sum();
        println!(
            "slot {slot}: {took:?}, {committed} committed, {} rows, {bytes} bytes",
            delta.len()
        );
        world.state.apply(delta);
    }
}

#[test]
#[ignore = "measures"]
#[allow(clippy::disallowed_types, reason = "a clock measures")]
fn a_certificate_of_100_validators() {
    let names: Vec<String> = (0..100).map(|number| format!("v{number:02}")).collect();
    let key = |name: &String| hex::encode(acceptor(name).verifying_key().to_bytes());
    let declared = |name| format!("[acceptors.{name}]\npublic-key = \"{}\"\n", key(name));
    let acceptors: String = names.iter().map(declared).collect();
    let quorum = format!("quorum = {{ at-least = 67, of = {names:?} }}");
    let graph = hpaxos_learner_graph::file::read(&format!(
        "version = 1\n{acceptors}[learners.blue]\n{quorum}\n[learners.red]\n{quorum}\n\
         [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n"
    ));
    let graph = graph.expect("a graph");
    let world = World::new("");
    let signers: Vec<&str> = names.iter().skip(33).map(String::as_str).collect();
    let view = world.view();
    let executed = (LOG, 0, view.summary());
    let certificate = certify(&graph, NETWORK, executed, "red", &signers);
    for _ in 0..5 {
        let start = std::time::Instant::now();
        assert_eq!(certificate.verify(NETWORK, &graph), Ok(()));
        println!("{} signers: {:?}", signers.len(), start.elapsed());
    }
    let bytes = certificate.to_bytes().len();
    println!("{bytes} bytes, {} for each signer", bytes / signers.len());
}
