//! What is in flight. Nothing moves unless the transcript says so.

use super::labels::Labels;
use hpaxos_consensus::message::Packet;
use hpaxos_consensus::{MessageId, Slot};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};

/// A packet on its way.
pub struct Flight {
    pub from: AcceptorId,
    pub to: AcceptorId,
    pub packet: Packet,
    /// The driver turn of the sender that released it.
    pub turn: u64,
}

/// The links between all nodes.
#[derive(Default)]
pub struct Network {
    flights: Vec<Flight>,
    held: BTreeSet<(AcceptorId, AcceptorId)>,
    /// The replies that replicas have sent, by signer and previous reply, with the turn that sent them first.
    chains: BTreeMap<(Slot, AcceptorId, Option<MessageId>), (MessageId, u64)>,
}

/// Some of what is in flight: sent by one of these, or one of these messages, or announcements.
pub struct Cargo {
    pub rounds: bool,
    pub senders: BTreeSet<AcceptorId>,
    pub labels: BTreeSet<String>,
    pub to: BTreeSet<AcceptorId>,
}

impl Cargo {
    fn holds(&self, flight: &Flight, labels: &Labels) -> bool {
        let named = match &flight.packet {
            Packet::Message(message, _) => self.labels.contains(labels.label(&message.id())),
            Packet::Announcement(_) => self.rounds,
            _ => false,
        };
        self.to.contains(&flight.to) && (named || self.senders.contains(&flight.from))
    }
}

impl Network {
    pub fn send(&mut self, flight: Flight) {
        self.flights.push(flight);
    }

    /// Takes note of what a replica is about to send: no two of its replies may follow the same one.
    pub fn witness(&mut self, from: AcceptorId, packet: &Packet, turn: u64) {
        let Packet::Message(message, _) = packet else { return };
        if let Some(reply) = message.reply().filter(|_| message.signer() == from) {
            let place = (message.place.slot, from, reply.prev);
            let (id, _) = self.chains.entry(place).or_insert((message.id(), turn));
            assert_eq!(*id, message.id(), "a replica never forks, whatever it forgot");
        }
    }

    pub fn hold(&mut self, link: (AcceptorId, AcceptorId)) {
        self.held.insert(link);
    }

    pub fn release(&mut self) {
        self.held.clear();
    }

    /// Takes out everything that no held link keeps.
    pub fn take_free(&mut self) -> Vec<Flight> {
        let held = std::mem::take(&mut self.held);
        let taken = self.take(|flight| !held.contains(&(flight.from, flight.to)));
        self.held = held;
        taken
    }

    /// Takes out what the transcript asks for, held or not.
    pub fn take_cargo(&mut self, cargo: &Cargo, labels: &Labels) -> Vec<Flight> {
        self.take(|flight| cargo.holds(flight, labels))
    }

    /// What comes to a node that stops is lost.
    pub fn lose_to(&mut self, to: AcceptorId) {
        self.take(|flight| flight.to == to);
    }

    /// Takes back what a turn released: how much of it was still in flight.
    pub fn take_back(&mut self, from: AcceptorId, turn: u64) -> usize {
        self.chains.retain(|(_, signer, _), (_, first)| (*signer, *first) != (from, turn));
        self.take(|flight| flight.from == from && flight.turn == turn).len()
    }

    fn take(&mut self, wanted: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let (taken, left) = std::mem::take(&mut self.flights).into_iter().partition(wanted);
        self.flights = left;
        taken
    }
}
