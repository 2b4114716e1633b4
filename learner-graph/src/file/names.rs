//! Names of acceptors, learners and logs.

use crate::graph::ALL;

/// What a name looks like, for error messages.
pub(super) const NAME_RULE: &str =
    "1 to 32 of the characters a-z 0-9 . _ -, beginning with a letter or digit";

/// Whether `text` is a name: `[a-z0-9][a-z0-9._-]{0,31}`.
pub fn is_name(text: &str) -> bool {
    let inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let first = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    (1..=32).contains(&text.len())
        && text.as_bytes().first().is_some_and(first)
        && text.as_bytes().iter().all(inner)
}

/// Whether `text` may be the name of a declared log: names joined by `+`.
pub(super) fn is_log_name(text: &str) -> bool {
    text != ALL && text.split('+').all(is_name)
}

/// The known name that `unknown` is most likely a slip of: one edit away, or a prefix.
pub(super) fn similar<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.filter(|name| within_one_edit(unknown, name)).min()
}

fn within_one_edit(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x.eq_ignore_ascii_case(y)).count();
    let (short, long) = (&short[same..], &long[same..]);
    match long.len() - short.len() {
        1 => short == &long[1..],
        // The rest is equal after one replaced or two swapped letters.
        _ => {
            short.get(1..) == long.get(1..)
                || (short.len() >= 2
                    && short[0] == long[1]
                    && short[1] == long[0]
                    && short[2..] == long[2..])
        }
    }
}

/// `text` in backticks, its control and bidirectional characters visible, and cut to a readable length.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    let cut = if text.chars().count() > 64 { "…" } else { "" };
    format!("`{shown}{cut}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "0", "alice", "v1.eu-west_2", &"x".repeat(32)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".a", "-a", "Alice", "a b", "é", "a\u{200b}", &"x".repeat(33), "a+b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(
            is_log_name("red+blue")
                && !is_log_name("all")
                && !is_log_name("red+")
                && !is_log_name("+")
        );
    }

    #[test]
    fn slips_are_recognised() {
        let known = || ["alice", "bob", "carol"].into_iter();
        assert_eq!(similar("alcie", known()), Some("alice"));
        assert_eq!(similar("bo", known()), Some("bob"));
        assert_eq!(similar("Carol", known()), Some("carol"));
        assert_eq!(similar("dave", known()), None);
    }
}
