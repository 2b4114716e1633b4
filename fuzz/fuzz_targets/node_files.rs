//! The files of a home that are not the database, and the words of a request: see `checks/node.rs`.

#![no_main]

#[path = "../checks/node.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    checks::files(bytes);
});
