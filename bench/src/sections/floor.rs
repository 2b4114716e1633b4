//! The floor: what a decision costs at least on this machine.

use crate::arithmetic::{Counts, decision_ms};
use crate::network::Sends;
use crate::primitives::{MESSAGE_BYTES, Primitives, TOGETHER};
use crate::section::{Section, Table, figure};
use crate::setting::{Place, Setting};
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeMap;

/// Measures.
///
/// # Errors
/// If the machine has no loopback, or no room.
pub fn run(setting: &Setting) -> Result<Section> {
    let effort = if setting.quick { 10 } else { 40 };
    let (disk, memory) = (setting.folder(Place::Disk)?, setting.folder(Place::Memory)?);
    let on_disk = Primitives::measure(disk.path(), effort)?;
    let in_memory = Primitives::measure(memory.path(), effort)?;
    Ok(Section {
        name: "floor",
        title: "The floor",
        text: format!(
            "What a node is made of, each measured by itself, in this run, with messages of {MESSAGE_BYTES} bytes; and the \
            least that a decision can cost, which is arithmetic: one proposal and a reply of each acceptor in each further \
            send are signed, and everybody else checks, hashes and reads them, each with a call of its own; each acceptor \
            syncs once in each send. Attestations of what was executed come on top, once for all learners that execute a slot \
            at one time. Not in it: executing, encoding, storing, encryption, threads. A node may do better where it reads \
            several messages with one call."
        ),
        tables: vec![primitives(&on_disk, &in_memory), floors(&on_disk)],
        plots: Vec::new(),
        ratios: BTreeMap::new(),
        figures: json!({ "disk_us": on_disk, "memory_us": in_memory }),
    })
}

fn primitives(disk: &Primitives, memory: &Primitives) -> Table {
    let mut table = Table::new("", ["what", "µs"]);
    let together = format!("check one of {TOGETHER} signatures, together, CPU");
    for (what, micros) in [
        ("sign, CPU", disk.sign),
        ("check a signature, CPU", disk.check),
        (&together, disk.check_together),
        ("SHA-256 of a message, CPU", disk.hash),
        ("one `write` and one `read` over loopback, CPU", disk.calls),
        ("loopback, there and back, p50", disk.round_trip),
        ("append and `fdatasync` on disk, p50", disk.sync),
        ("append and `fdatasync` on disk, p99", disk.sync_p99),
        ("append and `fdatasync` on disk, CPU", disk.sync_cpu),
        ("append and `fdatasync` in memory, p50", memory.sync),
    ] {
        table.row([&what, &figure(micros)]);
    }
    table
}

fn floors(cost: &Primitives) -> Table {
    let mut table = Table::new(
        "The least for a decision, over all nodes. CPU: without and with attestations.",
        [
            "n",
            "sends",
            "signatures",
            "checks",
            "messages",
            "syncs",
            "CPU ms",
            "with attestations",
            "of it checks",
            "proposal → decision ms",
        ],
    );
    for validators in [4, 7, 10] {
        for sends in [Sends::Three, Sends::Four] {
            let decision = Counts::of_decision(validators, sends);
            let whole = decision.and(Counts::of_attestations(validators));
            let checks = Counts { checks: whole.checks, ..Counts::default() };
            table.row([
                &validators,
                &sends.count(),
                &decision.signatures,
                &decision.checks,
                &decision.messages,
                &decision.syncs,
                &figure(decision.cpu_ms(cost)),
                &figure(whole.cpu_ms(cost)),
                &format!("{:.0} %", checks.cpu_ms(cost) / whole.cpu_ms(cost) * 100.0),
                &figure(decision_ms(sends, cost)),
            ]);
        }
    }
    table
}
