//! What a small frame costs. Not a test: it prints figures.
//!
//! ```text
//! cargo test --release -p hpaxos-node --test network -- --ignored --nocapture cost
//! ```

use super::world::{Node, QUIC, TCP, Told, connected, peer};
use hpaxos_node::network::Bytes;
use std::time::{Duration, Instant};

const FRAME_BYTES: usize = 200;

/// The CPU time of this process, both nodes and the measurement, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

async fn frame(node: &mut Node) {
    assert!(matches!(node.told().await, Told::Frame(..)));
}

/// One frame at a time, there and back.
async fn ping_pong(nodes: &mut [Node], count: u32) {
    let frame_bytes = Bytes::from(vec![1; FRAME_BYTES]);
    let [one, two] = nodes else { panic!("two nodes") };
    let mut times = Vec::new();
    let cpu = cpu_time();
    for _ in 0..count {
        let start = Instant::now();
        one.network.send(peer(1), frame_bytes.clone());
        frame(two).await;
        two.network.send(peer(0), frame_bytes.clone());
        frame(one).await;
        times.push(start.elapsed());
    }
    let per_frame = (cpu_time() - cpu).as_micros() as f64 / f64::from(2 * count);
    times.sort();
    let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100]);
    println!(
        "  one at a time: {per_frame:.1} µs CPU per frame; round trip p50 {p50:?} p99 {p99:?}"
    );
}

/// Ten frames every ten milliseconds each way, as a validator in a busy network sends.
async fn paced(nodes: &mut [Node], rounds: u32) {
    let frame_bytes = Bytes::from(vec![1; FRAME_BYTES]);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let cpu = cpu_time();
    for _ in 0..rounds {
        tick.tick().await;
        for _ in 0..10 {
            nodes[0].network.send(peer(1), frame_bytes.clone());
            nodes[1].network.send(peer(0), frame_bytes.clone());
        }
        for node in &mut *nodes {
            for _ in 0..10 {
                frame(node).await;
            }
        }
    }
    let per_frame = (cpu_time() - cpu).as_micros() as f64 / f64::from(20 * rounds);
    println!("  1000/s each way in tens: {per_frame:.1} µs CPU per frame");
}

/// As many as fit.
async fn bulk(nodes: &mut [Node], rounds: u32) {
    let frame_bytes = Bytes::from(vec![1; FRAME_BYTES]);
    let (cpu, start) = (cpu_time(), Instant::now());
    for _ in 0..rounds {
        for _ in 0..10_000 {
            nodes[0].network.send(peer(1), frame_bytes.clone());
        }
        for _ in 0..10_000 {
            frame(&mut nodes[1]).await;
        }
    }
    let count = f64::from(10_000 * rounds);
    let per_frame = (cpu_time() - cpu).as_micros() as f64 / count;
    let rate = count / start.elapsed().as_secs_f64();
    println!("  ten thousand at once: {per_frame:.2} µs CPU per frame, {rate:.0} frames/s");
}

/// Every ten milliseconds each of eight nodes sends one frame to all others: nothing can be coalesced.
async fn eight(listen: &str, rounds: u32) {
    let mut nodes = connected(8, listen).await;
    let frame_bytes = Bytes::from(vec![1; FRAME_BYTES]);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let cpu = cpu_time();
    for _ in 0..rounds {
        tick.tick().await;
        for node in &nodes {
            for other in (0..8).filter(|&other| other != node.number) {
                node.network.send(peer(other), frame_bytes.clone());
            }
        }
        for node in &mut nodes {
            for _ in 0..7 {
                frame(node).await;
            }
        }
    }
    let per_frame = (cpu_time() - cpu).as_micros() as f64 / f64::from(56 * rounds);
    println!("  eight nodes, 100/s each to all: {per_frame:.1} µs CPU per frame");
    for node in nodes {
        node.stop().await;
    }
}

async fn idle(seconds: u64) {
    let cpu = cpu_time();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let per_second = (cpu_time() - cpu).as_micros() as f64 / seconds as f64;
    println!("  idle: {per_second:.0} µs CPU per second, both nodes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn cost_of_small_frames() {
    for (name, listen) in [("QUIC", QUIC), ("TCP", TCP)] {
        let mut nodes = connected(2, listen).await;
        println!("{name}: two nodes in one process, frames of {FRAME_BYTES} bytes");
        ping_pong(&mut nodes, 5_000).await;
        paced(&mut nodes, 500).await;
        bulk(&mut nodes, 20).await;
        idle(5).await;
        for node in nodes {
            node.stop().await;
        }
        eight(listen, 300).await;
    }
}
