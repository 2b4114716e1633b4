//! The commands that let packets arrive, wait or get lost.

use super::network::{Cargo, Flight};
use super::words::Words;
use super::{Done, Stage, arrivals};
use hpaxos_consensus::message::Packet;
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};

/// Waves after which a dialogue is taken for endless.
const WAVES_MAX: usize = 200;

impl Stage {
    /// What is in flight arrives, one batch at each node. Whether there was any.
    pub(super) fn wave(&mut self) -> Result<bool, String> {
        let mut batches: BTreeMap<AcceptorId, Vec<Flight>> = BTreeMap::new();
        for flight in self.network.take_free() {
            batches.entry(flight.to).or_default().push(flight);
        }
        let any = !batches.is_empty();
        let mut silent = Vec::new();
        let before = self.said.len();
        for (acceptor, flights) in batches {
            let from = self.said.len();
            if !self.arrive(acceptor, flights)? {
                let told = self.said.len() > from;
                self.said.truncate(from);
                silent.extend(told.then(|| self.labels.name(acceptor).to_owned()));
            }
        }
        if !silent.is_empty() && !self.briefly && self.said.len() > before {
            self.print(format!("nothing follows at {}", silent.join(" ")));
        }
        Ok(any)
    }

    pub(super) fn deliver_all(&mut self) -> Done {
        for wave in 1..=WAVES_MAX {
            let from = self.said.len();
            if !self.briefly {
                self.print(format!("wave {wave}"));
            }
            if !self.wave()? {
                self.said.truncate(from);
                return Ok(());
            }
            if !self.briefly && self.said.len() == from + 1 {
                self.said.truncate(from);
            }
        }
        Err(format!("something is still in flight after {WAVES_MAX} waves"))
    }

    fn cargo(&self, words: &mut Words) -> Result<Cargo, String> {
        let (senders, labels, to) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut cargo = Cargo { rounds: false, senders, labels, to };
        for word in words.list()? {
            if word == "rounds" {
                cargo.rounds = true;
            } else if word == "*" {
                cargo.senders.extend(self.config.trust.acceptors().iter());
            } else if let Ok(acceptor) = self.labels.acceptor(word) {
                cargo.senders.insert(acceptor);
            } else {
                self.labels.message(word)?;
                cargo.labels.insert(word.to_owned());
            }
        }
        words.expect("->")?;
        cargo.to.extend(self.nodes(words)?);
        Ok(cargo)
    }

    pub(super) fn deliver(&mut self, words: &mut Words) -> Done {
        let cargo = self.cargo(words)?;
        let alone = words.skip("one by one");
        let mut batches: BTreeMap<AcceptorId, Vec<Flight>> = BTreeMap::new();
        for flight in self.network.take_cargo(&cargo, &self.labels) {
            batches.entry(flight.to).or_default().push(flight);
        }
        if batches.is_empty() {
            return Err("nothing of this is in flight".to_owned());
        }
        for (acceptor, flights) in batches {
            if alone {
                for flight in flights {
                    self.arrive(acceptor, vec![flight])?;
                }
            } else {
                self.arrive(acceptor, flights)?;
            }
        }
        Ok(())
    }

    pub(super) fn drop_some(&mut self, words: &mut Words) -> Done {
        let cargo = self.cargo(words)?;
        let lost = self.network.take_cargo(&cargo, &self.labels);
        let mut told: BTreeMap<AcceptorId, Vec<Flight>> = BTreeMap::new();
        let is_message = |flight: &Flight| matches!(flight.packet, Packet::Message(..));
        for flight in lost.into_iter().filter(is_message) {
            told.entry(flight.to).or_default().push(flight);
        }
        for (acceptor, flights) in told {
            let what = arrivals::news(&self.labels, flights.iter());
            self.print(format!("lost to {}: {what}", self.labels.name(acceptor)));
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, words: &mut Words) -> Done {
        let from = self.nodes(words)?;
        words.expect("->")?;
        let to = self.nodes(words)?;
        for from in from {
            to.iter().for_each(|to| self.network.hold((from, *to)));
        }
        Ok(())
    }
}
