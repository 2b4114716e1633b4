//! A path of the model as a trace, which `hpaxos-spec replay` runs again.
//!
//! An engine is run along for every honest acceptor, in the way in which replay does it: first the values and the others'
//! announcements, which take it to a round above all ballots; then what its steps deliver, and the end of a batch whenever it
//! speaks. So the lines are those of a run, and nothing in them is the model's, but for two things:
//!
//! - Nobody sends the proposals. Whoever takes one in has its line in full, and its own says that somebody else proposes: in
//!   the model acceptors may answer their own proposals late, like all others.
//! - At the end somebody looks at everything that was said, and does not answer: it shows who decides.
//!
//! In the reduced mode acceptors forget with each message what that does not rest on. That changes nothing of what they say
//! later, so here they go on without a restart. Where an engine says something else than the model's, which stops between
//! two guards of one batch, only a crash explains it, and the trace says so.

use super::local::Happening;
use super::setup::Mode;
use super::universe::Msg;
use super::{Engines, State, Step};
use hpaxos_consensus::dag::Dag;
use hpaxos_consensus::message::{
    Acceptor, Announcement, Body, Message, NoSigner, Packet, Refs, Verified,
};
use hpaxos_consensus::trace::{self, Graph, GraphFile, Line, WholeGraph};
use hpaxos_consensus::{
    Ballot, Config, Decision, Effects, Fault, Instance, Judgement, Peer, Round, SlotEvent,
    TimerKind, ValueHash,
};
use hpaxos_learner_graph::AcceptorId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Who writes such traces, as their first line says.
pub const WRITER: &str = "model";

/// Writes a path; how many lines that took.
///
/// # Errors
/// If `to` does not take them.
pub fn write(
    model: &Engines,
    path: &[(State, Option<Step>)],
    to: &mut impl Write,
) -> io::Result<usize> {
    let setup = model.setup();
    let dag = Dag::new(setup.trust.clone(), setup.rules);
    let mut writer = Writer { model, to, lines: 0, dag, nodes: BTreeMap::new() };
    writer.graph()?;
    let (Some((first, _)), Some((last, _))) = (path.first(), path.last()) else {
        return Ok(writer.lines);
    };
    let values: BTreeSet<ValueHash> =
        setup.patterns[usize::from(first.pattern)].iter().map(|(_, value)| *value).collect();
    for acceptor in &setup.setting.acceptors {
        let node = Node { engine: None, ..Node::default() };
        writer.nodes.insert(*acceptor, node);
        if !setup.byzantine.contains(*acceptor) {
            writer.open(*acceptor, &values)?;
        }
    }
    for step in path.iter().filter_map(|(_, step)| step.as_ref()) {
        match step {
            Step::Lie(msg) => writer.lie(*msg)?,
            Step::Honest { events, from, .. } => writer.go_on(*from, events)?,
        }
    }
    writer.look(last)?;
    Ok(writer.lines)
}

/// One acceptor.
#[derive(Default)]
struct Node {
    /// Run along; not for Byzantine ones, nor after a crash.
    engine: Option<Instance>,
    /// What the trace says that it holds.
    held: BTreeSet<Msg>,
    /// What the engine said and the trace does not say yet.
    unsaid: VecDeque<Msg>,
    /// What it decided, as well.
    decided: Vec<Decision>,
}

struct Writer<'a, W> {
    model: &'a Engines,
    to: &'a mut W,
    lines: usize,
    /// For what is derived of messages.
    dag: Dag,
    nodes: BTreeMap<AcceptorId, Node>,
}

impl<W: Write> Writer<'_, W> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.lines += 1;
        trace::write(self.to, line)
    }

    fn name(&self, acceptor: AcceptorId) -> String {
        self.model.acceptor(acceptor).to_owned()
    }

    fn node(&mut self, acceptor: AcceptorId) -> &mut Node {
        self.nodes.get_mut(&acceptor).expect("all acceptors have a node")
    }

    fn graph(&mut self) -> io::Result<()> {
        let setup = self.model.setup();
        let setting = &setup.setting;
        let whole = WholeGraph::new(&setting.graph, &[&setup.trust], setting.network, WRITER);
        let byzantine = setup.byzantine.iter().map(|one| self.name(one)).collect();
        let graph = match whole {
            Some(whole) => {
                Graph::Whole(Box::new(WholeGraph { byzantine: Some(byzantine), ..whole }))
            }
            None => Graph::File(GraphFile { path: setting.name.clone() }),
        };
        self.line(&Line::Graph(graph))
    }

    /// An honest acceptor learns the values, and goes with the others to a round in which it answers whatever comes.
    fn open(&mut self, me: AcceptorId, values: &BTreeSet<ValueHash>) -> io::Result<()> {
        let setup = self.model.setup();
        let (network, slot, log) = (setup.setting.network, setup.slot, setup.setting.log().clone());
        let mut config = Config::new(network, setup.trust.clone(), Some(me), Arc::new(NoSigner));
        config.rules = setup.rules;
        config.lenient_turns = u64::MAX;
        self.node(me).engine = Some(Instance::new(Arc::new(config), slot));
        self.run(me, |engine, out| engine.settle(out))?;
        let node = self.name(me);
        for value in values {
            let (value, judgement) = (*value, Judgement::Valid);
            let log = log.clone();
            self.line(&Line::Value { node: node.clone(), log, slot, value, valid: true })?;
            self.run(me, |engine, out| engine.handle(SlotEvent::Value { value, judgement }, out))?;
        }
        // It must not propose there itself.
        let schedule = setup.trust.schedule();
        let lowest = setup.rounds();
        let mut rounds = (lowest..lowest + setup.setting.acceptors.len() as u64 + 1).map(Round);
        let round = rounds.find(|round| schedule.proposer(slot, *round) != me);
        let round = round.unwrap_or(Round(lowest));
        for other in setup.setting.acceptors.iter().filter(|other| **other != me) {
            let (log, from, maximal) = (log.clone(), self.name(*other), Vec::new());
            self.line(&Line::Round { node: node.clone(), log, slot, from, round, maximal })?;
            let place = setup.setting.place(slot);
            let acceptor = Acceptor(*other);
            let said = Announcement { place, acceptor, round, maximal: Refs::default() };
            let announcement = Arc::new(Verified::trusted(said, *other, [0; 64], &network));
            self.run(me, |engine, out| {
                engine.handle(SlotEvent::Announcement { announcement }, out)
            })?;
        }
        self.settle(me)?;
        // Others drag it a few rounds at a time; it follows them after a pause, and alone it goes on when the time is up.
        for _ in 0..2 * round.0 {
            let at = self.node(me).engine.as_ref().map(Instance::round);
            let Some(at) = at.filter(|at| *at < round) else { break };
            for (name, kind) in
                [("propose", TimerKind::Propose(at)), ("round", TimerKind::Round(at))]
            {
                let (node, log, name) = (node.clone(), log.clone(), name.to_owned());
                self.line(&Line::Timer { node, log, slot, name, round: Some(at) })?;
                self.run(me, |engine, out| engine.handle(SlotEvent::Timer(kind), out))?;
                self.settle(me)?;
            }
        }
        Ok(())
    }

    /// Lets the engine of an acceptor do something, if it has one, and takes note of what it wants done.
    fn run(
        &mut self,
        me: AcceptorId,
        what: impl FnOnce(&mut Instance, &mut Effects),
    ) -> io::Result<()> {
        let Some(mut engine) = self.node(me).engine.take() else { return Ok(()) };
        let mut out = Effects::default();
        if catch_unwind(AssertUnwindSafe(|| what(&mut engine, &mut out))).is_err() {
            return self.crash(me);
        }
        let universe = self.model.universe();
        let own = out.send.iter().filter_map(|(_, packet)| match packet {
            Packet::Message(message, _) if message.signer() == me => Some(universe.number(message)),
            _ => None,
        });
        let own: Vec<Msg> = own.collect();
        let node = self.node(me);
        node.engine = Some(engine);
        node.unsaid.extend(own);
        node.decided.append(&mut out.decided);
        for message in out.received.iter().filter(|message| message.signer() != me) {
            self.receive(me, message)?;
        }
        for fault in &out.faults {
            if let Fault::Proven(evidence) = fault {
                let setup = self.model.setup();
                let (node, acceptor) = (self.name(me), self.name(evidence.acceptor()));
                let (log, slot) = (setup.setting.log().clone(), setup.slot);
                let evidence = evidence.messages.each_ref().map(|message| message.id());
                self.line(&Line::Caught { node, log, slot, acceptor, evidence })?;
            }
        }
        Ok(())
    }

    /// A message enters an acceptor's DAG.
    fn receive(&mut self, me: AcceptorId, message: &Verified<Message>) -> io::Result<()> {
        let setup = self.model.setup();
        let id = message.id();
        let in_full = match &message.body {
            Body::Proposal { round, value } => Some(trace::Message::OneA {
                id,
                ballot: Ballot { round: *round, value: *value },
                round: *round,
                proposer: self.name(message.signer()),
                value: *value,
            }),
            Body::Reply(_) => None,
        };
        let (node, log, slot) = (self.name(me), setup.setting.log().clone(), setup.slot);
        self.line(&Line::Receive { node, log, slot, id, message: in_full, hint: Vec::new() })
    }

    /// A message comes to an acceptor, with what it lacks below, in the order in which the model has it.
    fn deliver(&mut self, me: AcceptorId, msg: Msg) -> io::Result<()> {
        let below = self.model.universe().said(msg).below.iter().copied();
        let held = &self.nodes[&me].held;
        let missing: Vec<Msg> = below.filter(|one| !held.contains(one)).collect();
        if self.nodes[&me].engine.is_none() {
            for one in &missing {
                let message = self.model.locals().heard_by(me, *one);
                self.receive(me, &message)?;
            }
        }
        for one in missing.iter().rev() {
            let message = self.model.locals().heard_by(me, *one);
            let from = Peer::Acceptor(message.signer());
            let event = SlotEvent::Recorded { from, message, hint: Refs::default() };
            self.run(me, |engine, out| engine.handle(event, out))?;
        }
        self.node(me).held.extend(missing);
        self.decide(me)
    }

    /// The end of a batch.
    fn settle(&mut self, me: AcceptorId) -> io::Result<()> {
        if self.nodes[&me].engine.is_some() {
            let node = self.name(me);
            self.line(&Line::Settle { node })?;
            self.run(me, |engine, out| engine.settle(out))?;
        }
        self.decide(me)
    }

    /// An acceptor says something.
    fn say(&mut self, me: AcceptorId, msg: Msg) -> io::Result<()> {
        let node = self.node(me);
        if node.engine.is_some() && node.unsaid.pop_front() != Some(msg) {
            self.crash(me)?;
        }
        let message = self.derived(msg);
        let setup = self.model.setup();
        let (node, log, slot) = (self.name(me), setup.setting.log().clone(), setup.slot);
        self.line(&Line::Send { node, log, slot, message, to: None })?;
        self.node(me).held.insert(msg);
        self.decide(me)
    }

    /// Tells what was decided, once everything is said that it may rest on.
    fn decide(&mut self, me: AcceptorId) -> io::Result<()> {
        let setup = self.model.setup();
        let node = self.node(me);
        if !node.unsaid.is_empty() {
            return Ok(());
        }
        for Decision { learner, ballot, slot } in std::mem::take(&mut node.decided) {
            let (node, log) = (self.name(me), setup.setting.log().clone());
            let learner = self.model.learner(learner).to_owned();
            self.line(&Line::Decide { node, log, slot, learner, ballot, value: ballot.value })?;
        }
        Ok(())
    }

    fn crash(&mut self, me: AcceptorId) -> io::Result<()> {
        let node = self.node(me);
        node.engine = None;
        node.unsaid.clear();
        node.decided.clear();
        let node = self.name(me);
        self.line(&Line::Crash { node: node.clone() })?;
        self.line(&Line::Restart { node })
    }

    /// What a message says, with what is derived of it.
    fn derived(&mut self, msg: Msg) -> trace::Message {
        let universe = self.model.universe();
        let setup = self.model.setup();
        for one in &universe.said(msg).below {
            let message = universe.said(*one).message.clone();
            let refs = self.dag.resolve(&message).expect("what is below comes first");
            let known = self.dag.insert(message, refs);
            assert!(known.is_ok(), "what the model has is well-formed by its rules");
        }
        let ix = self.dag.find(&universe.said(msg).message.id()).expect("it was added");
        trace::Message::new(self.dag.node(ix), &setup.trust, &setup.setting.graph)
    }

    /// A Byzantine acceptor has heard what it builds on, and signs.
    fn lie(&mut self, msg: Msg) -> io::Result<()> {
        let said = self.model.universe().said(msg);
        for below in said.refs.iter().filter(|below| **below != msg) {
            self.deliver(said.signer, *below)?;
        }
        self.say(said.signer, msg)
    }

    /// An honest acceptor does a step, from one of its states.
    fn go_on(&mut self, from: u32, events: &[Happening]) -> io::Result<()> {
        let locals = self.model.locals();
        let me = locals.get(from).owner;
        let mut at = from;
        for event in events {
            let next = locals.after(at, *event).unwrap_or(at);
            let said = locals.get(next).chain.get(locals.get(at).chain.len()..).unwrap_or_default();
            match event {
                Happening::Deliver(msg) => {
                    self.deliver(me, *msg)?;
                    if !said.is_empty() || locals.get(next).flaw.is_some() {
                        self.settle(me)?;
                    }
                }
                Happening::Answer => self.settle(me)?,
                _ if self.model.setup().mode == Mode::Faithful => self.crash(me)?,
                // What is forgotten comes again, or it makes no difference.
                _ => {}
            }
            for msg in said {
                self.say(me, *msg)?;
            }
            at = next;
        }
        Ok(())
    }

    /// Somebody takes in all that was said, and does not answer.
    fn look(&mut self, last: &State) -> io::Result<()> {
        let runs = |(_, node): &(&AcceptorId, &Node)| node.engine.is_some();
        let Some(me) = self.nodes.iter().find(runs).map(|(acceptor, _)| *acceptor) else {
            return Ok(());
        };
        let said = self.model.honest(last).flat_map(|local| local.chain.iter());
        let said: BTreeSet<Msg> = said.chain(self.model.lies(last)).copied().collect();
        for msg in said {
            self.deliver(me, msg)?;
        }
        Ok(())
    }
}
