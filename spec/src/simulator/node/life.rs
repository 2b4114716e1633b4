//! Starting, stopping, and what a disk gives back.

use super::{Node, State, reread};
use crate::properties::Justified;
use crate::simulator::certificates::Certificates;
use crate::simulator::disk::{Entry, Opened};
use crate::simulator::faults::Fault as Kind;
use crate::simulator::network::happens;
use crate::simulator::queue::{Awaited, Strike};
use crate::simulator::surroundings::Surroundings;
use crate::simulator::wire::Attestation;
use hpaxos_consensus::message::NoSigner;
use hpaxos_consensus::{Config, Memory, Record, Replica, Timer};
use rand::Rng;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Node {
    /// Starts it, from its disk.
    pub fn start(&mut self, world: &mut Surroundings) {
        if self.state != State::Down {
            return;
        }
        let mut first = self.disk.entries().next().is_none();
        if !world.quiet && !first {
            let (flip, copy) = (world.scenario.bit_flip, world.scenario.old_copy);
            if happens(flip, &mut world.rng) {
                self.disk.flip_bit();
            } else if happens(copy, &mut world.rng) {
                self.disk.restore_copy();
            }
        }
        let opened = self.disk.open();
        first &= opened == Opened::Sound;
        self.state = State::Up;
        self.run += 1;
        self.lost |= opened == Opened::Lost;
        let mut config = Config::new(
            world.setting.network,
            world.setting.trust.clone(),
            Some(self.me),
            Arc::new(NoSigner),
        );
        config.rules = world.rules;
        config.memory = if opened == Opened::Lost { Memory::Lost } else { Memory::Kept };
        let mut effects = std::mem::take(&mut self.spare);
        effects.clear();
        if first {
            self.replica = Some(Replica::new(config));
        } else {
            world.recorder.restart(self.me);
            let records = self.reload(world);
            self.replica = Some(Replica::recover(config, records, &mut effects));
        }
        if world.scenario.old_copy > 0.0 && happens(0.5, &mut world.rng) {
            self.disk.copy();
        }
        world.plan(self.me, self.run, Duration::ZERO, Awaited::Open);
        self.commit(effects, world);
        self.turn(world);
    }

    /// Reads the disk: the engine's records, as their bytes say; the rest goes where it belongs.
    pub(super) fn reload(&mut self, world: &Surroundings) -> Vec<Record> {
        let mut retired = BTreeSet::new();
        for entry in self.disk.entries() {
            self.justified.entry(entry);
            match entry {
                Entry::Value(value, judgement) => {
                    self.values.insert(*value, *judgement);
                }
                Entry::Certificate(what, signers) => {
                    self.decided.insert((what.slot, what.learner), what.value);
                    self.certificates.keep(*what, *signers);
                }
                Entry::Record(Record::Decided { slot, learner, ballot }) => {
                    self.decided.insert((*slot, *learner), ballot.value);
                    let log = world.setting.trust.log();
                    if log.members(*learner).contains(self.me) {
                        let (slot, learner, value) = (*slot, *learner, ballot.value);
                        self.certificates.attest(Attestation { slot, learner, value });
                    }
                }
                Entry::Record(Record::Retired { slot }) => {
                    retired.insert(*slot);
                }
                Entry::Record(_) => {}
            }
        }
        // What a retired slot needed no longer is on the disk.
        let gone = |record: &Record| {
            matches!(record, Record::Messages { .. } | Record::Round { .. })
                && record.slot().is_some_and(|slot| retired.contains(&slot))
        };
        let records = self.disk.entries().filter_map(|entry| match entry {
            Entry::Record(record) if !gone(record) => Some(reread(record, world)),
            _ => None,
        });
        records.collect()
    }

    /// Stops without warning.
    pub fn crash(&mut self, world: &mut Surroundings) {
        if self.state == State::Down {
            return;
        }
        self.state = State::Down;
        self.run += 1;
        self.replica = None;
        self.inbox.clear();
        self.timers.clear();
        self.missing.clear();
        self.batch.clear();
        self.values.clear();
        self.decided.clear();
        self.certificates = Certificates::default();
        self.justified = Justified::default();
        self.held = None;
        let faults = world.scenario.faults;
        let loses = faults.has(Kind::LostWrite) || faults.has(Kind::TornWrite);
        let rng = &mut world.rng;
        self.disk.crash(|| !loses || rng.random_bool(0.5));
        world.recorder.crash(self.me);
        world.isolate(self.me);
        let down = Duration::from_millis(world.rng.random_range(5..3_000));
        world.strike_after(down, Strike::Restart(self.me));
    }

    /// Stops doing anything.
    pub fn pause(&mut self) {
        if self.state == State::Up {
            self.state = State::Paused;
        }
    }

    /// Goes on.
    pub fn resume(&mut self, world: &mut Surroundings) {
        if self.state == State::Paused {
            self.state = State::Up;
            self.turn(world);
        }
    }

    /// The clock jumps: forward, and all timers end; or back, and all take longer.
    pub fn jump(&mut self, world: &mut Surroundings) {
        let forward = world.rng.random_bool(0.5);
        let timers: Vec<Timer> = self.timers.keys().copied().collect();
        for timer in timers {
            let later = Duration::from_millis(world.rng.random_range(100..2_000));
            self.arm(timer, if forward { Duration::ZERO } else { later }, world);
        }
    }
}
