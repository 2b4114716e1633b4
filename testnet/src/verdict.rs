//! What is said of a network at the end: the properties of [`hpaxos_spec::verdict`] over all nodes' traces, and that nobody
//! stopped by itself or lost a bundle.

use crate::fleet::Fleet;
use crate::load::Counts;
use anyhow::{Context, Result};
use hpaxos_spec::verdict::{Judged, Verdict};
use std::fs::File;
use std::io::BufReader;

/// Judges a network whose nodes have stopped. What had failed by itself is in `failed`; `whole` says whether everybody was up, and
/// nobody a traitor, when the load ended: where a chain halts, what is open there stays open.
///
/// # Errors
/// If a trace cannot be read.
pub fn judge(
    fleet: &Fleet,
    failed: &[String],
    whole: bool,
    counts: &Counts,
) -> Result<Vec<Judged>> {
    let mut verdict = Verdict::new(&fleet.prepared.graph, fleet.byzantine());
    for node in fleet.nodes.iter().filter(|node| !node.is_byzantine) {
        let path = fleet.prepared.folder.trace_path(&node.name);
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        verdict.read(BufReader::new(file)).with_context(|| path.display().to_string())?;
    }
    let mut judged = verdict.judged();
    judged.push(Judged {
        name: "processes".into(),
        holds: failed.is_empty(),
        detail: match failed {
            [] => format!("{} nodes stopped only when told to", fleet.nodes.len()),
            _ => failed.join("; "),
        },
    });
    let graph = &fleet.prepared.graph;
    let all_entangled = graph.every_log().iter().all(|log| {
        let connections = log.connections(&fleet.byzantine());
        log.learners().iter().all(|learner| connections.connected(learner) == log.learners())
    });
    judged.push(Judged {
        name: "atomic".into(),
        holds: counts.split.is_empty() || !all_entangled,
        detail: match counts.split.first() {
            Some(id) => format!("bundle {id} has different outcomes on its chains"),
            None => format!("{} bundles had one outcome on all chains", counts.settled()),
        },
    });
    let (open, settled) = (counts.open.len(), counts.settled());
    let such = counts.open.keys().next().map_or(String::new(), |id| format!(", such as {id}"));
    let again = match counts.forgotten {
        0 => String::new(),
        forgotten => format!("; {forgotten} had been forgotten, and were sent again"),
    };
    // What waits at a node that is killed is lost if it was not passed on yet.
    let may_forget = fleet.was_cut_short || !fleet.byzantine().is_empty();
    let is_wrong = counts.forgotten > 0 && !may_forget;
    judged.push(Judged {
        name: "accounted".into(),
        holds: (open == 0 || !whole) && !is_wrong,
        detail: format!(
            "of {} bundles that nodes took, {open} have no outcome{such}{again}",
            settled + open as u64
        ),
    });
    Ok(judged)
}
