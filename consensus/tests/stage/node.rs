//! One node: a replica with its driver, whose disk survives a crash.

use hpaxos_consensus::message::{Announcement, Verified};
use hpaxos_consensus::{
    Config, Effects, Event, Judgement, Memory, Peer, Record, Replica, Request, Round, Slot, Timer,
    TimerKind, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet};

/// A node, running or stopped.
pub struct Node {
    config: Config,
    /// None while it is stopped.
    pub replica: Option<Replica>,
    /// The last turn, and how many packets it sent.
    pub released: (u64, usize),
    /// Records as they are stored, with the turn that wrote them.
    disk: Vec<(u64, Vec<u8>)>,
    /// Values that are stored and judged.
    values: BTreeMap<(Slot, ValueHash), Judgement>,
    /// Rounds for which a block is wanted.
    wanted_blocks: BTreeMap<Slot, Round>,
    armed: BTreeSet<Timer>,
    /// The rounds of others of which it has heard.
    heard: BTreeMap<(Slot, AcceptorId), Round>,
}

/// What one turn of the driver brought: a batch of events, and settling.
pub struct Turn {
    pub effects: Effects,
    pub opened: Vec<Slot>,
    /// Slots that are in memory no longer.
    pub parked: Vec<Slot>,
    pub retired: Vec<Slot>,
    /// Messages that began to wait, or wait no longer, for what they reference.
    pub waiting: Option<usize>,
}

/// What is left of a store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Kept,
    /// Nothing, and the node knows it.
    Empty,
    /// Nothing, and nothing tells the node so.
    EmptyUnnoticed,
}

impl Node {
    pub fn new(config: Config) -> Self {
        Node {
            replica: Some(Replica::new(config.clone())),
            config,
            released: (0, 0),
            disk: Vec::new(),
            values: BTreeMap::new(),
            wanted_blocks: BTreeMap::new(),
            armed: BTreeSet::new(),
            heard: BTreeMap::new(),
        }
    }

    pub fn running(&self) -> Result<&Replica, String> {
        self.replica.as_ref().ok_or_else(|| "it is not running".to_owned())
    }

    /// One turn: the driver's contract. Records are on disk before anything else is released.
    pub fn turn(&mut self, number: u64, events: Vec<Event>) -> Turn {
        let replica = self.replica.as_mut().expect("only running nodes take turns");
        let before = Memorised::of(replica);
        let mut effects = Effects::default();
        for event in events {
            replica.handle(event, &mut effects);
        }
        replica.settle(&mut effects);
        let mut turn = before.compare(replica);
        self.finish(number, &effects);
        turn.effects = effects;
        turn
    }

    fn finish(&mut self, number: u64, effects: &Effects) {
        self.disk.extend(effects.store.iter().map(|record| (number, record.encode())));
        self.armed.extend(effects.timers.iter().map(|(timer, _)| *timer));
        for request in &effects.requests {
            if let Request::Block { slot, round } = request {
                self.wanted_blocks.insert(*slot, *round);
            }
        }
    }

    /// A value becomes stored and judged: the event, unless it is known.
    pub fn judge(&mut self, slot: Slot, value: ValueHash, judgement: Judgement) -> Option<Event> {
        let news = self.values.insert((slot, value), judgement).is_none();
        news.then_some(Event::Value { slot, value, judgement })
    }

    /// Whether an announcement that comes is news.
    pub fn hear(&mut self, announcement: &Verified<Announcement>) -> bool {
        let signer = announcement.signer();
        let of = (announcement.place.slot, signer);
        let news = self.heard.get(&of).is_none_or(|heard| *heard < announcement.round);
        if news {
            self.heard.insert(of, announcement.round);
        }
        news && self.config.me != Some(signer)
    }

    /// The block that the replica asked for.
    pub fn block(&mut self, slot: Slot, value: ValueHash) -> Result<Event, String> {
        let round = self.wanted_blocks.remove(&slot).ok_or("it wants no block")?;
        self.values.insert((slot, value), Judgement::Valid);
        Ok(Event::Block { slot, round, value })
    }

    /// Ends an armed timer of a slot: the latest of its kind.
    pub fn end_timer(&mut self, slot: Slot, kind: &str) -> Result<Event, String> {
        let of_kind = |timer: &&Timer| timer.slot == slot && timer_kind(timer.kind) == kind;
        let timer = self.armed.iter().filter(of_kind).max().copied();
        let timer = timer.ok_or_else(|| format!("no {kind} timer of slot {slot} is armed"))?;
        self.armed.remove(&timer);
        Ok(Event::Timer(timer))
    }

    /// The records of a slot.
    pub fn load(&self, slot: Slot) -> Event {
        let records = self.records().filter(|record| record.slot() == Some(slot)).collect();
        Event::Loaded { slot, records }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        self.disk.iter().map(|(_, bytes)| {
            let schedule = self.config.trust.schedule();
            Record::decode(bytes, &self.config.network, schedule).expect("what was stored")
        })
    }

    pub fn crash(&mut self) {
        self.replica = None;
        self.heard.clear();
        self.armed.clear();
        self.wanted_blocks.clear();
    }

    /// The last turn's records did not reach the disk: the turn.
    pub fn lose_last_turn(&mut self) -> Result<u64, String> {
        let (last, _) = self.released;
        if self.disk.last().is_none_or(|(turn, _)| *turn != last) {
            return Err("its last turn wrote nothing".to_owned());
        }
        self.disk.retain(|(turn, _)| *turn != last);
        Ok(last)
    }

    /// A replica of what is on disk meets the others, and learns again of the values that are stored.
    pub fn restart(&mut self, number: u64, store: Store, peers: &[Peer]) -> Turn {
        let mut config = self.config.clone();
        if store != Store::Kept {
            self.disk.clear();
            self.values.clear();
        }
        if store == Store::Empty {
            config.memory = Memory::Lost;
        }
        let mut effects = Effects::default();
        let records = self.records().collect();
        let mut replica = Replica::recover(config, records, &mut effects);
        for ((slot, value), judgement) in &self.values {
            let event = Event::Value { slot: *slot, value: *value, judgement: *judgement };
            replica.handle(event, &mut effects);
        }
        for peer in peers {
            replica.handle(Event::Connected { peer: *peer }, &mut effects);
        }
        replica.settle(&mut effects);
        let before = Memorised { open: BTreeSet::new(), parked: BTreeSet::new(), waiting: 0 };
        let mut turn = before.compare(&replica);
        self.replica = Some(replica);
        self.finish(number, &effects);
        turn.effects = effects;
        turn
    }
}

/// What a turn may change of a replica's memory.
struct Memorised {
    open: BTreeSet<Slot>,
    parked: BTreeSet<Slot>,
    waiting: usize,
}

impl Memorised {
    fn of(replica: &Replica) -> Self {
        let open: BTreeSet<Slot> = replica.open_slots().collect();
        let waiting = open.iter().filter_map(|slot| replica.instance(*slot));
        let waiting = waiting.map(|instance| instance.waiting()).sum();
        Memorised { open, parked: replica.parked_slots().collect(), waiting }
    }

    fn compare(self, replica: &Replica) -> Turn {
        let now = Memorised::of(replica);
        let closed = |slot: &&Slot| !now.open.contains(slot) && !now.parked.contains(slot);
        Turn {
            effects: Effects::default(),
            opened: now.open.difference(&self.open).copied().collect(),
            parked: now.parked.difference(&self.parked).copied().collect(),
            retired: self.open.union(&self.parked).filter(closed).copied().collect(),
            waiting: (now.waiting != self.waiting).then_some(now.waiting),
        }
    }
}

/// What a timer is called.
pub fn timer_kind(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Round(_) => "round",
        TimerKind::Propose(_) => "propose",
        TimerKind::Hint(_) => "hint",
        TimerKind::Quiet => "quiet",
        TimerKind::Fetch => "fetch",
    }
}
