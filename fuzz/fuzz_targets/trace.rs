//! Traces, run again through the engine and the definitions. None may make it panic.

#![no_main]

use hpaxos_spec::replay::replay;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let _ = replay(bytes, Path::new("."));
});
