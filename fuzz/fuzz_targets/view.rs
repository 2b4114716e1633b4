//! The rows of a view, as they are stored: see `checks/ledger.rs`.

#![no_main]

#[path = "../checks/ledger.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    checks::view(bytes);
});
