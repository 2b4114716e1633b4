//! Guards, actions and effects: the shape of everything that decides something.
//!
//! An engine is local state, a mailbox and guarded actions. A guard maps (event, state) to an optional action with its
//! arguments, and changes nothing; an action changes the state and produces [`Effects`].

use crate::evidence::Evidence;
use crate::ids::{Ballot, MessageId, Round, Slot, ValueHash};
use crate::message::{Message, Packet, Verified};
use crate::record::Record;
use crate::rules::Flaw;
use hpaxos_learner_graph::{AcceptorId, LearnerId};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

// ANCHOR: guard
/// A question about an event in a state: its name, and the action if it is time for it.
pub struct Guard<E: Engine + ?Sized> {
    /// As it is called in traces and transcripts.
    pub name: &'static str,
    /// The question; it changes nothing.
    pub ask: fn(&E, &E::Event) -> Option<E::Action>,
}
// ANCHOR_END: guard

// ANCHOR: engine
/// Local state with guarded actions.
pub trait Engine: 'static {
    /// What can happen to it.
    type Event;
    /// What it can do, with arguments.
    type Action;
    /// The protocol's table of contents.
    const GUARDS: &'static [Guard<Self>];

    /// Changes the state.
    fn act(&mut self, action: Self::Action, out: &mut Effects);

    /// Lets each guard look at the event, in order. Whether any action was taken.
    fn step(&mut self, event: &Self::Event, out: &mut Effects) -> bool {
        self.step_of(event, u64::MAX, out)
    }

    /// Lets some of the guards look at the event, in order: the i-th if bit i of `guards` is set. Whether any action was
    /// taken. A model checker picks the guards, so that whatever may come between them can.
    fn step_of(&mut self, event: &Self::Event, guards: u64, out: &mut Effects) -> bool {
        let mut acted = false;
        let asked = |index: &usize| guards >> index & 1 == 1;
        for index in (0..Self::GUARDS.len()).filter(asked) {
            let guard = &Self::GUARDS[index];
            if let Some(action) = (guard.ask)(self, event) {
                out.fired |= 1 << index;
                self.act(action, out);
                acted = true;
            }
        }
        acted
    }
}
// ANCHOR_END: engine

// ANCHOR: effects
/// What an engine wants done, by lanes. The driver's contract: step while events wait, commit `store` with one sync, then
/// release the other lanes.
#[must_use]
#[derive(Debug, Default)]
pub struct Effects {
    /// Must survive a crash; committed before anything below is released.
    pub store: Vec<Record>,
    /// What to send.
    pub send: Vec<(Target, Packet)>,
    /// Timers to arm, each with the range from which its end is drawn. Arming one again replaces it; none is cancelled: a
    /// stale timer fails its guard.
    pub timers: Vec<(Timer, Range<Duration>)>,
    /// Decisions of learners.
    pub decided: Vec<Decision>,
    /// What others did wrong.
    pub faults: Vec<Fault>,
    /// What only the driver can get.
    pub requests: Vec<Request>,
    /// What entered the DAG, references first, own messages included; for the trace.
    pub received: Vec<Arc<Verified<Message>>>,
    /// The guards of [`crate::Instance`] that let an action pass: bit i is the i-th.
    pub fired: u64,
}
// ANCHOR_END: effects

impl Effects {
    /// Empties all lanes, keeping their memory.
    pub fn clear(&mut self) {
        self.store.clear();
        self.send.clear();
        self.timers.clear();
        self.decided.clear();
        self.faults.clear();
        self.requests.clear();
        self.received.clear();
        self.fired = 0;
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
            && self.send.is_empty()
            && self.timers.is_empty()
            && self.decided.is_empty()
            && self.faults.is_empty()
            && self.requests.is_empty()
    }
}

/// Another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A validator.
    Acceptor(AcceptorId),
    /// A node that does not vote, as its driver numbers it.
    Follower(u32),
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Every acceptor of the log but this one.
    All,
    /// One node.
    One(Peer),
}

/// A timer of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    /// The slot.
    pub slot: Slot,
    /// What ends with it.
    pub kind: TimerKind,
}

// ANCHOR: timer_kinds
/// What ends with a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// The round.
    Round(Round),
    /// The proposer's patience for announcements, and the pause of an acceptor that others drag along: a quarter of the round's.
    Propose(Round),
    /// The acceptor's patience for what a proposer had taken in: half of the round's.
    Hint(Round),
    /// The wait for somebody else to say something in the slot.
    Quiet,
    /// The wait for missing messages and values.
    Fetch,
}
// ANCHOR_END: timer_kinds

/// A learner decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    /// In which slot.
    pub slot: Slot,
    /// Who.
    pub learner: LearnerId,
    /// The ballot, and with it the value.
    pub ballot: Ballot,
}

// ANCHOR: requests
/// What only the driver can get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// A new block to propose; answered by [`crate::Event::Block`] once it is stored.
    Block {
        /// The slot.
        slot: Slot,
        /// The round in which it is this node's turn.
        round: Round,
    },
    /// The value of a proposal; answered by [`crate::Event::Value`] once it is stored and judged.
    Value {
        /// The slot.
        slot: Slot,
        /// Its hash.
        value: ValueHash,
        /// The proposer, who has it.
        proposer: AcceptorId,
    },
    /// The certificates of a slot, to be sent to a node that is behind.
    Certificates {
        /// The slot.
        slot: Slot,
        /// To whom.
        to: Peer,
    },
    /// The records of a parked slot; answered by [`crate::Event::Loaded`].
    Load {
        /// The slot.
        slot: Slot,
    },
}
// ANCHOR_END: requests

// ANCHOR: faults
/// What somebody did wrong, or what this node must know about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A packet of another log or epoch.
    WrongPlace {
        /// Who sent it.
        from: Peer,
    },
    /// A packet for a slot that is not open yet. It may be honest: this node may be behind.
    BeyondWindow {
        /// Who sent it.
        from: Peer,
        /// The slot.
        slot: Slot,
    },
    /// An ill-formed message. Honest nodes pass none on, so it speaks against its sender too.
    IllFormed {
        /// Who sent it.
        from: Peer,
        /// Who signed it.
        signer: AcceptorId,
        /// The message.
        id: MessageId,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// Something only acceptors of the log say, from somebody else.
    NotAnAcceptor {
        /// Who said it.
        from: Peer,
    },
    /// Proof that an acceptor signed two conflicting messages.
    Proven(Evidence),
    /// A message that this node signed and does not know of: its store was lost, or somebody else has its key. It stays
    /// silent until it is safe again.
    OwnMessageUnknown {
        /// The message.
        id: MessageId,
    },
    /// A learner decided, or was certified, two values: more acceptors are Byzantine than its trust model allows.
    Divergence {
        /// In which slot.
        slot: Slot,
        /// Whose trust was betrayed.
        learner: LearnerId,
        /// What it had decided.
        first: ValueHash,
        /// What it would decide now.
        second: ValueHash,
    },
}
// ANCHOR_END: faults
