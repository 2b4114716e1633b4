//! Whether the objects of a bundle live in its log.

use crate::bundle::{Bundle, Condition, Operation, Release, birth_log};
use crate::moving::{Claim, Thing};
use crate::refusal::{Code, Refusal};
use crate::state::{ReadState, View};
use std::collections::BTreeSet;

/// Refuses a bundle that needs an object of another log, before it is proposed. Only a service to the client: a block with
/// such a bundle is valid, and execution aborts the bundle as it finds the object absent.
///
/// `state` are the rows of a view of the bundle's log. What left this log is said to be where it went, and what was never
/// here in the log of its birth, if anywhere: it may have gone on from there. Asking that an object be absent is no need of
/// it.
pub fn wrong_home(state: &impl ReadState, bundle: &Bundle) -> Option<Refusal> {
    let view = View::latest(state)?;
    for (index, part) in bundle.body.parts.iter().enumerate() {
        let mut claimed = BTreeSet::new();
        for (number, operation) in part.operations.iter().enumerate() {
            claimed.extend(claims(operation));
            let Some(key) = needed(operation) else { continue };
            if claimed.contains(key) || view.object(&part.chain, key).is_some() {
                continue;
            }
            let born = || birth_log(key).map(str::to_owned);
            let home = view.gone_to(&part.chain, key).or_else(born);
            if let Some(home) = home.filter(|home| *home != bundle.body.log) {
                let message = format!("lives in the log `{home}`: only its bundles may use it");
                let place = format!("parts[{index}].operations[{number}].key");
                let refusal = Refusal::new(Code::WrongHome, message).at(place);
                return Some(Refusal { home: Some(home), ..refusal });
            }
        }
    }
    None
}

/// The object that the operation brings here.
fn claims(operation: &Operation) -> Option<String> {
    let Operation::Claim { release, proof } = operation else { return None };
    match Claim::read(release, proof).ok()?.released.thing {
        Thing::Object { key, .. } => Some(key),
        Thing::Balance { .. } => None,
    }
}

/// The object that must be there for the operation to succeed.
fn needed(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Update { key, .. }
        | Operation::Transfer { key, .. }
        | Operation::Delete { key, .. }
        | Operation::Release(Release::Object { key, .. }) => Some(key),
        Operation::Require(Condition::Object { key, absent, .. }) if *absent != Some(true) => {
            Some(key)
        }
        _ => None,
    }
}
