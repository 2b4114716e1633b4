//! Whether the objects of a bundle live in its log.

use crate::bundle::{Bundle, Condition, Operation, birth_log};
use crate::refusal::{Code, Refusal};
use crate::state::{ReadState, View};

/// Refuses a bundle that needs an object of another log, before it is proposed. Only a service to the client: a block with
/// such a bundle is valid, and execution aborts the bundle as it finds the object absent.
///
/// `state` are the rows of a view of the bundle's log. As long as nothing can be released, what is not here lives in the
/// log of its birth, if anywhere. Asking that an object be absent is no need of it.
pub fn wrong_home(state: &impl ReadState, bundle: &Bundle) -> Option<Refusal> {
    let view = View::latest(state)?;
    for (index, part) in bundle.body.parts.iter().enumerate() {
        for (number, operation) in part.operations.iter().enumerate() {
            let Some((key, birth)) = needed(operation).and_then(|key| Some((key, birth_log(key)?)))
            else {
                continue;
            };
            if birth != bundle.body.log && view.object(&part.chain, key).is_none() {
                let message = format!("lives in the log `{birth}`: only its bundles may use it");
                let place = format!("parts[{index}].operations[{number}].key");
                let refusal = Refusal::new(Code::WrongHome, message).at(place);
                return Some(Refusal { home: Some(birth.to_owned()), ..refusal });
            }
        }
    }
    None
}

/// The object that must be there for the operation to succeed.
fn needed(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Update { key, .. }
        | Operation::Transfer { key, .. }
        | Operation::Delete { key, .. } => Some(key),
        Operation::Require(Condition::Object { key, absent, .. }) if *absent != Some(true) => {
            Some(key)
        }
        _ => None,
    }
}
