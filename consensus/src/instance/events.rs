//! What can happen to an instance, and what it can do.

use crate::dag::Ix;
use crate::engine::{Peer, TimerKind};
use crate::ids::{Ballot, Round, ValueHash};
use crate::message::{Announcement, Answer, Message, Refs, Verified};
use crate::replica::Judgement;
use crate::rules::{Draft, Facts};
use hpaxos_learner_graph::{AcceptorId, LearnerId, LearnerSet};
use std::sync::Arc;

// ANCHOR: slot_events
/// What can happen to an instance.
#[derive(Clone, Debug)]
pub enum SlotEvent {
    /// A message came, with what its proposer had taken in if it is a 1a.
    Message {
        /// Who sent it.
        from: Peer,
        /// The message.
        message: Arc<Verified<Message>>,
        /// The hint.
        hint: Refs,
    },
    /// A message that a trace says was admitted: there was room for it, or somebody needed it.
    Recorded {
        /// Who sent it.
        from: Peer,
        /// The message.
        message: Arc<Verified<Message>>,
        /// The hint.
        hint: Refs,
    },
    /// The announcement of a round came.
    Announcement {
        /// The announcement.
        announcement: Arc<Verified<Announcement>>,
    },
    /// A peer says what it holds.
    Tips {
        /// Who.
        from: Peer,
        /// Its maximal messages.
        tips: Refs,
        /// Whether it wants to know this node's.
        answer: Answer,
    },
    /// A peer lacks messages.
    Ask {
        /// Who.
        from: Peer,
        /// What it lacks.
        want: Refs,
        /// What it holds.
        have: Refs,
    },
    /// A connection came up.
    Connected {
        /// With whom.
        peer: Peer,
    },
    /// A value was stored and judged.
    Value {
        /// Its hash.
        value: ValueHash,
        /// The judgement.
        judgement: Judgement,
    },
    /// The block that was asked for.
    Block {
        /// Its hash.
        value: ValueHash,
    },
    /// A timer ended.
    Timer(TimerKind),
    /// There is a certificate.
    Certified {
        /// Whose.
        learner: LearnerId,
        /// Of which value.
        value: ValueHash,
    },
    /// A message entered the DAG.
    Arrived(Ix),
    /// The units at hand are all here: time to answer.
    Settle,
}
// ANCHOR_END: slot_events

/// What an instance can do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Put a message into the DAG, or let it wait for its references.
    Admit {
        /// Who sent it.
        from: Peer,
        /// The message.
        message: Arc<Verified<Message>>,
        /// What its proposer had taken in.
        hint: Refs,
    },
    /// Let go of a message, and of what waits for it.
    Decline {
        /// Who sent it.
        from: Peer,
        /// The message.
        message: Arc<Verified<Message>>,
        /// What its proposer had taken in.
        hint: Refs,
    },
    /// Look again at what waited for a message.
    Release(Ix),
    /// Show two conflicting messages to everybody.
    Expose(Ix, Ix),
    /// Get the value of a proposal.
    FetchValue(Ix),
    /// Remember what was judged.
    Judge(ValueHash, Judgement),
    /// Say what this node holds.
    Greet(Peer),
    /// Compare what a peer holds with what is here.
    Compare {
        /// Who.
        from: Peer,
        /// Its maximal messages.
        tips: Refs,
        /// Whether it wants to know this node's.
        answer: Answer,
    },
    /// Send a peer what it lacks.
    Answer {
        /// Who.
        from: Peer,
        /// What it lacks.
        want: Refs,
        /// What it holds.
        have: Refs,
    },
    /// Ask for what came to be missing.
    AskAll,
    /// Ask the next peer for what is missing.
    AskAgain,
    /// Ask the same peer for the rest.
    AskOn(Peer),
    /// Count a message towards decisions.
    Count(Ix),
    /// Decide.
    Decide {
        /// The ballot, and with it the value.
        ballot: Ballot,
        /// Who decides.
        learners: LearnerSet,
    },
    /// Remember a certificate.
    Certify {
        /// Whose.
        learner: LearnerId,
        /// Of which value.
        value: ValueHash,
    },
    /// Remember an announcement, and pass it on.
    Hear(Arc<Verified<Announcement>>),
    /// Remember in which round an acceptor is.
    Place(AcceptorId, Round),
    /// Take in what is ready.
    TakeIn,
    /// Answer 1a's of this and earlier rounds without waiting for what their proposers had taken in.
    StopWaiting(Round),
    /// Sign, store and send a reply.
    Reply(Draft, Facts),
    /// Start the timer of this round.
    StartTimer,
    /// Let the round go on without a timer.
    Rest,
    /// Go to the next round, because this one's timer ended.
    EndRound,
    /// Go to the next round, because others did.
    CatchUp,
    /// Say in which round this acceptor is.
    Announce,
    /// Say it again, and ask what the others hold.
    SpeakUp,
    /// Propose.
    Propose {
        /// The round.
        round: Round,
        /// The value.
        value: ValueHash,
    },
    /// Ask the driver for a new block.
    AskForBlock(Round),
    /// Propose without waiting for announcements; and go on, if others are ahead.
    Hurry(Round),
    /// Keep a block to propose.
    KeepBlock(ValueHash),
}
