//! How it goes, on standard error: standard output is for answers.

use std::fmt::Display;
use std::io::Write;

/// Tells a person what is being done. A reader that went away is no error.
pub fn say(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Writes a line of the answer.
pub fn answer(text: impl Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}
