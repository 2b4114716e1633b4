//! Whether a run is worse than the committed report: by their ratios, beyond the noise that both measured.

use crate::ratio::Ratio;
use crate::report::Written;
use crate::section::{Table, figure};
use std::collections::BTreeMap;

/// Noise is half of the spread of a few pairs, which tells roughly how far they scatter; the medians of two runs differ by
/// more than this times the noise of both once in some hundreds of ratios.
const NOISES: f64 = 2.5;

/// What is worse by less is no regression, however quiet the machines were: it may be the layout of the code.
const TOLERATED: f64 = 0.05;

/// What became of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Within the noise, or better.
    Fine,
    /// Worse beyond the noise.
    Worse,
    /// In the report, and not measured now.
    Missing,
    /// Measured now, and not in the report.
    New,
}

/// A ratio then and now.
pub struct Compared {
    /// The section's and the ratio's.
    pub name: String,
    /// In the report.
    pub then: Option<Ratio>,
    /// In the run.
    pub now: Option<Ratio>,
    /// Up to which value it is fine.
    pub limit: Option<f64>,
    /// What follows.
    pub finding: Finding,
}

/// Compares all ratios of the sections that were run.
pub fn compare(then: &Written, now: &Written) -> Vec<Compared> {
    let none = BTreeMap::new();
    let mut compared = Vec::new();
    for (section, run) in &now.sections {
        let report = then.sections.get(section).map_or(&none, |section| &section.ratios);
        let new = run.ratios.keys().filter(|name| !report.contains_key(*name));
        for name in report.keys().chain(new) {
            let (then, now) = (report.get(name).copied(), run.ratios.get(name).copied());
            let name = format!("{section}: {name}");
            compared.push(Compared::new(name, then, now));
        }
    }
    compared
}

impl Compared {
    fn new(name: String, then: Option<Ratio>, now: Option<Ratio>) -> Self {
        let limit = then.map(|then| {
            let noise = then.noise.hypot(now.map_or(0.0, |now| now.noise));
            then.value * (1.0 + TOLERATED + NOISES * noise)
        });
        let finding = match (limit, now) {
            (Some(limit), Some(now)) if now.value > limit => Finding::Worse,
            (Some(_), Some(_)) => Finding::Fine,
            (Some(_), None) => Finding::Missing,
            (None, _) => Finding::New,
        };
        Compared { name, then, now, limit, finding }
    }
}

/// For people.
pub fn table(compared: &[Compared]) -> Table {
    let mut table = Table::new("", ["ratio", "then", "now", "limit", ""]);
    for Compared { name, then, now, limit, finding } in compared {
        let value = |ratio: &Option<Ratio>| figure(ratio.map(|ratio| ratio.value));
        let finding = match finding {
            Finding::Fine => "fine",
            Finding::Worse => "WORSE",
            Finding::Missing => "not measured",
            Finding::New => "new",
        };
        table.row([name, &value(then), &value(now), &figure(*limit), &finding]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Ratios;

    fn written(ratios: &[(&str, f64, f64)]) -> Written {
        let ratios = ratios
            .iter()
            .map(|(name, value, noise)| {
                ((*name).to_owned(), Ratio { value: *value, noise: *noise })
            })
            .collect();
        Written { sections: BTreeMap::from([("node".to_owned(), Ratios { ratios })]) }
    }

    fn findings(then: &[(&str, f64, f64)], now: &[(&str, f64, f64)]) -> Vec<Finding> {
        compare(&written(then), &written(now)).iter().map(|one| one.finding).collect()
    }

    #[test]
    fn a_regression_beyond_the_noise_is_found() {
        let then = [("cpu", 3.0, 0.04)];
        assert_eq!(findings(&then, &[("cpu", 3.4, 0.03)]), [Finding::Fine]);
        assert_eq!(findings(&then, &[("cpu", 3.6, 0.03)]), [Finding::Worse]);
        assert_eq!(findings(&then, &[("cpu", 1.0, 0.0)]), [Finding::Fine]);
    }

    #[test]
    fn noise_excuses_and_so_does_a_little() {
        assert_eq!(findings(&[("cpu", 3.0, 0.3)], &[("cpu", 4.0, 0.0)]), [Finding::Fine]);
        assert_eq!(findings(&[("cpu", 3.0, 0.0)], &[("cpu", 4.0, 0.3)]), [Finding::Fine]);
        assert_eq!(findings(&[("cpu", 3.0, 0.0)], &[("cpu", 3.1, 0.0)]), [Finding::Fine]);
        assert_eq!(findings(&[("cpu", 3.0, 0.0)], &[("cpu", 3.2, 0.0)]), [Finding::Worse]);
    }

    #[test]
    fn only_sections_that_were_run_are_compared() {
        let then = [("cpu", 3.0, 0.0), ("bytes", 1.0, 0.0)];
        let now = [("cpu", 3.0, 0.0), ("syncs", 1.0, 0.0)];
        assert_eq!(findings(&then, &now), [Finding::Missing, Finding::Fine, Finding::New]);
        let empty = Written { sections: BTreeMap::new() };
        assert!(compare(&written(&then), &empty).is_empty());
    }
}
