//! Frames, questions, answers and hellos of peers: see `checks/node.rs`.

#![no_main]

#[path = "../checks/node.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    checks::wire(bytes);
});
