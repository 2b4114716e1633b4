//! From declarations back to text.

use crate::acceptor_set::AcceptorId;
use crate::expression::{Expression, Quorum, Safe};
use crate::graph::Declarations;
use toml::{Table, Value};

/// The file that declares `declarations`; [`super::read`] gives them back. Comments and the order of a file that they
/// were read from are gone.
pub fn write(declarations: &Declarations) -> String {
    Writer { declarations }.file().to_string()
}

struct Writer<'a> {
    declarations: &'a Declarations,
}

impl Writer<'_> {
    fn file(&self) -> Table {
        let mut file = Table::new();
        file.insert("version".into(), Value::Integer(1));
        let mut acceptors = Table::new();
        for acceptor in &self.declarations.acceptors {
            let mut table = Table::new();
            if let Some(key) = &acceptor.public_key {
                table.insert("public-key".into(), Value::String(hex::encode(key)));
            }
            if !acceptor.addresses.is_empty() {
                table.insert("addresses".into(), Value::from(acceptor.addresses.clone()));
            }
            acceptors.insert(acceptor.name.clone(), Value::Table(table));
        }
        file.insert("acceptors".into(), Value::Table(acceptors));

        let mut learners = Table::new();
        for learner in &self.declarations.learners {
            let mut table = Table::new();
            match &learner.quorum {
                Quorum::Expression(expression) => {
                    table.insert("quorum".into(), self.expression(expression));
                }
                Quorum::Stake { stake, rule } => {
                    let sign = if rule.above { ">" } else { ">=" };
                    let rule = format!("{sign} {}/{}", rule.numerator, rule.denominator);
                    table.insert("quorum".into(), Value::String(rule));
                    table.insert("stake".into(), self.stake(stake));
                }
            }
            learners.insert(learner.name.clone(), Value::Table(table));
        }
        file.insert("learners".into(), Value::Table(learners));

        let learner_name = |id: crate::LearnerId| {
            Value::String(self.declarations.learners[id.index()].name.clone())
        };
        let edges = self.declarations.edges.iter().map(|edge| {
            let mut table = Table::new();
            let (a, b) = edge.between;
            table.insert("between".into(), Value::Array(vec![learner_name(a), learner_name(b)]));
            let safe = match &edge.safe {
                Safe::Overlap => Value::String("overlap".into()),
                Safe::Largest => Value::String("largest".into()),
                Safe::Expression(expression) => self.expression(expression),
            };
            table.insert("safe".into(), safe);
            Value::Table(table)
        });
        let edges: Vec<Value> = edges.collect();
        if !edges.is_empty() {
            file.insert("edges".into(), Value::Array(edges));
        }

        let mut logs = Table::new();
        for log in &self.declarations.logs {
            let mut table = Table::new();
            table.insert(
                "learners".into(),
                Value::Array(log.learners.iter().map(learner_name).collect()),
            );
            if log.level {
                table.insert("edges".into(), Value::String("level".into()));
            }
            logs.insert(log.name.clone(), Value::Table(table));
        }
        if !logs.is_empty() {
            file.insert("logs".into(), Value::Table(logs));
        }
        file
    }

    fn expression(&self, expression: &Expression) -> Value {
        let list =
            |of: &[Expression]| Value::Array(of.iter().map(|part| self.expression(part)).collect());
        let table = |entries: Vec<(&str, Value)>| {
            Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        match expression {
            Expression::Acceptor(acceptor) => Value::String(self.acceptor_name(*acceptor)),
            Expression::AtLeast { at_least, of } => {
                table(vec![("at-least", whole(*at_least as u128)), ("of", list(of))])
            }
            Expression::AllOf(of) => table(vec![("all-of", list(of))]),
            Expression::AnyOf(of) => table(vec![("any-of", list(of))]),
            Expression::Stake { at_least, stake } => {
                table(vec![("at-least", whole(*at_least)), ("stake", self.stake(stake))])
            }
        }
    }

    fn stake(&self, stake: &[(AcceptorId, u128)]) -> Value {
        let entries =
            stake.iter().map(|(acceptor, stake)| (self.acceptor_name(*acceptor), whole(*stake)));
        Value::Table(entries.collect())
    }

    fn acceptor_name(&self, acceptor: AcceptorId) -> String {
        self.declarations.acceptors[acceptor.index()].name.clone()
    }
}

/// A number, as a string where TOML's integers do not reach.
fn whole(number: u128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::String(number.to_string()), Value::Integer)
}
