//! States and steps in words.

use super::local::{Happening, Local};
use super::universe::{Msg, Universe};
use super::{Engines, State, Step};
use hpaxos_consensus::message::Kind;
use hpaxos_consensus::{Ballot, ClassSet, Round, ValueHash};
use hpaxos_learner_graph::{AcceptorId, LearnerId, LearnerSet};
use std::fmt::Write;

impl Engines {
    /// An acceptor's name.
    pub fn acceptor(&self, acceptor: AcceptorId) -> &str {
        &self.setup().setting.graph.declarations().acceptors[acceptor.index()].name
    }

    /// A learner's name.
    pub fn learner(&self, learner: LearnerId) -> &str {
        &self.setup().setting.graph.declarations().learners[learner.index()].name
    }

    fn names(&self, learners: LearnerSet) -> String {
        learners.iter().map(|one| self.learner(one)).collect::<Vec<_>>().join(" ")
    }

    fn classes(&self, classes: ClassSet) -> String {
        self.names(self.setup().trust.members_of(classes))
    }

    /// A message: `p2 1b 1w for red`: p's second reply, a vote in round 1 for w, fresh for red.
    pub fn message(&self, msg: Msg) -> String {
        let said = self.universe().said(msg);
        let facts = &said.facts;
        let ballot = ballot(facts.ballot);
        let name = self.name_of(msg);
        match said.kind {
            Kind::OneA => format!("1a {ballot}"),
            Kind::OneB => {
                let fresh = self.classes(facts.named);
                let fresh = if fresh.is_empty() { "nobody".to_owned() } else { fresh };
                format!("{name} 1b {ballot} fresh for {fresh}")
            }
            kind => format!("{name} {kind} {ballot} names {}", self.classes(facts.named)),
        }
    }

    /// A message, and what lies directly below it.
    fn message_in_full(&self, msg: Msg) -> String {
        let said = self.universe().said(msg);
        let below: Vec<String> = said.refs.iter().map(|msg| self.short(*msg)).collect();
        format!("{} on {}", self.message(msg), below.join(" "))
    }

    fn short(&self, msg: Msg) -> String {
        let said = self.universe().said(msg);
        match said.kind {
            Kind::OneA => format!("1a:{}", ballot(said.facts.ballot)),
            _ => self.name_of(msg),
        }
    }

    /// A reply by its signer and its place there; and by its number, where a signer may put several in one place.
    fn name_of(&self, msg: Msg) -> String {
        let signer = self.universe().said(msg).signer;
        let (name, place) = (self.acceptor(signer), place(self.universe(), msg));
        if self.setup().byzantine.contains(signer) {
            return format!("{name}{place}#{msg}");
        }
        format!("{name}{place}")
    }

    /// A step.
    pub fn told(&self, step: &Step) -> String {
        match step {
            Step::Lie(msg) => {
                let signer = self.universe().said(*msg).signer;
                format!("{} signs {}", self.acceptor(signer), self.message_in_full(*msg))
            }
            Step::Honest { events, from, to, .. } => {
                let (before, after) = (self.locals().get(*from), self.locals().get(*to));
                let mut done = Vec::new();
                let taken = events.iter().filter_map(|event| match event {
                    Happening::Deliver(msg) => Some(self.short(*msg)),
                    _ => None,
                });
                let taken: Vec<String> = taken.collect();
                if !taken.is_empty() {
                    done.push(format!("takes in {}", taken.join(" ")));
                }
                if *events == [Happening::Restart] {
                    done.push("restarts".to_owned());
                }
                if *events == [Happening::Forget] {
                    done.push("loses its store".to_owned());
                }
                let said = after.chain.iter().skip(before.chain.len());
                done.extend(said.map(|msg| format!("says {}", self.message_in_full(*msg))));
                if let Some((property, detail)) = after.flaw.as_deref() {
                    done.push(format!("{}: {detail}", property.name()));
                }
                format!("{} {}", self.acceptor(after.owner), done.join("; "))
            }
        }
    }

    /// Who knows what, who is bound to which value and why, and what has been decided.
    pub fn described(&self, state: &State) -> String {
        let mut text = String::new();
        for proposal in &self.proposals[usize::from(state.pattern)] {
            let said = self.universe().said(*proposal);
            let (name, ballot) = (self.short(*proposal), said.facts.ballot);
            let (proposer, value) = (self.acceptor(said.signer), letter(ballot.value));
            let _ =
                writeln!(text, "{name}: {proposer} proposes {value} in round {}", ballot.round.0);
        }
        for local in self.honest(state) {
            let _ = writeln!(text, "{}", self.acceptor(local.owner));
            self.describe_local(local, &mut text);
        }
        for traitor in self.setup().byzantine.iter() {
            let _ = writeln!(text, "{} (Byzantine)", self.acceptor(traitor));
            let own = |lie: &&Msg| self.universe().said(**lie).signer == traitor;
            for lie in self.lies(state).iter().filter(own) {
                let _ = writeln!(text, "  said {}", self.message_in_full(*lie));
            }
        }
        let seen = self.seen(state);
        for (learner, value) in &seen.decided {
            let _ = writeln!(text, "{} decides {}", self.learner(*learner), letter(*value));
        }
        if let Some((property, detail)) = self.flaw(state) {
            let _ = writeln!(text, "VIOLATED {}: {detail}", property.name());
        }
        text
    }

    fn describe_local(&self, local: &Local, text: &mut String) {
        for msg in &local.chain {
            let _ = writeln!(text, "  said {}", self.message_in_full(*msg));
        }
        let others = local.taken().filter(|msg| !local.chain.contains(msg));
        let others: Vec<String> = others.map(|msg| self.short(msg)).collect();
        if !others.is_empty() {
            let _ = writeln!(text, "  has taken in {}", others.join(" "));
        }
        let Some(last) = local.last() else { return };
        let facts = &self.universe().said(last).facts;
        for caught in facts.caught.iter() {
            let _ = writeln!(text, "  has caught {}", self.acceptor(caught));
        }
        for (class, of_class) in facts.classes.iter().enumerate() {
            let trust = &self.setup().trust;
            for learner in trust.learners().iter().filter(|one| trust.class_of(*one) == class) {
                for (lock, what) in [(of_class.soft, "softly"), (of_class.hard, "hard")] {
                    if let Some(lock) = lock {
                        let learner = self.learner(learner);
                        let _ = writeln!(
                            text,
                            "  is bound {what} to {} for {learner}, by its reply of ballot {}",
                            letter(lock.value),
                            ballot(lock)
                        );
                    }
                }
            }
        }
    }
}

/// The place of a reply in its signer's chain, from 1.
fn place(universe: &Universe, msg: Msg) -> usize {
    let mut place = 1;
    let mut at = universe.said(msg);
    while let Some(prev) = at.prev {
        at = universe.said(prev);
        place += 1;
    }
    place
}

fn ballot(ballot: Ballot) -> String {
    let Round(round) = ballot.round;
    format!("{round}{}", letter(ballot.value))
}

/// What a value is called.
pub fn letter(value: ValueHash) -> char {
    char::from(value.0[0])
}
