//! What the driver is going to do, in the order of time.

use crate::store::LogIndex;
use hpaxos_consensus::{Slot, Timer, ValueHash};
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the driver is going to do.
#[derive(Clone, Copy, Debug)]
pub enum Wake {
    /// A timer of the engine ends, unless it was armed again.
    Timer {
        /// The log.
        log: LogIndex,
        /// Which.
        timer: Timer,
        /// Counts how often any was armed.
        armed: u64,
    },
    /// A value is still missing.
    Value {
        /// The log.
        log: LogIndex,
        /// The slot for which it was proposed.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
    },
    /// A link may have been down for long enough.
    Unreachable(AcceptorId),
    /// The engine has to be told of more certified slots.
    Certify {
        /// The log.
        log: LogIndex,
    },
    /// A slot may be opened.
    Open {
        /// The log.
        log: LogIndex,
    },
}

/// What the driver is going to do, in the order of time; at one time, in the order in which it was planned.
#[derive(Default)]
pub struct Timers {
    planned: BTreeMap<(Instant, u64), Wake>,
    count: u64,
}

impl Timers {
    /// Plans something.
    pub fn plan(&mut self, after: Duration, wake: Wake) {
        self.plan_at(Instant::now() + after, wake);
    }

    /// Plans something for a time.
    pub fn plan_at(&mut self, time: Instant, wake: Wake) {
        self.count += 1;
        self.planned.insert((time, self.count), wake);
    }

    /// When there is something to do.
    pub fn next(&self) -> Option<Instant> {
        self.planned.first_key_value().map(|((time, _), _)| *time)
    }

    /// What is due.
    pub fn due(&mut self, now: Instant) -> Option<Wake> {
        let entry = self.planned.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
