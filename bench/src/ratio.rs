//! Ratios of things that were measured side by side. They survive a slow or busy machine, which the things themselves do not.

use serde::{Deserialize, Serialize};

/// A cost beside another one: more is worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The median of the pairs.
    pub value: f64,
    /// Half of the spread of the pairs, as a share of the value.
    pub noise: f64,
}

impl Ratio {
    /// Of pairs, each measured side by side: the first of each to the second. None of fewer than two pairs, which tell of no
    /// noise, or where something was not measured.
    pub fn of_pairs(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let mut quotients: Vec<f64> = pairs.into_iter().map(|(one, other)| one / other).collect();
        if quotients.len() < 2 || quotients.iter().any(|it| !it.is_finite() || *it <= 0.0) {
            return None;
        }
        quotients.sort_by(f64::total_cmp);
        let value = median(&quotients)?;
        let noise = (quotients[quotients.len() - 1] - quotients[0]) / 2.0 / value;
        Some(Ratio { value, noise })
    }
}

/// The value in the middle, of sorted ones; between the two in the middle of an even number.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let (lower, upper) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[lower] + sorted[upper]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_pairs_and_half_their_spread() {
        let ratio = Ratio::of_pairs([(2.0, 1.0), (9.0, 3.0), (16.0, 4.0)]).unwrap();
        assert_eq!(ratio.value, 3.0);
        assert!((ratio.noise - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn what_tells_of_no_noise_is_no_ratio() {
        assert_eq!(Ratio::of_pairs([(2.0, 1.0)]), None);
        assert_eq!(Ratio::of_pairs([(2.0, 1.0), (2.0, 0.0)]), None);
        assert_eq!(Ratio::of_pairs([(0.0, 1.0), (2.0, 1.0)]), None);
    }
}
