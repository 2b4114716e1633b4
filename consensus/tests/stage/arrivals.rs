//! What packets say.

use super::labels::Labels;
use super::network::Flight;
use hpaxos_consensus::message::{Announcement, Answer, Packet, Verified};
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeSet;

/// What came in one batch.
pub fn news<'a>(labels: &Labels, flights: impl Iterator<Item = &'a Flight>) -> String {
    let mut senders: Vec<(String, BTreeSet<AcceptorId>)> = Vec::new();
    for flight in flights {
        let (what, speaker) = match &flight.packet {
            Packet::Message(message, hint) if hint.is_empty() => {
                (labels.label(&message.id()).to_owned(), message.signer())
            }
            Packet::Message(message, hint) => {
                let label = labels.label(&message.id());
                (format!("{label} (hint {})", labels.list(hint.iter())), message.signer())
            }
            Packet::Announcement(announcement) => {
                (in_round(labels, announcement), announcement.signer())
            }
            packet => {
                let from = labels.name(flight.from);
                (format!("{from} {}", talk(labels, packet)), flight.from)
            }
        };
        let known = senders.iter_mut().find(|(known, _)| *known == what);
        let senders = match known {
            Some((_, senders)) => senders,
            None => {
                senders.push((what, BTreeSet::new()));
                &mut senders.last_mut().expect("just pushed").1
            }
        };
        if flight.from != speaker {
            senders.insert(flight.from);
        }
    }
    let parts = senders.into_iter().map(|(what, from)| match from.is_empty() {
        true => what,
        false => {
            let from: Vec<&str> = from.iter().map(|one| labels.name(*one)).collect();
            format!("{what} (from {})", from.join(" "))
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// `p in round 2 (p.1b.1)`: what an announcement says.
pub fn in_round(labels: &Labels, announcement: &Verified<Announcement>) -> String {
    let holds = match announcement.maximal.is_empty() {
        true => String::new(),
        false => format!(" ({})", labels.list(announcement.maximal.iter())),
    };
    let (round, at) = (announcement.round, labels.place(announcement.place.slot));
    format!("{} in round {round}{at}{holds}", labels.name(announcement.signer()))
}

/// What a packet that is neither a message nor an announcement says.
pub fn talk(labels: &Labels, packet: &Packet) -> String {
    let asks = |answer: &Answer| match answer {
        Answer::Wanted => ", and wants to know the same",
        Answer::Given => "",
    };
    match packet {
        Packet::Tips { place, tips, answer } => {
            let at = labels.place(place.slot);
            format!("holds {}{at}{}", labels.list(tips.iter()), asks(answer))
        }
        Packet::Ask { want, have, .. } => {
            let have = labels.list(have.iter());
            format!("asks for {}, holds {have}", labels.list(want.iter()))
        }
        Packet::Highest { place, answer } => {
            let opened = match place.slot.0.checked_sub(1) {
                Some(highest) => format!("slot {highest}"),
                None => "no slot".to_owned(),
            };
            format!("has opened {opened}{}", asks(answer))
        }
        Packet::Message(..) | Packet::Announcement(_) => String::new(),
    }
}
