//! Log lines on standard error, as text or JSON, with a level that can be changed while the node runs.

use crate::config::LogFormat;
use std::io::IsTerminal;
use std::str::FromStr;
use thiserror::Error;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Why the log is not as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// What is no level would be taken for the name of a part of the program, and show nothing else.
    #[error(
        "`{0}` is no level: it should be error, warn, info, debug, trace or off, or by part, as in info,hpaxos_node=debug"
    )]
    Level(String),
    /// It is no filter.
    #[error("`{filter}` is no log filter: {why}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// Logging was started already.
    #[error("the log was started already")]
    Started,
    /// The subscriber is gone, as at the end of the program.
    #[error("there is no log any more")]
    Gone,
}

/// The filter that `text` describes: a level, or levels by part of the program.
///
/// # Errors
/// If it is none; a slip such as `inof` is one that says nothing.
pub fn filter(text: &str) -> Result<EnvFilter, LogError> {
    let shown = |text: &str| text.escape_debug().take(100).collect::<String>();
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |part: &str| !part.is_empty() && LevelFilter::from_str(part).is_ok();
    let has_target = |part: &str| part.contains(['=', ':', '[']);
    if let Some(slip) = parts.iter().find(|part| !has_target(part) && !is_level(part)) {
        return Err(LogError::Level(shown(slip)));
    }
    EnvFilter::builder()
        .parse(parts.join(","))
        .map_err(|error| LogError::Filter { filter: shown(text), why: error.to_string() })
}

/// Changes the level of a log that has been started.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Shows what `text` says from now on.
    ///
    /// # Errors
    /// If it is no filter; then nothing changes.
    pub fn set(&self, text: &str) -> Result<(), LogError> {
        self.0.reload(filter(text)?).map_err(|_| LogError::Gone)
    }
}

/// Starts the log of this process, on standard error.
///
/// # Errors
/// If `level` is no filter, or there is a log already.
pub fn start(level: &str, format: LogFormat) -> Result<LogLevel, LogError> {
    let (level, handle) = reload::Layer::new(filter(level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // The level stands below the lines, so that what it leaves out costs next to nothing.
    tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init()
        .map_err(|_| LogError::Started)?;
    Ok(LogLevel(handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_no_filter() {
        for good in
            ["info", "off", "INFO", "info,hpaxos_node=debug", "warn, hpaxos_node::store=trace"]
        {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "", "info,", "info,hpaxos_node", "hpaxos_node=inof", "a=b=c"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        let level = start("info", LogFormat::Json).unwrap();
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        level.set("debug").unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(level.set("loud"), Err(LogError::Level(_))));
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(start("info", LogFormat::Text), Err(LogError::Started)));
    }
}
