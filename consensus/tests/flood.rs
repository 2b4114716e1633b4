//! One Byzantine acceptor floods an instance. It gets a fixed room, and the others' work goes on in the same instance.

#![allow(clippy::print_stdout, reason = "it shows the figures, with --nocapture")]

mod support;

use allocation_counter::measure;
use hpaxos_consensus::message::{Answer, Message, Packet, Refs, ReplyKind, Verified};
use hpaxos_consensus::{Effects, Event, Judgement, MessageId, Request, ValueHash};
use hpaxos_learner_graph::LearnerId;
use std::sync::Arc;
use support::forge::{Forge, Noise, packet, peer};
use support::run::{Arrival, NETWORK, Run, SLOT, VALUE};
use support::trust::equal;

/// Four acceptors, of which three decide, and three are honest.
const ACCEPTORS: usize = 4;
const BAD: usize = 3;
/// The node that is flooded.
const NODE: usize = 1;

/// What the network's three nodes may take at most above what they take without the flood, whatever is sent: 256 KiB of
/// waiting messages, each of whose references is in a table too (at some 200 bytes), 4,096 messages that are said to be
/// there, 1,024 ill-formed ones, and 64 messages in the DAG; and a batch of what is being handled, up to 2 MiB of it.
const BYTES_MAX: u64 = 4 << 20;

/// What it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spam {
    /// 1a's of all rounds that it leads, three of each.
    Proposals,
    /// Votes for its own 1a's, each the first of a chain.
    Forks,
    /// One well-formed chain of votes for its own 1a's.
    Chain,
    /// Replies with references that nothing has.
    Orphans,
    /// Such replies with as many references as a packet takes.
    HugeOrphans,
    /// Ill-formed replies.
    IllFormed,
    /// Announcements of ever higher rounds, with messages that nothing has.
    Announcements,
    /// Messages that it says it has.
    Tips,
    /// 1a's, each with a hint at other 1a's and votes of its own, which come then.
    Hints,
    /// Questions for all that there is.
    Questions,
}

use Spam::*;

/// What one signer that has not forked sends, cheap things more often.
const UNFORKED: [Spam; 12] = [
    Proposals,
    Chain,
    Orphans,
    Proposals,
    Chain,
    Chain,
    Orphans,
    IllFormed,
    Announcements,
    Announcements,
    Tips,
    Hints,
];

struct Flood {
    forge: Forge,
    noise: Noise,
    sent: u64,
    proposals: u64,
    tip: Option<MessageId>,
    pending: Vec<Event>,
}

impl Flood {
    fn new(forge: Forge) -> Self {
        let noise = Noise(1);
        Flood { forge, noise, sent: 0, proposals: 0, tip: None, pending: Vec::new() }
    }

    /// A 1a of some round that it leads: with one learner, each fourth.
    fn proposal(&mut self, number: u64) -> Arc<Verified<Message>> {
        let round = number * ACCEPTORS as u64 + BAD as u64;
        let value = ValueHash(self.noise.id().0);
        self.forge.unsigned(self.forge.proposal(round, value))
    }

    fn next_proposal(&mut self) -> Arc<Verified<Message>> {
        self.proposals += 1;
        self.proposal(self.proposals)
    }

    fn vote(&self, prev: Option<MessageId>, refs: Vec<MessageId>) -> Arc<Verified<Message>> {
        self.forge.unsigned(self.forge.reply(ReplyKind::OneB, BAD, prev, refs))
    }

    fn made_up(&mut self, count: usize) -> Vec<MessageId> {
        (0..count).map(|_| self.noise.id()).collect()
    }

    fn send(&mut self, packet: Packet) {
        self.pending.push(Event::Packet { from: peer(BAD), packet });
    }

    /// Makes the next few packets.
    fn make(&mut self, spam: Spam) {
        let place = self.forge.place.clone();
        match spam {
            Proposals => {
                let proposal = self.proposal(self.sent / 3);
                self.send(packet(&proposal));
            }
            Forks | Chain => {
                let proposal = self.next_proposal();
                let prev = self.tip.filter(|_| spam == Chain);
                let vote = self.vote(prev, prev.into_iter().chain([proposal.id()]).collect());
                self.tip = Some(vote.id());
                self.send(packet(&proposal));
                self.send(packet(&vote));
            }
            Orphans | HugeOrphans => {
                let count = if spam == Orphans { 10 } else { Refs::COUNT_MAX };
                let refs = self.made_up(count);
                let orphan = self.vote(None, refs);
                self.send(packet(&orphan));
            }
            IllFormed => {
                let kinds = [ReplyKind::TwoA, ReplyKind::TwoB];
                let kind = kinds[self.sent as usize % 2];
                let refs = self.tip.into_iter().chain(self.made_up(1));
                let below = self.forge.reply(kind, BAD, None, []);
                let below = self.forge.unsigned(below);
                let above = self.vote(None, refs.chain([below.id()]).collect());
                self.send(packet(&above));
                self.send(packet(&below));
            }
            Announcements => {
                let maximal = self.made_up(3);
                let content = self.forge.announcement(BAD, self.sent, maximal);
                let announcement = Arc::new(Verified::trusted(
                    content,
                    hpaxos_learner_graph::AcceptorId::new(BAD),
                    [0; 64],
                    &NETWORK,
                ));
                self.send(Packet::Announcement(announcement));
            }
            Tips => {
                let tips = Refs::new(self.made_up(10));
                self.send(Packet::Tips { place, tips, answer: Answer::Wanted });
            }
            Hints => {
                let proposal = self.next_proposal();
                let hinted: Vec<_> = (0..20)
                    .flat_map(|_| {
                        let proposal = self.next_proposal();
                        let vote = self.vote(None, vec![proposal.id()]);
                        [proposal, vote]
                    })
                    .collect();
                let hint = Refs::new(hinted.iter().map(|message| message.id()));
                self.send(Packet::Message(proposal, hint));
                hinted.iter().for_each(|message| self.send(packet(message)));
            }
            Questions => {
                let want = Refs::new(self.made_up(2).into_iter().chain(self.tip));
                self.send(Packet::Ask { place, want, have: Refs::default() });
            }
        }
        self.sent += 1;
    }
}

/// Packets that a driver hands over in one go.
const BATCH: usize = 64;

/// Sends so many packets of these sorts to the node, each batch followed by what its driver does.
fn pour(run: &mut Run, flood: &mut Flood, spam: &[Spam], packets: usize, out: &mut Effects) {
    let mut sent = 0;
    while sent < packets {
        while flood.pending.len() < BATCH {
            flood.make(spam[flood.sent as usize % spam.len()]);
        }
        sent += flood.pending.len();
        let node = &mut run.replicas[NODE];
        flood.pending.drain(..).for_each(|event| node.handle(event, out));
        node.settle(out);
        let values: Vec<ValueHash> = out
            .requests
            .iter()
            .filter_map(|request| match request {
                Request::Value { value, .. } => Some(*value),
                _ => None,
            })
            .collect();
        for value in values {
            let judgement = Judgement::Valid;
            node.handle(Event::Value { slot: SLOT, value, judgement }, out);
        }
        node.settle(out);
        // The others hear of messages and evidence; questions to the flooder, and what it announces, go nowhere.
        out.send.retain(|(_, packet)| matches!(packet, Packet::Message(..)));
        run.tell(NODE, out);
        out.clear();
    }
}

/// Floods the node while the others run a slot with it: between any two periods come some of the packets.
fn assert_flood_changes_nothing(spam: &[Spam], packets: usize) {
    let trust = equal(ACCEPTORS, 1);
    let mut run = Run::new(&trust, Arrival::Batched, BAD);
    run.forgive = true;
    let mut flood = Flood::new(Forge::new(NETWORK, &trust, SLOT));
    let mut out = Effects::default();
    let mut figures = Vec::new();
    // Warm up what the test itself holds on to.
    pour(&mut run, &mut flood, spam, BATCH, &mut out);
    let used = measure(|| {
        for _ in 0..6 {
            pour(&mut run, &mut flood, spam, packets / 6, &mut out);
            run.period();
        }
        while run.period() {}
        let instance = run.replicas[NODE].instance(SLOT).expect("the slot is open");
        figures = vec![instance.dag().len(), instance.waiting()];
    });
    println!(
        "{spam:?}: {packets} packets, {} bytes at most, {} left; {figures:?} in the DAG and waiting",
        used.bytes_max, used.bytes_current
    );
    assert!(used.bytes_max <= BYTES_MAX, "{spam:?}: {} bytes", used.bytes_max);
    for replica in &run.replicas {
        let instance = replica.instance(SLOT).expect("the slot is open");
        assert_eq!(instance.decided(LearnerId::new(0)), Some(VALUE), "{spam:?}");
    }
}

#[test]
fn each_sort_of_spam_gets_a_fixed_room() {
    for spam in [Proposals, Forks, Chain, Orphans, IllFormed, Announcements, Tips, Hints, Questions]
    {
        assert_flood_changes_nothing(&[spam], 20_000);
    }
    assert_flood_changes_nothing(&[HugeOrphans], 1_000);
}

#[test]
fn a_million_packets_of_everything_get_a_fixed_room() {
    assert_flood_changes_nothing(&UNFORKED, 1_000_000);
}

#[test]
fn packets_of_everything_from_a_signer_that_forked_get_a_fixed_room() {
    let spam: Vec<Spam> = UNFORKED.into_iter().chain([Forks]).collect();
    assert_flood_changes_nothing(&spam, 200_000);
}
