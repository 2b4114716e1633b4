//! What is said of a peer.

use serde::Serialize;
use std::io::Write;

/// What a peer is, and what its figures stand for.
#[derive(Clone, Copy, Serialize)]
pub struct Peer {
    /// As the table names it; its program is `peer-NAME`.
    #[serde(rename = "peer")]
    pub name: &'static str,
    /// The crate and its version.
    pub version: &'static str,
    /// Network, disk and signatures, as far as they are in the figures.
    pub includes: &'static str,
    /// What our validators do and these replicas do not.
    pub excludes: &'static str,
}

/// The line that a run prints.
#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub peer: Peer,
    pub replicas: usize,
    pub seconds: f64,
    /// Of the replica that decided most, as our own figures have it.
    pub decisions: u64,
    /// Of the one that decided least.
    pub decisions_least: u64,
    pub decisions_per_second: f64,
    /// All replicas together, user and system.
    pub cpu_ms_per_decision: f64,
    /// All replicas together; what went to the disk, pages and journals included.
    pub write_bytes_per_decision: f64,
    /// From a proposal to the proposer's decision; null where nothing was measured.
    pub decision_ms_p50: Option<f64>,
    pub decision_ms_p99: Option<f64>,
    /// Of the largest replica, at the end.
    pub rss_mb: f64,
}

/// One line of JSON on standard output, which nothing else is written to.
pub fn say(line: &impl Serialize) {
    let text = serde_json::to_string(line).expect("plain fields");
    // Whoever does not read any more ends this process by other means.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line on standard error.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
