//! What somebody probably meant.

/// Slips of more letters than this are no slips.
const SLIPS_MAX: usize = 2;

/// The known word that `unknown` is most likely a slip of.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = known.into_iter().map(|word| (slips(unknown, word), word));
    // Two slips in a short word make any other short word.
    let near = near.filter(|(slips, word)| *slips <= SLIPS_MAX && slips * 2 < word.len());
    near.min().map(|(_, word)| word)
}

/// Letters added, left out, exchanged or swapped with their neighbour between `a` and `b`.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for row in 1..=a.len() {
        let mut here = vec![row; b.len() + 1];
        for column in 1..=b.len() {
            let differs = usize::from(a[row - 1] != b[column - 1]);
            let least = (above[column] + 1).min(here[column - 1] + 1);
            here[column] = least.min(above[column - 1] + differs);
            let swapped =
                row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1];
            if swapped {
                here[column] = here[column].min(before[column - 2] + 1);
            }
        }
        before = above;
        above = here;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["listen", "hosts", "max", "depth"];
        for (unknown, meant) in [
            ("lisen", Some("listen")),
            ("listne", Some("listen")),
            ("host", Some("hosts")),
            ("Depth", Some("depth")),
            ("mix", Some("max")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, known), meant, "{unknown}");
        }
    }
}
