//! The virtual clock and what is going to happen, in the order of time; what is due at once, in the order in which it was
//! planned.

use super::wire::Wire;
use hpaxos_consensus::{Round, Slot, Timer, ValueHash};
use hpaxos_learner_graph::AcceptorId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

/// Time since the start of the run.
pub type Time = Duration;

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Something arrives, if the link still is what it was.
    Arrival {
        /// Who sent it.
        from: AcceptorId,
        /// Where it arrives.
        to: AcceptorId,
        /// The life of the link on which it was sent.
        life: u32,
        /// What.
        wire: Arc<Wire>,
    },
    /// Two nodes try to connect.
    Connect {
        /// One.
        one: AcceptorId,
        /// The other.
        other: AcceptorId,
    },
    /// Something that a node waits for.
    Node {
        /// The node.
        node: AcceptorId,
        /// The run of the node in which it was planned; a restart makes it stale.
        run: u32,
        /// What.
        what: Awaited,
    },
    /// The world strikes.
    Strike(Strike),
}

/// What a node waits for.
#[derive(Clone, Copy, Debug)]
pub enum Awaited {
    /// A timer ends, unless it was armed again.
    Timer(Timer, u64),
    /// The disk has done what it was told.
    Synced,
    /// A block is made.
    Block(Slot, Round),
    /// A value that was asked for is still missing.
    Value(ValueHash),
    /// The records of a parked slot are read.
    Loaded(Slot),
    /// Something waits to be proposed.
    Open,
    /// The batch is due: arrivals of a moment are handled together.
    Turn,
    /// A Byzantine acceptor thinks of something.
    Whim,
}

/// What happens to nodes and links without anybody's doing.
#[derive(Clone, Copy, Debug)]
pub enum Strike {
    /// A node crashes.
    Crash(AcceptorId),
    /// It comes back.
    Restart(AcceptorId),
    /// A node stops doing anything.
    Pause(AcceptorId),
    /// It goes on.
    Resume(AcceptorId),
    /// A node's clock jumps.
    Jump(AcceptorId),
    /// A link breaks.
    Break,
    /// Some nodes are cut off from the others.
    Partition,
    /// The partition heals.
    Heal,
    /// All faults end, except those of Byzantine acceptors.
    Quiet,
}

/// What is going to happen.
#[derive(Default)]
pub struct Queue {
    now: Time,
    planned: u64,
    /// When each thing happens, which it is of all that were planned, and where it is kept.
    heap: BinaryHeap<Reverse<(Time, u64, usize)>>,
    kept: Vec<Option<Happening>>,
    free: Vec<usize>,
}

impl Queue {
    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Plans something for a time, or for now if that has passed.
    pub fn at(&mut self, time: Time, what: Happening) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.kept.push(None);
            self.kept.len() - 1
        });
        self.kept[place] = Some(what);
        self.heap.push(Reverse((time.max(self.now), self.planned, place)));
        self.planned += 1;
    }

    /// Plans something for later.
    pub fn after(&mut self, delay: Duration, what: Happening) {
        self.at(self.now + delay, what);
    }

    /// The next thing; the clock moves to it.
    pub fn advance(&mut self) -> Option<Happening> {
        let Reverse((time, _, place)) = self.heap.pop()?;
        self.now = time;
        self.free.push(place);
        self.kept[place].take()
    }
}
