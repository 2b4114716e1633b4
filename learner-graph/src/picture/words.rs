//! What the picture says, in plain words.

use crate::acceptor_set::AcceptorId;
use crate::analysis::Breaking;
use crate::expression::{Expression, Quorum, total};

/// A promise that a failure breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// The chain goes on.
    Goes,
    /// The chain does not contradict itself.
    Holds,
    /// Two chains do not contradict each other.
    Agree,
}

impl Promise {
    /// What it takes to break it, as in "halts if 2 crash".
    pub(super) fn broken_if(self, breaking: &Breaking) -> String {
        let (verb, may) = match self {
            Promise::Goes => ("halts", "halts"),
            Promise::Holds => ("forks", "may fork"),
            Promise::Agree => ("disagree", "may disagree"),
        };
        match breaking {
            Breaking::Never => format!("never {verb}"),
            Breaking::Set { size: 0, .. } => format!("{may} even if all are safe"),
            _ => format!("{verb} if {} {}", amount(breaking), self.failure(breaking)),
        }
    }

    /// The same as a sentence about `who`, with the whole set.
    pub(super) fn sentence(self, who: &str, breaking: &Breaking) -> String {
        let promise = format!("{who} {}", self.broken_if(breaking));
        match breaking {
            Breaking::Set { size: 0, .. } | Breaking::Never => promise,
            Breaking::Set { acceptors, .. } => {
                format!("{promise}, for instance {}; fewer are not enough", list(acceptors, 40))
            }
            _ => format!("{promise}; the exact number was not settled"),
        }
    }

    /// As in "promised unless 2 lie", of a promise that cannot be kept.
    pub(super) fn promised(self, breaking: &Breaking) -> String {
        match breaking {
            Breaking::Never => "promised for ever".to_owned(),
            _ => format!("promised unless {} {}", amount(breaking), self.failure(breaking)),
        }
    }

    fn failure(self, breaking: &Breaking) -> &'static str {
        let one = matches!(breaking, Breaking::Set { size: 1, .. });
        match (self, one) {
            (Promise::Goes, true) => "crashes",
            (Promise::Goes, false) => "crash",
            (_, true) => "lies",
            (_, false) => "lie",
        }
    }
}

/// How many it takes, as in "3" or "3 to 5".
pub(super) fn amount(breaking: &Breaking) -> String {
    match breaking {
        Breaking::Set { size, .. } => size.to_string(),
        Breaking::Unsettled { at_least, at_most } => format!("{at_least} to {at_most}"),
        Breaking::UnsettledStake { at_least, at_most } => format!("{at_least} to {at_most}"),
        Breaking::Never => "never".to_owned(),
    }
}

/// An instance short enough for the picture, as in "v3, v4"; none if there is none.
pub(super) fn instance(breaking: &Breaking, letters: usize) -> Option<String> {
    let Breaking::Set { acceptors, .. } = breaking else { return None };
    let fits = |shown: &usize| list(acceptors, *shown).chars().count() <= letters;
    let shown = (1..=acceptors.len()).rev().find(fits)?;
    Some(list(acceptors, shown))
}

/// The first `shown` names, and how many more there are.
pub(super) fn list(names: &[String], shown: usize) -> String {
    if names.len() <= shown {
        return names.join(", ");
    }
    format!("{} and {} more", names[..shown].join(", "), names.len() - shown)
}

/// `1 validator`, `2 validators`.
pub(super) fn count(many: usize, what: &str) -> String {
    if many == 1 { format!("1 {what}") } else { format!("{many} {what}s") }
}

/// Who decides, as in "5 of 6 validators".
pub(super) fn quorum(quorum: &Quorum) -> String {
    match quorum {
        Quorum::Stake { rule, .. } => {
            let bound = if rule.above { "more than" } else { "at least" };
            format!("{bound} {}/{} of the stake", rule.numerator, rule.denominator)
        }
        Quorum::Expression(expression) => match expression {
            Expression::Acceptor(_) => "1 validator".to_owned(),
            Expression::AtLeast { at_least, of } => match at_least == &of.len() {
                true => all(of),
                false => format!("{at_least} of {}", parts(of)),
            },
            Expression::AllOf(of) => all(of),
            Expression::AnyOf(of) if of.len() == 1 => parts(of),
            Expression::AnyOf(of) => format!("any of {}", parts(of)),
            Expression::Stake { at_least, stake } => {
                format!("{at_least} of {} in stake", total(stake))
            }
        },
    }
}

fn all(of: &[Expression]) -> String {
    if of.len() == 1 { parts(of) } else { format!("all {}", parts(of)) }
}

fn parts(of: &[Expression]) -> String {
    let single = |part: &&Expression| matches!(part, Expression::Acceptor(_));
    match of.iter().filter(single).count() {
        0 => count(of.len(), "group"),
        singles if singles == of.len() => count(singles, "validator"),
        _ => format!("{} validators or groups", of.len()),
    }
}

/// The whole rule, as in "2 of (alice, 2 of (bob, carol, dave), erin)".
pub(super) fn quorum_rule(quorum: &Quorum, name: &impl Fn(AcceptorId) -> String) -> String {
    match quorum {
        Quorum::Stake { stake, .. } => {
            format!("{} of {}", self::quorum(quorum), total(stake))
        }
        Quorum::Expression(expression) => rule(expression, name),
    }
}

fn rule(expression: &Expression, name: &impl Fn(AcceptorId) -> String) -> String {
    let among = |of: &[Expression]| {
        let parts: Vec<String> = of.iter().map(|part| rule(part, name)).collect();
        format!("({})", parts.join(", "))
    };
    match expression {
        Expression::Acceptor(acceptor) => name(*acceptor),
        Expression::AtLeast { at_least, of } => format!("{at_least} of {}", among(of)),
        Expression::AllOf(of) => format!("all of {}", among(of)),
        Expression::AnyOf(of) => format!("any of {}", among(of)),
        Expression::Stake { at_least, stake } => {
            let stakes =
                stake.iter().map(|(acceptor, stake)| format!("{} {stake}", name(*acceptor)));
            format!("a stake of {at_least} in ({})", stakes.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Breaking {
        let acceptors: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        Breaking::Set { size: names.len(), acceptors, stake: None }
    }

    #[test]
    fn breaking_points_are_sentences() {
        assert_eq!(Promise::Goes.broken_if(&set(&["v1"])), "halts if 1 crashes");
        assert_eq!(Promise::Holds.broken_if(&set(&["v1", "v2"])), "forks if 2 lie");
        assert_eq!(Promise::Agree.broken_if(&Breaking::Never), "never disagree");
        let unsettled = Breaking::Unsettled { at_least: 3, at_most: 5 };
        assert_eq!(Promise::Agree.broken_if(&unsettled), "disagree if 3 to 5 lie");
        assert_eq!(
            Promise::Agree.sentence("red and blue", &set(&["v3", "v4"])),
            "red and blue disagree if 2 lie, for instance v3, v4; fewer are not enough"
        );
    }

    #[test]
    fn instances_are_cut_to_fit() {
        let breaking = set(&["alice", "bob", "carol", "dave"]);
        assert_eq!(instance(&breaking, 40).as_deref(), Some("alice, bob, carol, dave"));
        assert_eq!(instance(&breaking, 22).as_deref(), Some("alice, bob and 2 more"));
        assert_eq!(instance(&breaking, 3), None);
        assert_eq!(instance(&set(&[]), 3), None);
    }
}
