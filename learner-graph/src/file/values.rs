//! Reading TOML values with their places.

use super::error::FileError;
use super::names::{quoted, similar};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A value with its place.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// The text that is read: makes errors, and reads values of an expected kind. `key` names the value in messages.
#[derive(Clone, Copy)]
pub(super) struct Source<'i>(pub &'i str);

impl<'i> Source<'i> {
    pub(super) fn error(self, span: Range<usize>, message: impl Into<String>) -> FileError {
        FileError::at(self.0, span, message)
    }

    pub(super) fn table<'v>(
        self,
        value: &'v Value<'i>,
        key: &str,
    ) -> Result<&'v DeTable<'i>, FileError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            other => Err(self.mismatch(value, key, "a table", other)),
        }
    }

    pub(super) fn array<'v>(
        self,
        value: &'v Value<'i>,
        key: &str,
    ) -> Result<&'v [Value<'i>], FileError> {
        match value.get_ref() {
            DeValue::Array(array) => Ok(array),
            other => Err(self.mismatch(value, key, "an array", other)),
        }
    }

    pub(super) fn string<'v>(self, value: &'v Value<'i>, key: &str) -> Result<&'v str, FileError> {
        match value.get_ref() {
            DeValue::String(string) => Ok(string),
            other => Err(self.mismatch(value, key, "a string", other)),
        }
    }

    /// A whole number from 0 to 2¹²⁸ − 1, also as a string of decimal digits.
    pub(super) fn whole(self, value: &Value<'i>, key: &str) -> Result<u128, FileError> {
        let expected = "a whole number, such as 30 or \"30\"";
        let digits = match value.get_ref() {
            DeValue::Integer(integer) => {
                return self.parsed(value, key, integer.as_str(), integer.radix());
            }
            DeValue::String(string) => string,
            other => return Err(self.mismatch(value, key, expected, other)),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.error(
                value.span(),
                format!("`{key}` is {}; it should be {expected}", quoted(digits)),
            ));
        }
        self.parsed(value, key, digits, 10)
    }

    fn parsed(
        self,
        value: &Value<'i>,
        key: &str,
        digits: &str,
        radix: u32,
    ) -> Result<u128, FileError> {
        if digits.starts_with('-') {
            return Err(
                self.error(value.span(), format!("`{key}` is negative; it should be at least 0"))
            );
        }
        let digits = digits.trim_start_matches('+').replace('_', "");
        u128::from_str_radix(&digits, radix).map_err(|_| {
            self.error(
                value.span(),
                format!("`{key}` is too large; it should be at most 2^128 - 1"),
            )
        })
    }

    fn mismatch(
        self,
        value: &Value<'i>,
        key: &str,
        expected: &str,
        found: &DeValue<'i>,
    ) -> FileError {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(value.span(), format!("`{key}` is {found}; it should be {expected}"))
    }

    /// Refuses keys of `table` that are not among `allowed`.
    pub(super) fn only(
        self,
        table: &DeTable<'i>,
        place: &str,
        allowed: &[&str],
    ) -> Result<(), FileError> {
        let mut unknown: Vec<&Spanned<DeString<'i>>> =
            table.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else { return Ok(()) };
        let hint = match similar(key.get_ref(), allowed.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys here are {}", list(allowed)),
        };
        Err(self
            .error(key.span(), format!("unknown key {} in {place}; {hint}", quoted(key.get_ref()))))
    }

    /// The value of `key` in `table`, which stands at `span`.
    pub(super) fn required<'v>(
        self,
        table: &'v DeTable<'i>,
        span: Range<usize>,
        key: &str,
        place: &str,
    ) -> Result<&'v Value<'i>, FileError> {
        table.get(key).ok_or_else(|| self.error(span, format!("{place} needs the key `{key}`")))
    }

    /// The entries of a table in the order of the file.
    pub(super) fn entries<'v>(
        self,
        table: &'v DeTable<'i>,
    ) -> Vec<(&'v Spanned<DeString<'i>>, &'v Value<'i>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
