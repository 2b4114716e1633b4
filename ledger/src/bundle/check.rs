//! Whether a bundle is valid for a log in a slot. Sees no state: all who judge must agree.

use super::binary::LOG_BYTES_MAX;
use super::{Bundle, Condition, Operation, Release};
use crate::digest::BundleId;
use crate::limits::{
    BUNDLE_BYTES_MAX, BUNDLE_OPERATIONS_MAX, BUNDLE_SIGNERS_MAX, KEY_BYTES_MAX, NUMBER_MAX,
    VALUE_BYTES_MAX, WINDOW_SLOTS,
};
use crate::moving::{Claim, NotAClaim};
use crate::refusal::{Code, Refusal};
use crate::rules::LogRules;
use hpaxos_consensus::{NetworkId, Signatures, VerifyingKey};

impl Bundle {
    /// Whether a block of `slot` may contain it.
    ///
    /// # Errors
    /// The first thing that is wrong; signatures are looked at last.
    pub fn check(&self, rules: &LogRules, slot: u64) -> Result<BundleId, Refusal> {
        let id = self.check_but_signatures(rules, slot)?;
        Bundle::check_signatures([(self, &id)]).map_err(|(_, refusal)| refusal)?;
        Ok(id)
    }

    /// The same without the signatures, by far the dearest: see [`Bundle::check_signatures`].
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_but_signatures(&self, rules: &LogRules, slot: u64) -> Result<BundleId, Refusal> {
        self.check_sizes()?;
        self.check_place(rules, slot)?;
        self.check_signers()?;
        let signer_of = |owner: &[u8; 32]| self.body.signers.binary_search(owner).is_ok();
        for (index, part) in self.body.parts.iter().enumerate() {
            for (number, operation) in part.operations.iter().enumerate() {
                let place = || format!("parts[{index}].operations[{number}]");
                check_operation(operation, rules, &part.chain, &signer_of).map_err(|refusal| {
                    let at = match &refusal.at {
                        Some(field) => format!("{}.{field}", place()),
                        None => place(),
                    };
                    refusal.at(at)
                })?;
            }
        }
        Ok(self.id(rules.network))
    }

    fn check_sizes(&self) -> Result<(), Refusal> {
        let limits = |message: String| Err(Refusal::new(Code::Limits, message));
        let operations: usize = self.body.parts.iter().map(|part| part.operations.len()).sum();
        if operations > BUNDLE_OPERATIONS_MAX {
            return limits(format!("{operations} operations; at most {BUNDLE_OPERATIONS_MAX}"));
        }
        let signers = self.body.signers.len();
        if signers > BUNDLE_SIGNERS_MAX {
            return limits(format!("{signers} signers; at most {BUNDLE_SIGNERS_MAX}"));
        }
        let size = borsh::object_length(self).expect("counting bytes does not fail");
        if size > BUNDLE_BYTES_MAX {
            let message = format!("{size} bytes; at most {BUNDLE_BYTES_MAX}");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        Ok(())
    }

    fn check_place(&self, rules: &LogRules, slot: u64) -> Result<(), Refusal> {
        let body = &self.body;
        if body.log != rules.log {
            return Err(malformed(format!("should be `{}`", rules.log)).at("log"));
        }
        if body.valid_until < slot {
            let message = format!("slot {slot} is being decided already");
            return Err(Refusal::new(Code::Expired, message).at("valid_until"));
        }
        if body.valid_until > slot.saturating_add(WINDOW_SLOTS) {
            let message = format!("more than {WINDOW_SLOTS} slots after slot {slot}");
            return Err(Refusal::new(Code::TooFar, message).at("valid_until"));
        }
        check_number(body.valid_until, "valid_until")?;
        check_number(body.salt, "salt")?;
        if body.parts.is_empty() {
            return Err(malformed("a bundle without parts does nothing").at("parts"));
        }
        for (index, part) in body.parts.iter().enumerate() {
            let at = |refusal: Refusal, field| refusal.at(format!("parts[{index}].{field}"));
            if !rules.chains.contains(&part.chain) {
                let message = format!("no chain of the log `{}`", rules.log);
                return Err(at(malformed(message), "chain"));
            }
            if index > 0 && body.parts[index - 1].chain >= part.chain {
                return Err(at(malformed("parts should be sorted by chain, none twice"), "chain"));
            }
            if part.operations.is_empty() {
                return Err(at(malformed("a part without operations does nothing"), "operations"));
            }
        }
        Ok(())
    }

    fn check_signers(&self) -> Result<(), Refusal> {
        let signers = &self.body.signers;
        if let Some(index) = signers.windows(2).position(|two| two[0] >= two[1]) {
            let place = format!("signers[{}]", index + 1);
            return Err(malformed("signers should be sorted, none twice").at(place));
        }
        self.check_signature_count()
    }

    fn check_signature_count(&self) -> Result<(), Refusal> {
        let (signatures, signers) = (self.signatures.len(), self.body.signers.len());
        if signatures != signers {
            let message = format!("{signatures} signatures of {signers}");
            return Err(Refusal::new(Code::BadSignature, message).at("signatures"));
        }
        Ok(())
    }

    /// The signatures of many bundles together, each of whose ids is at hand, in some half of the time.
    ///
    /// # Errors
    /// A bundle that has a wrong one, from 0, and which: the first, if none has more or less of them than signers.
    pub fn check_signatures<'a>(
        bundles: impl IntoIterator<Item = (&'a Bundle, &'a BundleId)>,
    ) -> Result<(), (usize, Refusal)> {
        let (mut all, mut places) = (Signatures::default(), Vec::new());
        for (place, (bundle, id)) in bundles.into_iter().enumerate() {
            bundle.check_signature_count().map_err(|refusal| (place, refusal))?;
            let signed = id.signing_bytes();
            let signers = bundle.body.signers.iter().zip(&bundle.signatures);
            for (index, (signer, signature)) in signers.enumerate() {
                all.add(signer, &signed, signature);
                places.push((place, index, signer));
            }
        }
        let Some(wrong) = all.first_wrong() else { return Ok(()) };
        let (place, index, signer) = places[wrong];
        let message = format!("no signature of {} over this bundle", hex::encode(signer));
        let at = format!("signatures[{index}]");
        Err((place, Refusal::new(Code::BadSignature, message).at(at)))
    }

    /// The signers whose signature is not there yet, or not right.
    pub fn unsigned_by(&self, network: NetworkId) -> Vec<[u8; 32]> {
        let signed = self.id(network).signing_bytes();
        let signers = self.body.signers.iter().enumerate();
        let missing = signers.filter(|(index, signer)| {
            let signature = self.signatures.get(*index);
            let key = VerifyingKey::new(signer);
            !key.zip(signature).is_some_and(|(key, signature)| key.has_signed(&signed, signature))
        });
        missing.map(|(_, signer)| *signer).collect()
    }
}

/// Its refusal's place is a field of the operation.
fn check_operation(
    operation: &Operation,
    rules: &LogRules,
    chain: &str,
    signer: &dyn Fn(&[u8; 32]) -> bool,
) -> Result<(), Refusal> {
    match operation {
        Operation::Create { key, value, owner } => {
            check_key(key)?;
            if birth_log(key) != Some(rules.log.as_str()) {
                return Err(malformed(format!("should begin with `{}:`", rules.log)).at("key"));
            }
            if !signer(owner) {
                return Err(malformed("the owner of a new object should sign").at("owner"));
            }
            check_value(value)
        }
        Operation::Update { key, value, if_version } => {
            check_key(key)?;
            check_value(value)?;
            check_number(if_version.unwrap_or(0), "if_version")
        }
        Operation::Transfer { key, if_version, .. } | Operation::Delete { key, if_version } => {
            check_key(key)?;
            check_number(if_version.unwrap_or(0), "if_version")
        }
        Operation::Require(Condition::Object { key, version, owner, absent }) => {
            check_key(key)?;
            check_number(version.unwrap_or(0), "version")?;
            let presence = version.is_some() || owner.is_some();
            match absent {
                None if !presence => Err(malformed("should ask for version, owner or absent")),
                Some(true) if presence => {
                    Err(malformed("what is absent has no version and no owner").at("absent"))
                }
                _ => Ok(()),
            }
        }
        Operation::Require(Condition::Balance { balance }) => {
            check_asset(&balance.asset, "balance.asset")
        }
        Operation::Pay { asset, amount, .. } => {
            check_asset(asset, "asset")?;
            check_amount(*amount)
        }
        Operation::Release(Release::Object { key, to_log }) => {
            check_key(key)?;
            check_log(to_log)
        }
        Operation::Release(Release::Balance { asset, amount, to_log, .. }) => {
            check_asset(asset, "asset")?;
            check_amount(*amount)?;
            check_log(to_log)
        }
        Operation::Claim { release, proof } => check_claim(release, proof, rules, chain),
    }
}

/// Only the form: whether the claim is right shows in execution.
fn check_claim(release: &[u8], proof: &[u8], rules: &LogRules, chain: &str) -> Result<(), Refusal> {
    let claim = Claim::read(release, proof).map_err(|what| match what {
        NotAClaim::Release => malformed("not the encoding of what was released").at("release"),
        NotAClaim::Proof => malformed("not the encoding of a proof of release").at("proof"),
    })?;
    let Claim { released, proof } = claim;
    if released.chain != chain {
        return Err(malformed("was released on another chain").at("release"));
    }
    if released.to_log != rules.log {
        return Err(malformed("was released to another log").at("release"));
    }
    if proof.certificate.learner != chain {
        return Err(malformed("its certificate should be one of this chain").at("proof"));
    }
    Ok(())
}

/// The log in which the object of this key was made.
pub(crate) fn birth_log(key: &str) -> Option<&str> {
    let (log, rest) = key.split_once(':')?;
    (!log.is_empty() && !rest.is_empty()).then_some(log)
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("{} bytes; at most {KEY_BYTES_MAX}", key.len());
        return Err(Refusal::new(Code::Limits, message).at("key"));
    }
    if birth_log(key).is_none() {
        return Err(malformed("should be `<log of its birth>:<key>`").at("key"));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), Refusal> {
    if value.len() > VALUE_BYTES_MAX {
        let message = format!("{} bytes; at most {VALUE_BYTES_MAX}", value.len());
        return Err(Refusal::new(Code::Limits, message).at("value"));
    }
    Ok(())
}

fn check_asset(asset: &str, field: &str) -> Result<(), Refusal> {
    match asset.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        0 => Err(malformed("should name an asset").at(field)),
        length => {
            let message = format!("{length} bytes; at most {KEY_BYTES_MAX}");
            Err(Refusal::new(Code::Limits, message).at(field))
        }
    }
}

fn check_amount(amount: u128) -> Result<(), Refusal> {
    if amount == 0 { Err(malformed("should be at least 1").at("amount")) } else { Ok(()) }
}

/// Whether there is such a log shows in execution.
fn check_log(log: &str) -> Result<(), Refusal> {
    if log.len() <= LOG_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{} bytes; at most {LOG_BYTES_MAX}", log.len());
    Err(Refusal::new(Code::Limits, message).at("to_log"))
}

/// A valid bundle has a form in JSON, where greater numbers would lose digits.
fn check_number(number: u64, field: &str) -> Result<(), Refusal> {
    if number <= NUMBER_MAX { Ok(()) } else { Err(malformed("should be at most 2^53").at(field)) }
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, message)
}
