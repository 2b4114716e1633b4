//! The commands.

pub mod replay;
pub mod simulate;

use std::fmt;
use std::io::Write;

/// Writes a line to standard output. A reader that went away, as `head` does, is no error.
fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a line to standard error.
pub fn complain(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
