//! How a cost grows: y = c · xᵉ, fitted.

/// A fitted exponent.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// e: 1 where the cost is proportional to x.
    pub exponent: f64,
    /// The standard error of e: how far the points are off a straight line.
    pub error: f64,
}

impl PowerLaw {
    /// Least squares over the logarithms. None of fewer than three points, or where one is not positive.
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let positive = points.iter().all(|(x, y)| *x > 0.0 && *y > 0.0);
        if points.len() < 3 || !positive {
            return None;
        }
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = logs.len() as f64;
        let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let both: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let exponent = both / spread;
        let off = |(x, y): &(f64, f64)| y - mean_y - exponent * (x - mean_x);
        let residuals: f64 = logs.iter().map(|point| off(point).powi(2)).sum();
        Some(PowerLaw { exponent, error: (residuals / (count - 2.0) / spread).sqrt() })
    }
}

impl std::fmt::Display for PowerLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ± {:.2}", self.exponent, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_power_is_found_exactly() {
        let points: Vec<(f64, f64)> =
            [4.0_f64, 16.0, 100.0].map(|x| (x, 3.0 * x.powf(1.3))).to_vec();
        let law = PowerLaw::fit(&points).unwrap();
        assert!((law.exponent - 1.3).abs() < 1e-12 && law.error < 1e-12, "{law:?}");
    }

    #[test]
    fn what_is_off_the_line_shows_as_error() {
        // By hand: logs to base 2 are (0, 0), (1, 2), (2, 2); the slope is 1, residuals are -1/3, 2/3, -1/3.
        let law = PowerLaw::fit(&[(1.0, 1.0), (2.0, 4.0), (4.0, 4.0)]).unwrap();
        assert!((law.exponent - 1.0).abs() < 1e-12);
        assert!((law.error - (1.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{law:?}");
    }

    #[test]
    fn too_little_is_no_law() {
        assert_eq!(PowerLaw::fit(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 1.0), (2.0, 0.0), (3.0, 1.0)]), None);
    }
}
