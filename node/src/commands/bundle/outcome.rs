//! What became of a bundle, for people and for exit codes.

use super::language;
use crate::Outcome;
use crate::show::{BAD, FAINT, GOOD, WARN, line, styled};
use hpaxos_ledger::{Atomicity, Breaks, BundleId, ChainReceipt, Receipt, Status};
use hpaxos_node::client::{Client, ClientError};
use std::time::{Duration, Instant};

/// A request waits no longer than this, so that a chain's outcome is shown before the others' are there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until all chains have an outcome, at most so long; `each` sees every receipt on the way. The last one, or none if
/// the node does not know the bundle.
pub fn wait(
    client: &Client,
    id: &BundleId,
    patience: Duration,
    mut each: impl FnMut(&Receipt) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Receipt>> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let receipt = match client.receipt(id, left.min(LOOK_EVERY)) {
            // Too many wait already: it is asked again, a little later.
            Err(ClientError::Refused(refused)) if refused.status == 429 && !left.is_zero() => {
                std::thread::sleep(left.min(LOOK_EVERY));
                continue;
            }
            receipt => receipt?,
        };
        let Some(receipt) = receipt else { return Ok(None) };
        each(&receipt)?;
        if all_are_there(&receipt) || left.is_zero() {
            return Ok(Some(receipt));
        }
    }
}

fn all_are_there(receipt: &Receipt) -> bool {
    receipt.chains.values().all(|chain| chain.status != Status::Pending)
}

/// Committed everywhere is yes; not committed somewhere is no.
pub fn settled(receipt: &Receipt) -> Outcome {
    let is = |status| move |chain: &ChainReceipt| chain.status == status;
    if receipt.chains.values().all(is(Status::Committed)) {
        Outcome::Yes
    } else if receipt
        .chains
        .values()
        .all(|chain| matches!(chain.status, Status::Committed | Status::Pending))
    {
        Outcome::Open
    } else {
        Outcome::No
    }
}

/// What became of it on one chain.
pub fn say(name: &str, chain: &ChainReceipt) -> String {
    let status = match chain.status {
        Status::Pending => styled(WARN, "pending"),
        Status::Committed => styled(GOOD, "committed"),
        Status::Aborted => styled(BAD, "aborted"),
        Status::Expired => styled(BAD, "expired"),
        Status::Duplicate => styled(BAD, "duplicate"),
    };
    let mut said = format!("{name}: {status}");
    if let Some(slot) = chain.slot {
        said += &format!(" in slot {slot}");
    }
    for it in chain.released.iter().filter(|it| it.chain == name) {
        said += &format!("; {} goes to {}", language::thing(&it.thing), it.to_log.escape_debug());
    }
    if let Some(abort) = &chain.abort {
        let reason = serde_json::to_value(abort.reason).unwrap_or_default();
        let reason = reason.as_str().unwrap_or_default().to_owned();
        said += &format!(": operation {} of {} failed, {reason}", abort.operation + 1, abort.chain);
    }
    said
}

/// What it means that the chains decide together.
pub fn print_atomicity(pairs: &[Atomicity]) {
    for Atomicity { between: [one, other], disagree_if } in pairs {
        let why = match disagree_if {
            None => "whatever anybody does".to_owned(),
            Some(Breaks::Set { size: 0, .. }) => {
                "as long as nothing happens: the two chains may disagree anyway".to_owned()
            }
            Some(Breaks::Set { size, acceptors }) => {
                let are = if *size == 1 { "is" } else { "are" };
                format!("unless {size} {are} Byzantine, for instance {}", acceptors.join(", "))
            }
            Some(Breaks::Unsettled { at_least, at_most }) => {
                format!("unless some are Byzantine: {at_least} to {at_most}, not settled how many")
            }
        };
        line(styled(FAINT, format_args!("atomic on {one} and {other} {why}")));
    }
}
