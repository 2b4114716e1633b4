//! Colours that the colour-blind can tell apart, and patterns where there are more learners than colours.
//!
//! No colour carries meaning alone: each is beside the learner's name.

/// What a learner is drawn with: a hue, and beyond the eighth learner a pattern in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ink {
    /// As `#rrggbb`.
    pub hue: &'static str,
    /// 0 for plain.
    pub pattern: usize,
}

/// After Okabe and Ito, "Color Universal Design" (2008), with two of Paul Tol's dark ones instead of yellow and black;
/// each with the words that a chain's name may have for it.
const HUES: [(&str, &[&str]); 8] = [
    ("#0072B2", &["blue"]),
    ("#D55E00", &["red", "crimson"]),
    ("#009E73", &["green"]),
    ("#E69F00", &["orange", "yellow", "gold", "amber"]),
    ("#CC79A7", &["pink", "magenta"]),
    ("#56B4E9", &["sky", "cyan"]),
    ("#332288", &["indigo", "violet", "purple"]),
    ("#882255", &["wine", "brown"]),
];

/// How many patterns there are, plain included.
pub(super) const PATTERNS: usize = 4;

/// One ink for each name. A name that is a colour gets it: a chain called green is drawn in green.
pub(super) fn inks(names: &[&str]) -> Vec<Ink> {
    let mut used = [0; HUES.len()];
    let mut take = |hue: usize| {
        used[hue] += 1;
        Ink { hue: HUES[hue].0, pattern: (used[hue] - 1) % PATTERNS }
    };
    let hue_of = |name: &str| HUES.iter().position(|(_, words)| words.contains(&name));
    let mut inks: Vec<Option<Ink>> = names.iter().map(|name| hue_of(name).map(&mut take)).collect();
    for ink in inks.iter_mut().filter(|ink| ink.is_none()) {
        let rarest = (0..HUES.len()).min_by_key(|hue| used[*hue]).expect("there are hues");
        used[rarest] += 1;
        *ink = Some(Ink { hue: HUES[rarest].0, pattern: (used[rarest] - 1) % PATTERNS });
    }
    inks.into_iter().map(|ink| ink.expect("each has one by now")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_named_after_a_colour_have_it() {
        let inks = inks(&["a", "blue", "green", "red"]);
        assert_eq!(inks[1].hue, "#0072B2");
        assert_eq!(inks[2].hue, "#009E73");
        assert_eq!(inks[0].hue, "#E69F00");
    }

    #[test]
    fn the_first_thirty_two_differ() {
        let names: Vec<String> = (0..32).map(|index| format!("c{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let inks = inks(&names);
        assert!((0..32).all(|i| (0..i).all(|j| inks[i] != inks[j])));
        assert!(inks[..8].iter().all(|ink| ink.pattern == 0));
    }
}
