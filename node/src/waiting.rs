//! How long to wait, as people write it.

use std::time::Duration;

/// Reads a number with `s` or `ms`: `10s`, `500ms`.
///
/// # Errors
/// What would be right.
pub fn read(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => (text.strip_suffix('s').unwrap_or_default(), Duration::from_secs(1)),
    };
    let number: u32 = number.parse().map_err(|_| "should be like 10s or 500ms".to_owned())?;
    Ok(unit.saturating_mul(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_milliseconds() {
        assert_eq!(read("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "10", "s", "ms", "-1s", "1m", "1.5s", "99999999999s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
