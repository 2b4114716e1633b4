//! Conditions in the file: `"alice"`, `[ … ]`, `{ at-least, of }`, `{ all-of }`, `{ any-of }`, `{ at-least, stake }`.

use super::error::FileError;
use super::names::{quoted, similar};
use super::values::{Source, Value};
use crate::acceptor_set::AcceptorId;
use crate::expression::{Expression, Fraction};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// How deep conditions may nest: organisations of organisations of nodes, and room to spare.
const DEPTH_MAX: usize = 16;

/// Reads conditions over the acceptors of a file.
pub(super) struct Conditions<'a, 'i> {
    pub source: Source<'i>,
    pub acceptors: &'a BTreeMap<&'a str, AcceptorId>,
    pub learners: &'a [&'a str],
}

impl<'i> Conditions<'_, 'i> {
    /// A condition. `key` names it in messages.
    pub(super) fn read(&self, value: &Value<'i>, key: &str) -> Result<Expression, FileError> {
        self.expression(value, key, 0)
    }

    fn expression(
        &self,
        value: &Value<'i>,
        key: &str,
        depth: usize,
    ) -> Result<Expression, FileError> {
        if depth > DEPTH_MAX {
            let message = format!("`{key}` nests conditions more than {DEPTH_MAX} deep");
            return Err(self.source.error(value.span(), message));
        }
        match value.get_ref() {
            DeValue::String(_) => Ok(Expression::Acceptor(self.acceptor(value, key)?)),
            DeValue::Array(_) => Ok(Expression::AllOf(self.parts(value, key, depth)?)),
            DeValue::Table(table) => self.table(table, value, key, depth),
            _ => Err(self.source.error(
                value.span(),
                format!(
                    "`{key}` should be a condition: \"alice\", {{ at-least = 2, of = [\"alice\", \"bob\", \"carol\"] }}, \
                     {{ all-of = [...] }} or {{ any-of = [[\"alice\", \"bob\"], [\"carol\"]] }}"
                ),
            )),
        }
    }

    fn table(
        &self,
        table: &DeTable<'i>,
        value: &Value<'i>,
        key: &str,
        depth: usize,
    ) -> Result<Expression, FileError> {
        let source = self.source;
        source.only(
            table,
            &format!("`{key}`"),
            &["at-least", "of", "all-of", "any-of", "stake"],
        )?;
        let forms: Vec<&str> = ["of", "all-of", "any-of", "stake"]
            .into_iter()
            .filter(|form| table.contains_key(*form))
            .collect();
        let [form] = forms.as_slice() else {
            let message = format!(
                "`{key}` should have exactly one of the keys `of`, `all-of`, `any-of` and `stake`"
            );
            return Err(source.error(value.span(), message));
        };
        let inner = &table[*form];
        let at_least = table.get("at-least");
        match (*form, at_least) {
            ("all-of", None) => Ok(Expression::AllOf(self.parts(inner, "all-of", depth)?)),
            ("any-of", None) => Ok(Expression::AnyOf(self.parts(inner, "any-of", depth)?)),
            ("all-of" | "any-of", Some(at_least)) => {
                let message = format!("`at-least` goes with `of` or `stake`, not with `{form}`");
                Err(source.error(at_least.span(), message))
            }
            (_, None) => {
                Err(source
                    .error(value.span(), format!("`{key}` has `{form}` and so needs `at-least`")))
            }
            ("of", Some(at_least)) => {
                let of = self.parts(inner, "of", depth)?;
                let count = self.threshold(at_least, of.len() as u128, "conditions there are")?;
                Ok(Expression::AtLeast { at_least: count as usize, of })
            }
            (_, Some(at_least)) => {
                let (stake, total) = self.stake(inner, "stake")?;
                let least = self.threshold(at_least, total, "stake there is")?;
                Ok(Expression::Stake { at_least: least, stake })
            }
        }
    }

    fn threshold(&self, value: &Value<'i>, total: u128, of_what: &str) -> Result<u128, FileError> {
        match self.source.whole(value, "at-least")? {
            0 => {
                let message =
                    "`at-least` is 0, and the empty set would do; it should be at least 1";
                Err(self.source.error(value.span(), message))
            }
            least if least > total => {
                let message = format!(
                    "`at-least` is {least}, more than the {total} {of_what}: nothing would do"
                );
                Err(self.source.error(value.span(), message))
            }
            least => Ok(least),
        }
    }

    fn parts(
        &self,
        value: &Value<'i>,
        key: &str,
        depth: usize,
    ) -> Result<Vec<Expression>, FileError> {
        let array = self.source.array(value, key)?;
        if array.is_empty() {
            return Err(self
                .source
                .error(value.span(), format!("`{key}` is empty; it should name an acceptor")));
        }
        let mut parts: Vec<Expression> = Vec::with_capacity(array.len());
        let mut singles = crate::acceptor_set::AcceptorSet::EMPTY;
        for part in array {
            let expression = self.expression(part, key, depth + 1)?;
            if let Expression::Acceptor(acceptor) = expression {
                if singles.contains(acceptor) {
                    let name = self.source.string(part, key)?;
                    let message =
                        format!("{} stands in `{key}` twice; it has one vote", quoted(name));
                    return Err(self.source.error(part.span(), message));
                }
                singles.insert(acceptor);
            }
            parts.push(expression);
        }
        Ok(parts)
    }

    fn acceptor(&self, value: &Value<'i>, key: &str) -> Result<AcceptorId, FileError> {
        let name = self.source.string(value, key)?;
        self.known(name, value.span())
    }

    fn known(&self, name: &str, span: std::ops::Range<usize>) -> Result<AcceptorId, FileError> {
        if let Some(acceptor) = self.acceptors.get(name) {
            return Ok(*acceptor);
        }
        let hint = match similar(name, self.acceptors.keys().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.learners.contains(&name) => {
                "that is a learner, and conditions are about acceptors".to_owned()
            }
            None => "acceptors are declared like [acceptors.alice]".to_owned(),
        };
        Err(self.source.error(span, format!("unknown acceptor {}; {hint}", quoted(name))))
    }

    /// A table of stakes by acceptor, and their sum, at least 1.
    pub(super) fn stake(
        &self,
        value: &Value<'i>,
        key: &str,
    ) -> Result<(Vec<(AcceptorId, u128)>, u128), FileError> {
        let table = self.source.table(value, key)?;
        let mut stake = Vec::with_capacity(table.len());
        let mut total = 0u128;
        for (name, amount) in self.source.entries(table) {
            let acceptor = self.known(name.get_ref(), name.span())?;
            let amount_of = self.source.whole(amount, name.get_ref())?;
            total = total.checked_add(amount_of).ok_or_else(|| {
                let message =
                    format!("`{key}` sums to more than 2^128 - 1 here; use a larger unit");
                self.source.error(amount.span(), message)
            })?;
            stake.push((acceptor, amount_of));
        }
        if total == 0 {
            let message = format!("`{key}` sums to 0; somebody should have some");
            return Err(self.source.error(value.span(), message));
        }
        stake.sort_unstable();
        Ok((stake, total))
    }

    /// A rule like `"> 2/3"` for a total stake.
    pub(super) fn fraction(&self, value: &Value<'i>, total: u128) -> Result<Fraction, FileError> {
        let text = self.source.string(value, "quorum")?;
        let Some(rule) = parsed_fraction(text) else {
            let message = format!(
                "`quorum` is {}; with `stake` it should be a part of the total, like \"> 2/3\" or \">= 3/4\"",
                quoted(text)
            );
            return Err(self.source.error(value.span(), message));
        };
        match rule.least(total) {
            Some(0) => {
                let message = "with this `quorum` the empty set would do";
                Err(self.source.error(value.span(), message))
            }
            None => {
                let message = format!(
                    "`quorum` asks for more than the total stake of {total}: nothing would do"
                );
                Err(self.source.error(value.span(), message))
            }
            Some(_) => Ok(rule),
        }
    }
}

fn parsed_fraction(text: &str) -> Option<Fraction> {
    let rest = text.strip_prefix('>')?;
    let (above, rest) = rest.strip_prefix('=').map_or((true, rest), |rest| (false, rest));
    let (numerator, denominator) = rest.split_once('/')?;
    let number = |text: &str| {
        let text = text.trim_matches(' ');
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    let (numerator, denominator) = (number(numerator)?, number(denominator)?);
    (denominator != 0).then_some(Fraction { above, numerator, denominator })
}
