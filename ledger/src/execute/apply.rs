//! What each operation does, and when it fails.

use super::scratch::Scratch;
use crate::bundle::{AtLeast, Body, Condition, Operation, Release};
use crate::moving::{Claim, Released, Thing};
use crate::results::{Abort, Reason};
use crate::rules::LogRules;
use crate::state::{ObjectState, ReadState, StateKey};

/// Runs all operations of a bundle in `slot`, in order. What they let go to other logs, in this order.
///
/// # Errors
/// The first one that fails; what was written before it is for the caller to discard.
pub(super) fn apply<S: ReadState>(
    scratch: &mut Scratch<'_, S>,
    rules: &LogRules,
    slot: u64,
    body: &Body,
) -> Result<Vec<Released>, Abort> {
    let mut released = Vec::new();
    for part in &body.parts {
        let (chain, signers) = (part.chain.as_str(), body.signers.as_slice());
        let mut on = On { scratch, rules, slot, chain, signers };
        for (operation, number) in part.operations.iter().zip(0..) {
            let let_go = on.run(operation).map_err(|reason| Abort {
                chain: chain.to_owned(),
                operation: number,
                reason,
            })?;
            released.extend(let_go.map(|LetGo { thing, to_log }| Released {
                chain: chain.to_owned(),
                operation: number,
                to_log,
                thing,
            }));
        }
    }
    Ok(released)
}

/// What an operation let go.
struct LetGo {
    thing: Thing,
    to_log: String,
}

/// One chain's part of the log, and who has signed.
struct On<'a, 's, S> {
    scratch: &'a mut Scratch<'s, S>,
    rules: &'a LogRules,
    slot: u64,
    chain: &'a str,
    signers: &'a [[u8; 32]],
}

impl<S: ReadState> On<'_, '_, S> {
    fn run(&mut self, operation: &Operation) -> Result<Option<LetGo>, Reason> {
        match operation {
            Operation::Create { key, value, owner } => self.create(key, value, *owner)?,
            Operation::Update { key, value, if_version } => {
                let mut object = self.owned(key, *if_version)?;
                object.value.clone_from(value);
                self.write(key, object);
            }
            Operation::Transfer { key, to, if_version } => {
                let mut object = self.owned(key, *if_version)?;
                object.owner = *to;
                self.write(key, object);
            }
            Operation::Delete { key, if_version } => self.delete(key, *if_version)?,
            Operation::Require(condition) => {
                if !self.holds(condition) {
                    return Err(Reason::Condition);
                }
            }
            Operation::Pay { asset, from, to, amount } => {
                if !self.has_signed(from) {
                    return Err(Reason::NotOwner);
                }
                self.take(asset, *from, *amount)?;
                self.give(asset, *to, *amount)?;
            }
            Operation::Release(release) => return self.release(release).map(Some),
            Operation::Claim { release, proof } => self.claim(release, proof)?,
        }
        Ok(None)
    }

    fn release(&mut self, release: &Release) -> Result<LetGo, Reason> {
        match release {
            Release::Object { key, to_log } => {
                let object = self.owned(key, None)?;
                self.goes_to(to_log)?;
                self.scratch.delete(&self.object_key(key));
                self.scratch.put(&self.gone_key(key), to_log);
                let ObjectState { value, owner, version, deposit } = object;
                let thing = Thing::Object { key: key.clone(), value, owner, version, deposit };
                Ok(LetGo { thing, to_log: to_log.clone() })
            }
            Release::Balance { asset, from, amount, to_log } => {
                if !self.has_signed(from) {
                    return Err(Reason::NotOwner);
                }
                self.take(asset, *from, *amount)?;
                self.goes_to(to_log)?;
                let (asset, owner, amount) = (asset.clone(), *from, *amount);
                Ok(LetGo { thing: Thing::Balance { asset, owner, amount }, to_log: to_log.clone() })
            }
        }
    }

    /// Whether the chain has another log of this name.
    fn goes_to(&self, log: &str) -> Result<(), Reason> {
        let others = self.rules.other_logs.get(self.chain);
        others.filter(|others| others.contains(log)).map(|_| ()).ok_or(Reason::BadLog)
    }

    /// Takes in what another log let go. What was claimed already is said to be so before its proof, which costs most, is
    /// looked at.
    fn claim(&mut self, release: &[u8], proof: &[u8]) -> Result<(), Reason> {
        let claim = Claim::read(release, proof).map_err(|_| Reason::BadProof)?;
        let (released, proof) = (&claim.released, &claim.proof);
        if released.chain != self.chain || released.to_log != self.rules.log {
            return Err(Reason::BadProof);
        }
        let claimed = StateKey::Claimed {
            chain: self.chain.to_owned(),
            from_log: proof.certificate.log.clone(),
            bundle: proof.bundle,
            operation: released.operation,
        };
        if self.scratch.get::<u64>(&claimed).is_some() {
            return Err(Reason::Claimed);
        }
        let (network, graph) = (self.rules.network, &self.rules.graph);
        claim.verify(network, graph).map_err(|_| Reason::BadProof)?;
        match claim.released.thing {
            Thing::Object { key, value, owner, version, deposit } => {
                // Only a chain that forked lets one object go twice.
                if self.object(&key).is_some() {
                    return Err(Reason::Claimed);
                }
                let object = ObjectState { value, owner, version, deposit };
                self.scratch.put(&self.object_key(&key), &object);
                self.scratch.delete(&self.gone_key(&key));
            }
            Thing::Balance { asset, owner, amount } => self.give(&asset, owner, amount)?,
        }
        self.scratch.put(&claimed, &self.slot);
        Ok(())
    }

    fn create(&mut self, key: &str, value: &[u8], owner: [u8; 32]) -> Result<(), Reason> {
        let gone = self.scratch.get::<String>(&self.gone_key(key)).is_some();
        if gone || self.object(key).is_some() {
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
        let next = object.version.checked_add(1);
        object.version = next.unwrap_or_else(|| {
            self.scratch.rows().unreadable("an object of a view: nobody writes 2^64 times")
        });
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

    fn gone_key(&self, key: &str) -> StateKey {
        StateKey::Gone { chain: self.chain.to_owned(), key: key.to_owned() }
    }

    fn balance_key(&self, asset: &str, owner: [u8; 32]) -> StateKey {
        StateKey::Balance { chain: self.chain.to_owned(), owner, asset: asset.to_owned() }
    }

    fn has_signed(&self, owner: &[u8; 32]) -> bool {
        self.signers.binary_search(owner).is_ok()
    }
}
