//! What a node counts and measures, for Prometheus. Names and labels are a contract with dashboards and alerts.

mod kinds;
mod labels;
mod page;
mod process;

pub use labels::{Direction, Signed};
pub use page::serve;

use kinds::{
    BATCH_RECORDS, LATENCY_SECONDS, VERIFY_SECONDS, counters, gauge, gauges, histogram, histograms,
    shares,
};
use process::Process;
use prometheus::{
    GaugeVec, Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};
use std::time::Duration;

/// All that a node counts and measures. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    slot_decided: IntCounterVec,
    decision: HistogramVec,
    certificate: HistogramVec,
    bundle_commit: HistogramVec,
    round: IntGaugeVec,
    messages: IntCounterVec,
    bytes: IntCounterVec,
    network_messages: IntCounterVec,
    signatures_checked: IntCounterVec,
    signature_verify: Histogram,
    store_commit: Histogram,
    store_batch_records: Histogram,
    mempool_bundles: IntGaugeVec,
    inbox_waiting: IntGaugeVec,
    peers: IntGauge,
    caught: IntGaugeVec,
    view_lag_slots: IntGaugeVec,
    root_mismatch: IntGaugeVec,
    diverged: IntGaugeVec,
    slots_behind: IntGaugeVec,
    snapshot_done: GaugeVec,
    snapshot_pieces_refused: IntCounterVec,
    history_begins: IntGaugeVec,
    silent: IntGaugeVec,
    parked_bytes: IntGaugeVec,
    waits_for: IntGaugeVec,
    unknown_own_messages: IntCounterVec,
    process: Process,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let registry = Registry::new();
        let to = &registry;
        let (by_log, by_learner) = (&["log"][..], &["log", "learner"][..]);
        Metrics {
            slot_decided: counters(to, "hpaxos_slot_decided_total", "Slots decided.", by_learner),
            decision: histograms(
                to,
                "hpaxos_decision_seconds",
                "From a slot's proposal to a learner's decision.",
                by_learner,
            ),
            certificate: histograms(
                to,
                "hpaxos_certificate_seconds",
                "From a slot's proposal to a certificate of what a learner executed.",
                by_learner,
            ),
            bundle_commit: histograms(
                to,
                "hpaxos_bundle_commit_seconds",
                "From a bundle's submission to its commit at this node.",
                by_log,
            ),
            round: gauges(to, "hpaxos_round", "Round of the first undecided slot.", by_log),
            messages: counters(
                to,
                "hpaxos_messages_total",
                "Protocol messages.",
                &["kind", "direction"],
            ),
            bytes: counters(
                to,
                "hpaxos_bytes_total",
                "Bytes on the network.",
                &["protocol", "direction"],
            ),
            network_messages: counters(
                to,
                "hpaxos_network_messages_total",
                "Messages on the network, one for each peer: frames of consensus, bundles, questions and answers.",
                &["protocol", "direction"],
            ),
            signatures_checked: counters(
                to,
                "hpaxos_signatures_checked_total",
                "Signatures checked, and right.",
                &["of"],
            ),
            signature_verify: histogram(
                to,
                "hpaxos_signature_verify_seconds",
                "Checking one signature.",
                &VERIFY_SECONDS,
            ),
            store_commit: histogram(
                to,
                "hpaxos_store_commit_seconds",
                "Writing one batch of records down to the disk.",
                &LATENCY_SECONDS,
            ),
            store_batch_records: histogram(
                to,
                "hpaxos_store_batch_records",
                "Records per batch.",
                &BATCH_RECORDS,
            ),
            mempool_bundles: gauges(
                to,
                "hpaxos_mempool_bundles",
                "Bundles that wait to be proposed.",
                by_log,
            ),
            inbox_waiting: gauges(
                to,
                "hpaxos_inbox_waiting",
                "Messages that wait for others that they refer to.",
                by_log,
            ),
            peers: gauge(to, "hpaxos_peers", "Peers connected."),
            caught: gauges(
                to,
                "hpaxos_caught",
                "1 if the acceptor was caught signing things that conflict.",
                &["acceptor"],
            ),
            view_lag_slots: gauges(
                to,
                "hpaxos_view_lag_slots",
                "Slots of the log that a learner's view has not executed yet.",
                by_learner,
            ),
            slots_behind: gauges(
                to,
                "hpaxos_slots_behind",
                "Slots that are certified and not executed here.",
                by_log,
            ),
            snapshot_done: shares(
                to,
                "hpaxos_snapshot_done",
                "How much of the snapshot that this node fetches is there, from 0 to 1.",
                by_log,
            ),
            snapshot_pieces_refused: counters(
                to,
                "hpaxos_snapshot_pieces_refused_total",
                "Pieces of snapshots that came and were not what is certified.",
                by_log,
            ),
            history_begins: gauges(
                to,
                "hpaxos_history_begins_slot",
                "The first slot of which this node knows what was executed.",
                by_log,
            ),
            root_mismatch: gauges(
                to,
                "hpaxos_root_mismatch",
                "1 if a quorum of the learner attests another outcome than this node's: the view has stopped.",
                by_learner,
            ),
            diverged: gauges(
                to,
                "hpaxos_diverged",
                "1 if the learner decided another block than the others of its log, or its quorum attests so.",
                by_learner,
            ),
            unknown_own_messages: counters(
                to,
                "hpaxos_unknown_own_messages_total",
                "Messages that this node's key signed, and its store does not know.",
                by_log,
            ),
            silent: gauges(
                to,
                "hpaxos_silent",
                "1 while this node signs nothing that is new, because its store was lost.",
                by_log,
            ),
            parked_bytes: gauges(
                to,
                "hpaxos_parked_bytes",
                "Bytes on disk of slots that some learner has not decided for good.",
                by_log,
            ),
            waits_for: gauges(
                to,
                "hpaxos_waits_for",
                "1 while the log opens no new slot, since too much waits on disk for the learner to decide.",
                by_learner,
            ),
            process: Process::new(to),
            registry,
        }
    }

    /// A learner decided a slot, so long after the proposal arrived or was made.
    pub fn decided(&self, log: &str, learner: &str, after: Duration) {
        self.slot_decided.with_label_values(&[log, learner]).inc();
        self.decision.with_label_values(&[log, learner]).observe(after.as_secs_f64());
    }

    /// A slot was decided whose proposal was not timed, as after a restart.
    pub fn decided_untimed(&self, log: &str, learner: &str) {
        self.slot_decided.with_label_values(&[log, learner]).inc();
    }

    /// A slot is certified for a learner, so long after the proposal arrived or was made.
    pub fn certified(&self, log: &str, learner: &str, after: Duration) {
        self.certificate.with_label_values(&[log, learner]).observe(after.as_secs_f64());
    }

    /// A bundle that was submitted here was committed.
    pub fn bundle_committed(&self, log: &str, after: Duration) {
        self.bundle_commit.with_label_values(&[log]).observe(after.as_secs_f64());
    }

    /// The round of the first undecided slot.
    pub fn set_round(&self, log: &str, round: u64) {
        self.round.with_label_values(&[log]).set(whole(round));
    }

    /// A protocol message came or went; `kind` as in "1a".
    pub fn message(&self, kind: &str, direction: Direction) {
        self.messages.with_label_values(&[kind, direction.label()]).inc();
    }

    /// So many messages of so many bytes came or went; `protocol` as in "consensus".
    pub fn traffic(&self, protocol: &str, direction: Direction, messages: u64, bytes: u64) {
        let labels = [protocol, direction.label()];
        self.network_messages.with_label_values(&labels).inc_by(messages);
        self.bytes.with_label_values(&labels).inc_by(bytes);
    }

    /// A signature was checked, and took so long.
    pub fn signature_verified(&self, of: Signed, took: Duration) {
        self.signatures_checked(of, 1);
        self.signature_verify.observe(took.as_secs_f64());
    }

    /// Signatures were checked.
    pub fn signatures_checked(&self, of: Signed, count: usize) {
        self.signatures_checked.with_label_values(&[of.label()]).inc_by(count as u64);
    }

    /// A batch of records was written down to the disk.
    pub fn store_committed(&self, records: usize, took: Duration) {
        self.store_commit.observe(took.as_secs_f64());
        self.store_batch_records.observe(records as f64);
    }

    /// Bundles that wait to be proposed.
    pub fn set_mempool_bundles(&self, log: &str, bundles: usize) {
        self.mempool_bundles.with_label_values(&[log]).set(whole(bundles as u64));
    }

    /// Messages that wait for their references.
    pub fn set_inbox_waiting(&self, log: &str, messages: usize) {
        self.inbox_waiting.with_label_values(&[log]).set(whole(messages as u64));
    }

    /// Peers that are connected.
    pub fn set_peers(&self, peers: usize) {
        self.peers.set(whole(peers as u64));
    }

    /// An acceptor was caught; there is no way back.
    pub fn caught(&self, acceptor: &str) {
        self.caught.with_label_values(&[acceptor]).set(1);
    }

    /// Whether nothing new is signed, because the store was lost.
    pub fn set_silent(&self, log: &str, silent: bool) {
        self.silent.with_label_values(&[log]).set(silent.into());
    }

    /// What of parked slots is on disk.
    pub fn set_parked_bytes(&self, log: &str, bytes: u64) {
        self.parked_bytes.with_label_values(&[log]).set(whole(bytes));
    }

    /// Whether a log opens no new slot because a learner has not decided too many.
    pub fn set_waits_for(&self, log: &str, learner: &str, waits: bool) {
        self.waits_for.with_label_values(&[log, learner]).set(waits.into());
    }

    /// This node's key signed something that its store does not know: somebody else uses the key, or the store is an old one.
    pub fn unknown_own_message(&self, log: &str) {
        self.unknown_own_messages.with_label_values(&[log]).inc();
    }

    /// Slots that a learner's view is behind its log.
    pub fn set_view_lag(&self, log: &str, learner: &str, slots: u64) {
        self.view_lag_slots.with_label_values(&[log, learner]).set(whole(slots));
    }

    /// A learner's view stopped: its quorum attests another outcome.
    pub fn root_mismatch(&self, log: &str, learner: &str) {
        self.root_mismatch.with_label_values(&[log, learner]).set(1);
    }

    /// A learner decided another block than the others of its log, or its quorum attests so.
    pub fn diverged(&self, log: &str, learner: &str) {
        self.diverged.with_label_values(&[log, learner]).set(1);
    }

    /// Slots of a log that are certified and not executed here.
    pub fn set_slots_behind(&self, log: &str, slots: u64) {
        self.slots_behind.with_label_values(&[log]).set(whole(slots));
    }

    /// How much of a snapshot is there, from 0 to 1.
    pub fn set_snapshot_done(&self, log: &str, done: f64) {
        self.snapshot_done.with_label_values(&[log]).set(done);
    }

    /// A piece of a snapshot was not what is certified.
    pub fn snapshot_piece_refused(&self, log: &str) {
        self.snapshot_pieces_refused.with_label_values(&[log]).inc();
    }

    /// The first slot of which this node knows what was executed.
    pub fn set_history_begins(&self, log: &str, slot: u64) {
        self.history_begins.with_label_values(&[log]).set(whole(slot));
    }

    /// All of it, as Prometheus reads it.
    ///
    /// # Errors
    /// If the encoder fails, which it does for metrics without a name only.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        self.process.update();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Prometheus has signed numbers only.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::net::TcpStream;

    fn all_used() -> Metrics {
        let metrics = Metrics::new();
        metrics.decided("red+blue", "red", Duration::from_millis(3));
        metrics.decided_untimed("red+blue", "red");
        metrics.bundle_committed("red", Duration::from_micros(80));
        metrics.set_round("red", 2);
        metrics.message("1a", Direction::In);
        metrics.traffic("consensus", Direction::Out, 3, 42);
        metrics.signature_verified(Signed::Message, Duration::from_micros(50));
        metrics.signatures_checked(Signed::Bundle, 2);
        metrics.store_committed(7, Duration::from_millis(1));
        metrics.set_mempool_bundles("red", 1);
        metrics.set_inbox_waiting("red", 0);
        metrics.set_peers(7);
        metrics.caught("mallory");
        metrics.set_view_lag("red+blue", "red", 3);
        metrics.set_silent("red", true);
        metrics.set_parked_bytes("red", 4096);
        metrics.set_waits_for("red+blue", "red", true);
        metrics.unknown_own_message("red");
        metrics.certified("red+blue", "red", Duration::from_millis(7));
        metrics.root_mismatch("red+blue", "red");
        metrics.diverged("red+blue", "blue");
        metrics.set_slots_behind("red", 9);
        metrics.set_snapshot_done("red", 0.5);
        metrics.snapshot_piece_refused("red");
        metrics.set_history_begins("red", 64);
        metrics
    }

    #[test]
    fn names_and_labels_are_as_promised() {
        let text = all_used().text().unwrap();
        for line in [
            "hpaxos_slot_decided_total{learner=\"red\",log=\"red+blue\"} 2",
            "hpaxos_decision_seconds_bucket{learner=\"red\",log=\"red+blue\",le=\"0.0025\"} 0",
            "hpaxos_decision_seconds_bucket{learner=\"red\",log=\"red+blue\",le=\"0.005\"} 1",
            "hpaxos_decision_seconds_bucket{learner=\"red\",log=\"red+blue\",le=\"30\"} 1",
            "hpaxos_bundle_commit_seconds_bucket{log=\"red\",le=\"0.0001\"} 1",
            "hpaxos_round{log=\"red\"} 2",
            "hpaxos_messages_total{direction=\"in\",kind=\"1a\"} 1",
            "hpaxos_bytes_total{direction=\"out\",protocol=\"consensus\"} 42",
            "hpaxos_network_messages_total{direction=\"out\",protocol=\"consensus\"} 3",
            "hpaxos_signatures_checked_total{of=\"message\"} 1",
            "hpaxos_signatures_checked_total{of=\"bundle\"} 2",
            "hpaxos_signature_verify_seconds_bucket{le=\"0.00005\"} 1",
            "hpaxos_store_commit_seconds_count 1",
            "hpaxos_store_batch_records_sum 7",
            "hpaxos_mempool_bundles{log=\"red\"} 1",
            "hpaxos_inbox_waiting{log=\"red\"} 0",
            "hpaxos_peers 7",
            "hpaxos_caught{acceptor=\"mallory\"} 1",
            "hpaxos_view_lag_slots{learner=\"red\",log=\"red+blue\"} 3",
            "hpaxos_silent{log=\"red\"} 1",
            "hpaxos_parked_bytes{log=\"red\"} 4096",
            "hpaxos_waits_for{learner=\"red\",log=\"red+blue\"} 1",
            "hpaxos_unknown_own_messages_total{log=\"red\"} 1",
            "hpaxos_certificate_seconds_bucket{learner=\"red\",log=\"red+blue\",le=\"0.005\"} 0",
            "hpaxos_certificate_seconds_bucket{learner=\"red\",log=\"red+blue\",le=\"0.01\"} 1",
            "hpaxos_root_mismatch{learner=\"red\",log=\"red+blue\"} 1",
            "hpaxos_diverged{learner=\"blue\",log=\"red+blue\"} 1",
            "hpaxos_slots_behind{log=\"red\"} 9",
            "hpaxos_snapshot_done{log=\"red\"} 0.5",
            "hpaxos_snapshot_pieces_refused_total{log=\"red\"} 1",
            "hpaxos_history_begins_slot{log=\"red\"} 64",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn answers_at_its_own_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, all_used()));
        let get = async |path: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = get("/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"));
        assert!(answer.contains("hpaxos_peers 7"), "{answer}");
        assert!(get("/").await.starts_with("HTTP/1.1 404"));
        server.abort();
    }
}
