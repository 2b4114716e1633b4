//! A stated beginning, from where a model is explored: worlds in which something needs a long story are too large otherwise.
//!
//! Each line is a step, in the words in which paths are told; `#` begins a comment:
//!
//! ```text
//! p takes 0v                      p takes the proposal of v in round 0 in, and votes
//! s signs 1b on 0v                s, who is Byzantine, signs a vote for it
//! p takes s1                      and p the first message of s: if it can accept then, it does
//! s signs 1b after s1 on s1 1w    whose previous reply is s1; else it is the last, with `after nothing` none
//! ```
//!
//! An acceptor that takes something in has to say something then, or the line changes nothing. Its messages are called by its
//! name and their place; of those of a Byzantine acceptor, that is the place in the prefix.

use super::local::Happening;
use super::setup::Mode;
use super::telling::letter;
use super::universe::{Forged, Msg};
use super::{Engines, State, Step};
use hpaxos_consensus::message::ReplyKind;
use hpaxos_learner_graph::AcceptorId;
use stateright::Model;
use std::collections::HashMap;

struct Prefix<'a> {
    model: &'a Engines,
    state: State,
    messages: HashMap<String, Msg>,
    /// How many messages each acceptor has said.
    said: HashMap<AcceptorId, usize>,
    last: HashMap<AcceptorId, Msg>,
    path: Vec<(State, Option<Step>)>,
}

/// The states on the way, each with the step that leaves it, and the last.
///
/// # Errors
/// Which line cannot be performed, and why.
pub fn play(model: &Engines, text: &str) -> Result<Vec<(State, Option<Step>)>, String> {
    let mut states = model.init_states().into_iter();
    let (Some(state), None) = (states.next(), states.next()) else {
        return Err("a prefix needs one pattern of values: say --values".into());
    };
    if model.setup().mode == Mode::Rounds {
        return Err("in lock step there is no prefix".into());
    }
    let proposals = model.proposals(&state).iter().map(|msg| {
        let ballot = model.universe().ballot(*msg);
        (format!("{}{}", ballot.round.0, letter(ballot.value)), *msg)
    });
    let messages = proposals.collect();
    let (said, last, path) = (HashMap::new(), HashMap::new(), Vec::new());
    let mut prefix = Prefix { model, state, messages, said, last, path };
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            prefix.step(&words).map_err(|error| format!("line {}: {error}", index + 1))?;
        }
    }
    prefix.path.push((prefix.state, None));
    Ok(prefix.path)
}

impl Prefix<'_> {
    fn step(&mut self, words: &[&str]) -> Result<(), String> {
        let (name, words) = words.split_first().expect("the line is not empty");
        let acceptors = &self.model.setup().setting.acceptors;
        let named = acceptors.iter().find(|one| self.model.acceptor(**one) == *name);
        let me = *named.ok_or_else(|| format!("no acceptor `{name}`"))?;
        let byzantine = self.model.setup().byzantine.contains(me);
        match (words, byzantine) {
            (["takes", messages @ ..], false) => self.take(me, messages),
            (["signs", kind, "after", "nothing", "on", refs @ ..], true) => {
                self.sign(me, kind, None, refs)
            }
            (["signs", kind, "after", prev, "on", refs @ ..], true) => {
                let prev = self.message(prev)?;
                self.sign(me, kind, Some(prev), refs)
            }
            (["signs", kind, "on", refs @ ..], true) => {
                let prev = self.last.get(&me).copied();
                self.sign(me, kind, prev, refs)
            }
            (_, false) => Err(format!("`{name} takes MESSAGES`, since {name} is honest")),
            (_, true) => Err(format!(
                "`{name} signs 1b|2a|2b [after MESSAGE|nothing] on MESSAGES`, since {name} is Byzantine"
            )),
        }
    }

    fn message(&self, name: &str) -> Result<Msg, String> {
        let known = self.messages.get(name).copied();
        known.ok_or_else(|| format!("there is no message `{name}` so far"))
    }

    /// An acceptor takes messages in, and goes on until it says something.
    fn take(&mut self, me: AcceptorId, names: &[&str]) -> Result<(), String> {
        let locals = self.model.locals();
        let place = self.model.honest(&self.state).position(|local| local.owner == me);
        let place = place.ok_or("it is not honest")?;
        let from = self.state.honest[place];
        let length = locals.get(from).chain.len();
        let (mut at, mut events) = (from, Vec::new());
        let mut happen = |event: Happening| {
            let next = locals.after(at, event)?;
            at = next;
            events.push(event);
            Some(locals.get(next).chain.len() > length)
        };
        let mut spoke = false;
        for name in names {
            let event = Happening::Deliver(self.message(name)?);
            spoke = happen(event).ok_or_else(|| format!("{name} cannot come"))?;
        }
        if !spoke && happen(Happening::Answer).is_none() {
            return Err("it says nothing then".into());
        }
        if self.model.setup().mode == Mode::Reduced {
            happen(Happening::Restart);
        }
        for msg in &locals.get(at).chain[length..] {
            self.call(me, *msg);
        }
        self.go(Step::Honest { place, events, from, to: at, lost: 0 });
        Ok(())
    }

    fn sign(
        &mut self,
        me: AcceptorId,
        kind: &str,
        prev: Option<Msg>,
        refs: &[&str],
    ) -> Result<(), String> {
        let kind = match kind {
            "1b" => ReplyKind::OneB,
            "2a" => ReplyKind::TwoA,
            "2b" => ReplyKind::TwoB,
            other => return Err(format!("a reply is a 1b, a 2a or a 2b, not `{other}`")),
        };
        let mut ids = Vec::from_iter(prev);
        for name in refs {
            ids.push(self.message(name)?);
        }
        ids.sort_unstable();
        ids.dedup();
        let forged = Forged { kind, signer: me, prev, refs: ids.into() };
        let msg = self.model.universe().forge(&forged).ok_or("that is not well-formed")?;
        self.call(me, msg);
        self.go(Step::Lie(msg));
        Ok(())
    }

    fn call(&mut self, me: AcceptorId, msg: Msg) {
        let place = self.said.entry(me).or_default();
        *place += 1;
        self.messages.insert(format!("{}{place}", self.model.acceptor(me)), msg);
        self.last.insert(me, msg);
    }

    fn go(&mut self, step: Step) {
        let next =
            self.model.next_state(&self.state, step.clone()).expect("all steps lead somewhere");
        self.path.push((std::mem::replace(&mut self.state, next), Some(step)));
    }
}
