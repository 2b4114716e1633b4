//! What a replica has decided, and how long that took.

use crate::report::say;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Told by a replica; cheap to clone.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    decided: u64,
    proposed: BTreeMap<u64, Instant>,
    latencies_us: Vec<u64>,
}

/// What a replica answers each time it is asked.
#[derive(Serialize, Deserialize)]
pub struct Answer {
    /// Values decided since it started.
    pub decided: u64,
    /// From its own proposals to its own decisions, since it was last asked.
    pub latencies_us: Vec<u64>,
}

impl Progress {
    /// This replica proposes a value of its own at this height.
    pub fn proposed(&self, height: u64) {
        self.state().proposed.insert(height, Instant::now());
    }

    /// This replica knows that the value at this height is decided.
    pub fn decided(&self, height: u64) {
        let mut state = self.state();
        state.decided += 1;
        if let Some(since) = state.proposed.get(&height) {
            let us = since.elapsed().as_micros();
            state.latencies_us.push(u64::try_from(us).unwrap_or(u64::MAX));
        }
        state.proposed = state.proposed.split_off(&(height + 1));
    }

    /// Answers each line at standard input, on a thread of its own; ends the process with the supervisor.
    pub fn answer_at_stdin(&self) {
        let progress = self.clone();
        std::thread::spawn(move || {
            for _ in std::io::stdin().lock().lines() {
                let mut state = progress.state();
                let latencies_us = std::mem::take(&mut state.latencies_us);
                let answer = Answer { decided: state.decided, latencies_us };
                drop(state);
                say(&answer);
            }
            std::process::exit(0);
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }
}
