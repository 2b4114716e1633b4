//! Reading a bundle from JSON. By hand, so that every error says where: `parts[1].operations[0].key`.

use super::text::amount;
use super::{AtLeast, Body, Bundle, Condition, Operation, Part, Release};
use crate::digest::from_hex;
use crate::limits::NUMBER_MAX;
use crate::refusal::{Code, Refusal};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

impl Bundle {
    /// Reads what a client sends.
    ///
    /// # Errors
    /// A refusal with code `malformed` and the place.
    pub fn from_json(text: &[u8]) -> Result<Self, Refusal> {
        let value = serde_json::from_slice(text)
            .map_err(|error| Refusal::new(Code::Malformed, format!("no JSON: {error}")))?;
        Bundle::from_value(value)
    }

    fn from_value(value: Value) -> Result<Self, Refusal> {
        let mut fields = Fields::new(value, String::new())?;
        let body = Body {
            log: fields.text("log")?,
            valid_until: fields.number("valid_until")?,
            salt: fields.number("salt")?,
            signers: fields.list("signers", |value, place| hex(&value, &place))?,
            parts: fields.list("parts", part)?,
        };
        let signatures = fields.list("signatures", |value, place| hex(&value, &place))?;
        fields.end()?;
        Ok(Bundle { body, signatures })
    }
}

impl<'de> Deserialize<'de> for Bundle {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Bundle::from_value(Value::deserialize(from)?).map_err(de::Error::custom)
    }
}

fn part(value: Value, place: String) -> Result<Part, Refusal> {
    let mut fields = Fields::new(value, place)?;
    let chain = fields.text("chain")?;
    let operations = fields.list("operations", operation)?;
    fields.end()?;
    Ok(Part { chain, operations })
}

fn operation(value: Value, place: String) -> Result<Operation, Refusal> {
    let mut fields = Fields::new(value, place)?;
    let operation = match fields.text("op")?.as_str() {
        "create" => Operation::Create {
            key: fields.text("key")?,
            value: fields.bytes("value")?,
            owner: fields.key("owner")?,
        },
        "update" => Operation::Update {
            key: fields.text("key")?,
            value: fields.bytes("value")?,
            if_version: fields.optional("if_version", number)?,
        },
        "transfer" => Operation::Transfer {
            key: fields.text("key")?,
            to: fields.key("to")?,
            if_version: fields.optional("if_version", number)?,
        },
        "delete" => Operation::Delete {
            key: fields.text("key")?,
            if_version: fields.optional("if_version", number)?,
        },
        "require" => Operation::Require(condition(&mut fields)?),
        "pay" => Operation::Pay {
            asset: fields.text("asset")?,
            from: fields.key("from")?,
            to: fields.key("to")?,
            amount: fields.amount("amount")?,
        },
        "release" => Operation::Release(release(&mut fields)?),
        "claim" => {
            Operation::Claim { release: fields.bytes("release")?, proof: fields.bytes("proof")? }
        }
        _ => {
            let kinds = "create, update, transfer, delete, require, pay, release or claim";
            return Err(malformed(&fields.place("op"), format!("should be {kinds}")));
        }
    };
    fields.end()?;
    Ok(operation)
}

fn condition(fields: &mut Fields) -> Result<Condition, Refusal> {
    if !fields.has("balance") {
        return Ok(Condition::Object {
            key: fields.text("key")?,
            version: fields.optional("version", number)?,
            owner: fields.optional("owner", hex)?,
            absent: fields.optional("absent", |value, place| {
                value.as_bool().ok_or_else(|| malformed(place, "should be true or false"))
            })?,
        });
    }
    let place = fields.place("balance");
    let mut inner = Fields::new(fields.take("balance")?, place)?;
    let balance = AtLeast {
        asset: inner.text("asset")?,
        owner: inner.key("owner")?,
        at_least: inner.amount("at_least")?,
    };
    inner.end()?;
    Ok(Condition::Balance { balance })
}

fn release(fields: &mut Fields) -> Result<Release, Refusal> {
    if fields.has("key") {
        return Ok(Release::Object { key: fields.text("key")?, to_log: fields.text("to_log")? });
    }
    Ok(Release::Balance {
        asset: fields.text("asset")?,
        from: fields.key("from")?,
        amount: fields.amount("amount")?,
        to_log: fields.text("to_log")?,
    })
}

/// The fields of a JSON object that are not read yet.
struct Fields {
    fields: Map<String, Value>,
    place: String,
}

impl Fields {
    fn new(value: Value, place: String) -> Result<Self, Refusal> {
        match value {
            Value::Object(fields) => Ok(Fields { fields, place }),
            _ => Err(malformed(&place, "should be an object")),
        }
    }

    fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn take(&mut self, name: &str) -> Result<Value, Refusal> {
        self.fields.remove(name).ok_or_else(|| malformed(&self.place(name), "is missing"))
    }

    /// A field that may be left out, or null.
    fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value, &str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        match self.fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(&value, &self.place(name)).map(Some),
        }
    }

    fn list<T>(
        &mut self,
        name: &str,
        read: impl Fn(Value, String) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let place = self.place(name);
        let Value::Array(values) = self.take(name)? else {
            return Err(malformed(&place, "should be a list"));
        };
        let numbered = values.into_iter().enumerate();
        numbered.map(|(index, value)| read(value, format!("{place}[{index}]"))).collect()
    }

    fn text(&mut self, name: &str) -> Result<String, Refusal> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(malformed(&self.place(name), "should be a text")),
        }
    }

    fn number(&mut self, name: &str) -> Result<u64, Refusal> {
        number(&self.take(name)?, &self.place(name))
    }

    fn key(&mut self, name: &str) -> Result<[u8; 32], Refusal> {
        hex(&self.take(name)?, &self.place(name))
    }

    fn amount(&mut self, name: &str) -> Result<u128, Refusal> {
        let value = self.take(name)?;
        value.as_str().and_then(amount).ok_or_else(|| {
            let right = "should be a decimal number in quotes, at most 2^128 - 1, no leading zeros";
            malformed(&self.place(name), right)
        })
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Refusal> {
        let value = self.take(name)?;
        let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        bytes.ok_or_else(|| malformed(&self.place(name), "should be base64, in quotes"))
    }

    fn end(self) -> Result<(), Refusal> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(name) => {
                // Cut to a readable length: it is whatever somebody sent.
                let name: String = name.chars().take(64).collect();
                Err(malformed(&self.place(&name), "is unknown here"))
            }
        }
    }
}

fn number(value: &Value, place: &str) -> Result<u64, Refusal> {
    let number = value.as_u64().filter(|number| *number <= NUMBER_MAX);
    number.ok_or_else(|| malformed(place, "should be a whole number from 0 to 2^53"))
}

fn hex<const N: usize>(value: &Value, place: &str) -> Result<[u8; N], Refusal> {
    let bytes = value.as_str().and_then(from_hex);
    bytes.ok_or_else(|| malformed(place, format!("should be {} lower-case hex digits", 2 * N)))
}

fn malformed(place: &str, message: impl Into<String>) -> Refusal {
    let refusal = Refusal::new(Code::Malformed, message);
    if place.is_empty() { refusal } else { refusal.at(place) }
}
