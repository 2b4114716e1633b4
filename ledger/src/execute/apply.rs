//! What each operation does, and when it fails.

use super::scratch::Scratch;
use crate::bundle::{AtLeast, Body, Condition, Operation};
use crate::results::{Abort, Reason};
use crate::rules::LogRules;
use crate::state::{ObjectState, ReadState, StateKey};

/// Runs all operations of a bundle, in order.
///
/// # Errors
/// The first one that fails; what was written before it is for the caller to discard.
pub(super) fn apply<S: ReadState>(
    scratch: &mut Scratch<'_, S>,
    rules: &LogRules,
    body: &Body,
) -> Result<(), Abort> {
    for part in &body.parts {
        let mut on = On { scratch, rules, chain: &part.chain, signers: &body.signers };
        for (operation, number) in part.operations.iter().zip(0..) {
            on.run(operation).map_err(|reason| Abort {
                chain: part.chain.clone(),
                operation: number,
                reason,
            })?;
        }
    }
    Ok(())
}

/// One chain's part of the log, and who has signed.
struct On<'a, 's, S> {
    scratch: &'a mut Scratch<'s, S>,
    rules: &'a LogRules,
    chain: &'a str,
    signers: &'a [[u8; 32]],
}

impl<S: ReadState> On<'_, '_, S> {
    fn run(&mut self, operation: &Operation) -> Result<(), Reason> {
        match operation {
            Operation::Create { key, value, owner } => self.create(key, value, *owner),
            Operation::Update { key, value, if_version } => {
                let mut object = self.owned(key, *if_version)?;
                object.value.clone_from(value);
                self.write(key, object);
                Ok(())
            }
            Operation::Transfer { key, to, if_version } => {
                let mut object = self.owned(key, *if_version)?;
                object.owner = *to;
                self.write(key, object);
                Ok(())
            }
            Operation::Delete { key, if_version } => self.delete(key, *if_version),
            Operation::Require(condition) => {
                if self.holds(condition) {
                    Ok(())
                } else {
                    Err(Reason::Condition)
                }
            }
            Operation::Pay { asset, from, to, amount } => {
                if !self.has_signed(from) {
                    return Err(Reason::NotOwner);
                }
                self.take(asset, *from, *amount)?;
                self.give(asset, *to, *amount)
            }
            Operation::Release(_) | Operation::Claim { .. } => {
                unreachable!("no valid block contains a release or a claim")
            }
        }
    }

    fn create(&mut self, key: &str, value: &[u8], owner: [u8; 32]) -> Result<(), Reason> {
        if self.object(key).is_some() {
            return Err(Reason::Exists);
        }
        let mut held = 0;
        if let Some(deposit) = &self.rules.create_deposit {
            self.take(&deposit.asset, owner, deposit.amount)?;
            held = deposit.amount;
        }
        let object = ObjectState { value: value.to_vec(), owner, version: 1, deposit: held };
        self.scratch.put(&self.object_key(key), &object);
        Ok(())
    }

    fn delete(&mut self, key: &str, if_version: Option<u64>) -> Result<(), Reason> {
        let object = self.owned(key, if_version)?;
        if let Some(deposit) = self.rules.create_deposit.as_ref().filter(|_| object.deposit > 0) {
            self.give(&deposit.asset, object.owner, object.deposit)?;
        }
        self.scratch.delete(&self.object_key(key));
        Ok(())
    }

    fn holds(&mut self, condition: &Condition) -> bool {
        match condition {
            Condition::Object { key, version, owner, absent } => match self.object(key) {
                None => version.is_none() && owner.is_none() && *absent != Some(false),
                Some(object) => {
                    *absent != Some(true)
                        && version.is_none_or(|version| version == object.version)
                        && owner.is_none_or(|owner| owner == object.owner)
                }
            },
            Condition::Balance { balance: AtLeast { asset, owner, at_least } } => {
                self.balance(asset, *owner) >= *at_least
            }
        }
    }

    /// An object that may be written: it is there, its owner has signed, and it is at the right version.
    fn owned(&mut self, key: &str, if_version: Option<u64>) -> Result<ObjectState, Reason> {
        let object = self.object(key).ok_or(Reason::Absent)?;
        if !self.has_signed(&object.owner) {
            return Err(Reason::NotOwner);
        }
        if if_version.is_some_and(|version| version != object.version) {
            return Err(Reason::Version);
        }
        Ok(object)
    }

    fn write(&mut self, key: &str, mut object: ObjectState) {
        object.version = object.version.checked_add(1).expect("nobody writes 2^64 times");
        self.scratch.put(&self.object_key(key), &object);
    }

    fn take(&mut self, asset: &str, owner: [u8; 32], amount: u128) -> Result<(), Reason> {
        let left = self.balance(asset, owner).checked_sub(amount).ok_or(Reason::Balance)?;
        self.set_balance(asset, owner, left);
        Ok(())
    }

    fn give(&mut self, asset: &str, owner: [u8; 32], amount: u128) -> Result<(), Reason> {
        let sum = self.balance(asset, owner).checked_add(amount).ok_or(Reason::Overflow)?;
        self.set_balance(asset, owner, sum);
        Ok(())
    }

    fn balance(&mut self, asset: &str, owner: [u8; 32]) -> u128 {
        self.scratch.get(&self.balance_key(asset, owner)).unwrap_or(0)
    }

    /// What is zero is not there.
    fn set_balance(&mut self, asset: &str, owner: [u8; 32], amount: u128) {
        let key = self.balance_key(asset, owner);
        if amount == 0 { self.scratch.delete(&key) } else { self.scratch.put(&key, &amount) }
    }

    fn object(&mut self, key: &str) -> Option<ObjectState> {
        self.scratch.get(&self.object_key(key))
    }

    fn object_key(&self, key: &str) -> StateKey {
        StateKey::Object { chain: self.chain.to_owned(), key: key.to_owned() }
    }

    fn balance_key(&self, asset: &str, owner: [u8; 32]) -> StateKey {
        StateKey::Balance { chain: self.chain.to_owned(), owner, asset: asset.to_owned() }
    }

    fn has_signed(&self, owner: &[u8; 32]) -> bool {
        self.signers.binary_search(owner).is_ok()
    }
}
